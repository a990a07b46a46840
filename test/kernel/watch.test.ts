import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseProfile } from '../../src/profile/load.ts';
import { measureCompleteness } from '../../src/profile/completeness.ts';
import type { Process, Profile } from '../../src/profile/model.ts';
import { executableOf } from '../../src/watch/target.ts';
import { parseOpenMetrics } from '../../src/watch/testing/openmetrics.ts';
import {
  CALLGATE,
  callgate,
  callNames,
  countOf,
  run,
  start,
  temporaryDirectory,
  traceCommand,
  type Background,
  type Finished,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { statusField, until } from './fixtures/policies.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';
import { countedCalls, PENDING_CALLS } from './fixtures/pending.ts';

const UNIFIED = '/sys/fs/cgroup/unified';

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.c`, import.meta.url), 'utf8');

let rare = '';
let crowd = '';

beforeAll(() => {
  rare = compile(fixture('rare'));
  crowd = compile(fixture('crowd'), ['-pthread']);
});

/** Starts a watch and waits until it records. */
async function watch(directory: string, ...options: readonly string[]): Promise<Background> {
  const background = start(['watch', '-d', directory, ...options]);
  await background.waitFor('watching');
  return background;
}

async function end({ kill, end: ended }: Background, signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
  kill(signal);
  return ended;
}

/** The profile of a target, checked in full. */
function profileOf(directory: string, file: string): Profile {
  return parseProfile(readFileSync(join(directory, file), 'utf8'), file);
}

const fileOf = (program: string): string => executableOf(program).file;

/** The options by which only one executable is watched. */
const only = (program: string): readonly string[] => ['--by', 'exe', '--include', program];

describe('watching executables', () => {
  it('records what a trace of the same program does, each start as a run', async () => {
    using directory = temporaryDirectory();
    const background = await watch(directory.path, ...only(rare));
    for (let count = 0; count < 3; count++) expect(run(rare, ['1000']).status).toBe(0);
    const { status, stderr } = await end(background);
    expect(status).toBe(0);
    expect(stderr).toContain('3 starts, 0 live');
    expect(stderr).toMatch(/^callgate: 1 executable in/m);
    const profile = profileOf(directory.path, fileOf(rare));
    const traced = traceCommand([rare, '1000'], ['-q', '--method', 'ebpf']).profile;
    const withoutLaunch = (profiles: Profile): Profile['processes'] =>
      profiles.processes.map((process) => ({
        ...process,
        calls: process.calls.filter((call) => call.launch !== true),
      }));
    expect(callNames(profile.processes)).toEqual(callNames(withoutLaunch(traced)));
    expect(profile.programs).toEqual(traced.programs);
    expect(profile.runs.map(({ complete, command }) => ({ complete, command }))).toEqual(
      Array.from({ length: 3 }, () => ({ complete: true, command: [rare, '1000'] })),
    );
    expect(profile.processes.map((process) => [countOf([process], 'getppid'), process.exit])).toEqual(
      Array.from({ length: 3 }, () => [1000, { kind: 'exited', code: 0 }]),
    );
    expect(measureCompleteness(profile)).toMatchObject({ runs: 3, uniques: 0, complete: true });
  });

  it('has every value of selecting arguments, and no last use that is too early', async () => {
    using directory = temporaryDirectory();
    const program = compile(`
      #include <fcntl.h>
      #include <sys/socket.h>
      #include <unistd.h>
      int main(void) {
        static const int commands[] = {F_GETFD, F_GETFL, 1032 /* F_GETPIPE_SZ */, F_GETFD, 1032};
        for (int i = 0; i < 500; i++) fcntl(0, commands[i % 5]);
        for (int i = 0; i < 60; i++) close(socket(i % 2 ? AF_UNIX : AF_INET, i < 40 ? SOCK_STREAM : SOCK_DGRAM, 0));
        usleep(100000);
        fcntl(0, F_GETFL);
      }`);
    const background = await watch(directory.path, ...only(program));
    expect(run(program, []).status).toBe(0);
    await end(background);
    const [process] = profileOf(directory.path, fileOf(program)).processes;
    const [traced] = traceCommand([program], ['-q', '--method', 'ebpf']).profile.processes;
    for (const name of ['fcntl', 'socket']) {
      const [call, exact] = [process, traced].map((of) => of?.calls.find((each) => each.name === name));
      expect(call?.count, name).toBe(exact?.count);
      const values = (of: typeof call): unknown =>
        of?.args?.map(({ index, values: all }) => ({ index, all }));
      expect(values(call)).toEqual(values(exact));
    }
    const fcntl = process?.calls.find(({ name }) => name === 'fcntl');
    expect((fcntl?.last ?? 0) - (fcntl?.first ?? 0)).toBeGreaterThan(99_000_000);
    expect(fcntl?.last).toBeLessThanOrEqual(process?.end ?? 0);
    expect(process?.calls.filter(({ waits }) => waits !== undefined)).toEqual([]);
  });

  it('tells a file that is called as if it were deleted from one that is', async () => {
    using directory = temporaryDirectory();
    using programs = temporaryDirectory();
    const [real, plain] = [join(programs.path, 'x (deleted)'), join(programs.path, 'x')];
    for (const path of [real, plain]) copyFileSync(rare, path);
    const background = await watch(directory.path, ...only(`${programs.path}/*`));
    for (const path of [real, plain]) expect(run(path, ['10']).status).toBe(0);
    const { stderr } = await end(background);
    expect(stderr).toContain(`${plain}: `);
    expect(stderr).toContain(`${real}: `);
    expect(stderr.match(/1 start, 0 live/g)).toHaveLength(2);
  });

  it('counts calls that are made often exactly, over threads, forks, execs and arches', async () => {
    using directory = temporaryDirectory();
    const program = compile(
      `
      #include <fcntl.h>
      #include <pthread.h>
      #include <sys/syscall.h>
      #include <sys/wait.h>
      #include <unistd.h>
      static char **arguments;
      static void parents(int count) { while (count-- > 0) syscall(SYS_getppid); }
      static void *often(void *none) { parents(20000); return none; }
      static void *become(void *none) { execv(arguments[0], (char *[]){arguments[0], "last", NULL}); return none; }
      int main(int argc, char **argv) {
        arguments = argv;
        if (argc > 1) parents(1000);
        if (argc == 2) return 0;
        pthread_t threads[4];
        if (argc == 3) { pthread_create(&threads[0], NULL, become, NULL); pause(); }
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, often, NULL);
        for (int i = 0; i < 2000; i++) {
          static const int commands[] = {F_GETFD, F_GETFL, 1032 /* F_GETPIPE_SZ */, F_GETFD};
          for (int k = 0; k < 4; k++) fcntl(0, commands[k]);
          int result;
          __asm__ volatile("int $0x80" : "=a"(result) : "0"(64 /* getppid */) : "memory", "r8", "r9", "r10", "r11");
        }
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        if (fork() == 0) { parents(5000); _exit(0); }
        wait(NULL);
        execv(argv[0], (char *[]){argv[0], "by", "leader", NULL});
      }`,
      ['-pthread'],
    );
    const background = await watch(directory.path, ...only(program));
    expect(run(program, []).status).toBe(0);
    await end(background);
    const { processes, runs } = profileOf(directory.path, fileOf(program));
    const counts = (name: string, arch: string): unknown =>
      processes.map(
        ({ calls }) => calls.find((call) => call.name === name && call.arch === arch)?.count ?? 0,
      );
    expect(runs.map(({ complete }) => complete)).toEqual([true, true, true]);
    expect(counts('getppid', 'x86_64')).toEqual([85_000, 1000, 1000]);
    expect(counts('getppid', 'i386')).toEqual([2000, 0, 0]);
    expect(counts('fcntl', 'x86_64')).toEqual([8000, 0, 0]);
  });

  it('counts a value once that two threads use first at the same moment, while they live', async () => {
    using directory = temporaryDirectory();
    const program = compile(
      `
      #include <fcntl.h>
      #include <pthread.h>
      #include <stdio.h>
      #include <unistd.h>
      static volatile int turn;
      static void *use(void *own) {
        for (int i = 0; i < 20; i++) {
          __sync_fetch_and_add(&turn, 1);
          while (turn < 2 * (i + 1)) ;
          fcntl(0, 2000 + i);
        }
        for (int k = 0; k < 500; k++) for (int i = 0; i < 20; i++) fcntl(0, 2000 + i);
        return own;
      }
      int main(void) {
        pthread_t other;
        pthread_create(&other, NULL, use, NULL);
        use(NULL);
        pthread_join(other, NULL);
        puts("done");
        fflush(stdout);
        pause();
      }`,
      ['-pthread'],
    );
    const background = await watch(directory.path, ...only(program));
    const busy = start([], program);
    await busy.waitFor('done');
    await end(background);
    busy.kill('SIGKILL');
    await busy.end;
    const { processes } = profileOf(directory.path, fileOf(program));
    expect(countOf(processes, 'fcntl')).toBe(2 * (20 + 500 * 20));
    expect(processes[0]?.calls.find(({ name }) => name === 'fcntl')?.args?.[0]?.values).toHaveLength(20);
  });

  it('notes a call that a busy process makes for the first time, and where it listens', async () => {
    using directory = temporaryDirectory();
    const program = compile(`
      #include <netinet/in.h>
      #include <sys/prctl.h>
      #include <sys/socket.h>
      #include <sys/syscall.h>
      #include <fcntl.h>
      #include <unistd.h>
      int main(void) {
        int server = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in any = {.sin_family = AF_INET};
        bind(server, (struct sockaddr *)&any, sizeof any);
        for (int i = 0; i < 5000; i++) { syscall(SYS_getppid); fcntl(0, F_GETFD); }
        listen(server, 1);
        for (int i = 0; i < 5000; i++) { syscall(SYS_getppid); fcntl(0, F_GETFD); }
        getpgid(0);
        fcntl(0, F_GETFL);
        for (int i = 0; i < 5000; i++) syscall(SYS_getppid);
      }`);
    const background = await watch(directory.path, ...only(program));
    expect(run(program, []).status).toBe(0);
    await end(background);
    const [process] = profileOf(directory.path, fileOf(program)).processes;
    expect(process?.listens).toHaveLength(1);
    expect(['getppid', 'fcntl', 'getpgid'].map((name) => countOf([process as Process], name))).toEqual([
      15_000, 10_001, 1,
    ]);
    expect(process?.calls.find(({ name }) => name === 'fcntl')?.args?.[0]?.values).toEqual([1, 3]);
  });

  it('continues what an earlier watch has written', async () => {
    using directory = temporaryDirectory();
    for (const count of ['1000', '2000']) {
      const background = await watch(directory.path, ...only(rare));
      run(rare, [count]);
      await end(background, 'SIGINT');
    }
    const profile = profileOf(directory.path, fileOf(rare));
    expect(profile.runs.map(({ command }) => command[1])).toEqual(['1000', '2000']);
    expect(profile.processes.map((process) => [process.run, countOf([process], 'getppid')])).toEqual([
      [0, 1000],
      [1, 2000],
    ]);
  });

  it('has a process that is born into another cgroup in the start of its parent', async () => {
    using directory = temporaryDirectory();
    const cgroup = join(UNIFIED, `callgate-born-${process.pid}`);
    using _cgroup = makeCgroup(cgroup);
    // Once its input ends, the one that is told a cgroup has a child there.
    const program = compile(`
      #define _GNU_SOURCE
      #include <fcntl.h>
      #include <linux/sched.h>
      #include <signal.h>
      #include <sys/syscall.h>
      #include <sys/wait.h>
      #include <unistd.h>
      int main(int argc, char **argv) {
        char byte;
        if (read(0, &byte, 1) != 0) return 1;
        if (argc == 1) return 0;
        int cgroup = open(argv[1], O_RDONLY | O_DIRECTORY);
        struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};
        long pid = syscall(SYS_clone3, &how, sizeof how);
        if (pid == 0) {
          alarm(0);
          _exit(0);
        }
        return pid < 0 || waitpid(pid, NULL, 0) < 0;
      }`);
    const background = await watch(directory.path, ...only(program));
    // The second has executed when the first goes on.
    const [parent, other] = [[cgroup], []].map((args) =>
      spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] }),
    );
    for (const started of [parent, other]) {
      started?.stdin?.end();
      expect(await new Promise((resolve) => started?.once('close', resolve))).toBe(0);
    }
    await end(background);
    const { processes, runs } = profileOf(directory.path, fileOf(program));
    const alarms = runs.map(({ command }, index) => ({
      command,
      count: countOf(
        processes.filter((one) => one.run === index),
        'alarm',
      ),
    }));
    expect(alarms).toHaveLength(2);
    expect(alarms).toContainEqual({ command: [program, cgroup], count: 1 });
    expect(alarms).toContainEqual({ command: [program], count: 0 });
  });

  it('keeps every call of thousands of starts in a bounded number of runs', async () => {
    using directory = temporaryDirectory();
    const background = await watch(directory.path, ...only(rare));
    const script = `i=0; while [ $i -lt 300 ]; do ${rare} 10; i=$((i + 1)); done`;
    expect(run('sh', ['-c', script]).status).toBe(0);
    await end(background);
    const profile = profileOf(directory.path, fileOf(rare));
    expect(profile.runs.length).toBeLessThanOrEqual(16);
    expect(profile.processes).toHaveLength(profile.runs.length);
    expect(countOf(profile.processes, 'getppid')).toBe(3000);
    expect(countOf(profile.processes, 'alarm')).toBe(300);
    const starts = profile.runs.map(({ warnings }) => Number(/stands for (\d+)/.exec(warnings.join())?.[1]));
    expect(starts.reduce((sum, count) => sum + count, 0)).toBe(300);
    expect(new Set(starts.slice(0, -1)).size).toBe(1);
  });

  it('folds the processes of a start into one entry, and counts each', async () => {
    using directory = temporaryDirectory();
    const background = await watch(directory.path, ...only(crowd));
    expect(run(crowd, ['children', '1000']).status).toBe(0);
    await end(background);
    const profile = profileOf(directory.path, fileOf(crowd));
    expect(profile.runs).toHaveLength(1);
    expect(profile.runs[0]?.incomplete).toEqual([]);
    expect(profile.runs[0]).toMatchObject({ complete: true, lost: 0 });
    expect(profile.runs[0]?.warnings).toEqual([expect.stringContaining('are one entry')]);
    expect(profile.processes).toHaveLength(1);
    expect(countOf(profile.processes, 'getppid')).toBe(1000);
  });

  it('says of what ran already that its beginning was not seen', async () => {
    using directory = temporaryDirectory();
    const busy = start(
      ['-e', '$| = 1; print "up\\n"; select(undef, undef, undef, 0.02) while 1'],
      '/usr/bin/perl',
    );
    try {
      await busy.waitFor('up');
      const metrics = await watch(directory.path, '--by', 'exe', '--include', 'perl', '--interval', '200ms');
      const file = join(directory.path, fileOf('/usr/bin/perl'));
      await expect.poll(() => existsSync(file), { timeout: 30_000 }).toBe(true);
      await end(metrics);
      const { runs, processes } = profileOf(directory.path, basename(file));
      const found = runs.find(({ attached }) => attached?.includes(busy.pid) === true);
      expect(found?.complete).toBe(false);
      expect(found?.incomplete).toEqual([
        expect.stringContaining('ran already'),
        expect.stringContaining('the watch ended'),
        expect.stringContaining('still ran'),
      ]);
      expect(processes.find(({ pid }) => pid === busy.pid)).toMatchObject({ birth: 'attach', end: null });
    } finally {
      busy.kill('SIGKILL');
      await busy.end;
    }
  });
});

it('a watch has the calls in which what ran already sits, and nothing that it did before', async () => {
  using directory = temporaryDirectory();
  const pending = compile(fixture('pending'), ['-pthread', '-no-pie']);
  const sitting = start([], pending);
  await sitting.waitFor('began');
  await end(await watch(directory.path, ...only(pending)));
  sitting.kill('SIGKILL');
  await sitting.end;
  const { processes, runs } = profileOf(directory.path, fileOf(pending));
  expect(processes[0]).toMatchObject({ pid: sitting.pid, birth: 'attach' });
  expect(runs[0]?.incomplete).toContainEqual(expect.stringContaining('ran already'));
  expect(countedCalls(processes[0])).toEqual(PENDING_CALLS);
  expect(processes[0]?.calls.find(({ name }) => name === 'accept4')?.args).toEqual([
    expect.objectContaining({ name: 'flags', values: [0o2000000] }),
  ]);
});

describe('a watch that begins again', () => {
  it('goes on with the run of an executable that runs throughout', async () => {
    using directory = temporaryDirectory();
    const script = '$| = 1; fork; print "up\\n"; select(undef, undef, undef, 0.02) while 1';
    const busy = start(['-e', script], '/usr/bin/perl');
    try {
      await busy.waitFor('up\nup');
      const options = ['-d', directory.path, '--by', 'exe', '--include', 'perl', '--once', '500ms'];
      for (let count = 0; count < 3; count++) expect(callgate(['watch', ...options]).status).toBe(0);
      const { runs, processes } = profileOf(directory.path, fileOf('/usr/bin/perl'));
      const found = runs.filter(({ attached }) => attached?.includes(busy.pid) === true);
      expect(found).toHaveLength(1);
      expect(found[0]?.incomplete).toContain('it was not watched between two watches');
      expect(processes.filter(({ pid }) => pid === busy.pid)).toHaveLength(1);
      expect(runs.length).toBeLessThanOrEqual(2);
    } finally {
      run('pkill', ['-KILL', '-P', `${busy.pid}`]);
      busy.kill('SIGKILL');
      await busy.end;
    }
  });

  it('goes on with the life of a cgroup, though all of its processes are others', () => {
    using directory = temporaryDirectory();
    const unit = `callgate-again-${process.pid}.service`;
    const cgroup = join(UNIFIED, 'callgatetest.slice', unit);
    const watchOnce = (): void => {
      using _busy = busyIn(cgroup, () => {});
      expect(callgate(['watch', '-d', directory.path, '--include', unit, '--once', '500ms']).status).toBe(0);
    };
    const runsOf = (): number => profileOf(directory.path, `${unit}.json`).runs.length;
    {
      using _cgroup = makeCgroup(cgroup);
      watchOnce();
      watchOnce();
      expect(runsOf()).toBe(1);
    }
    using _cgroup = makeCgroup(cgroup);
    watchOnce();
    expect(runsOf()).toBe(2);
  });
});

describe('watching units', () => {
  it.each([
    { how: 'at once', pause: '' },
    // Meanwhile the watch hears of the exec of the shell, which was elsewhere then.
    { how: 'after a while', pause: 'i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done;' },
  ])(
    'has a profile for each, a start for each life of the cgroup, and outlives it: $how',
    async ({ pause }) => {
      using directory = temporaryDirectory();
      const unit = `callgate-test-${process.pid}.service`;
      const slice = join(UNIFIED, 'system.slice');
      const hadSlice = existsSync(slice);
      const background = await watch(directory.path, '--include', 'callgate-test-*');
      try {
        for (let count = 0; count < 3; count++) {
          mkdirSync(join(slice, unit), { recursive: true });
          // As systemd does it: the process moves itself, then becomes the service's command, here two of them.
          const begin = `echo $$ > ${slice}/${unit}/cgroup.procs; ${pause}`;
          run('sh', ['-c', `${begin} exec ${rare} 10`]);
          run('sh', ['-c', `${begin} exec sh -c '${rare} 20; ${rare} 30'`]);
          rmdirSync(join(slice, unit));
        }
        const { stderr } = await end(background);
        expect(stderr).toContain(`${unit}: `);
      } finally {
        background.kill('SIGKILL');
        if (!hadSlice) rmdirSync(slice);
      }
      const profile = profileOf(directory.path, `${unit}.json`);
      expect(readdirSync(directory.path)).toEqual([`${unit}.json`]);
      expect(profile.runs.map(({ complete }) => complete)).toEqual([true, true, true]);
      const seen = profile.processes.map(({ run: index, program }) => [
        index,
        basename(profile.programs[program ?? -1]?.path ?? ''),
      ]);
      // The shell before it becomes the command is of the unit from its move on.
      expect(seen).toEqual(
        [0, 1, 2].flatMap((index) => [
          [index, 'dash'],
          [index, basename(rare)],
        ]),
      );
      expect(countOf(profile.processes, 'getppid')).toBe(3 * (10 + 20 + 30) + countShells(profile));
      expect(countOf(profile.processes, 'alarm')).toBe(9);
    },
  );
});

/** A cgroup for a test, with those above it; what was made is removed. */
function makeCgroup(path: string): Disposable {
  const made: string[] = [];
  for (let place = path; !existsSync(place); place = dirname(place)) made.push(place);
  for (const place of made.toReversed()) mkdirSync(place);
  return {
    [Symbol.dispose]: () => {
      for (const place of made) removeCgroup(place);
    },
  };
}

describe('a process that is moved into a unit', () => {
  const unit = `callgate-moved-${process.pid}.service`;
  const cgroup = join(UNIFIED, 'callgatetest.slice', unit);
  const program = (profile: Profile, index: number | null): string =>
    basename(profile.programs[index ?? -1]?.path ?? '');

  it('belongs to it from then on, with what it does itself', async () => {
    using directory = temporaryDirectory();
    using _cgroup = makeCgroup(cgroup);
    const background = await watch(directory.path);
    const script = `cd /; sleep 0.6; echo $$ > ${cgroup}/cgroup.procs; sleep 0.6; umask 77; cd /usr; ${rare} 10; cd /`;
    expect(run('sh', ['-c', script]).status).toBe(0);
    await end(background);
    const profile = profileOf(directory.path, `${unit}.json`);
    const shells = profile.processes.filter((process) => program(profile, process.program) === 'dash');
    expect(countOf(shells, 'chdir')).toBe(2);
    expect(callNames(shells)).toContain('x86_64:umask');
    expect(profile.processes.map((process) => program(profile, process.program))).toContain(basename(rare));
    expect(profile.runs).toHaveLength(1);
    expect(profile.runs[0]).toMatchObject({
      complete: false,
      incomplete: [expect.stringContaining('moved into it')],
    });
  });

  it('belongs to it also if it is over before anybody looks', async () => {
    using directory = temporaryDirectory();
    using _cgroup = makeCgroup(cgroup);
    const background = await watch(directory.path, '--include', unit);
    run('sh', ['-c', `echo $$ > ${cgroup}/cgroup.procs; umask 77; cd /`]);
    await end(background);
    const profile = profileOf(directory.path, `${unit}.json`);
    expect([...callNames(profile.processes)]).toEqual(
      expect.arrayContaining(['x86_64:umask', 'x86_64:chdir']),
    );
    expect(profile.runs.map(({ complete }) => complete)).toEqual([false]);
  });

  it('belongs to it with all that it goes on doing, however often it did so before', async () => {
    using directory = temporaryDirectory();
    using _cgroup = makeCgroup(cgroup);
    const busy = compile(`
      #include <fcntl.h>
      #include <stdlib.h>
      #include <sys/syscall.h>
      #include <time.h>
      #include <unistd.h>
      int main(int count, char **words) {
        for (time_t end = time(0) + atoi(words[1]); time(0) < end;) { syscall(SYS_getppid); fcntl(0, F_GETFD); }
      }`);
    const background = await watch(directory.path, '--include', unit);
    const script = `${busy} 3 & sleep 1; echo $! > ${cgroup}/cgroup.procs; wait`;
    expect(run('sh', ['-c', script]).status).toBe(0);
    await end(background);
    const { processes } = profileOf(directory.path, `${unit}.json`);
    expect(callNames(processes)).toEqual(new Set(['x86_64:getppid', 'x86_64:fcntl', 'x86_64:exit_group']));
    for (const name of ['getppid', 'fcntl']) expect(countOf(processes, name), name).toBeGreaterThan(10_000);
  });

  it('belongs to another again when it is moved on, also to the root', async () => {
    using directory = temporaryDirectory();
    using _cgroup = makeCgroup(cgroup);
    const background = await watch(directory.path, '--include', unit);
    const moves = `echo $$ > ${cgroup}/cgroup.procs; umask 77; sleep 0.6; echo $$ > ${UNIFIED}/cgroup.procs; sleep 0.6; cd /`;
    run('sh', ['-c', moves]);
    await end(background);
    const { processes } = profileOf(directory.path, `${unit}.json`);
    expect(callNames(processes)).toContain('x86_64:umask');
    expect(callNames(processes)).not.toContain('x86_64:chdir');
  });
});

describe('a process that is born into a unit', () => {
  it.each([
    { what: 'and does the work itself', executes: false },
    { what: 'and becomes its command', executes: true },
  ])('belongs to it, and never to that of its parent: $what', async ({ executes }) => {
    using directory = temporaryDirectory();
    const [parent, child] = ['parent', 'child'].map((name) => `callgate-${name}-${process.pid}.service`);
    const [outside, inside] = [parent, child].map((unit) =>
      join(UNIFIED, 'callgatetest.slice', unit as string),
    );
    using _outside = makeCgroup(outside as string);
    using _inside = makeCgroup(inside as string);
    const program = compile(`
      #define _GNU_SOURCE
      #include <fcntl.h>
      #include <linux/sched.h>
      #include <signal.h>
      #include <sys/syscall.h>
      #include <sys/wait.h>
      #include <unistd.h>
      int main(int argc, char **argv) {
        int cgroup = open(argv[1], O_RDONLY | O_DIRECTORY);
        for (int i = 0; i < 50; i++) {
          struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};
          long pid = syscall(SYS_clone3, &how, sizeof how);
          if (pid == 0) {
            alarm(0);
            if (argc > 2) execl(argv[2], argv[2], "1", NULL);
            _exit(0);
          }
          if (pid < 0 || waitpid(pid, NULL, 0) < 0) return 1;
        }
      }`);
    const background = await watch(directory.path, '--include', 'callgate-*');
    const command = executes ? rare : '';
    const script = `echo $$ > ${outside}/cgroup.procs; exec ${program} ${inside} ${command}`;
    expect(run('sh', ['-c', script]).status).toBe(0);
    await end(background);
    expect(callNames(profileOf(directory.path, `${parent}.json`).processes)).not.toContain('x86_64:alarm');
    const { processes, runs } = profileOf(directory.path, `${child}.json`);
    expect(countOf(processes, 'alarm')).toBe(executes ? 100 : 50);
    expect(runs.map(({ complete }) => complete)).toEqual([true]);
  });
});

describe('a cgroup that only a v1 hierarchy has', () => {
  it('is told of processes too that are over before anybody looks', async () => {
    using directory = temporaryDirectory();
    const unit = `callgate-v1-${process.pid}.service`;
    const cgroup = join('/sys/fs/cgroup/pids/callgatetest.slice', unit);
    using _cgroup = makeCgroup(cgroup);
    const background = await watch(directory.path);
    // The parent does not wait for them: they stay as zombies for a while.
    const program = compile(`
      #include <unistd.h>
      int main(int argc, char **argv) {
        for (int i = 0; i < 50; i++) {
          if (fork() == 0) { execl(argv[1], argv[1], "10", NULL); _exit(1); }
          usleep(10000);
        }
        usleep(500000);
      }`);
    expect(run('sh', ['-c', `echo $$ > ${cgroup}/cgroup.procs; exec ${program} ${rare}`]).status).toBe(0);
    await end(background);
    const { processes } = profileOf(directory.path, `${unit}.json`);
    expect(countOf(processes, 'alarm')).toBe(50);
  });
});

/** A shell asks for its parent once. */
function countShells(profile: Profile): number {
  const shells = profile.processes.filter(({ program }) =>
    profile.programs[program ?? -1]?.path.endsWith('dash'),
  );
  return countOf(shells, 'getppid');
}

describe('watching containers', () => {
  it.each([
    { by: 'container', what: 'however short', cgroup: null, calls: 100 },
    { by: 'unit', what: 'however short', cgroup: null, calls: 100 },
    // What runc writes of its cgroup must be there long enough to be read.
    { by: 'container', what: 'in a cgroup of any name', cgroup: 'callgatetest.slice/any', calls: 5_000_000 },
    { by: 'unit', what: 'in a cgroup of any name', cgroup: 'callgatetest-any', calls: 5_000_000 },
  ])(
    'has a profile for each, and nothing of what is in none: $what, --by $by',
    async ({ by, cgroup, calls }) => {
      using directory = temporaryDirectory();
      using bundle = temporaryDirectory();
      mkdirSync(join(bundle.path, 'rootfs'));
      const inside = compile(fixture('rare'), ['-static']);
      run('cp', [inside, join(bundle.path, 'rootfs/rare')]);
      expect(run('runc', ['spec', '--bundle', bundle.path]).status).toBe(0);
      const file = join(bundle.path, 'config.json');
      const config = JSON.parse(readFileSync(file, 'utf8')) as { process: object; linux: object };
      config.process = { ...config.process, terminal: false, args: ['/rare', `${calls}`] };
      const ids = Array.from(
        { length: cgroup === null ? 8 : 2 },
        (_, index) => `callgate-test-${process.pid}-${index}`,
      );
      const background = await watch(
        directory.path,
        '--by',
        by,
        '--include',
        `*callgate-test-${process.pid}-*`,
      );
      run(rare, ['10']);
      for (const id of ids) {
        if (cgroup !== null) config.linux = { ...config.linux, cgroupsPath: `/${cgroup}-${id.at(-1)}` };
        writeFileSync(file, JSON.stringify(config));
        const { status, stderr } = run('runc', ['run', '--bundle', bundle.path, id]);
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      }
      await end(background);
      expect(readdirSync(directory.path)).toEqual(ids.map((id) => `runc-${id}.json`));
      for (const id of ids) {
        const profile = profileOf(directory.path, `runc-${id}.json`);
        expect(profile.programs.map(({ path }) => path)).toContain('/rare');
        expect(countOf(profile.processes, 'alarm')).toBe(1);
      }
    },
  );
});

describe('the metrics of a watch', () => {
  it('are OpenMetrics, on loopback', async () => {
    using directory = temporaryDirectory();
    const background = start([
      'watch',
      '-d',
      directory.path,
      ...only(rare),
      '--metrics',
      '127.0.0.1:0',
      '--once',
      '60s',
    ]);
    await background.waitFor('watching');
    run(rare, ['10']);
    background.kill('SIGCONT');
    let url = '';
    void background.end.then(({ stderr }) => (url = stderr));
    const port = listeningPort(background.pid);
    const read = async (): Promise<ReturnType<typeof parseOpenMetrics>> => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      expect(response.headers.get('content-type')).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
      return parseOpenMetrics(await response.text());
    };
    await expect
      .poll(async () => (await read()).get('callgate_watch_starts')?.samples, { timeout: 30_000 })
      .toEqual([{ name: 'callgate_watch_starts', labels: `{target="${rare}"}`, value: 1 }]);
    const families = await read();
    expect(families.get('callgate_watch_calls')?.samples[0]?.value).toBeGreaterThan(15);
    expect((await fetch(`http://127.0.0.1:${port}/other`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status).toBe(405);
    await end(background);
    expect(url).toContain(`metrics are at http://127.0.0.1:${port}/metrics`);
  });
});

