import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AUDIT_ARCH, type Arch } from '../../src/abi/arch.ts';
import {
  ALLOW,
  encodeAction,
  formatAction,
  KILL_PROCESS,
  LOG,
  TRAP,
  type Action,
} from '../../src/policy/filter/action.ts';
import { decodeProgram, type Instruction } from '../../src/policy/filter/cbpf.ts';
import { compileFilter } from '../../src/policy/filter/compile.ts';
import { holds, identifyCall } from '../../src/policy/filter/evaluate.ts';
import { interpretWords } from '../../src/policy/filter/interpret.ts';
import {
  createFilter,
  type Comparison,
  type Condition,
  type Filter,
  type RuleSpec,
} from '../../src/policy/filter/ir.ts';
import { packSeccompData, type SeccompData } from '../../src/policy/filter/seccomp-data.ts';
import { outcomeOf, summarizeProgram } from '../../src/policy/filter/summarize.ts';
import { validateProgram } from '../../src/policy/filter/validate.ts';
import { arbitraryValue, SHRINK_LIMIT } from './arbitrary-filter.ts';
import { compileC, runProgram } from './native-program.ts';
import { everyNumber, numbersOf, probeFilter } from './probe.ts';

let directory: string;
let compiler: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'callgate-libseccomp-'));
  compiler = compileC('libseccomp-compiler.c', directory, ['-lseccomp']);
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** enum scmp_compare of seccomp.h. */
const SCMP_CMP: Readonly<Record<Comparison, number>> = {
  ne: 1,
  lt: 2,
  le: 3,
  eq: 4,
  ge: 5,
  gt: 6,
  masked_eq: 7,
};

const ARCH_NAME: Readonly<Record<Arch, string>> = {
  x86_64: 'x86_64',
  i386: 'x86',
  x32: 'x32',
  aarch64: 'aarch64',
};

/**
 * Numbers that all of libseccomp 2.5's tables have. Without those of i386 that it also adds to socketcall and
 * ipc, and of the other arches it takes those that stand for a call under every arch.
 */
const NUMBERS: Readonly<Record<Arch, readonly number[]>> = {
  x86_64: range(0, 40).concat(range(60, 63), range(72, 100), range(257, 300)),
  i386: range(1, 16).concat(range(33, 70), range(295, 320)),
  x32: range(0, 12).concat(range(257, 272)),
  aarch64: range(0, 40).concat(range(56, 70), range(213, 240)),
};

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function compileWithLibseccomp(filter: Filter, optimize: 1 | 2): Instruction[] {
  const lines = [`optimize ${optimize}`, `default ${hex(filter.sections[0]!.default)}`];
  for (const section of filter.sections) {
    lines.push(`arch ${ARCH_NAME[section.arch]}`);
    for (const { nr, action, conditions } of section.rules) {
      const comparisons = conditions.map(({ arg, op, value, mask }) => {
        const operands = op === 'masked_eq' ? [mask!, value] : [value, 0n];
        return `${arg} ${SCMP_CMP[op]} ${operands.map((operand) => operand.toString(16)).join(' ')}`;
      });
      lines.push(`rule ${hex(action)} ${nr} ${conditions.length} ${comparisons.join(' ')}`);
    }
  }
  return decodeProgram(runProgram(compiler, `${lines.join('\n')}\n`));
}

function hex(action: Action): string {
  return encodeAction(action).toString(16);
}

/**
 * What libseccomp understands as we do: conditions are as wide as a pointer of the arch, which is 32 bits for x32 too,
 * an argument occurs once a rule, rules of one number have one action, which is not the default, the default holds for newer numbers and for -1.
 */
function arbitraryCommonFilter(operators: readonly Comparison[], alternatives: number): fc.Arbitrary<Filter> {
  const condition = (arg: number, width: 32 | 64): fc.Arbitrary<Condition> =>
    fc
      .tuple(fc.constantFrom(...operators), arbitraryValue, arbitraryValue)
      .map(([op, value, mask]): Condition => {
        const fit = (operand: bigint): bigint => BigInt.asUintN(width, operand);
        if (op !== 'masked_eq') return { arg, width, op, value: fit(value) };
        const some = fit(mask) === 0n ? 4n : fit(mask);
        return { arg, width, op, value: value & some, mask: some };
      });
  const conditions = (width: 32 | 64): fc.Arbitrary<Condition[]> =>
    fc
      .subarray([0, 1, 2, 3, 4, 5], { maxLength: 3 })
      .chain((args) => fc.tuple(...args.map((arg) => condition(arg, width))));
  const rulesOf = (arch: Arch): fc.Arbitrary<RuleSpec[]> =>
    fc
      .uniqueArray(
        fc.tuple(
          fc.constantFrom(...NUMBERS[arch]),
          fc.constantFrom<Action>(ALLOW, LOG, TRAP, { kind: 'errno', errno: 13 }, { kind: 'trace', data: 5 }),
          fc.array(conditions(arch === 'i386' || arch === 'x32' ? 32 : 64), {
            minLength: 1,
            maxLength: alternatives,
          }),
        ),
        { maxLength: 25, selector: ([nr]) => nr },
      )
      .map((numbers) =>
        numbers.flatMap(([nr, action, list]) =>
          list.map((each): RuleSpec => ({ nr, action, conditions: each })),
        ),
      );
  const DEFAULT: Action = { kind: 'errno', errno: 1 };
  return fc
    .subarray<Arch>(['x86_64', 'i386', 'x32', 'aarch64'], { minLength: 1 })
    .chain((arches) =>
      fc.tuple(
        ...arches.map((arch) =>
          rulesOf(arch).map((rules) => ({ arch, rules, default: DEFAULT, newer: DEFAULT })),
        ),
      ),
    )
    .map((sections) =>
      createFilter({ sections, mismatch: KILL_PROCESS, foreign: KILL_PROCESS, skipped: DEFAULT }),
    );
}

