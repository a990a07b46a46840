import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryFilter, SHRINK_LIMIT } from '../../../test/filter/arbitrary-filter.ts';
import { numbersOf, probeFilter } from '../../../test/filter/probe.ts';
import { AUDIT_ARCH, type Arch } from '../../abi/arch.ts';
import { ALLOW, formatAction, KILL_PROCESS, type Action } from './action.ts';
import { BPF, statement, type Instruction } from './cbpf.ts';
import { compileFilter } from './compile.ts';
import { evaluateFilter, holds, identifyCall } from './evaluate.ts';
import { createFilter, type RuleSpec } from './ir.ts';
import { PolicyError } from './policy-error.ts';
import {
  formatOutcome,
  outcomeOf,
  summarizeProgram,
  type Outcome,
  type ProgramSummary,
} from './summarize.ts';

const ALLOWED = statement(BPF.RET | BPF.K, 0x7fff0000);
const DENIED = statement(BPF.RET | BPF.K, 0x00050001);
const LOAD_NR = statement(BPF.LD | BPF.W | BPF.ABS, 0);

function load(offset: number): Instruction {
  return statement(BPF.LD | BPF.W | BPF.ABS, offset);
}

function jump(operation: number, k: number, jt: number, jf: number): Instruction {
  return { code: BPF.JMP | operation, jt, jf, k };
}

function rangesOf(program: Instruction[], arch: Arch): string[] {
  const summary = summarizeProgram(program).arches.find((each) => each.arch === arch)!;
  return summary.ranges.map(({ first, last, outcome }) => `${first}-${last}: ${formatOutcome(outcome)}`);
}

/** What a program does if `program` is run for number 0 of x86_64. */
function described(program: Instruction[]): string {
  return formatOutcome(summarizeProgram(program).arches[0]!.ranges[0]!.outcome);
}

/** The action for some arguments, or null if the summary does not say which of several. */
function resolve(result: Outcome, args: readonly bigint[]): Action | null {
  if (result.kind === 'action') return result.action;
  const rule = result.rules?.find(({ conditions }) =>
    conditions.every((condition) => holds(condition, args)),
  );
  return rule?.action ?? null;
}

function lookUp(summary: ProgramSummary, nr: number, audit: number): Outcome | undefined {
  if (!Object.values(AUDIT_ARCH).includes(audit)) return summary.mismatch;
  if (nr === 0xffffffff) return summary.arches.find(({ arch }) => AUDIT_ARCH[arch] === audit)!.skipped;
  const call = identifyCall(nr, audit);
  return call === null
    ? undefined
    : outcomeOf(
        summary.arches.find(({ arch }) => arch === call.arch)!,
        call.nr,
      );
}

test('the summary of a compiled filter says what the filter says', () => {
  let resolved = 0;
  let unresolved = 0;
  fc.assert(
    fc.property(arbitraryFilter, (filter) => {
      const summary = summarizeProgram(compileFilter(filter));
      for (const data of probeFilter(filter, numbersOf(filter))) {
        const found = lookUp(summary, data.nr, data.arch);
        if (found === undefined) continue;
        const want = formatAction(evaluateFilter(filter, data));
        const action = resolve(found, data.args);
        if (action !== null) {
          expect(formatAction(action)).toBe(want);
          resolved++;
        } else {
          expect(found.kind === 'depends' && found.actions.map(formatAction)).toContain(want);
          unresolved++;
        }
      }
    }),
    { numRuns: 60, ...SHRINK_LIMIT },
  );
  expect(unresolved / resolved).toBeLessThan(0.5);
}, 60_000);

test('numbers that are treated alike are one range', () => {
  const filter = createFilter({
    sections: [
      {
        arch: 'x86_64',
        rules: [1, 2, 3, 9].map((nr) => ({ nr, action: ALLOW })),
        default: KILL_PROCESS,
        newestKnown: 20,
      },
    ],
  });
  const program = compileFilter(filter);
  expect(rangesOf(program, 'x86_64')).toEqual([
    '0-0: kill_process',
    '1-3: allow',
    '4-8: kill_process',
    '9-9: allow',
    '10-20: kill_process',
    '21-1073741823: errno(38)',
  ]);
  expect(rangesOf(program, 'x32')).toEqual(['0-1073741823: kill_process']);
  expect(rangesOf(program, 'i386')).toEqual(['0-2147483647: kill_process']);
  const summary = summarizeProgram(program);
  expect(formatOutcome(summary.mismatch)).toBe('kill_process');
  expect(formatOutcome(summary.arches[0]!.skipped)).toBe('allow');
});

test('a program that does not look at the arch is seen to treat all alike', () => {
  const program = [LOAD_NR, jump(BPF.JEQ, 59, 0, 1), DENIED, ALLOWED];
  for (const arch of ['x86_64', 'i386', 'aarch64'] as const) {
    expect(rangesOf(program, arch).slice(0, 2)).toEqual(['0-58: allow', '59-59: errno(1)']);
  }
  expect(rangesOf(program, 'x32')).toEqual(['0-1073741823: allow']);
  expect(formatOutcome(summarizeProgram(program).mismatch)).toContain('allow or errno(1)');
});

