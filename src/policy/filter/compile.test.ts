import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  arbitraryFilter,
  arbitraryLargeFilter,
  SHRINK_LIMIT,
} from '../../../test/filter/arbitrary-filter.ts';
import { everyNumber, numbersOf, probeFilter } from '../../../test/filter/probe.ts';
import { ALLOW, encodeAction, KILL_PROCESS, LOG, TRAP, type Action } from './action.ts';
import { assemble } from './assemble.ts';
import { BPF_MAXINSNS, type Instruction } from './cbpf.ts';
import { compileFilter } from './compile.ts';
import { disassembleProgram } from './disassemble.ts';
import { evaluateFilter } from './evaluate.ts';
import { interpretWords } from './interpret.ts';
import { createFilter, type Condition, type Filter, type RuleSpec } from './ir.ts';
import { writePlainProgram } from './plain-program.ts';
import { PolicyError } from './policy-error.ts';
import { packSeccompData } from './seccomp-data.ts';
import { validateProgram } from './validate.ts';

const EPERM: Action = { kind: 'errno', errno: 1 };

/** Tries every `step`th of the calls that probe the filter. */
function expectAgreement(
  filter: Filter,
  programs: readonly Instruction[][],
  numbers: readonly number[],
  step = 1,
): void {
  let index = 0;
  for (const data of probeFilter(filter, numbers)) {
    if (index++ % step !== 0) continue;
    const want = encodeAction(evaluateFilter(filter, data));
    const words = packSeccompData(data);
    for (const program of programs) {
      const got = interpretWords(program, words);
      if (got !== want)
        expect.fail(`nr ${data.nr} arch ${data.arch} args ${data.args.join()}: ${got}, not ${want}`);
    }
  }
}

function text(program: readonly Instruction[]): string[] {
  return disassembleProgram(program, () => undefined).map((line) => line.slice(33).replace(/ {2};.*/, ''));
}

function oneRule(...conditions: Condition[]): Filter {
  return createFilter({
    sections: [
      { arch: 'aarch64', rules: [{ nr: 7, action: ALLOW, conditions }], default: EPERM, newer: EPERM },
    ],
    skipped: EPERM,
  });
}

/** The part of a program between the search for number 7 and the returns: allow, errno, kill. */
function argumentPart(...conditions: Condition[]): string[] {
  return text(compileFilter(oneRule(...conditions))).slice(4, -3);
}

test('an allow list is the arch, bit 30, a search and two returns', () => {
  const filter = createFilter({
    sections: [
      {
        arch: 'x86_64',
        rules: [0, 1, 2, 3, 60].map((nr) => ({ nr, action: ALLOW })),
        default: EPERM,
        newestKnown: 460,
      },
    ],
  });
  expect(disassembleProgram(compileFilter(filter), (_, nr) => ({ 4: 'stat', 60: 'exit' })[nr])).toEqual([
    '0000: 0x20 0x00 0x00 0x00000004  ld [4]  ; arch',
    '0001: 0x15 0x00 0x0b 0xc000003e  jeq 0xc000003e, +0, +11  ; x86_64',
    '0002: 0x20 0x00 0x00 0x00000000  ld [0]  ; nr',
    '0003: 0x35 0x00 0x02 0x40000000  jge 0x40000000, +0, +2',
    '0004: 0x35 0x00 0x08 0x80000000  jge 0x80000000, +0, +8',
    '0005: 0x15 0x06 0x03 0xffffffff  jeq 0xffffffff, +6, +3',
    '0006: 0x35 0x00 0x03 0x0000003c  jge 0x3c, +0, +3  ; exit',
    '0007: 0x35 0x00 0x04 0x0000003d  jge 0x3d, +0, +4',
    '0008: 0x35 0x00 0x02 0x000001cd  jge 0x1cd, +0, +2',
    '0009: 0x06 0x00 0x00 0x00050026  ret 0x00050026  ; errno(38)',
    '0010: 0x35 0x00 0x01 0x00000004  jge 0x4, +0, +1  ; stat',
    '0011: 0x06 0x00 0x00 0x00050001  ret 0x00050001  ; errno(1)',
    '0012: 0x06 0x00 0x00 0x7fff0000  ret 0x7fff0000  ; allow',
    '0013: 0x06 0x00 0x00 0x80000000  ret 0x80000000  ; kill_process',
  ]);
});