/** The port on which a process listens, by its sockets. */
function listeningPort(pid: number): number {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      const { stdout } = spawnSync('readlink', [`/proc/${pid}/fd/${fd}`], { encoding: 'utf8' });
      return /socket:\[(\d+)\]/.exec(stdout)?.[1];
    }),
  );
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns[3] === '0A' && inodes.has(columns[9])) {
      return parseInt(columns[1]?.split(':')[1] ?? '', 16);
    }
  }
  throw new Error(`process ${pid} listens on no port`);
}

/** A shell in a cgroup that makes calls until it is disposed of; then the cgroup is removed, unless something else is done. */
function busyIn(cgroup: string, after: () => void = () => removeCgroup(cgroup)): Disposable {
  const loop = `echo $$ > ${cgroup}/cgroup.procs; while :; do /bin/true; sleep 0.05; done`;
  const shell = spawn('sh', ['-c', loop], { stdio: 'ignore' });
  return {
    [Symbol.dispose]: () => {
      shell.kill('SIGKILL');
      after();
    },
  };
}

function removeCgroup(path: string): void {
  run('sh', ['-c', `while ! rmdir ${path} 2>/dev/null; do sleep 0.05; done`]);
}

describe('what a watch has no room for', () => {
  /** Children, each of which makes a thousand calls that no kernel has, are more than the buffer and the maps hold. */
  const flood = (): string =>
    compile(`
      #include <sys/wait.h>
      #include <unistd.h>
      int main(void) {
        for (int i = 0; i < 400; i++) {
          if (fork() == 0) { for (int k = 0; k < 1000; k++) syscall(2000 + k); _exit(0); }
          wait(NULL);
        }
      }`);

  it.each([
    { when: 'while it goes on', isEnded: false },
    { when: 'just before it ends', isEnded: true },
  ])('is said of the run that has lost it, though that is over by then: $when', async ({ isEnded }) => {
    using directory = temporaryDirectory();
    const program = flood();
    const background = await watch(directory.path, ...only(program));
    background.kill('SIGSTOP');
    expect(run(program, []).status).toBe(0);
    if (isEnded) background.kill('SIGTERM');
    background.kill('SIGCONT');
    if (!isEnded) await background.waitFor('were lost');
    const { stderr } = await (isEnded ? background.end : end(background));
    expect(stderr).toMatch(/[1-9][0-9]* events lost/);
    const [lossy] = profileOf(directory.path, fileOf(program)).runs;
    expect(lossy?.lost).toBeGreaterThan(0);
    expect(lossy?.incomplete).toContain('events or calls were lost on this machine while it ran');
  });

  it('does not take what a process did before an exec for the work of the program that it is now', async () => {
    using directory = temporaryDirectory();
    const waiter = compile(`
      #include <sys/syscall.h>
      #include <unistd.h>
      int main(void) { for (;;) { syscall(SYS_getppid); usleep(20000); } }`);
    const background = await watch(directory.path, ...only(waiter));
    background.kill('SIGSTOP');
    expect(run(flood(), []).status).toBe(0);
    const script = `umask 22; cd /; exec ${waiter}`;
    const shell = spawn('sh', ['-c', `/bin/true; ${script}`], { stdio: 'ignore' });
    await until('the exec', () => readlinkSync(`/proc/${shell.pid}/exe`) === waiter);
    background.kill('SIGCONT');
    await background.waitFor('were lost');
    // A search for what was lost comes every ten looks.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    shell.kill('SIGKILL');
    const { stderr } = await end(background);
    const profile = profileOf(directory.path, fileOf(waiter));
    const names = new Set(profile.processes.flatMap(({ calls }) => calls.map(({ name }) => name ?? '')));
    expect([...names].filter((name) => ['umask', 'chdir', 'wait4', 'vfork'].includes(name))).toEqual([]);
    expect(names.has('getppid')).toBe(true);
    expect(profile.processes.map(({ pid }) => pid)).toEqual([shell.pid]);
    expect(stderr).toContain(`${waiter}: ${names.size} calls, ${names.size} new, 1 start, 0 live`);
  });
});

