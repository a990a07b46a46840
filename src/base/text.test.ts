import { describe, expect, it } from 'vitest';
import { textOf } from './text.ts';

describe('textOf', () => {
  it.each<{ name: string; bytes: readonly number[]; want: string }>([
    { name: 'nothing', bytes: [], want: '' },
    { name: 'ASCII', bytes: [0x6c, 0x73], want: 'ls' },
    { name: 'two bytes a character', bytes: [0xc3, 0xa9], want: 'é' },
    { name: 'four bytes a character', bytes: [0xf0, 0x9f, 0x98, 0x80], want: '😀' },
    { name: 'a byte order mark, which is kept', bytes: [0xef, 0xbb, 0xbf, 0x61], want: '\ufeffa' },
    { name: 'a replacement character that was there', bytes: [0xef, 0xbf, 0xbd], want: '\ufffd' },
    { name: 'one byte that is never valid', bytes: [0x61, 0xff, 0x62], want: 'a\\xffb' },
    { name: 'a continuation byte alone', bytes: [0x80], want: '\\x80' },
    { name: 'a sequence that ends too soon', bytes: [0xe2, 0x82], want: '\\xe2\\x82' },
    { name: 'a sequence broken by ASCII', bytes: [0xe2, 0x41], want: '\\xe2A' },
    { name: 'an overlong form', bytes: [0xc0, 0xaf], want: '\\xc0\\xaf' },
    { name: 'a surrogate', bytes: [0xed, 0xa0, 0x80], want: '\\xed\\xa0\\x80' },
    { name: 'a small byte with two digits', bytes: [0xff, 0x0a], want: '\\xff\n' },
    {
      name: 'a replacement character beside a bad byte',
      bytes: [0xef, 0xbf, 0xbd, 0xfe],
      want: '\ufffd\\xfe',
    },
    { name: 'good characters around a bad byte', bytes: [0xc3, 0xa9, 0xe9, 0xc3, 0xa8], want: 'é\\xe9è' },
  ])('reads $name', ({ bytes, want }) => {
    expect(textOf(Uint8Array.from(bytes))).toBe(want);
  });
});
