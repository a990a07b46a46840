import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Call } from '../profile/model.ts';
import { argumentRules, coversRules, createArgument, uniteRules } from './argument-rules.ts';
import { identify, identifyName } from './call-label.ts';
import type { PolicyArgument } from './model.ts';

const call = (name: string) => identifyName('x86_64', name) ?? identify('x86_64', 0);

function use(name: string, args: Call['args']): Call {
  const none = { count: null, first: null, last: null };
  return {
    ...call(name),
    origin: 'observed',
    ...none,
    phases: [0],
    ...(args === undefined ? {} : { args }),
  };
}

describe('rules of recorded arguments', () => {
  it.each([
    {
      name: 'an enumeration: the values that were seen',
      of: 'fcntl',
      args: [{ index: 1, name: 'cmd', values: [2, 4] }],
      want: [{ index: 1, name: 'cmd', width: 32, values: [2n, 4n], free: 0n }],
    },
    {
      name: 'flags: any combination of the bits that were seen, with the access modes that were seen',
      of: 'openat',
      args: [{ index: 2, name: 'flags', values: [0, 0x80001] }],
      want: [{ index: 2, name: 'flags', width: 32, values: [0n, 1n], free: 0x80000n }],
    },
    {
      name: 'protections: only the combinations that were seen, so that nothing is writable and executable',
      of: 'mprotect',
      args: [{ index: 2, name: 'prot', values: [3, 5] }],
      want: [{ index: 2, name: 'prot', width: 64, values: [3n, 5n], free: 0n }],
    },
    {
      name: 'types of sockets: stream or datagram, but not raw, which is their sum',
      of: 'socket',
      args: [
        { index: 0, name: 'domain', values: [1] },
        { index: 1, name: 'type', values: [1, 2, 0x80001] },
        { index: 2, name: 'protocol', values: 'any' as const },
      ],
      want: [
        { index: 0, name: 'domain', width: 32, values: [1n], free: 0n },
        { index: 1, name: 'type', width: 32, values: [1n, 2n], free: 0x80000n },
      ],
    },
    {
      name: 'flags of clone: only those that were seen',
      of: 'clone',
      args: [{ index: 0, name: 'flags', values: [0x11, 0x3d0f00] }],
      want: [{ index: 0, name: 'flags', width: 32, values: [0x11n, 0x3d0f00n], free: 0n }],
    },
    { name: 'any: open', of: 'fcntl', args: [{ index: 1, name: 'cmd', values: 'any' as const }], want: [] },
    {
      name: 'behind a pointer: open, as no filter can see it',
      of: 'clone3',
      args: [{ index: 0, name: 'flags', values: [1] }],
      want: [],
    },
    { name: 'not looked at: open', of: 'fcntl', args: undefined, want: [] },
  ])('$name', ({ of, args, want }) => {
    expect(argumentRules(call(of), [use(of, args)])).toEqual(want);
  });

  it('keeps only the low half of an int', () => {
    const args = [{ index: 1, name: 'cmd', values: ['0xffffffff00000002'] }];
    expect(argumentRules(call('fcntl'), [use('fcntl', args)])[0]?.values).toEqual([2n]);
  });

  it('is open if only one of two uses says what its values were', () => {
    const known = use('fcntl', [{ index: 1, name: 'cmd', values: [2] }]);
    expect(argumentRules(call('fcntl'), [known, use('fcntl', undefined)])).toEqual([]);
  });
});

describe('rules that cover others', () => {
  const rule = (fields: Partial<PolicyArgument>): PolicyArgument =>
    createArgument({ index: 1, name: null, width: 64, values: [0n], free: 0n, ...fields });

  it.each<{ name: string; wide: Partial<PolicyArgument>; narrow: Partial<PolicyArgument>; want: boolean }>([
    { name: 'a list, a bit', wide: { values: [0n, 1n] }, narrow: { free: 1n }, want: true },
    { name: 'a bit, a list', wide: { free: 1n }, narrow: { values: [0n, 1n] }, want: true },
    {
      name: 'a list, values with a bit',
      wide: { values: [0n, 1n, 2n, 3n] },
      narrow: { values: [0n, 1n], free: 2n },
      want: true,
    },
    {
      name: 'a list and bits, other bits',
      wide: { values: [0n, 2n], free: 1n },
      narrow: { free: 3n },
      want: true,
    },
    {
      name: 'a list that lacks a combination',
      wide: { values: [0n, 1n, 2n] },
      narrow: { free: 3n },
      want: false,
    },
    { name: 'a list, many bits', wide: { values: [0n, 1n] }, narrow: { free: 0xffffn }, want: false },
    { name: 'a half, the whole', wide: { width: 32, values: [1n] }, narrow: { values: [1n] }, want: true },
    {
      name: 'a half, the whole with more above',
      wide: { width: 32, values: [1n] },
      narrow: { values: [0x1_0000_0001n], free: 0xff00_0000_0000n },
      want: true,
    },
    {
      name: 'a half, the whole with another half',
      wide: { width: 32, values: [1n] },
      narrow: { values: [0x1_0000_0000n] },
      want: false,
    },
    { name: 'the whole, a half', wide: { values: [1n] }, narrow: { width: 32, values: [1n] }, want: false },
    {
      name: 'the whole with anything above, a half',
      wide: { values: [1n], free: 0xffff_ffff_0000_0000n },
      narrow: { width: 32, values: [1n] },
      want: true,
    },
    { name: 'one argument, another', wide: {}, narrow: { index: 2 }, want: false },
  ])('$name: $want', ({ wide, narrow, want }) => {
    expect(coversRules([rule(wide)], [rule(narrow)])).toBe(want);
  });
});

describe('unions of rules', () => {
  const rule = fc
    .record({
      values: fc.array(fc.bigInt({ min: 0n, max: 15n }), { minLength: 1, maxLength: 3 }),
      free: fc.bigInt({ min: 0n, max: 15n }),
      index: fc.integer({ min: 0, max: 1 }),
    })
    .map(({ values, free, index }): PolicyArgument =>
      createArgument({ index, name: null, width: 32, values, free }),
    );
  const rules = fc.uniqueArray(rule, { selector: ({ index }) => index, maxLength: 2 });
  const admits = (list: readonly PolicyArgument[], args: readonly bigint[]): boolean =>
    list.every(({ index, values, free }) => values.includes((args[index] ?? 0n) & ~free));

  it('let through all that either does, and cover both', () => {
    fc.assert(
      fc.property(rules, rules, (a, b) => {
        const united = uniteRules(a, b);
        expect(coversRules(united, a) && coversRules(united, b)).toBe(true);
        for (let x = 0n; x < 16n; x++) {
          for (let y = 0n; y < 16n; y++) {
            if (admits(a, [x, y]) || admits(b, [x, y])) expect(admits(united, [x, y])).toBe(true);
          }
        }
      }),
    );
  });

  it('say that rules cover others exactly if they let all of them through', () => {
    fc.assert(
      fc.property(rules, rules, (a, b) => {
        let isCovered = true;
        for (let x = 0n; x < 16n; x++) {
          for (let y = 0n; y < 16n; y++) isCovered &&= !admits(b, [x, y]) || admits(a, [x, y]);
        }
        // Of an argument without a rule only 16 values are tried here, and a rule might list all of those.
        const isListed = a.some(({ index }) => !b.some((other) => other.index === index));
        if (!isListed) expect(coversRules(a, b)).toBe(isCovered);
        else if (coversRules(a, b)) expect(isCovered).toBe(true);
      }),
    );
  });
});