describe('the unit of systemd', () => {
  const unit = readFileSync(new URL('../../packaging/callgate-watch.service', import.meta.url), 'utf8');
  const valueOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it('is one that systemd reads without a complaint', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'callgate-watch.service');
    // systemd looks whether the command is there.
    const verify = (text: string): Finished => {
      writeFileSync(file, text.replace('/usr/bin/callgate', CALLGATE));
      return run('systemd-analyze', ['verify', '--man=no', file]);
    };
    expect(verify(unit)).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(verify(unit.replace('ProtectClock', 'ProtectClocks')).stderr).toContain('ProtectClocks');
  });

  it('has options that callgate takes, and capabilities that are enough', () => {
    using directory = temporaryDirectory();
    const [, ...args] = valueOf('ExecStart')
      .replace('${STATE_DIRECTORY}', directory.path)
      .replace('127.0.0.1:9464', '127.0.0.1:0')
      .split(' ');
    const capabilities = valueOf('CapabilityBoundingSet').toLowerCase().replaceAll('cap_', '+').split(' ');
    expect(capabilities).toHaveLength(4);
    // On a machine where no service does anything, one that does.
    const cgroup = join(UNIFIED, 'system.slice', `callgate-test-${process.pid}-busy.service`);
    mkdirSync(cgroup, { recursive: true });
    using _busy = busyIn(cgroup);
    const { status, stderr } = run('setpriv', [
      `--bounding-set=-all,${capabilities.join(',')}`,
      '--inh-caps=-all',
      '--no-new-privs',
      sharedCallgate(),
      ...args,
      '--once',
      '1s',
    ]);
    // Processes of a machine that is at work come and go.
    const others = /^callgate: warning: [0-9]+ process(es)? w(as|ere) gone before it was known .*\n/;
    expect({ status, stderr: stderr.replace(others, '') }).toEqual({ status: 0, stderr: '' });
    expect(readdirSync(directory.path).length).toBeGreaterThan(0);
  });
});

