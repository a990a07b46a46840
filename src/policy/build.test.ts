import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Call, Profile } from '../profile/model.ts';
import { mergeProfiles } from '../profile/merge.ts';
import { recut } from '../profile/recut.ts';
import { arbitraryProfile } from '../profile/testing/arbitrary-profile.ts';
import {
  sampleCall,
  sampleProfile,
  sampleRun,
  type SampleProcess,
} from '../profile/testing/sample-profile.ts';
import { UsageError } from '../base/errors.ts';
import { coversRules } from './argument-rules.ts';
import { buildPolicy, type BuildOptions } from './build.ts';
import { checkPolicy } from './check.ts';
import { callsByKey, policySets } from './policy-sets.ts';
import { callKey } from './call-label.ts';
import type { Policy } from './model.ts';
import { createPolicyParser } from './load.ts';
import { formatPolicyYaml } from './save.ts';
import { namesOf } from './testing/sample-policy.ts';

/** Neither groups nor the switch: what is left is what the profile says. */
const BARE: readonly string[] = ['always', 'vdso', 'switch', 'threads', 'memory'];

function ownNames(policy: Policy, phase: string, program?: string): readonly string[] {
  const set = policySets(policy).find(
    (each) =>
      each.phase.name === phase &&
      (program === undefined ? each.program === null : each.program?.path === program),
  );
  const calls = (set?.calls ?? []).filter(
    ({ why }) =>
      !why.every((text) =>
        BARE.some((group) => text.startsWith(`group ${group}:`) || text.startsWith('needed from')),
      ),
  );
  return namesOf(calls);
}

function whyOf(policy: Policy, phase: string, name: string): readonly string[] | undefined {
  return policy.phases.find((each) => each.name === phase)?.calls.find((call) => call.name === name)?.why;
}

function cut(profile: Profile, times: readonly (readonly [number, number])[]): Profile {
  const at = new Map(times.map(([index, ms]) => [index, ms * 1e6]));
  return recut(profile, { trigger: 'syscall:epoll_wait', source: 'given', reason: null, times: at });
}

/** A master that forks two workers, waits, and forks a third when one has died; nginx is like that. */
const NGINX: readonly SampleProcess[] = [
  {
    pid: 1,
    program: '/usr/sbin/nginx',
    end: 100,
    calls: { execve: [0, 0], bind: [5, 5], clone: [10, 60], rt_sigsuspend: [20, 90], wait4: [59, 59] },
  },
  {
    pid: 2,
    birth: 'fork',
    parent: 0,
    program: '/usr/sbin/nginx',
    start: 10,
    end: 58,
    calls: { setuid: [11, 11], prctl: [12, 12], epoll_wait: [20, 50], read: [21, 50] },
  },
  {
    pid: 3,
    birth: 'fork',
    parent: 0,
    program: '/usr/sbin/nginx',
    start: 60,
    end: 100,
    calls: { setuid: [61, 61], epoll_wait: [65, 90], writev: [70, 70] },
  },
];

/** A server that forks to write a snapshot; redis is like that. */
const REDIS: readonly SampleProcess[] = [
  {
    pid: 1,
    program: '/usr/bin/redis-server',
    end: 100,
    calls: { execve: [0, 0], listen: [5, 5], epoll_wait: [10, 90], clone: [50, 50], wait4: [60, 60] },
  },
  {
    pid: 2,
    birth: 'fork',
    parent: 0,
    program: '/usr/bin/redis-server',
    start: 50,
    end: 60,
    calls: { openat: [51, 51], rename: [55, 55] },
  },
];

