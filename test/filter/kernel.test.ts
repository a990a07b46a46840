import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AUDIT_ARCH } from '../../src/abi/arch.ts';
import {
  ALLOW,
  encodeAction,
  KILL_PROCESS,
  KILL_THREAD,
  LOG,
  TRAP,
  USER_NOTIF,
  type Action,
} from '../../src/policy/filter/action.ts';
import { BPF, statement, type Instruction } from '../../src/policy/filter/cbpf.ts';
import { compileFilter } from '../../src/policy/filter/compile.ts';
import { evaluateFilter } from '../../src/policy/filter/evaluate.ts';
import { interpretProgram } from '../../src/policy/filter/interpret.ts';
import {
  COMPARISONS,
  createFilter,
  type Condition,
  type Filter,
  type FilterSpec,
} from '../../src/policy/filter/ir.ts';
import { validateProgram } from '../../src/policy/filter/validate.ts';
import { arbitraryFilter } from './arbitrary-filter.ts';
import { compileC } from './native-program.ts';
import { boundaryValues } from './probe.ts';
import { expectedOutcome, runVictim, withoutPid, type VictimCall } from './victim.ts';

const GETPID = 39;
const GETPID_I386 = 20;
const X32 = 0x40000000;
const X86_64 = AUDIT_ARCH.x86_64;

let directory: string;
let victim: string;
let victim32: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'callgate-filter-'));
  victim = compileC('victim.c', directory, ['-pthread']);
  victim32 = compileC('victim.c', directory, ['-pthread', '-m32']);
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function errno(value: number): Action {
  return { kind: 'errno', errno: value };
}

function run(program: string, calls: readonly VictimCall[]): string[] {
  return runVictim(program, calls).map(withoutPid);
}

function compile(spec: FilterSpec): Instruction[] {
  return compileFilter(createFilter(spec));
}

/** The outcome of a call under a filter of one rule for getpid on x86_64. */
function underAction(action: Action): string {
  const program = compile({
    sections: [{ arch: 'x86_64', rules: [{ nr: GETPID, action }], default: ALLOW }],
  });
  return run(victim, [{ program, nr: GETPID }])[0]!;
}

