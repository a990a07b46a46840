import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { decodeAction, ENOSYS, formatAction } from './filter/action.ts';
import { compileFilter } from './filter/compile.ts';
import { evaluateFilter } from './filter/evaluate.ts';
import { interpretProgram } from './filter/interpret.ts';
import { callAlternatives, lowerPolicy } from './lower.ts';
import type { Policy, PolicyCall } from './model.ts';
import { findSet, policySets } from './policy-sets.ts';
import { arbitraryPolicy } from './testing/arbitrary-policy.ts';
import { sampleCall, samplePhase, samplePolicy } from './testing/sample-policy.ts';
import { violationAction } from './violation.ts';

/** What the policy's words mean for a call of a listed arch, without any filter. */
function meaning(
  policy: Policy,
  calls: readonly PolicyCall[],
  arch: Arch,
  nr: number,
  args: readonly bigint[],
): string {
  const isSame = (call: PolicyCall): boolean => call.arch === arch && call.nr === nr;
  const entry = calls.find(isSame);
  const isAllowed =
    entry !== undefined &&
    entry.args.every(({ index, width, values, free }) =>
      values.includes(BigInt.asUintN(width, args[index] ?? 0n) & ~free),
    );
  if (isAllowed) return 'allow';
  const newest = policy.arches.find((each) => each.arch === arch)?.newest ?? 0;
  if (policy.onViolation === 'log') return 'log';
  const isMissing = policy.enosys.some(isSame) || (entry === undefined && nr > newest);
  return isMissing ? `errno(${ENOSYS})` : formatAction(violationAction(policy.onViolation)!);
}

const POLICY = samplePolicy(
  [
    samplePhase('setup', '', {
      calls: [
        sampleCall('read'),
        sampleCall('rt_sigreturn'),
        sampleCall('openat', [{ index: 2, width: 32, values: [0n, 2n], free: 0x80000n }]),
        sampleCall('mprotect', [{ index: 2, values: [1n, 3n] }]),
        sampleCall('clone3'),
        { ...sampleCall('read'), nr: 500, name: null },
      ],
    }),
    samplePhase('main', 'read rt_sigreturn', {
      programs: [{ path: '/bin/cat', buildId: null, calls: [sampleCall('read')] }],
    }),
  ],
  { enosys: [sampleCall('clone3')] },
);

function action(
  policy: Policy,
  phase: string,
  name: string | number,
  args: readonly bigint[] = [],
  arch: Arch = 'x86_64',
): string {
  const number = typeof name === 'number' ? name : (syscallNumber(arch, name) ?? -1);
  const nr = arch === 'x32' ? number + X32_SYSCALL_BIT : number;
  const data = { nr, arch: AUDIT_ARCH[arch], instructionPointer: 0n, args };
  return formatAction(evaluateFilter(lowerPolicy(policy, phase), data));
}