describe('the sets of phases', () => {
  it('of a server hold what children need that are born in the phase, from their birth on', () => {
    const { policy } = buildPolicy([cut(sampleProfile(REDIS), [[0, 10]])]);
    expect(ownNames(policy, 'setup')).toEqual([
      'clone',
      'epoll_wait',
      'execve',
      'listen',
      'openat',
      'rename',
      'wait4',
    ]);
    expect(ownNames(policy, 'main')).toEqual(['clone', 'epoll_wait', 'openat', 'rename', 'wait4']);
    expect(whyOf(policy, 'main', 'rename')).toEqual([
      'observed in 1 of 1 run',
      'needed by children born in main: redis-server',
    ]);
    expect(whyOf(policy, 'setup', 'rename')).toEqual(['observed in 1 of 1 run, from main on']);
    expect(whyOf(policy, 'main', 'wait4')).toEqual(['observed in 1 of 1 run']);
  });

  it('of a master hold the set-up of workers that it starts again', () => {
    const { policy } = buildPolicy([
      cut(sampleProfile(NGINX), [
        [0, 20],
        [1, 20],
      ]),
    ]);
    expect(ownNames(policy, 'main')).toEqual([
      'clone',
      'epoll_wait',
      'read',
      'rt_sigsuspend',
      'setuid',
      'wait4',
      'writev',
    ]);
    expect(whyOf(policy, 'main', 'setuid')).toEqual([
      'observed in 1 of 1 run',
      'needed by children born in main: nginx',
    ]);
  });

  it('hold nothing of a worker whose place is never taken, unless respawning is asked for', () => {
    const [master, worker] = NGINX as [SampleProcess, SampleProcess];
    const profile = cut(sampleProfile([{ ...master, calls: { ...master.calls, clone: [10, 10] } }, worker]), [
      [0, 20],
      [1, 20],
    ]);
    expect(ownNames(buildPolicy([profile]).policy, 'main')).toEqual([
      'epoll_wait',
      'read',
      'rt_sigsuspend',
      'wait4',
    ]);
    const { policy } = buildPolicy([profile], { respawn: true });
    expect(ownNames(policy, 'main')).toEqual([
      'clone',
      'epoll_wait',
      'prctl',
      'read',
      'rt_sigsuspend',
      'setuid',
      'wait4',
    ]);
    expect(whyOf(policy, 'main', 'setuid')).toEqual([
      'observed in 1 of 1 run',
      'needed by children that may be started again in main: nginx',
    ]);
  });

  it('leave to a sibling that stays in setup what only it does', () => {
    const profile = sampleProfile([
      { pid: 1, program: '/bin/a', calls: { execve: [0, 0], epoll_wait: [10, 20] }, end: 20 },
      { pid: 2, birth: 'fork', parent: 0, program: '/bin/a', start: 5, calls: { mount: [15, 15] }, end: 20 },
    ]);
    const { policy } = buildPolicy([cut(profile, [[0, 10]])]);
    expect(ownNames(policy, 'main')).toEqual(['epoll_wait']);
    expect(ownNames(policy, 'setup')).toContain('mount');
  });

  it('leave out a phase that was never entered, and say so', () => {
    const { policy, notes } = buildPolicy([cut(sampleProfile(REDIS), [])]);
    expect(policy.phases.map(({ name }) => name)).toEqual(['setup']);
    expect(notes).toEqual(['no process entered main: it is left out']);
  });

  it('say in how many runs a call was seen', () => {
    const once = sampleProfile(REDIS);
    const other = sampleProfile([
      { pid: 1, program: '/usr/bin/redis-server', calls: { execve: [0, 0], getcwd: [1, 1] } },
    ]);
    const { policy } = buildPolicy([mergeProfiles([once, other, other])]);
    expect(whyOf(policy, 'setup', 'getcwd')).toEqual(['observed in 2 of 3 runs']);
    expect(whyOf(policy, 'setup', 'execve')).toEqual(['observed in 3 of 3 runs']);
    expect(policy.sources.map(({ runs }) => runs)).toEqual([3]);
  });

  it('count runs without phases for every phase', () => {
    const other = sampleProfile([{ pid: 9, program: '/usr/bin/redis-server', calls: { getcwd: [1, 1] } }]);
    const { policy, notes } = buildPolicy([cut(sampleProfile(REDIS), [[0, 10]]), other]);
    expect(ownNames(policy, 'main')).toContain('getcwd');
    expect(whyOf(policy, 'main', 'getcwd')).toEqual(['observed in 1 of 2 runs']);
    expect(notes).toEqual(['1 of 2 runs have no phases: what they show is allowed in all phases']);
  });

  it('are the same of runs that were merged before, with phases or without', () => {
    const bare = sampleProfile([{ pid: 9, program: '/usr/bin/redis-server', calls: { getcwd: [1, 1] } }]);
    const code = {
      ...sampleProfile([]),
      runs: [sampleRun({ method: 'analyze' })],
      programs: [{ path: '/usr/bin/redis-server', buildId: null, calls: [sampleCall(41, 'socket')] }],
    } satisfies Profile;
    const profiles = [cut(sampleProfile(REDIS), [[0, 10]]), cut(bare, []), bare, code];
    for (const strict of ['observed', 'sound'] as const) {
      const built = buildPolicy([mergeProfiles(profiles)], { strict });
      expect(built).toEqual(buildPolicy(profiles, { strict }));
      expect(built.notes).toContain('2 of 4 runs have no phases: what they show is allowed in all phases');
    }
  });

  it('refuse runs with different phases, merged or not', () => {
    const short = cut(sampleProfile(REDIS), [[0, 10]]);
    const [setup, main] = short.phases as [Profile['phases'][number], Profile['phases'][number]];
    const long = { ...short, phases: [setup, { ...main, name: 'warm' }, main] };
    expect(() => buildPolicy([mergeProfiles([short, long])])).toThrow(
      "policy: the phases of the profile's runs differ, setup, main and setup, warm, main (cut them alike, or take --one-phase)",
    );
    expect(
      buildPolicy([mergeProfiles([short, long])], { onePhase: true }).policy.phases.map(({ name }) => name),
    ).toEqual(['setup']);
  });

  it('refuse profiles with different phases', () => {
    const two = cut(sampleProfile(REDIS), [[0, 10]]);
    const three: Profile = {
      ...two,
      phases: [
        ...two.phases,
        { name: 'late', trigger: 'after:1s', source: 'given', reason: null, entered: false },
      ],
    };
    expect(() => buildPolicy([two, three])).toThrow(
      "policy: the profiles' phases differ, setup, main and setup, main, late (cut them alike, or give one of them)",
    );
  });
});