describe('the kernel does what a filter says', () => {
  test.each<{ action: Action; want: string }>([
    { action: ALLOW, want: 'returned PID' },
    { action: LOG, want: 'returned PID' },
    { action: errno(0), want: 'returned 0' },
    { action: errno(1), want: 'returned -1' },
    { action: errno(4095), want: 'returned -4095' },
    { action: TRAP, want: 'trapped c000003e 39' },
    { action: { kind: 'trace', data: 7 }, want: 'returned -38' },
    { action: USER_NOTIF, want: 'returned -38' },
    { action: KILL_THREAD, want: 'killed thread' },
    { action: KILL_PROCESS, want: 'killed process' },
  ])('action $action.kind', ({ action, want }) => {
    expect(underAction(action)).toBe(want);
  });

  test('numbers of x86_64, x32 and -1 are told apart', () => {
    const program = compile({
      sections: [
        {
          arch: 'x86_64',
          rules: [{ nr: GETPID, action: errno(64) }],
          default: errno(100),
          newestKnown: 460,
          newer: errno(101),
        },
        {
          arch: 'x32',
          rules: [{ nr: GETPID, action: errno(32) }],
          default: errno(200),
          newestKnown: 460,
          newer: errno(201),
        },
      ],
      skipped: errno(300),
    });
    const numbers = [
      GETPID,
      460,
      461,
      X32 - 1,
      X32 + GETPID,
      X32 + 460,
      X32 + 461,
      0x7fffffff,
      0x80000000,
      -2,
      -1,
    ];
    expect(
      run(
        victim,
        numbers.map((nr) => ({ program, nr })),
      ),
    ).toEqual([64, 100, 101, 101, 32, 200, 201, 201, 101, 101, 300].map((value) => `returned -${value}`));
  });

  test('an x32 number without an x32 section is foreign, and -1 is not', () => {
    const program = compile({ sections: [{ arch: 'x86_64', rules: [], default: errno(1) }] });
    expect(
      run(
        victim,
        [X32 + GETPID, -1].map((nr) => ({ program, nr })),
      ),
    ).toEqual(['killed process', 'returned -38']);
  });

  test('a 32-bit program meets the arch check', () => {
    const only64 = compile({ sections: [{ arch: 'x86_64', rules: [], default: ALLOW }] });
    const both = compile({
      sections: [
        { arch: 'x86_64', rules: [], default: ALLOW },
        {
          arch: 'i386',
          rules: [
            {
              nr: GETPID_I386,
              action: errno(5),
              conditions: [{ arg: 2, width: 64, op: 'eq', value: 0xffffffffn }],
            },
          ],
          default: TRAP,
          newer: errno(9),
        },
      ],
    });
    expect(
      run(victim32, [
        { program: only64, nr: GETPID_I386 },
        { program: both, nr: GETPID_I386, args: [0n, 0n, 0xffffffffn] },
        { program: both, nr: GETPID_I386 },
        { program: both, nr: X32 + GETPID_I386 },
        { program: both, nr: -1 },
      ]),
    ).toEqual(['killed process', 'returned -5', 'trapped 40000003 20', 'returned -9', 'returned -38']);
  });

  test.each(COMPARISONS)('comparison %s at the boundaries of its value', (op) => {
    const calls: VictimCall[] = [];
    const want: string[] = [];
    for (const width of [32, 64] as const) {
      const value = width === 32 ? 0x80000005n : 0x5_0000_0005n;
      const mask = width === 32 ? 0xc000000fn : 0xf_0000_000fn;
      const condition: Condition = { arg: 1, width, op, value, ...(op === 'masked_eq' ? { mask } : {}) };
      const filter = createFilter({
        sections: [
          {
            arch: 'x86_64',
            rules: [{ nr: GETPID, action: errno(7), conditions: [condition] }],
            default: errno(8),
          },
        ],
      });
      for (const optimise of [true, false]) {
        const program = compileFilter(filter, { optimise });
        for (const argument of boundaryValues(condition)) {
          const args = [0n, argument];
          calls.push({ program, nr: GETPID, args });
          const action = evaluateFilter(filter, { nr: GETPID, arch: X86_64, instructionPointer: 0n, args });
          want.push(expectedOutcome(encodeAction(action), GETPID, X86_64));
        }
      }
    }
    expect(run(victim, calls)).toEqual(want);
    expect(new Set(want).size).toBe(2);
  });

  test('random filters give what the filter means', () => {
    const filters = fc.sample(arbitraryFilter, { numRuns: 150, seed: 1 });
    const calls: VictimCall[] = [];
    const want: string[] = [];
    for (const filter of filters) {
      const program = compileFilter(filter);
      for (const { nr, args } of someCalls(filter)) {
        calls.push({ program, nr, args });
        const action = evaluateFilter(filter, { nr, arch: X86_64, instructionPointer: 0n, args });
        // What an allowed call gives depends on the call; that it is allowed is tested with getpid above.
        want.push(isMade(action) ? 'made' : expectedOutcome(encodeAction(action), nr | 0, X86_64));
      }
    }
    const got = run(victim, calls);
    expect(got.map((line, index) => (want[index] === 'made' ? 'made' : line))).toEqual(want);
    expect(want.filter((line) => line !== 'made').length).toBeGreaterThan(300);
  }, 60_000);
});