describe('the filter of a policy', () => {
  it.each([
    { name: 'an allowed call', want: action(POLICY, 'setup', 'read'), is: 'allow' },
    { name: 'a known call that is not allowed', want: action(POLICY, 'setup', 'ptrace'), is: 'errno(1)' },
    { name: 'a call of another phase', want: action(POLICY, 'main', 'openat'), is: 'errno(1)' },
    { name: 'a number above the newest', want: action(POLICY, 'setup', 451), is: 'errno(38)' },
    { name: 'an allowed number above the newest', want: action(POLICY, 'setup', 500), is: 'allow' },
    { name: 'clone3 where it is listed', want: action(POLICY, 'setup', 'clone3'), is: 'allow' },
    { name: 'clone3 where it is not', want: action(POLICY, 'main', 'clone3'), is: 'errno(38)' },
    {
      name: 'arguments that are listed',
      want: action(POLICY, 'setup', 'openat', [0n, 0n, 0x80002n]),
      is: 'allow',
    },
    {
      name: 'dirt above an int',
      want: action(POLICY, 'setup', 'openat', [0n, 0n, 0xffff00000002n]),
      is: 'allow',
    },
    { name: 'arguments that are not', want: action(POLICY, 'setup', 'openat', [0n, 0n, 1n]), is: 'errno(1)' },
    {
      name: 'dirt above a long',
      want: action(POLICY, 'setup', 'mprotect', [0n, 0n, 0x100000001n]),
      is: 'errno(1)',
    },
    { name: 'an x32 call', want: action(POLICY, 'setup', 'read', [], 'x32'), is: 'kill_process' },
    { name: 'an i386 call', want: action(POLICY, 'setup', 'read', [], 'i386'), is: 'kill_process' },
    {
      name: 'the number -1, by which a tracer skips a call',
      want: action(POLICY, 'setup', 0xffffffff),
      is: 'allow',
    },
    {
      name: 'a rehearsal: nothing is blocked',
      want: [
        action({ ...POLICY, onViolation: 'log' }, 'main', 'ptrace'),
        action({ ...POLICY, onViolation: 'log' }, 'main', 'clone3'),
        action({ ...POLICY, onViolation: 'log' }, 'main', 1000),
        action({ ...POLICY, onViolation: 'log' }, 'main', 'read', [], 'i386'),
      ].join(' '),
      is: 'log log log log',
    },
  ])('$name: $is', ({ want, is }) => {
    expect(want).toBe(is);
  });

  it('of a program is that of its own set', () => {
    const filter = lowerPolicy(POLICY, 'main', { path: '/bin/cat', buildId: 'abc' });
    expect(filter.sections[0]?.rules.map(({ nr }) => nr)).toEqual([0, 435]);
  });

  it('is refused for a phase or program that there is not', () => {
    expect(() => lowerPolicy(POLICY, 'late')).toThrow('policy: no such phase, "late" (it has setup, main)');
    expect(() => lowerPolicy(POLICY, 'setup', { path: '/bin/cat', buildId: null })).toThrow(
      'policy: phase setup has no set for the program "/bin/cat"',
    );
  });

  it('means the same as the words of the policy for every number, compiled as well', () => {
    const program = compileFilter(lowerPolicy(POLICY, 'setup'));
    const { calls } = findSet(POLICY, 'setup');
    for (let nr = 0; nr < 1200; nr++) {
      for (const third of [0n, 1n, 2n, 3n, 0x80000n, 0x80003n, 0x100000000n]) {
        const args = [0n, 0n, third];
        const data = { nr, arch: AUDIT_ARCH.x86_64, instructionPointer: 0n, args };
        const want = meaning(POLICY, calls, 'x86_64', nr, args);
        expect(formatAction(decodeAction(interpretProgram(program, data))), `${nr} ${third}`).toBe(want);
      }
    }
  });

  it('means the same as the words of any policy', () => {
    fc.assert(
      fc.property(
        arbitraryPolicy(),
        fc.infiniteStream(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })),
        (policy, stream) => {
          for (const set of policySets(policy)) {
            const filter = lowerPolicy(policy, set.phase.name, set.program);
            for (const call of [...set.calls, ...policy.enosys]) {
              for (const args of interestingArguments(call, stream)) {
                const nr = call.arch === 'x32' ? call.nr + X32_SYSCALL_BIT : call.nr;
                const data = { nr, arch: AUDIT_ARCH[call.arch], instructionPointer: 0n, args };
                expect(formatAction(evaluateFilter(filter, data))).toBe(
                  meaning(policy, set.calls, call.arch, call.nr, args),
                );
              }
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('means the same with more combinations than are written out', () => {
    const values = Array.from({ length: 20 }, (_, value) => BigInt(value));
    const many = sampleCall('mremap', [
      { index: 0, values },
      { index: 1, width: 32, values },
      { index: 3, values: [1n, 2n], free: 0xf0n },
    ]);
    expect(callAlternatives(many)).toBe(null);
    const policy = samplePolicy([samplePhase('setup', '', { calls: [many] })]);
    const filter = lowerPolicy(policy, 'setup');
    const program = compileFilter(filter);
    for (const first of [0n, 19n, 20n, 0x100000001n]) {
      for (const second of [0n, 19n, 20n, 0x100000001n]) {
        for (const fourth of [0n, 1n, 2n, 3n, 0xf1n, 0x101n]) {
          const args = [first, second, 0n, fourth];
          const data = { nr: many.nr, arch: AUDIT_ARCH.x86_64, instructionPointer: 0n, args };
          const want = meaning(policy, [many], 'x86_64', many.nr, args);
          expect(formatAction(evaluateFilter(filter, data))).toBe(want);
          expect(formatAction(decodeAction(interpretProgram(program, data)))).toBe(want);
        }
      }
    }
  });

  it('is refused if masks have too many combinations', () => {
    const values = Array.from({ length: 32 }, (_, value) => BigInt(value) << 8n);
    const many = sampleCall('mremap', [
      { index: 0, values, free: 1n },
      { index: 1, values, free: 1n },
    ]);
    expect(() => lowerPolicy(samplePolicy([samplePhase('setup', '', { calls: [many] })]), 'setup')).toThrow(
      'policy: too many combinations of the arguments of mremap (256)',
    );
  });
});

/** Arguments that fit, arguments that miss by one bit, and any. */
function interestingArguments(call: PolicyCall, stream: fc.Stream<bigint>): readonly (readonly bigint[])[] {
  const [noise = 0n] = [...stream.take(1)];
  const fitting = Array.from({ length: 6 }, (_, index) => {
    const argument = call.args.find((each) => each.index === index);
    return argument === undefined ? noise : (argument.values[0] ?? 0n) | (noise & argument.free);
  });
  return [
    fitting,
    ...fitting.map((_, index) => fitting.map((value, at) => (at === index ? value ^ 1n : value))),
    ...fitting.map((_, index) => fitting.map((value, at) => (at === index ? value ^ (1n << 40n) : value))),
    Array.from({ length: 6 }, () => noise),
  ];
}