describe('argument rules of a later phase', () => {
  const socket = (uses: readonly (readonly [number, number])[]): Profile => {
    const profile = sampleProfile([
      {
        pid: 1,
        program: '/bin/server',
        end: 100,
        calls: { socket: [5, 50], accept: { uses: [20], waited: 60 } },
      },
    ]);
    return {
      ...profile,
      processes: profile.processes.map((process) => ({
        ...process,
        calls: process.calls.map((each) =>
          each.name === 'socket'
            ? {
                ...each,
                args: [
                  {
                    index: 0,
                    name: 'domain',
                    values: [1, 2],
                    uses: uses.map(([a, b]) => [a * 1e6, b * 1e6]),
                  },
                ],
              }
            : each,
        ),
      })) as Profile['processes'],
    };
  };
  const rulesOf = (policy: Policy, phase: number): unknown =>
    policy.phases[phase]?.calls.find(({ name }) => name === 'socket')?.args.map(({ values }) => values);

  it('let only values through that were used from then on', () => {
    const profile = socket([
      [5, 5],
      [6, 50],
    ]);
    const { policy } = buildPolicy([cut(profile, [[0, 10]])], { args: true });
    expect([rulesOf(policy, 0), rulesOf(policy, 1)]).toEqual([[[1n, 2n]], [[2n]]]);
  });

  it('let all values through where none has a use from then on', () => {
    const profile = socket([
      [5, 5],
      [6, 6],
    ]);
    const { policy } = buildPolicy([cut(profile, [[0, 10]])], { args: true });
    expect(rulesOf(policy, 1)).toEqual([[1n, 2n]]);
  });
});

