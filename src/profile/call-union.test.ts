import { describe, expect, it } from 'vitest';
import { compareCalls, uniteArguments, uniteCounts, uniteErrnos, uniteTimes } from './call-union.ts';
import type { ArgumentValues } from './model.ts';

describe('uniteArguments', () => {
  const use = (...values: ArgumentValues['values'][]): { args: ArgumentValues[] } => ({
    args: values.map((value, index) => ({ index, name: 'a', values: value })),
  });

  it.each<{ name: string; uses: { args?: ArgumentValues[] }[]; want: unknown }>([
    { name: 'values of all uses, in numeric order', uses: [use([10, 2]), use([2, 9])], want: [[2, 9, 10]] },
    {
      name: 'large values after small ones',
      uses: [use(['0xffffffffffffffff', '0x20000000000000']), use([7])],
      want: [[7, '0x20000000000000', '0xffffffffffffffff']],
    },
    { name: 'any if one use has any', uses: [use('any'), use([1])], want: ['any'] },
    { name: 'any if one use does not say', uses: [use([1]), {}], want: ['any'] },
    {
      name: 'any for the argument that one use lacks',
      uses: [use([1], [5]), use([2])],
      want: [[1, 2], 'any'],
    },
    {
      name: 'as many values as the cap',
      uses: [use(numbers(0, 16)), use(numbers(16, 32))],
      want: [numbers(0, 32)],
    },
    { name: 'any past the cap', uses: [use(numbers(0, 16)), use(numbers(16, 33))], want: ['any'] },
  ])('gives $name', ({ uses, want }) => {
    expect(uniteArguments(uses)?.map(({ values }) => values)).toEqual(want);
  });

  it('gives none if no use has any', () => {
    expect(uniteArguments([{}, {}])).toBeUndefined();
  });
});

it('errnos are summed by name, also names that objects have already', () => {
  const hostile = JSON.parse('{ "__proto__": 1, "ENOENT": 2 }') as Record<string, number>;
  const sums = uniteErrnos([{ errnos: hostile }, {}, { errnos: hostile }]);
  expect(JSON.stringify(sums)).toBe('{"ENOENT":4,"__proto__":2}');
  expect(uniteErrnos([{}])).toBeUndefined();
});

it('a count that one part lacks is not known', () => {
  expect(uniteCounts([{ count: 1 }, { count: 2 }])).toBe(3);
  expect(uniteCounts([{ count: 1 }, { count: null }])).toBeNull();
});

it('times are those of the parts that have any', () => {
  const origin = 'imported';
  const none = { origin, first: null, last: null } as const;
  const times = uniteTimes([{ origin, first: 5, last: 6 }, none, { origin, first: 0, last: 1 }]);
  expect(times).toEqual({ first: 0, last: 6 });
  expect(uniteTimes([none])).toEqual({ first: null, last: null });
});

it.each([{ first: 3 }, { first: null }])(
  'a last use that was not observed is that of no union, %o',
  ({ first }) => {
    const origin = 'observed';
    const open = { origin, first, last: null } as const;
    expect(uniteTimes([{ origin, first: 5, last: 6 }, open])).toEqual({ first: first ?? 5, last: null });
  },
);

it('calls stand by arch as documents sort them, then by number', () => {
  const calls = [
    { arch: 'aarch64', nr: 0 },
    { arch: 'x86_64', nr: 10 },
    { arch: 'i386', nr: 1 },
    { arch: 'x86_64', nr: 9 },
  ] as const;
  expect([...calls].sort(compareCalls).map(({ arch, nr }) => `${arch} ${nr}`)).toEqual([
    'x86_64 9',
    'x86_64 10',
    'i386 1',
    'aarch64 0',
  ]);
});

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