test.each<{ name: string; program: Instruction[]; want: string[] }>([
  {
    name: 'a number without bit 30',
    program: [LOAD_NR, statement(BPF.ALU | BPF.AND, 0xbfffffff), jump(BPF.JEQ, 5, 0, 1), DENIED, ALLOWED],
    want: ['0-4: allow', '5-5: errno(1)', '6-1073741823: allow'],
  },
  {
    name: 'a test of bit 30',
    program: [LOAD_NR, jump(BPF.JSET, 0x40000000, 0, 1), DENIED, ALLOWED],
    want: ['0-1073741823: errno(1)'],
  },
  {
    name: 'a number less a constant',
    program: [LOAD_NR, statement(BPF.ALU | BPF.SUB, 0x40000003), jump(BPF.JGT, 2, 0, 1), ALLOWED, DENIED],
    want: ['0-2: allow', '3-5: errno(1)', '6-1073741823: allow'],
  },
  {
    name: 'a number by way of memory and X',
    program: [
      LOAD_NR,
      statement(BPF.ST, 2),
      statement(BPF.LDX | BPF.MEM, 2),
      statement(BPF.LD | BPF.IMM, 0),
      statement(BPF.MISC | BPF.TXA, 0),
      jump(BPF.JGE, 0x40000005, 0, 1),
      ALLOWED,
      DENIED,
    ],
    want: ['0-4: errno(1)', '5-1073741823: allow'],
  },
])('$name is followed', ({ program, want }) => {
  expect(rangesOf(program, 'x32')).toEqual(want);
});

test.each<{ name: string; program: Instruction[]; want: string }>([
  {
    name: 'a 64-bit comparison',
    program: [load(28), jump(BPF.JEQ, 1, 0, 3), load(24), jump(BPF.JEQ, 5, 0, 1), ALLOWED, DENIED],
    want: 'allow if args[1] == 0x100000005, else errno(1)',
  },
  {
    name: 'flags',
    program: [load(32), statement(BPF.ALU | BPF.AND, 0x7e020000), jump(BPF.JEQ, 0, 0, 1), ALLOWED, DENIED],
    want: 'allow if int(args[2]) & 0x7e020000 == 0x0, else errno(1)',
  },
  {
    name: 'flags that must not be set',
    program: [load(32), jump(BPF.JSET, 0x7e020000, 0, 1), DENIED, ALLOWED],
    want: 'allow if int(args[2]) & 0x7e020000 == 0x0, else errno(1)',
  },
  {
    name: 'a range',
    program: [load(16), jump(BPF.JGE, 3, 0, 2), jump(BPF.JGT, 8, 1, 0), DENIED, ALLOWED],
    want: 'allow if int(args[0]) >= 0x9, allow if int(args[0]) <= 0x2, else errno(1)',
  },
  {
    name: 'the instruction pointer',
    program: [load(8), jump(BPF.JEQ, 3, 0, 1), ALLOWED, DENIED],
    want: 'allow or errno(1), depending on more than can be shown',
  },
  {
    name: 'arithmetic on an argument',
    program: [load(16), statement(BPF.ALU | BPF.ADD, 1), jump(BPF.JEQ, 3, 0, 1), ALLOWED, DENIED],
    want: 'allow or errno(1), depending on more than can be shown',
  },
  {
    name: 'a computed value',
    program: [load(16), statement(BPF.RET | BPF.A, 0)],
    want: 'a computed value, depending on more than can be shown',
  },
  {
    name: 'a test whose outcome follows from an earlier one',
    program: [load(16), jump(BPF.JEQ, 3, 0, 2), jump(BPF.JGT, 5, 0, 1), DENIED, ALLOWED],
    want: 'allow',
  },
  {
    name: 'division by an argument',
    program: [load(16), statement(BPF.MISC | BPF.TAX, 0), statement(BPF.ALU | BPF.DIV | BPF.X, 0), ALLOWED],
    want: 'kill_thread or allow, depending on more than can be shown',
  },
])('$name is described', ({ program, want }) => {
  expect(described(program)).toBe(want);
});

test('more ways than asked for leave the possible actions', () => {
  const rules = Array.from({ length: 40 }, (_, index): RuleSpec => ({
    nr: 0,
    action: ALLOW,
    conditions: [{ arg: 0, width: 32, op: 'eq', value: BigInt(index * 2) }],
  }));
  const program = compileFilter(
    createFilter({ sections: [{ arch: 'x86_64', rules, default: { kind: 'errno', errno: 1 } }] }),
  );
  const found = summarizeProgram(program, { maxPaths: 8 }).arches[0]!.ranges[0]!.outcome;
  expect(formatOutcome(found)).toBe('allow or errno(1), depending on more than can be shown');
  expect(described(program)).toMatch(/^allow if .*, else errno\(1\)$/);
});

test('a program that the kernel would refuse is refused', () => {
  expect(() => summarizeProgram([LOAD_NR])).toThrow(PolicyError);
});