describe('what is made by chance', () => {
  const thread = { tid: 7, creator: 1, start: 1e6, end: null };
  const threaded = (profile: Profile): Profile => ({
    ...profile,
    processes: profile.processes.map((process, index) =>
      index === 0 ? { ...process, threads: [thread] } : process,
    ),
  });
  const [server] = REDIS as [SampleProcess];
  const profile = sampleProfile([{ ...server, calls: { ...server.calls, brk: [1, 1], mprotect: [2, 2] } }]);

  it('is that threads wait for each other, wherever there are some', () => {
    const { policy } = buildPolicy([threaded(cut(profile, [[0, 10]]))], { args: true });
    for (const { calls } of policy.phases) {
      expect(calls.find(({ name }) => name === 'futex')?.args).toEqual([
        { index: 1, name: 'op', width: 32, values: [0n, 1n, 3n, 4n, 5n, 9n, 10n], free: 0x180n },
      ]);
    }
    expect(whyOf(buildPolicy([profile]).policy, 'setup', 'futex')).toBe(undefined);
  });

  it('is that threads which start shortly before a phase may set themselves up in it', () => {
    const started = sampleProfile([
      {
        ...server,
        calls: { ...server.calls, rseq: [2, 3], set_robust_list: [3, 3], rt_sigprocmask: [3, 3] },
      },
    ]);
    const wanted = ['rseq', 'rt_sigprocmask', 'set_robust_list'];
    const { policy } = buildPolicy([threaded(cut(started, [[0, 10]]))]);
    expect(namesOf(policy.phases[1]?.calls ?? [])).toEqual(expect.arrayContaining(wanted));
    expect(whyOf(policy, 'main', 'rseq')).toEqual([
      'group threads: seen before main, threads may start as late',
    ]);
    const single = namesOf(buildPolicy([cut(started, [[0, 10]])]).policy.phases[1]?.calls ?? []);
    expect(single.filter((name) => wanted.includes(name))).toEqual([]);
  });

  it('is that allocators do again in a later phase what they did before', () => {
    const { policy } = buildPolicy([cut(profile, [[0, 10]])]);
    expect(whyOf(policy, 'main', 'brk')).toEqual([
      'group memory: seen before main, allocators make it at any time',
    ]);
    expect(namesOf(policy.phases[1]?.calls ?? [])).toContain('mprotect');
    expect(namesOf(policy.phases[1]?.calls ?? [])).not.toContain('munmap');
  });

  it('can be left out', () => {
    const { policy } = buildPolicy([threaded(cut(profile, [[0, 10]]))], { chance: false });
    expect(policy.groups.map(({ name }) => name)).toEqual(['always', 'vdso', 'switch']);
    expect(whyOf(policy, 'main', 'brk')).toBe(undefined);
  });
});

