import { describe, expect, it } from 'vitest';
import { checkPolicy, hasFailed } from './check.ts';
import type { Policy, PolicyArgument } from './model.ts';
import { LOADER_NAMES, sampleCall, samplePhase, samplePolicy } from './testing/sample-policy.ts';

function rulesOf(policy: Policy, accepted: readonly string[] = []): readonly string[] {
  return checkPolicy(policy, accepted).findings.map(({ severity, rule, sets, call }) =>
    [severity, rule, sets.join('+'), call ?? '-'].join(' '),
  );
}

/** An argument of 256 values, others for each call. */
function longRule(call: number): PolicyArgument {
  const values = Array.from(
    { length: 256 },
    (_, value) => (BigInt(call * 1000 + value) << 32n) | BigInt(value),
  );
  return { index: 1, name: null, width: 64, values, free: 0n };
}

/** Calls that the check wants with any arguments. */
const GATED = /^(seccomp|prctl|mmap|munmap|rt_sigreturn)$/;

const SWITCH = 'seccomp prctl';

describe('the check of a policy', () => {
  it.each([
    { name: 'a sound policy', policy: samplePolicy([samplePhase('setup', LOADER_NAMES)]), want: [] },
    {
      name: 'a policy that tightens',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`),
        samplePhase('main', 'read exit_group rt_sigreturn restart_syscall'),
      ]),
      want: [],
    },
    {
      name: 'more combinations of arguments than a filter can tell',
      policy: samplePolicy([
        samplePhase('setup', '', {
          calls: [
            ...samplePhase('', LOADER_NAMES).calls,
            sampleCall(
              'sendto',
              [1, 2, 3].map((index) => ({
                index,
                width: 32 as const,
                values: Array.from({ length: 11 }, (_, value) => BigInt(value) << 4n),
                free: 1n,
              })),
            ),
          ],
        }),
      ]),
      want: ['error no-filter setup -'],
    },
    {
      name: 'more values of arguments than a filter has room for',
      policy: samplePolicy([
        samplePhase('setup', '', {
          calls: samplePhase('', `${LOADER_NAMES} dup dup2 fcntl ioctl lseek poll`).calls.map((call, at) => ({
            ...call,
            args: [longRule(at)],
          })),
        }),
      ]),
      want: ['error no-filter setup -'],
    },
    {
      name: 'the same for a program',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`, {
          programs: [
            {
              path: '/bin/cat',
              buildId: null,
              calls: samplePhase('', `${LOADER_NAMES} ${SWITCH}`).calls.map((call, at) =>
                GATED.test(call.name ?? '') ? call : { ...call, args: [longRule(at)] },
              ),
            },
          ],
        }),
      ]),
      want: ['error no-filter setup/cat -'],
    },
    {
      name: 'a phase that is wider than the one before',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`),
        samplePhase('main', 'read write exit_group rt_sigreturn restart_syscall'),
      ]),
      want: ['error wider-phase main write'],
    },
    {
      name: 'a phase with wider arguments',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`, {
          calls: [
            ...samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`).calls,
            sampleCall('fcntl', [{ index: 1, width: 32, values: [1n] }]),
          ],
        }),
        samplePhase('main', 'fcntl exit_group rt_sigreturn restart_syscall'),
      ]),
      want: ['error wider-phase main fcntl'],
    },
    {
      name: 'a program that is wider than the tree',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`, {
          programs: [
            {
              path: '/bin/ls',
              buildId: null,
              calls: samplePhase('', 'getdents64 rt_sigreturn restart_syscall exit_group').calls,
            },
          ],
        }),
      ]),
      want: ['error wider-program setup/ls getdents64'],
    },
    {
      name: 'a phase that can never be tightened',
      policy: samplePolicy([
        samplePhase('setup', LOADER_NAMES),
        samplePhase('main', 'read exit_group rt_sigreturn restart_syscall'),
      ]),
      want: ['error no-switch setup prctl', 'error no-switch setup seccomp'],
    },
    {
      name: 'a program whose children cannot be held to their own sets',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH}`, {
          programs: [
            { path: '/bin/sh', buildId: null, calls: samplePhase('', `${LOADER_NAMES} prctl`).calls },
            {
              path: '/bin/ls',
              buildId: null,
              calls: samplePhase('', 'read rt_sigreturn restart_syscall exit_group').calls,
            },
          ],
        }),
      ]),
      want: ['error no-switch setup/sh seccomp'],
    },
    {
      name: 'a program that cannot be started',
      policy: samplePolicy([samplePhase('setup', 'read exit_group rt_sigreturn restart_syscall')]),
      want: ['error no-execve setup execve'],
    },
    {
      name: 'an empty set',
      policy: samplePolicy([samplePhase('setup', LOADER_NAMES), samplePhase('main', '')]),
      want: ['error empty-set main -', 'error no-switch setup prctl', 'error no-switch setup seccomp'],
    },
    {
      name: 'dangerous calls, in all phases that have them',
      policy: samplePolicy([
        samplePhase('setup', `${LOADER_NAMES} ${SWITCH} ptrace bpf`),
        samplePhase('main', 'ptrace exit_group rt_sigreturn restart_syscall'),
      ]),
      want: ['danger dangerous setup bpf', 'danger dangerous setup+main ptrace'],
    },
    {
      name: 'calls that are open to something dangerous',
      policy: samplePolicy([samplePhase('setup', `${LOADER_NAMES} ioctl clone3`)]),
      want: ['warning unbounded setup clone3', 'warning unbounded setup ioctl'],
    },
    {
      name: 'what the loader needs',
      policy: samplePolicy([samplePhase('setup', 'execve read exit_group rt_sigreturn restart_syscall')]),
      want: ['warning loader setup execve'],
    },
    {
      name: 'calls that no kernel has',
      policy: samplePolicy([samplePhase('setup', `${LOADER_NAMES} openat2 vserver`)], {
        kernels: { from: '4.14', to: '5.4' },
      }),
      want: ['warning no-kernel setup openat2', 'warning no-kernel setup vserver'],
    },
    {
      name: 'what the kernel itself puts there',
      policy: samplePolicy([samplePhase('setup', LOADER_NAMES.replace(' restart_syscall', ''))]),
      want: ['warning kernel-made setup restart_syscall'],
    },
    {
      name: 'clone3 that fails in a way that libraries do not expect',
      policy: samplePolicy([samplePhase('setup', `${LOADER_NAMES} clone`)], { enosys: [] }),
      want: ['warning unbounded setup clone', 'warning clone3 setup clone3'],
    },
    {
      name: 'a rehearsal',
      policy: samplePolicy([samplePhase('setup', LOADER_NAMES)], { onViolation: 'log' }),
      want: ['warning log-only  -'],
    },
  ])('finds in $name: $want', ({ policy, want }) => {
    expect([...rulesOf(policy)].sort()).toEqual([...want].sort());
  });

  it('has the worst first, and fails for all but warnings', () => {
    const result = checkPolicy(samplePolicy([samplePhase('setup', 'execve ptrace')]));
    expect(result.findings.map(({ severity }) => severity)).toEqual([
      'danger',
      'warning',
      'warning',
      'warning',
      'warning',
    ]);
    expect(hasFailed(result)).toBe(true);
    expect(hasFailed(checkPolicy(samplePolicy([samplePhase('setup', LOADER_NAMES)])))).toBe(false);
  });

  it('lets dangerous calls be that are meant to be open', () => {
    expect(rulesOf(samplePolicy([samplePhase('setup', `${LOADER_NAMES} ptrace`)]), ['ptrace'])).toEqual([]);
  });

  it('counts what each set blocks, and the vulnerabilities that it takes away', () => {
    const policy = samplePolicy([samplePhase('setup', LOADER_NAMES)], {
      arches: [{ arch: 'x86_64', newest: 334 }],
    });
    const [setup] = checkPolicy(policy).coverage;
    expect(setup?.arches[0]).toMatchObject({ arch: 'x86_64', restricted: 0 });
    const { total, allowed, blocked } = setup!.arches[0]!;
    expect(allowed).toBe(LOADER_NAMES.split(' ').length);
    expect(blocked).toBe(total - allowed);
    expect(setup?.blockedCves).toContain('CVE-2017-6074');
    expect(setup?.blockedCves).not.toContain('CVE-2018-14634');
  });

  it('counts nothing as blocked in a rehearsal', () => {
    const policy = samplePolicy([samplePhase('setup', LOADER_NAMES)], { onViolation: 'log' });
    const [setup] = checkPolicy(policy).coverage;
    expect([setup?.arches[0]?.blocked, setup?.blockedCves]).toEqual([0, []]);
  });
});
