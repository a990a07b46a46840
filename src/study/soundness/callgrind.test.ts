import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../base/errors.ts';
import { readCallgrind } from './callgrind.ts';

const HEADER = 'version: 1\npositions: instr\nevents: Ir\n\n';

function read(body: string): Record<string, number[]> {
  return Object.fromEntries([...readCallgrind(HEADER + body)].map(([object, set]) => [object, [...set]]));
}

describe('a callgrind file', () => {
  it.each([
    { what: 'absolute positions', body: 'ob=/bin/a\n0x10 1\n0x20 3\n', want: { '/bin/a': [0x10, 0x20] } },
    {
      what: 'relative positions',
      body: 'ob=/bin/a\n0x10 1\n+4 1\n* 9\n-2 1\n',
      want: { '/bin/a': [0x10, 0x14, 0x12] },
    },
    {
      what: 'compressed names, also those that calls introduced',
      body: 'ob=(1) /bin/a\n0x10 1\ncob=(2) /lib/b\ncfn=(7) f\ncalls=1 0x99\n* 5\nob=(2)\n0x30 1\nob=(1)\n+1 1\n',
      want: { '/bin/a': [0x10, 0x31], '/lib/b': [0x30] },
    },
    {
      what: 'several parts',
      body: 'ob=(1) /bin/a\n0x10 1\n\ntotals: 1\npart: 2\npositions: instr\n\nob=(1)\n0x18 1\n',
      want: { '/bin/a': [0x10, 0x18] },
    },
    {
      what: 'lines beside instructions',
      body: 'positions: instr line\nob=/bin/a\nfl=x.c\nfn=main\n0x10 7 1\n+3 +1 1\nfi=y.h\n+2 -4 1\nfe=x.c\njump=3 0x10 7\n',
      want: { '/bin/a': [0x10, 0x13, 0x15] },
    },
    { what: 'no code at all', body: 'totals: 0\n', want: {} },
  ])('with $what is read', ({ body, want }) => {
    expect(read(body)).toEqual(want);
  });

  it.each([
    {
      what: 'lines only',
      text: 'positions: line\nob=/bin/a\n12 1\n',
      want: 'callgrind: line 3: no instruction',
    },
    {
      what: 'a name that was never given',
      text: `${HEADER}ob=(3)\n`,
      want: 'name was never given, "ob=(3)"',
    },
    { what: 'a position below zero', text: `${HEADER}ob=/bin/a\n0x2 1\n-5 1\n`, want: 'no such position' },
    { what: 'a position without an object', text: `${HEADER}0x2 1\n`, want: 'position without an object' },
  ])('with $what is refused', ({ text, want }) => {
    expect(() => readCallgrind(text)).toThrow(FormatError);
    expect(() => readCallgrind(text)).toThrow(want);
  });

  it('adds to what other files gave', () => {
    const all = new Map<string, Set<number>>();
    readCallgrind(`${HEADER}ob=/bin/a\n0x10 1\n`, all);
    readCallgrind(`${HEADER}ob=/bin/a\n0x20 1\nob=/bin/b\n0x30 1\n`, all);
    expect([...(all.get('/bin/a') ?? [])]).toEqual([0x10, 0x20]);
    expect([...(all.get('/bin/b') ?? [])]).toEqual([0x30]);
  });

  it('means the same however its positions are written', () => {
    const addresses = fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(addresses, fc.infiniteStream(fc.boolean()), (list, choices) => {
        let before = 0;
        const lines = list.map((address) => {
          const distance = address - before;
          before = address;
          if (choices.next().value === true) return `0x${address.toString(16)} 1`;
          if (distance === 0) return '* 1';
          return distance > 0 ? `+${distance} 1` : `${distance} 1`;
        });
        expect(read(`ob=/bin/a\n${lines.join('\n')}\n`)).toEqual({ '/bin/a': [...new Set(list)] });
      }),
    );
  });

  it('gives nothing but a format error for damaged text', () => {
    const good = `${HEADER}ob=(1) /bin/a\nfn=(1) main\n0x10 1\n+4 1\ncob=(2) /lib/b\ncalls=1 0x99\n* 5\nob=(2)\n0x30 1\n`;
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.string({ maxLength: 4 }), (at, text) => {
        try {
          readCallgrind(good.slice(0, at) + text + good.slice(at + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });
});