describe('the sets of programs', () => {
  /** A shell that runs ls, then cat. */
  const SHELL: readonly SampleProcess[] = [
    { pid: 1, program: '/bin/sh', end: 100, calls: { execve: [0, 0], clone: [5, 50], wait4: [6, 90] } },
    {
      pid: 2,
      birth: 'fork',
      parent: 0,
      program: '/bin/sh',
      start: 5,
      calls: { dup2: [6, 6], execve: [7, 7] },
    },
    { pid: 2, birth: 'exec', parent: 1, program: '/bin/ls', start: 7, calls: { getdents64: [8, 8] } },
    { pid: 3, birth: 'fork', parent: 0, program: '/bin/sh', start: 50, calls: { execve: [51, 51] } },
    { pid: 3, birth: 'exec', parent: 3, program: '/bin/cat', start: 51, calls: { read: [52, 52] } },
  ];

  it('hold what the program does and what it starts', () => {
    const { policy } = buildPolicy([sampleProfile(SHELL)]);
    expect(ownNames(policy, 'setup', '/bin/ls')).toEqual(['getdents64']);
    expect(ownNames(policy, 'setup', '/bin/cat')).toEqual(['read']);
    expect(ownNames(policy, 'setup', '/bin/sh')).toEqual([
      'clone',
      'dup2',
      'execve',
      'getdents64',
      'read',
      'wait4',
    ]);
    expect(ownNames(policy, 'setup')).toEqual(ownNames(policy, 'setup', '/bin/sh'));
  });

  it('hold what other programs may do that never ran, if the program may execute them', () => {
    const traced = sampleProfile([
      { pid: 1, program: '/bin/sh', calls: {} },
      { pid: 2, program: '/bin/cat', calls: {} },
    ]);
    const possible: readonly (readonly Call[])[] = [
      [sampleCall(59, 'execve'), sampleCall(61, 'wait4')],
      [sampleCall(0, 'read')],
    ];
    const analysed: Profile = {
      ...traced,
      processes: [],
      programs: traced.programs.map((program, index) => ({ ...program, calls: possible[index] ?? [] })),
    };
    const { policy } = buildPolicy([analysed], { strict: 'sound' });
    expect(ownNames(policy, 'setup', '/bin/sh')).toEqual(['execve', 'read', 'wait4']);
    expect(ownNames(policy, 'setup', '/bin/cat')).toEqual(['read']);
  });

  it('are left out for a tree of one program, and where they are not wanted', () => {
    expect(buildPolicy([sampleProfile(REDIS)]).policy.phases[0]?.programs).toEqual([]);
    expect(buildPolicy([sampleProfile(SHELL)], { perProgram: false }).policy.phases[0]?.programs).toEqual([]);
  });

  it('ask for the calls that put a narrower filter in place', () => {
    const { policy } = buildPolicy([sampleProfile(SHELL)]);
    expect(whyOf(policy, 'setup', 'seccomp')).toEqual(['group switch: adds the tighter filter']);
    const [cat, , shell] = policy.phases[0]?.programs ?? [];
    expect([cat?.path, namesOf(cat?.calls ?? []).includes('seccomp')]).toEqual(['/bin/cat', false]);
    expect([shell?.path, namesOf(shell?.calls ?? []).includes('seccomp')]).toEqual(['/bin/sh', true]);
    expect(buildPolicy([sampleProfile(REDIS)]).policy.groups.map(({ name }) => name)).toEqual([
      'always',
      'vdso',
    ]);
  });
});