describe('the validator refuses what the kernel refuses', () => {
  test('among mutated programs, and the interpreter agrees on the others', () => {
    const programs = fc.sample(arbitraryMutant, { numRuns: 600, seed: 2 });
    const got = run(
      victim,
      programs.map((program) => ({ program, nr: GETPID, args: ARGS })),
    );
    expect(got).toEqual(programs.map(predict));
    const refused = got.filter((line) => line.startsWith('refused')).length;
    expect(refused).toBeGreaterThan(150);
    expect(refused).toBeLessThan(450);
  }, 60_000);

  test('for every instruction code', () => {
    const programs = Array.from({ length: 256 }, (_, code): Instruction[] => [
      statement(BPF.ST, 1),
      { code, jt: 0, jf: 0, k: 1 },
      statement(BPF.RET | BPF.K, 0x00050001),
    ]);
    const sparse = [0x100, 0x115, 0x8006, 0xffff].map((code): Instruction[] => [
      statement(code, 4),
      statement(BPF.RET | BPF.K, 0x00050001),
    ]);
    const all = [...programs, ...sparse];
    expect(
      run(
        victim,
        all.map((program) => ({ program, nr: GETPID, args: ARGS })),
      ),
    ).toEqual(all.map(predict));
  }, 60_000);

  test('at the limits of length, loads, shifts, memory and jumps', () => {
    const ret = statement(BPF.RET | BPF.K, 0x00050001);
    const load = (k: number): Instruction => statement(BPF.LD | BPF.W | BPF.ABS, k);
    const jeq = (jt: number): Instruction => ({ code: BPF.JMP | BPF.JEQ, jt, jf: 0, k: 0 });
    const programs: Instruction[][] = [
      Array.from({ length: 4096 }, () => ret),
      Array.from({ length: 4097 }, () => ret),
      ...[0, 1, 2, 4, 60, 61, 64, 68, 0xfffff000, 0xfffffffc].map((k) => [load(k), ret]),
      ...[31, 32].map((k) => [statement(BPF.ALU | BPF.LSH, k), ret]),
      ...[15, 16].map((k) => [statement(BPF.ST, k), ret]),
      ...[0, 1, 2].map((jt) => [jeq(jt), ret, ret]),
      ...[0, 1, 2, 0x7fffffff, 0xffffffff].map((k) => [statement(BPF.JMP | BPF.JA, k), ret, ret]),
      // Behind a return what was written before still counts.
      [statement(BPF.ST, 3), ret, statement(BPF.LD | BPF.MEM, 3), ret],
      [ret, statement(BPF.LD | BPF.MEM, 3), ret],
      [statement(BPF.JMP | BPF.JA, 1), statement(BPF.LD | BPF.MEM, 3), ret],
    ];
    expect(
      run(
        victim,
        programs.map((program) => ({ program, nr: GETPID, args: ARGS })),
      ),
    ).toEqual(programs.map(predict));
  });
});

test('the interpreter computes as the kernel does', () => {
  const programs = fc.sample(arbitraryArithmetic, { numRuns: 400, seed: 3 });
  const got = run(
    victim,
    programs.map((program) => ({ program, nr: GETPID, args: ARGS })),
  );
  expect(got).toEqual(programs.map(predict));
  expect(new Set(got).size).toBeGreaterThan(100);
}, 60_000);

const ARGS = [
  0n,
  ~0n & 0xffff_ffff_ffff_ffffn,
  0x8000_0001_7fff_fffen,
  5n,
  0x1_0000_0000n,
  0x1234_5678_9abc_def0n,
];

function predict(program: readonly Instruction[]): string {
  if (validateProgram(program).length > 0) return 'refused 22';
  const data = { nr: GETPID, arch: X86_64, instructionPointer: 0n, args: ARGS };
  return expectedOutcome(interpretProgram(program, data), GETPID, X86_64);
}

function isMade(action: Action): boolean {
  return action.kind === 'allow' || action.kind === 'log';
}

/** Calls that do no harm if they are made: numbers that x86-64 does not have, and getpid and its like. */
function someCalls(filter: Filter): { nr: number; args: bigint[] }[] {
  const harmless = [600, X32 + 600, 0x3fffffff, -1, -2, GETPID, X32 + 24];
  const calls = harmless.map((nr) => ({ nr, args: ARGS }));
  const section = filter.sections.find(({ arch }) => arch === 'x86_64');
  for (const rule of section?.rules.filter(({ nr }) => nr === 600 || nr === 24) ?? []) {
    for (const condition of rule.conditions) {
      for (const value of boundaryValues(condition).slice(0, 4)) {
        calls.push({ nr: rule.nr, args: ARGS.with(condition.arg, value) });
      }
    }
  }
  return calls;
}

