import { chmodSync, copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Call, Process, Profile } from '../../src/profile/model.ts';
import { checkProfile } from '../../src/profile/check.ts';
import {
  callNames,
  readProfile,
  run,
  temporaryDirectory,
  traceCommand,
  type Finished,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';

/** Rare calls have numbers from here on; the victims make each of them once. */
const RARE = 600;

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const source: string = readFileSync(new URL('fixtures/adaptive.c', import.meta.url), 'utf8');
let native: string;
let i386: string;
let shared: string;

beforeAll(() => {
  native = compile(source, ['-pthread']);
  i386 = compile(source, ['-pthread', '-m32']);
  // Other users execute it as well.
  shared = sharedCallgate();
});

afterAll(() => directory[Symbol.dispose]());

interface Traced {
  readonly profile: Profile;
  /** How it ended and what it or callgate complained about. */
  readonly outcome: readonly unknown[];
}

function trace(mode: string, options: { program?: string; args?: readonly string[] } = {}): Traced {
  const command = [options.program ?? native, ...mode.split(' ')];
  const given = options.args ?? [];
  const phases = given.includes('--phase') ? [] : ['--phases', 'none'];
  const args = ['--method', 'adaptive', '-q', ...phases, ...given];
  const { profile, status, stdout, stderr } = traceCommand(command, args);
  expect(checkProfile(profile)).toEqual([]);
  expect(profile.runs[0]).toMatchObject({ method: 'adaptive', complete: true, lost: 0 });
  return { profile, outcome: [status, stdout, stderr] };
}

/** Rare calls of processes, in order of time, those of one process or of all. */
function rareCalls(processes: readonly Process[]): Call[] {
  return processes
    .flatMap(({ calls }) => calls)
    .filter(({ nr }) => nr >= RARE)
    .sort((a, b) => (a.first ?? 0) - (b.first ?? 0));
}

function numbers(n: number, from = 0): number[] {
  return Array.from({ length: n }, (_, i) => RARE + from + i);
}

/** Each rare call is there, and was made once: or at least once, if a filter that came afterwards lets it pass. */
function expectOnce(profile: Profile, expected: readonly number[]): void {
  const found = rareCalls(profile.processes);
  expect(found.map(({ nr }) => nr).sort((a, b) => a - b)).toEqual(expected);
  expect(found.filter(({ count }) => count !== 1 && count !== null)).toEqual([]);
}

describe('nothing is lost', () => {
  it('of 40 rare calls at known moments among ten million others', () => {
    const { profile, outcome } = trace('rare 10000000 40');
    expect(outcome).toEqual([0, '', '']);
    expect(rareCalls(profile.processes).map(({ nr, count }) => [nr, count])).toEqual(
      numbers(40).map((nr) => [nr, 1]),
    );
  });

  it('of the calls of a thousand processes that live for a millisecond', () => {
    const { profile, outcome } = trace('brief 1000');
    expect(outcome).toEqual([0, '', '']);
    expectOnce(profile, numbers(1000));
    expect(profile.processes).toHaveLength(1001);
    for (const [index, child] of profile.processes.slice(1).entries()) {
      const mine = rareCalls([child])[0]?.nr ?? 0;
      expect([index, child.parent, child.birth, child.exit]).toEqual([
        index,
        0,
        'fork',
        { kind: 'exited', code: (mine - RARE) & 0x7f },
      ]);
    }
  });

  it('of the calls of 200 threads that a single injection filters', () => {
    const { profile, outcome } = trace('threads 200');
    expect(outcome).toEqual([0, '', '']);
    expectOnce(profile, [...numbers(200), ...numbers(200, 300)]);
    expect(profile.processes[0]?.threads).toHaveLength(200);
  });

  it('of threads that run while one of them is made to install the filter', () => {
    const { profile, outcome } = trace('running 16');
    expect(outcome).toEqual([0, '', '']);
    expectOnce(profile, numbers(320));
  });

  it('of children that are born while their process is filtered', () => {
    const { profile, outcome } = trace('births 400');
    expect(outcome).toEqual([0, '', '']);
    expectOnce(profile, numbers(400));
    expect(profile.processes).toHaveLength(401);
  });

  it('in a storm of signals', () => {
    const { profile, outcome } = trace('storm 3000');
    expect(outcome).toEqual([0, 'signals came\n', '']);
    expectOnce(profile, numbers(30));
  });

  it('of a 32-bit program', () => {
    for (const mode of ['rare 20000 40', 'threads 30', 'births 40', 'storm 500']) {
      const { profile, outcome } = trace(mode, { program: i386 });
      expect([mode, outcome[0], outcome[2], String(outcome[1]).includes('wrong')]).toEqual([
        mode,
        0,
        '',
        false,
      ]);
      const count = { r: 40, t: 30, b: 40, s: 5 }[mode[0] ?? ''] ?? 0;
      expectOnce(profile, [...numbers(count), ...(mode[0] === 't' ? numbers(30, 300) : [])]);
      expect(rareCalls(profile.processes).every(({ arch }) => arch === 'i386')).toBe(true);
    }
  });

  it('of the 32-bit calls of a 64-bit program', () => {
    const { profile, outcome } = trace('int80');
    expect(outcome).toEqual([0, '', '']);
    expect(rareCalls(profile.processes).map(({ arch, nr, count }) => [arch, nr, count])).toEqual([
      ['x86_64', RARE, 1],
      ['i386', RARE + 1, 1],
    ]);
    expect([...callNames(profile.processes)].filter((name) => name.startsWith('i386'))).toEqual([
      'i386:getpid',
      'i386:getppid',
      `i386:${RARE + 1}`,
    ]);
  });

  it('of the values of selecting arguments', () => {
    const reference = argumentValues(traceCommand([native, 'values'], ['--method', 'ptrace']).profile);
    const { profile, outcome } = trace('values');
    expect(outcome).toEqual([0, '', '']);
    const found = argumentValues(profile);
    for (const call of ['fcntl', 'ioctl', 'prctl', 'socket'])
      expect([call, found.get(call)]).toEqual([call, reference.get(call)]);
    expect(found.get('fcntl')?.length).toBe(6);
  });
});

/** Values of the first list of selecting arguments of each call, over all processes. */
function argumentValues(profile: Profile): Map<string, readonly (number | string)[]> {
  const values = new Map<string, readonly (number | string)[]>();
  for (const { name, args } of profile.processes.flatMap(({ calls }) => calls)) {
    const list = args?.flatMap((arg) => (arg.values === 'any' ? ['any'] : arg.values)) ?? [];
    values.set(name ?? '', [...(values.get(name ?? '') ?? []), ...list]);
  }
  return values;
}

describe('the program does not notice', () => {
  it.each(['waits', 'killed 60', 'running 6', 'storm 400'])(
    'that threads and processes of it are filtered: %s',
    (mode) => {
      for (const program of [native, i386]) {
        const { outcome } = trace(mode, { program });
        expect(outcome).toEqual([0, mode.startsWith('storm') ? 'signals came\n' : '', '']);
      }
    },
  );

  it('what happens to a vfork child, which gets no filter in the memory of its parent', () => {
    const { profile, outcome } = trace('vforks 5');
    expect(outcome).toEqual([0, '', '']);
    expectOnce(profile, numbers(6));
    const births = profile.processes.map(({ birth, exit }) => [birth, exit]);
    expect(births.slice(1)).toEqual(
      Array.from({ length: 5 }, () => [
        ['vfork', { kind: 'exec' }],
        ['exec', { kind: 'exited', code: 7 }],
      ]).flat(),
    );
  });

  it('that it is filtered when it executes another program', () => {
    const { profile, outcome } = trace('exec');
    expect(outcome).toEqual([0, '', '']);
    expect(profile.processes.map(({ birth, argv, exit }) => [birth, argv, exit])).toEqual([
      ['start', [native, 'exec'], { kind: 'exec' }],
      ['exec', [native, 'rare', '2000', '5'], { kind: 'exited', code: 0 }],
    ]);
    expect(rareCalls(profile.processes.slice(1)).map(({ nr }) => nr)).toEqual(numbers(5));
  });

  it('that a thread executes a program at the moment of the injection', () => {
    const { profile, outcome } = trace('execs 30');
    expect(outcome).toEqual([0, '', '']);
    expect(profile.processes.map(({ birth }) => birth)).toEqual(['start', ...numbers(30).map(() => 'exec')]);
    expectOnce(profile, [...numbers(31), ...numbers(30, 100)]);
  });
});

describe('filters of the program itself', () => {
  it.each(['filter-first', 'filter-later', 'filter-thread'])('hide no call that they deny: %s', (mode) => {
    const { profile, outcome } = trace(mode);
    expect(outcome).toEqual([0, '', '']);
    expect(callNames(profile.processes)).toContain('x86_64:getpriority');
    expectOnce(profile, numbers(1));
    const denied = profile.processes.map(
      ({ calls }) => calls.find(({ name }) => name === 'getpriority')?.count,
    );
    expect(denied).toEqual(mode === 'filter-later' ? [1, 2] : [1]);
  });
});

describe('privilege', () => {
  it('is not needed: an ordinary user gets a filter, with no_new_privs', () => {
    using scratch = temporaryDirectory();
    chmodSync(scratch.path, 0o777);
    const program = copyFor(scratch.path, native);
    const file = join(scratch.path, 'profile.json');
    const traced = traceAsNobody(file, program, 'filters');
    expect([traced.status, traced.stdout, traced.stderr]).toEqual([0, '1 filters\n', '']);
    expect(callNames(readProfile(file).processes)).toContain('x86_64:getppid');
  });

  it('of a setuid program is lost for an ordinary user, which is said', () => {
    using scratch = temporaryDirectory();
    chmodSync(scratch.path, 0o777);
    const program = copyFor(scratch.path, native);
    const setuid = copyFor(scratch.path, '/usr/bin/id', 'id');
    chmodSync(setuid, 0o4755);
    const file = join(scratch.path, 'profile.json');
    const traced = traceAsNobody(file, program, 'setuid', setuid);
    expect(traced.stdout).toBe('uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)\n');
    expect(traced.stderr).toContain(`${setuid} is setuid and ran without its privileges`);
    expect(readProfile(file).processes.map(({ birth }) => birth)).toEqual(['start', 'exec']);
  });

  it('of a setuid program is there for root', () => {
    using scratch = temporaryDirectory();
    const setuid = copyFor(scratch.path, '/usr/bin/id', 'id');
    chmodSync(setuid, 0o6755);
    const { outcome } = trace(`setuid ${setuid}`);
    expect(outcome).toEqual([0, 'uid=0(root) gid=0(root) groups=0(root)\n', '']);
  });

  it('that a program gives up is not replaced by no_new_privs: it goes on being stopped', () => {
    const { profile, outcome } = trace('dropped');
    expect(outcome.slice(0, 2)).toEqual([0, '0 filters, no_new_privs 0\n']);
    expect(outcome[2]).toMatch(/is stopped at every call to the end, for it has given up the privilege/);
    const hot = profile.processes[0]?.calls.find(({ name }) => name === 'getppid');
    expect(hot?.count).toBe(3001);
  });
});

function traceAsNobody(file: string, ...command: readonly string[]): Finished {
  const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const options = ['-q', '--phases', 'none', '--method', 'adaptive', '-o', file];
  return run('setpriv', [...nobody, shared, 'trace', ...options, '--', ...command]);
}

function copyFor(path: string, program: string, name = 'victim'): string {
  const copy = join(path, name);
  copyFileSync(program, copy);
  chmodSync(copy, 0o755);
  return copy;
}

describe('what is not measured any more', () => {
  it('is marked: no count, no last use; and what goes on being stopped has both', () => {
    const { profile } = trace('rare 20000 5');
    const [process] = profile.processes;
    const hot = process?.calls.find(({ name }) => name === 'getppid');
    expect(hot).toMatchObject({ count: null, last: null });
    expect(hot?.first).toBeGreaterThan(0);
    expect(hot).not.toHaveProperty('errnos');
    for (const call of rareCalls(profile.processes)) {
      expect(call.count).toBe(1);
      expect(call.last).toBe(call.first);
    }
    // It was filtered for what it had done itself.
    expect(process).not.toHaveProperty('partial');
  });

  it('makes children partial, which are born with the filter', () => {
    const { profile } = trace('brief 400');
    const partial = profile.processes.map(({ partial: is }) => is === true);
    expect(partial.at(1)).toBe(false);
    expect(partial.at(-1)).toBe(true);
    const waits = profile.processes.at(-1)?.calls.filter((call) => call.waits !== undefined);
    expect(waits).toEqual([]);
  });

  it('is everything else, and exactly, in a program that makes few calls', () => {
    const command = ['sh', '-c', 'for i in 1 2 3; do /bin/true; sleep 0.4; done'];
    const adaptive = traceCommand(command, ['--method', 'adaptive']).profile;
    const seccomp = traceCommand(command, ['--method', 'seccomp']).profile;
    const counts = ({ processes }: Profile): unknown =>
      processes.map(({ calls }) => calls.map(({ name, nr, count }) => [name ?? nr, count]));
    expect(counts(adaptive)).toEqual(counts(seccomp));
  });

  it('means that no phases can be proposed, which is said', () => {
    const hot = [native, 'rare', '5000', '1'];
    const { stderr, profile } = traceCommand(hot, ['--method', 'adaptive', '--phases', 'auto', '-q']);
    expect(stderr).toBe(
      'callgate: warning: no phases can be proposed, for --method adaptive does not see when calls are used last (--method seccomp does)\n',
    );
    expect(profile.phases).toHaveLength(1);
  });
});

describe('phases that were asked for', () => {
  it('are waited for with every call counted, and the last has what was used in it', () => {
    const phase = ['--phase', 'main@syscall:getpriority'];
    const { profile } = trace('phased 3000', { args: phase });
    const setup = profile.processes[0]?.calls.find(({ name }) => name === 'getuid');
    expect(setup).toMatchObject({ phases: [0], count: 3000 });
    const hot = profile.processes[0]?.calls.find(({ name }) => name === 'getppid');
    expect(hot).toMatchObject({ phases: [0, 1], count: null });
    // Used in setup only up to then: a filter for main does not let it pass.
    const late = profile.processes[0]?.calls.find(({ name }) => name === 'getgid');
    expect(late).toMatchObject({ phases: [0, 1], count: 2 });
  });

  it('do not come too late for a trigger that is the n-th use of a hot call', () => {
    const { profile } = trace('rare 20000 2', { args: ['--phase', 'main@syscall:getppid#15000'] });
    expect(profile.phases[1]?.entered).toBe(true);
    const transitions = profile.processes[0]?.transitions ?? [];
    expect(transitions.map((one) => one.phase)).toEqual([0, 1]);
    expect(rareCalls(profile.processes).map(({ phases }) => phases)).toEqual([[0], [1]]);
  });

  it('have --ready among them', () => {
    const ready = ['--ready', 'syscall:getppid#15000', '--ready-timeout', '20s', '--workload', 'true'];
    const { profile, stderr } = traceCommand(
      [native, 'rare', '1000000', '2'],
      ['--method', 'adaptive', '-q', ...ready],
    );
    expect(stderr).not.toContain('ready');
    expect(profile.runs[0]?.workload?.exit).toEqual({ kind: 'exited', code: 0 });
  });
});

describe('the same set as with --method seccomp', () => {
  const PROGRAMS: readonly (readonly string[])[] = [
    ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=20000', 'status=none'],
    ['ls', '-lR', '/usr/share/doc'],
    ['sh', '-c', 'i=0; while [ $i -lt 60 ]; do /bin/true; /bin/echo $i; i=$((i+1)); done | tail -1'],
    ['find', '/usr/share/doc', '-maxdepth', '1', '-exec', 'true', '{}', ';'],
    [
      'python3',
      '-S',
      '-E',
      '-c',
      'import os\nfor i in range(9000): os.stat("/")\nos.getloadavg(); os.sched_yield()',
    ],
    ['perl', '-e', 'for (1..60) { unless (fork) { exec "true" if $_ % 2; exit $_ } wait } print `echo x`'],
    ['tar', 'cf', '/dev/null', '/usr/share/perl5'],
  ];

  it.each(PROGRAMS.map((command) => ({ command })))('and the same tree for $command', ({ command }) => {
    const [adaptive, seccomp] = ['adaptive', 'seccomp'].map((method) => {
      const { profile, status, stdout } = traceCommand(command, [
        '--method',
        method,
        '--phases',
        'none',
        '-q',
      ]);
      return {
        status,
        stdout,
        calls: [...callNames(profile.processes)].sort(),
        tree: treeOf(profile),
        profile,
      };
    });
    expect(adaptive?.calls).toEqual(seccomp?.calls);
    expect(adaptive?.tree).toEqual(seccomp?.tree);
    expect([adaptive?.status, adaptive?.stdout]).toEqual([seccomp?.status, seccomp?.stdout]);
    // Otherwise it would prove nothing.
    expect(adaptive?.profile.processes.some(({ calls }) => calls.some(({ count }) => count === null))).toBe(
      true,
    );
    expect(argumentSets(adaptive?.profile)).toEqual(argumentSets(seccomp?.profile));
  });

  /** How processes came to be and ended, by the place of their parent. */
  function treeOf({ processes, programs }: Profile): unknown {
    return processes
      .map(({ birth, parent, program, argv, exit }) => {
        const place =
          parent === null ? null : `${processes[parent]?.birth} ${processes[parent]?.argv?.join(' ')}`;
        return JSON.stringify([birth, place, program === null ? null : programs[program]?.path, argv, exit]);
      })
      .sort();
  }
});

/** All values of every selecting argument of a run. Flags of mmap and the like depend on nothing but the program. */
function argumentSets(profile: Profile | undefined): unknown {
  const sets = new Map<string, Set<number | string>>();
  for (const { arch, nr, args } of profile?.processes.flatMap(({ calls }) => calls) ?? []) {
    for (const { index, values } of args ?? []) {
      const key = `${arch} ${nr} ${index}`;
      const set = sets.get(key) ?? new Set();
      for (const value of values === 'any' ? ['any'] : values) set.add(value);
      sets.set(key, set);
    }
  }
  const listed = [...sets].map(([key, set]) => `${key}: ${[...set].map(String).sort().join(' ')}`);
  return listed.sort();
}