describe('strictness', () => {
  const withPossible = (calls: readonly Call[]): Profile => {
    const profile = sampleProfile(REDIS);
    return {
      ...profile,
      runs: [...profile.runs, sampleRun({ method: 'analyze' })],
      programs: profile.programs.map((program) => ({ ...program, calls })),
    };
  };
  const profile = withPossible([
    sampleCall(101, 'ptrace'),
    sampleCall(165, 'mount'),
    sampleCall(16, 'ioctl'),
    sampleCall(232, 'epoll_wait'),
  ]);
  const seen = ['clone', 'epoll_wait', 'execve', 'listen', 'openat', 'rename', 'wait4'];

  it.each([
    { strict: 'observed' as const, more: [] },
    { strict: 'balanced' as const, more: ['ioctl'] },
    { strict: 'sound' as const, more: ['ioctl', 'mount', 'ptrace'] },
  ])('$strict takes $more beside what was seen', ({ strict, more }) => {
    const { policy } = buildPolicy([profile], { strict });
    expect(ownNames(policy, 'setup')).toEqual([...seen, ...more].sort());
  });

  it('goes by the runs, for an analysis may find that nothing is possible', () => {
    const { policy } = buildPolicy([withPossible([])], { strict: 'sound' });
    expect(ownNames(policy, 'setup')).toEqual(seen);
    expect(() => buildPolicy([sampleProfile(REDIS)], { strict: 'sound' })).toThrow(
      'no profile is from static analysis',
    );
    const nothing = { ...withPossible([]), processes: [] };
    expect(() => buildPolicy([nothing], { strict: 'sound' })).toThrow('the profile holds no system calls');
  });

  it('a program that may execute others has what they need from their start on, in every phase', () => {
    const read = (path: string, calls: readonly Call[], names: readonly string[]): Profile => {
      const base = sampleProfile([]);
      return {
        ...base,
        phases: names.map((name, index) => ({
          name,
          trigger: index === 0 ? null : 'symbol:server:0x10',
          source: index === 0 ? 'start' : 'auto',
          reason: index === 0 ? null : 'a loop waits',
          entered: true,
        })),
        programs: [{ path, buildId: null, calls }],
      };
    };
    const possible = (nr: number, name: string, phases: readonly number[]): Call =>
      sampleCall(nr, name, { origin: 'possible', phases });
    const server = read(
      '/usr/bin/server',
      [possible(41, 'socket', [0]), possible(59, 'execve', [0, 1]), possible(232, 'epoll_wait', [0, 1])],
      ['setup', 'main'],
    );
    const shell = read('/usr/bin/sh', [possible(158, 'arch_prctl', [0])], ['setup']);
    const { policy } = buildPolicy([server, shell], { strict: 'sound' });
    expect(ownNames(policy, 'main', '/usr/bin/server')).toEqual(['arch_prctl', 'epoll_wait', 'execve']);
    expect(ownNames(policy, 'main', '/usr/bin/sh')).toEqual(['arch_prctl']);
  });

  it('says which code makes a call possible', () => {
    const { policy } = buildPolicy([profile], { strict: 'sound' });
    expect(whyOf(policy, 'setup', 'ptrace')).toEqual(['possible in redis-server']);
    expect(whyOf(policy, 'setup', 'epoll_wait')).toEqual([
      'observed in 1 of 1 run',
      'possible in redis-server',
    ]);
  });

  it('balanced keeps a dangerous call that was seen', () => {
    const traced = sampleProfile([
      { pid: 1, program: '/bin/gdb', calls: { execve: [0, 0], ptrace: [1, 1] } },
    ]);
    const both = {
      ...traced,
      programs: traced.programs.map((program) => ({ ...program, calls: [sampleCall(101, 'ptrace')] })),
    };
    expect(ownNames(buildPolicy([both], { strict: 'balanced' }).policy, 'setup')).toEqual([
      'execve',
      'ptrace',
    ]);
  });

  it('adds the call that starts the program, which its own code need not have', () => {
    const traced = sampleProfile([{ pid: 1, program: '/bin/static', calls: {} }]);
    const analysed: Profile = {
      ...traced,
      processes: [],
      programs: traced.programs.map((program) => ({ ...program, calls: [sampleCall(0, 'read')] })),
    };
    const { policy } = buildPolicy([analysed], { strict: 'sound' });
    expect(ownNames(policy, 'setup')).toEqual(['execve', 'read']);
    expect(whyOf(policy, 'setup', 'execve')).toEqual([
      'group launch: the program is executed under its own filter',
    ]);
  });

  it('is refused above observed if nothing says what is possible', () => {
    expect(() => buildPolicy([sampleProfile(REDIS)], { strict: 'sound' })).toThrow(UsageError);
  });

  it('says which numbers it cannot hold', () => {
    const none = [sampleCall(0, 'read', { origin: 'possible' })];
    expect(buildPolicy([withPossible(none)], { strict: 'sound' }).notes).toEqual([]);
    const minus = { ...sampleCall(0xffff_ffff, '', { origin: 'possible' }), name: null };
    const { policy, notes } = buildPolicy([withPossible([...none, minus])], { strict: 'sound' });
    expect(policy.phases[0]?.calls.some(({ nr }) => nr === 0xffff_ffff)).toBe(false);
    expect(notes).toEqual([
      '1 number is left out, for no kernel has such calls and no filter can name them: x86_64:4294967295',
    ]);
    // What is not taken anyway is not left out.
    expect(buildPolicy([sampleProfile(REDIS), withPossible([minus])]).notes).toEqual([]);
  });

  it('takes what another tool says at every level', () => {
    const imported = withPossible([sampleCall(165, 'mount', { origin: 'imported' })]);
    expect(whyOf(buildPolicy([imported]).policy, 'setup', 'mount')).toEqual(['imported']);
  });
});