/** A compiled filter with up to three fields of its instructions changed. The instruction pointer is not loaded. */
const arbitraryMutant: fc.Arbitrary<Instruction[]> = fc
  .tuple(
    arbitraryFilter,
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.oneof(
          fc.record({
            code: fc.oneof(
              fc.nat(255),
              fc.constantFrom(0x00, 0x02, 0x04, 0x14, 0x54, 0x60, 0x61, 0x07, 0x87, 0x80),
            ),
          }),
          fc.record({ jt: fc.oneof(fc.nat(255), fc.nat(4)) }),
          fc.record({ jf: fc.oneof(fc.nat(255), fc.nat(4)) }),
          fc.record({
            k: fc.oneof(fc.nat(0xffffffff), fc.nat(70), fc.constantFrom(0, 4, 16, 60, 64, GETPID)),
          }),
        ),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([filter, changes]) => {
    const program = compileFilter(filter);
    for (const [place, change] of changes) {
      const index = place % program.length;
      program[index] = { ...program[index]!, ...change };
    }
    return program.map((each) =>
      each.code === 0x20 && (each.k === 8 || each.k === 12) ? { ...each, k: 20 } : each,
    );
  });

const OPERATIONS = [BPF.ADD, BPF.SUB, BPF.MUL, BPF.DIV, BPF.OR, BPF.AND, BPF.XOR, BPF.LSH, BPF.RSH];

const arbitraryStep: fc.Arbitrary<Instruction[]> = fc.oneof(
  fc.constantFrom(...OPERATIONS).chain((operation) => {
    const shift = operation === BPF.LSH || operation === BPF.RSH;
    const operand = shift ? fc.nat(31) : fc.integer({ min: 1, max: 0xffffffff });
    return operand.map((k) => [statement(BPF.ALU | operation | BPF.K, k)]);
  }),
  fc.constantFrom(...OPERATIONS).map((operation) => [statement(BPF.ALU | operation | BPF.X, 0)]),
  fc
    .constantFrom(0, 4, 16, 20, 24, 28, 32, 36, 40, 48, 52, 56, 60)
    .map((k) => [statement(BPF.LD | BPF.W | BPF.ABS, k)]),
  fc.nat(0xffffffff).map((k) => [statement(BPF.LDX | BPF.IMM, k)]),
  fc.nat(40).map((k) => [statement(BPF.LDX | BPF.IMM, k)]),
  fc
    .nat(15)
    .map((k) => [statement(BPF.ST, k), statement(BPF.MISC | BPF.TXA, 0), statement(BPF.LDX | BPF.MEM, k)]),
  fc
    .constantFrom(
      BPF.ALU | BPF.NEG,
      BPF.MISC | BPF.TAX,
      BPF.MISC | BPF.TXA,
      BPF.LD | BPF.W | BPF.LEN,
      BPF.LDX | BPF.W | BPF.LEN,
    )
    .map((code) => [statement(code, 0)]),
  fc
    .tuple(
      fc.constantFrom(BPF.JEQ, BPF.JGT, BPF.JGE, BPF.JSET),
      fc.constantFrom(BPF.K, BPF.X),
      fc.nat(0xffffffff),
      fc.boolean(),
    )
    .map(([jump, source, k, skip]): Instruction[] => [
      { code: BPF.JMP | jump | source, jt: skip ? 1 : 0, jf: skip ? 0 : 1, k },
      statement(BPF.ALU | BPF.XOR, 0x5a5a5a5a),
    ]),
);

/** Computes something and returns twelve of its bits as an error number. */
const arbitraryArithmetic: fc.Arbitrary<Instruction[]> = fc
  .tuple(fc.array(arbitraryStep, { minLength: 1, maxLength: 40 }), fc.nat(20))
  .map(([steps, shift]) => [
    ...steps.flat(),
    statement(BPF.ALU | BPF.RSH, shift),
    statement(BPF.ALU | BPF.AND, 0xfff),
    statement(BPF.ALU | BPF.OR, 0x00050000),
    statement(BPF.RET | BPF.A, 0),
  ]);