/** libseccomp takes numbers below 0 for x32; for the kernel they are none. Without x86_64 it checks -1 as x32. */
function isComparable(filter: Filter, { nr, arch }: SeccompData): boolean {
  if (arch !== AUDIT_ARCH.x86_64) return true;
  const number = nr >>> 0;
  if (number === 0xffffffff) return filter.sections.some((section) => section.arch === 'x86_64');
  return number <= 0x7fffffff;
}

function differences(filter: Filter, program: readonly Instruction[], numbers: readonly number[]): string[] {
  const ours = compileFilter(filter);
  const different: string[] = [];
  for (const data of probeFilter(filter, numbers)) {
    if (!isComparable(filter, data)) continue;
    const words = packSeccompData(data);
    const [want, got] = [ours, program].map((each) => interpretWords(each, words).toString(16));
    if (want !== got)
      different.push(
        `arch ${data.arch.toString(16)} nr ${data.nr} args ${data.args.join()}: ${want}, ${got}`,
      );
  }
  return different;
}

test.each([1, 2] as const)(
  'lists of numbers agree with libseccomp at level %i on every number',
  (level) => {
    fc.assert(
      fc.property(arbitraryCommonFilter(['eq'], 1), (filter) => {
        const program = compileWithLibseccomp(filter, level);
        expect(validateProgram(program)).toEqual([]);
        expect(differences(filter, program, everyNumber())).toEqual([]);
      }),
      { numRuns: 40, ...SHRINK_LIMIT },
    );
  },
  120_000,
);

test.each(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'masked_eq'] as const)(
  'comparison %s agrees with libseccomp',
  (op) => {
    fc.assert(
      fc.property(arbitraryCommonFilter([op], 1), (filter) => {
        expect(differences(filter, compileWithLibseccomp(filter, 1), numbersOf(filter))).toEqual([]);
      }),
      { numRuns: 40, ...SHRINK_LIMIT },
    );
  },
  120_000,
);

// Not with orderings: libseccomp 2.5 denies 1 under `a > 0 or (a <= 2 and b == 0 and c == 2)`.
test.each([1, 2] as const)(
  'alternatives agree with libseccomp at level %i',
  (level) => {
    fc.assert(
      fc.property(arbitraryCommonFilter(['eq', 'masked_eq'], 3), (filter) => {
        const program = compileWithLibseccomp(filter, level);
        expect(validateProgram(program)).toEqual([]);
        expect(differences(filter, program, numbersOf(filter))).toEqual([]);
      }),
      { numRuns: 60, ...SHRINK_LIMIT },
    );
  },
  120_000,
);

test('a summary of what libseccomp compiled says what it does', () => {
  fc.assert(
    fc.property(arbitraryCommonFilter(['eq', 'ge', 'masked_eq'], 2), (filter) => {
      const program = compileWithLibseccomp(filter, 2);
      const summary = summarizeProgram(program);
      for (const data of probeFilter(filter, numbersOf(filter))) {
        const call = identifyCall(data.nr, data.arch);
        if (call === null) continue;
        const outcome = outcomeOf(
          summary.arches.find(({ arch }) => arch === call.arch)!,
          call.nr,
        )!;
        const want = interpretWords(program, packSeccompData(data));
        const rules =
          outcome.kind === 'action' ? [{ conditions: [], action: outcome.action }] : outcome.rules;
        const rule = rules?.find(({ conditions }) =>
          conditions.every((condition) => holds(condition, data.args)),
        );
        const possible = outcome.kind === 'action' ? [outcome.action] : outcome.actions;
        if (rule !== undefined) expect(encodeAction(rule.action)).toBe(want);
        else
          expect(
            possible.map((action) => encodeAction(action)),
            possible.map(formatAction).join(),
          ).toContain(want);
      }
    }),
    { numRuns: 40, ...SHRINK_LIMIT },
  );
}, 120_000);