describe('a policy', () => {
  it('always has what the kernel puts into programs, and says so', () => {
    const { policy } = buildPolicy([sampleProfile(REDIS)], { vdso: false });
    for (const name of ['rt_sigreturn', 'restart_syscall', 'exit', 'exit_group']) {
      expect(whyOf(policy, 'setup', name)?.[0]).toMatch(/^group always: /);
    }
    expect(policy.phases[0]?.calls.some(({ name }) => name === 'getcpu')).toBe(false);
  });

  it('has what container runtimes need in the first phase only', () => {
    const { policy } = buildPolicy([cut(sampleProfile(REDIS), [[0, 10]])], { runtimes: ['runc', 'crun'] });
    expect(whyOf(policy, 'setup', 'capset')).toHaveLength(2);
    expect(whyOf(policy, 'main', 'capset')).toBe(undefined);
  });

  it('gives ENOSYS for clone3 wherever it is not listed, and above what the host knew', () => {
    const { policy } = buildPolicy([sampleProfile(REDIS)]);
    expect(namesOf(policy.enosys)).toEqual(['clone3']);
    expect(policy.arches).toEqual([{ arch: 'x86_64', newest: 469 }]);
  });

  it('refuses an action that there is not, and a profile without calls', () => {
    expect(() => buildPolicy([sampleProfile(REDIS)], { onViolation: 'errno:ENOPE' })).toThrow(
      'policy: unknown action on violation, "errno:ENOPE" (kill, trap, log, errno:NAME)',
    );
    expect(() => buildPolicy([{ ...sampleProfile(REDIS), processes: [] }])).toThrow(
      'policy: the profile holds no system calls, nothing would be allowed',
    );
  });

  it('of any profile has phases and programs that only tighten, and survives being written', () => {
    const parse = createPolicyParser();
    const options = fc.record<BuildOptions>({
      args: fc.boolean(),
      respawn: fc.boolean(),
      portable: fc.constantFrom(null, { from: '4.14', to: '6.12' }),
      runtimes: fc.constantFrom([], ['runc' as const]),
    });
    fc.assert(
      fc.property(arbitraryProfile(), options, (profile, given) => {
        let policy: Policy;
        try {
          policy = buildPolicy([profile], given).policy;
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          return;
        }
        for (const [index, phase] of policy.phases.entries()) {
          const outer = [policy.phases[index - 1]?.calls].flatMap((calls) =>
            calls === undefined ? [] : [calls],
          );
          for (const calls of outer) expectWithin(phase.calls, calls);
          for (const program of phase.programs) expectWithin(program.calls, phase.calls);
        }
        const errors = checkPolicy(policy).findings.filter(
          ({ severity, rule }) => severity === 'error' && rule !== 'no-execve',
        );
        expect(errors).toEqual([]);
        const phases = policy.phases.map((phase, index) => ({
          ...phase,
          trigger: index === 0 ? null : 'after:1s',
        }));
        const text = formatPolicyYaml({ ...policy, phases });
        expect(formatPolicyYaml(parse(text))).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  function expectWithin(inner: Policy['enosys'], outer: Policy['enosys']): void {
    const allowed = callsByKey(outer);
    for (const call of inner) {
      const other = allowed.get(callKey(call));
      expect(other !== undefined && coversRules(other.args, call.args), `${call.arch} ${call.nr}`).toBe(true);
    }
  }
});
