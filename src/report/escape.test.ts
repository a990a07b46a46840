import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeJson, escapeLines, escapeText, quoteCommand, shorten } from './escape.ts';

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

describe('escapeText', () => {
  it.each([
    { name: 'plain text and backslashes', input: 'a b\\x1b ä 日 🙂', want: 'a b\\x1b ä 日 🙂' },
    { name: 'escape sequences', input: '\u001b[31m\u007f', want: '\\x1b[31m\\x7f' },
    { name: 'line ends', input: 'a\r\n\tb', want: 'a\\r\\n\\tb' },
    { name: 'C1 controls', input: '\u009b31m', want: '\\u009b31m' },
    {
      name: 'characters that reorder or are not shown',
      input: '\u202e\u200b\u2028',
      want: '\\u202e\\u200b\\u2028',
    },
    { name: 'invisible characters past 16 bits', input: '\u{e0041}', want: '\\U000e0041' },
    { name: 'half of a surrogate pair', input: 'a\ud800b', want: 'a\\ud800b' },
  ])('takes care of $name', ({ input, want }) => {
    expect(escapeText(input)).toBe(want);
  });

  it('leaves nothing that a terminal would act on', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeText(text)).not.toMatch(UNSAFE);
        expect(escapeLines(text).replaceAll('\n', '')).not.toMatch(UNSAFE);
        expect(quoteCommand([text])).not.toMatch(UNSAFE);
      }),
    );
  });
});

describe('escapeJson', () => {
  it('escapes what JSON.stringify lets through', () => {
    expect(escapeJson(JSON.stringify(['\u007f\u009b\u202e', '\u{e0041}'], null, 1))).toBe(
      '[\n "\\u007f\\u009b\\u202e",\n "\\udb40\\udc41"\n]',
    );
  });

  it('does not change the document', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const json = JSON.stringify(value, null, 2);
        expect(JSON.parse(escapeJson(json))).toEqual(JSON.parse(json));
      }),
    );
  });
});

describe('quoteCommand', () => {
  it.each([
    { name: 'plain words', input: ['ls', '-l', '/etc'], want: 'ls -l /etc' },
    { name: 'an empty word', input: [''], want: "''" },
    {
      name: 'spaces and quotes',
      input: ['sh', '-c', `echo 'a' "$b"`],
      want: `sh -c 'echo '\\''a'\\'' "$b"'`,
    },
    { name: 'control characters', input: ["a\n'\\"], want: "$'a\\n\\'\\\\'" },
  ])('quotes $name as a shell would read them', ({ input, want }) => {
    expect(quoteCommand(input)).toBe(want);
  });
});

describe('shorten', () => {
  it('counts characters and not UTF-16 units', () => {
    expect(shorten('🙂🙂🙂🙂', 4)).toBe('🙂🙂🙂🙂');
    expect(shorten('🙂🙂🙂🙂🙂', 4)).toBe('🙂...');
  });
});