describe('a fault', () => {
  it('a watch that is killed leaves whole files, no lock and nothing attached', async () => {
    using directory = temporaryDirectory();
    const background = await watch(directory.path, ...only(rare), '--interval', '100ms');
    const file = join(directory.path, fileOf(rare));
    run(rare, ['10']);
    await expect.poll(() => existsSync(file), { timeout: 30_000 }).toBe(true);
    // What a watch that is killed while it writes leaves.
    writeFileSync(join(directory.path, `.${fileOf(rare)}.tmp`), '{');
    await end(background, 'SIGKILL');
    expect(profileOf(directory.path, fileOf(rare)).runs).toHaveLength(1);
    const again = await watch(directory.path, ...only(rare));
    run(rare, ['10']);
    expect((await end(again)).stderr).not.toContain('cannot');
    expect(profileOf(directory.path, fileOf(rare)).runs).toHaveLength(2);
    expect(readdirSync(directory.path)).toEqual([fileOf(rare)]);
  });

  it('a directory that is removed is made again, with every profile', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'profiles');
    const files = [fileOf(rare), fileOf(crowd)];
    const background = await watch(path, ...only(rare), '--include', crowd, '--interval', '100ms');
    run(rare, ['10']);
    run(crowd, ['children', '10']);
    for (const file of files) {
      await expect.poll(() => existsSync(join(path, file)), { timeout: 30_000 }).toBe(true);
    }
    rmSync(path, { recursive: true });
    for (const file of files) {
      await expect.poll(() => existsSync(join(path, file)), { timeout: 30_000 }).toBe(true);
    }
    expect(callgate(['watch', '-d', path, '--once', '1s']).stderr).toContain('another watch');
    const { status, stderr } = await end(background);
    expect(status).toBe(0);
    expect(stderr.split('was removed')).toHaveLength(2);
    expect(readdirSync(path).sort()).toEqual(files.sort());
  });

  it('profiles that cannot be written at the end are said to be so, each of them', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'profiles');
    const background = await watch(path, ...only(rare), '--include', crowd, '--interval', '100ms');
    run(rare, ['10']);
    run(crowd, ['children', '10']);
    for (const file of [fileOf(rare), fileOf(crowd)]) {
      await expect.poll(() => existsSync(join(path, file)), { timeout: 30_000 }).toBe(true);
    }
    // It makes a directory again that is missing when it writes.
    background.kill('SIGSTOP');
    await until('it to stop', () => statusField(background.pid, 'State').startsWith('T'));
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
    background.kill('SIGCONT');
    const { status, stderr } = await end(background);
    expect(status).toBe(2);
    expect(stderr.match(/cannot write the profile of/g)).toHaveLength(2);
    expect(stderr.match(/not written$/gm)).toHaveLength(2);
    expect(stderr).toMatch(/^callgate: 2 executables in/m);
  });

  it('a terminal that goes away ends it as SIGTERM does, unless nobody is to notice', async () => {
    using directory = temporaryDirectory();
    const background = await watch(directory.path, ...only(rare));
    run(rare, ['10']);
    expect((await end(background, 'SIGHUP')).status).toBe(0);
    expect(profileOf(directory.path, fileOf(rare)).runs).toHaveLength(1);
    const hardy = start([CALLGATE, 'watch', '-d', directory.path, ...only(rare)], 'nohup');
    await hardy.waitFor('watching');
    hardy.kill('SIGHUP');
    run(rare, ['10']);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await end(hardy)).status).toBe(0);
    expect(profileOf(directory.path, fileOf(rare)).runs).toHaveLength(2);
  });

  it('a profile that is damaged is put aside and said', async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, fileOf(rare)), '{"format":"callgate-profile","version":1');
    const background = await watch(directory.path, ...only(rare));
    run(rare, ['10']);
    const { status, stderr } = await end(background);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /cannot be continued: .*not JSON.* is now|cannot be continued: .*; it is .*\.damaged now/,
    );
    expect(readdirSync(directory.path).sort()).toEqual([fileOf(rare), `${fileOf(rare)}.damaged`]);
    expect(profileOf(directory.path, fileOf(rare)).runs).toHaveLength(1);
  });

  it.each([
    { what: 'of one process', command: ['10'] },
    { what: 'of several', command: null },
  ])('a profile that a trace has written is put aside as it is, and said: $what', async ({ command }) => {
    using directory = temporaryDirectory();
    const program = command === null ? '/usr/bin/perl' : rare;
    const file = join(directory.path, fileOf(program));
    const script = `fork; fork; getppid; 1 while wait > 0`;
    const options = ['-q', '--method', 'ebpf', '--phases', 'none', '-o', file];
    expect(callgate(['trace', ...options, '--', program, ...(command ?? ['-e', script])]).status).toBe(0);
    const before = readFileSync(file, 'utf8');
    const background = await watch(directory.path, ...only(program));
    run(program, command ?? ['-e', script]);
    const { stderr } = await end(background);
    expect(stderr).toContain(`${file} cannot be continued: it is not by a watch; it is ${file}.damaged now`);
    expect(readFileSync(`${file}.damaged`, 'utf8')).toBe(before);
    expect(profileOf(directory.path, fileOf(program)).runs).toHaveLength(1);
  });

  it('a second watch on the same directory is refused', async () => {
    using directory = temporaryDirectory();
    const background = await watch(directory.path, ...only(rare));
    const second = callgate(['watch', '-d', directory.path, '--once', '1s']);
    await end(background);
    expect(second).toMatchObject({
      status: 2,
      stderr: `callgate: watch: another watch writes to ${directory.path} (one directory each: -d)\n`,
    });
  });

  it('a directory that cannot be written is refused at once', () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'file'), '');
    const { status, stderr } = callgate(['watch', '-d', join(directory.path, 'file'), '--once', '1s']);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `callgate: watch: cannot write to directory ${directory.path}/file, EEXIST (choose another with -d)\n`,
    });
  });

  it('a directory that no file system has room for is refused at once', () => {
    const command = [CALLGATE, 'watch', '-d', '/proc/callgate/x', '--once', '1s'];
    const { status, stderr } = run('timeout', ['-s', 'KILL', '20', ...command]);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr:
        'callgate: watch: cannot write to directory /proc/callgate/x, ENOENT (choose another with -d)\n',
    });
  });

  it('an address that is taken is refused at once, and nothing is left behind', async () => {
    using directory = temporaryDirectory();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const path = join(directory.path, 'a/b');
    const { status, stderr } = callgate(['watch', '-d', path, '--metrics', `127.0.0.1:${port}`]);
    taken.close();
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `callgate: --metrics: cannot listen on 127.0.0.1:${port}, EADDRINUSE\n`,
    });
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it('without privilege one line says what is missing, and nothing is left behind', () => {
    using directory = temporaryDirectory();
    chmodSync(directory.path, 0o777);
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const { status, stderr } = run('setpriv', [
      ...nobody,
      sharedCallgate(),
      'watch',
      '-d',
      join(directory.path, 'a/b'),
      '--once',
      '1s',
    ]);
    expect(status).toBe(2);
    expect(stderr).toBe(
      'callgate: watch: eBPF tracing cannot be set up: it needs CAP_BPF and CAP_PERFMON, or root\n',
    );
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it('without the capabilities to look at others it says at the start which are missing, and of none that it is gone', () => {
    using directory = temporaryDirectory();
    chmodSync(directory.path, 0o777);
    const { status, stderr } = run('setpriv', [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--inh-caps=+bpf,+perfmon',
      '--ambient-caps=+bpf,+perfmon',
      sharedCallgate(),
      'watch',
      '-d',
      join(directory.path, 'profiles'),
      '--by',
      'exe',
      '--once',
      '1s',
    ]);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^callgate: warning: without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH the executables and arguments of /,
    );
    // The first process of the machine is root's.
    expect(stderr).toMatch(/process(es)? w(as|ere) gone, or could not be looked at, before it was known/);
  });

  it('a full disk is said once, and what could not be written is written when there is room', async () => {
    using directory = temporaryDirectory();
    expect(run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory.path]).status).toBe(0);
    try {
      const background = await watch(directory.path, ...only(rare), '--interval', '100ms');
      run('dd', ['if=/dev/zero', `of=${directory.path}/fill`, 'bs=1k', 'status=none']);
      run(rare, ['10']);
      await background.waitFor('ENOSPC');
      rmSync(join(directory.path, 'fill'));
      await background.waitFor('is written again');
      const { status, stderr } = await end(background);
      expect(status).toBe(0);
      expect(stderr.split('ENOSPC')).toHaveLength(2);
      expect(profileOf(directory.path, fileOf(rare)).runs).toHaveLength(1);
    } finally {
      run('umount', [directory.path]);
    }
  });

  it.each([
    [['watch'], /--directory/],
    [['watch', '-d', 'x', '--by', 'user'], /unit, container, exe/],
    [['watch', '-d', 'x', '--interval', '1ms'], /--interval: 1ms is out of range/],
    [['watch', '-d', 'x', '--metrics', '0.0.0.0:80'], /no loopback address/],
  ])('%s is refused', (args, message) => {
    const { status, stderr } = run(CALLGATE, args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync('x')).toBe(false);
  });
});