test('arches are tried in the order of the sections', () => {
  const filter = createFilter({
    sections: [
      { arch: 'aarch64', rules: [], default: LOG, newer: LOG },
      { arch: 'i386', rules: [], default: TRAP, newer: TRAP },
    ],
    skipped: KILL_PROCESS,
  });
  expect(text(compileFilter(filter))).toEqual([
    'ld [4]',
    'jeq 0xc00000b7, +0, +3',
    'ld [0]',
    'jeq 0xffffffff, +5, +0',
    'ret 0x7ffc0000',
    'jeq 0x40000003, +0, +3',
    'ld [0]',
    'jeq 0xffffffff, +1, +0',
    'ret 0x00030000',
    'ret 0x80000000',
  ]);
});

const conditionCases: { name: string; condition: Condition; want: string[] }[] = [
  {
    name: 'eq 32',
    condition: { arg: 1, width: 32, op: 'eq', value: 5n },
    want: ['ld [24]', 'jeq 0x5, +0, +1'],
  },
  {
    name: 'eq 64',
    condition: { arg: 1, width: 64, op: 'eq', value: 0x1_0000_0005n },
    want: ['ld [28]', 'jeq 0x1, +0, +3', 'ld [24]', 'jeq 0x5, +0, +1'],
  },
  {
    name: 'gt 64 below 2^32',
    condition: { arg: 0, width: 64, op: 'gt', value: 5n },
    want: ['ld [20]', 'jgt 0x0, +2, +0', 'ld [16]', 'jgt 0x5, +0, +1'],
  },
  {
    name: 'gt 64',
    condition: { arg: 0, width: 64, op: 'gt', value: 0x2_0000_0005n },
    want: ['ld [20]', 'jgt 0x2, +3, +0', 'jeq 0x2, +0, +3', 'ld [16]', 'jgt 0x5, +0, +1'],
  },
  {
    name: 'ge 64 of a round value',
    condition: { arg: 0, width: 64, op: 'ge', value: 0x2_0000_0000n },
    want: ['ld [20]', 'jge 0x2, +0, +1'],
  },
  {
    name: 'le 64 up to all ones',
    condition: { arg: 0, width: 64, op: 'le', value: 0xffffffffn },
    want: ['ld [20]', 'jgt 0x0, +1, +0'],
  },
  {
    name: 'a mask of one bit',
    condition: { arg: 2, width: 64, op: 'masked_eq', value: 4n, mask: 4n },
    want: ['ld [32]', 'jset 0x4, +0, +1'],
  },
  {
    name: 'a mask that must be clear',
    condition: { arg: 2, width: 32, op: 'masked_eq', value: 0n, mask: 6n },
    want: ['ld [32]', 'jset 0x6, +1, +0'],
  },
  {
    name: 'a mask over both halves',
    condition: { arg: 5, width: 64, op: 'masked_eq', value: 0x2_0000_0001n, mask: 0x3_0000_0003n },
    want: ['ld [60]', 'and 0x3', 'jeq 0x2, +0, +4', 'ld [56]', 'and 0x3', 'jeq 0x1, +0, +1'],
  },
];

test.each(conditionCases)('condition $name', ({ condition, want }) => {
  expect(argumentPart(condition)).toEqual(want);
});

test('alternatives share the load and the test of the high half', () => {
  const eq = (value: bigint): RuleSpec => ({
    nr: 7,
    action: ALLOW,
    conditions: [{ arg: 1, width: 64, op: 'eq', value }],
  });
  const filter = createFilter({
    sections: [{ arch: 'aarch64', rules: [eq(1n), eq(2n), eq(3n)], default: EPERM, newer: EPERM }],
    skipped: EPERM,
  });
  expect(text(compileFilter(filter)).slice(4)).toEqual([
    'ld [28]',
    'jeq 0x0, +0, +5',
    'ld [24]',
    'jeq 0x1, +2, +0',
    'jeq 0x2, +1, +0',
    'jeq 0x3, +0, +1',
    'ret 0x7fff0000',
    'ret 0x00050001',
    'ret 0x80000000',
  ]);
});

