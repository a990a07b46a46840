import { describe, expect, it } from 'vitest';
import { ARCHES, type Arch } from './arch.ts';
import { VALUE_SETS } from './generated/argument-values.ts';
import { ROWS } from './selecting-argument-rows.ts';
import { selectingArguments } from './selecting-arguments.ts';
import { syscallNumber } from './syscalls.ts';

const argumentsOf = (arch: Arch, name: string): readonly unknown[] =>
  selectingArguments(arch, syscallNumber(arch, name) ?? -1);

describe('the rows of selecting arguments', () => {
  it.each(ROWS)('name a call that its arches have: $name', ({ name, arches }) => {
    const having = ARCHES.filter((arch) => syscallNumber(arch, name) !== null);
    expect(having).not.toEqual([]);
    expect(having).toEqual(expect.arrayContaining([...(arches ?? [])]));
  });

  it('name an argument once in a call, at a position from 0 to 5', () => {
    const odd = ROWS.filter(
      ({ args }) =>
        new Set(args.map(({ name }) => name)).size !== args.length ||
        args.some(({ index }) => index < 0 || index > 5),
    );
    expect(odd).toEqual([]);
  });

  it('name a set of values that exists', () => {
    const sets = ROWS.flatMap(({ args }) => args.map(({ values }) => values)).filter(
      (set) => set !== undefined,
    );
    expect(sets.filter((set) => set !== 'signal' && !(set in VALUE_SETS))).toEqual([]);
  });

  it('use every set of values that is generated', () => {
    const used = new Set(ROWS.flatMap(({ args }) => args.map(({ values }) => values)));
    expect(Object.keys(VALUE_SETS).filter((set) => !used.has(set))).toEqual([]);
  });
});

describe('selectingArguments', () => {
  it('gives the low half of an int argument', () => {
    expect(argumentsOf('x86_64', 'ioctl')).toEqual([
      { index: 1, name: 'request', bits: 32, values: 'ioctl-request' },
    ]);
  });

  it('gives the whole of an unsigned long, which is 32 bits on i386', () => {
    expect(argumentsOf('x86_64', 'mprotect')).toEqual([{ index: 2, name: 'prot', bits: 64, values: 'prot' }]);
    expect(argumentsOf('i386', 'mprotect')).toEqual([{ index: 2, name: 'prot', bits: 32, values: 'prot' }]);
  });

  it('gives a field of a structure with its offset', () => {
    expect(argumentsOf('x86_64', 'clone3')).toEqual([
      { index: 0, name: 'flags', bits: 64, pointee: { offset: 0, bits: 64 }, values: 'clone3-flags' },
    ]);
  });

  it('knows the old mmap of i386 as a structure', () => {
    expect(argumentsOf('i386', 'mmap')).toMatchObject([
      { pointee: { offset: 8 } },
      { pointee: { offset: 12 } },
    ]);
    expect(argumentsOf('i386', 'mmap2')).toMatchObject([{ index: 2 }, { index: 3 }]);
  });

  it('counts the registers that a 64-bit argument takes on i386', () => {
    expect(argumentsOf('x86_64', 'sync_file_range')).toMatchObject([{ index: 3 }]);
    expect(argumentsOf('i386', 'sync_file_range')).toMatchObject([{ index: 5 }]);
    expect(argumentsOf('x32', 'preadv2')).toMatchObject([{ index: 4 }]);
  });

  it('gives nothing for a call without one and for an unknown number', () => {
    expect(argumentsOf('x86_64', 'getpid')).toEqual([]);
    expect(selectingArguments('x86_64', 9999)).toEqual([]);
    expect(selectingArguments('x86_64', -1)).toEqual([]);
  });
});