test('the plain program follows the rules one by one', () => {
  const filter = oneRule({ arg: 0, width: 64, op: 'ge', value: 0x1_0000_0002n });
  expect(text(compileFilter(filter, { optimise: false }))).toEqual([
    'ld [4]',
    'jeq 0xc00000b7, +0, +16',
    'ld [0]',
    'jeq 0xffffffff, +0, +1',
    'ret 0x00050001',
    'ld [0]',
    'jeq 0x7, +0, +7',
    'ld [20]',
    'jgt 0x1, +4, +0',
    'ld [20]',
    'jeq 0x1, +0, +3',
    'ld [16]',
    'jge 0x2, +0, +1',
    'ret 0x7fff0000',
    'ld [0]',
    'jgt 0x3fffffff, +0, +1',
    'ret 0x00050001',
    'ret 0x00050001',
    'ret 0x80000000',
  ]);
});

test('numbers with the same rules share their code', () => {
  const conditions: Condition[] = [{ arg: 0, width: 32, op: 'eq', value: 1n }];
  const size = (numbers: number[]): number =>
    compileFilter(
      createFilter({
        sections: [
          { arch: 'x86_64', rules: numbers.map((nr) => ({ nr, action: ALLOW, conditions })), default: EPERM },
        ],
      }),
    ).length;
  expect(size([10, 20]) - size([10])).toBe(1);
});

test('programs agree with the filter on every number of every arch', () => {
  fc.assert(
    fc.property(arbitraryFilter, (filter) => {
      const optimised = compileFilter(filter);
      const plain = assemble(writePlainProgram(filter));
      expect(validateProgram(optimised)).toEqual([]);
      expectAgreement(filter, [optimised, plain], everyNumber());
    }),
    { numRuns: 60, ...SHRINK_LIMIT },
  );
});

test('programs agree with the filter around all its numbers and values', () => {
  fc.assert(
    fc.property(arbitraryFilter, (filter) => {
      expectAgreement(
        filter,
        [compileFilter(filter), assemble(writePlainProgram(filter))],
        numbersOf(filter),
      );
    }),
    { numRuns: 400, ...SHRINK_LIMIT },
  );
});

test('large programs with far jumps agree with the filter', () => {
  let longest = 0;
  fc.assert(
    fc.property(arbitraryLargeFilter(700), (filter) => {
      let optimised: Instruction[];
      try {
        optimised = compileFilter(filter);
      } catch (error) {
        expect(error).toBeInstanceOf(PolicyError);
        return;
      }
      longest = Math.max(longest, optimised.length);
      expect(validateProgram(optimised)).toEqual([]);
      expectAgreement(filter, [optimised, assemble(writePlainProgram(filter))], numbersOf(filter), 47);
    }),
    { numRuns: 25, seed: 4, ...SHRINK_LIMIT },
  );
  expect(longest).toBeGreaterThan(2000);
}, 60_000);

/** Rules of one number, each with a value of its own and no neighbour in common. */
function alternatives(count: number): Filter {
  const rules = Array.from({ length: count }, (_, index): RuleSpec => ({
    nr: 16,
    action: index % 2 === 0 ? ALLOW : LOG,
    conditions: [{ arg: 1, width: 32, op: 'eq', value: BigInt(index * 3) }],
  }));
  return createFilter({ sections: [{ arch: 'x86_64', rules, default: EPERM }] });
}

test('a program of 4096 instructions compiles and one more is refused', () => {
  const overhead = compileFilter(alternatives(3990)).length - 3990;
  const longest = alternatives(BPF_MAXINSNS - overhead);
  const program = compileFilter(longest);
  expect(program.length).toBe(BPF_MAXINSNS);
  expect(validateProgram(program)).toEqual([]);
  expectAgreement(longest, [program], numbersOf(longest), 97);
  expect(() => compileFilter(alternatives(BPF_MAXINSNS - overhead + 1))).toThrow(
    /^filter: 4097 instructions, most for x86_64 16 with (\d+) rules in \1 tests \(4096\)$/,
  );
}, 60_000);

test('300 numbers with 50 argument rules compile in less than 20 ms', () => {
  const rules = Array.from({ length: 350 }, (_, nr): RuleSpec => ({
    nr,
    action: ALLOW,
    conditions: nr % 7 === 0 ? [{ arg: 1, width: 64, op: 'eq', value: BigInt(nr) }] : [],
  })).filter(({ nr }) => nr % 7 !== 1);
  const filter = createFilter({ sections: [{ arch: 'x86_64', rules, default: EPERM, newestKnown: 460 }] });
  const times = Array.from({ length: 10 }, () => {
    const start = performance.now();
    compileFilter(filter);
    return performance.now() - start;
  });
  expect(Math.min(...times)).toBeLessThan(20);
});
