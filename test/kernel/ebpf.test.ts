import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Process, Profile } from '../../src/profile/model.ts';
import {
  CALLGATE,
  callgate,
  callNames,
  countOf,
  readProfile,
  run,
  start,
  temporaryDirectory,
  traceCommand,
  type Finished,
} from '../support/callgate.ts';
import { openLibc } from '../../src/sys/libc.ts';
import type { BackendResult } from '../../src/trace/backend.ts';
import { LIMITS, type Limits } from '../../src/trace/ebpf/attachment.ts';
import { createEbpfBackend } from '../../src/trace/ebpf/tracer.ts';
import { inheritedState } from '../../src/trace/inherited.ts';
import { Recorder } from '../../src/trace/recorder.ts';
import { compile } from '../support/compile.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';
import { countedCalls, PENDING_CALLS } from './fixtures/pending.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.c`, import.meta.url), 'utf8');

let crowd = '';
let fault = '';
let rare = '';
let probe = '';
let pending = '';

beforeAll(() => {
  crowd = compile(fixture('crowd'), ['-pthread']);
  fault = compile(fixture('fault'), ['-pthread']);
  rare = compile(fixture('rare'));
  probe = compile(fixture('probe'), ['-pthread']);
  pending = compile(fixture('pending'), ['-pthread', '-no-pie']);
});

const byEbpf = (
  command: readonly string[],
  options: readonly string[] = [],
): Finished & { readonly profile: Profile } =>
  traceCommand(command, ['-q', '--method', 'ebpf', ...options], { env: { PATH: '/usr/bin:/bin' } });

describe('a call', () => {
  it('is not lost among ten million others, and keeps its time', () => {
    const { profile, status } = byEbpf([rare, '10000000']);
    expect(status).toBe(0);
    expect(countOf(profile.processes, 'getppid')).toBe(10_000_000);
    const names = 'getpgid getsid getuid geteuid getgid getegid getpgrp sched_yield getpriority alarm'.split(
      ' ',
    );
    const calls = profile.processes[0]?.calls ?? [];
    const found = names.map((name) => calls.find((call) => call.name === name));
    expect(found.map((call) => call?.count)).toEqual(names.map(() => 1));
    const times = found.map((call) => call?.first ?? -1);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(profile.runs[0]).toMatchObject({ method: 'ebpf', complete: true, lost: 0, warnings: [] });
  });

  it('keeps its arch: i386 and x86-64 numbers of one process are told apart', () => {
    const { profile, stdout } = byEbpf([probe, 'int80=20', '39']);
    expect(stdout).toContain('i386 20=');
    const names = callNames(profile.processes);
    expect([names.has('i386:getpid'), names.has('x86_64:getpid'), names.has('x86_64:writev')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('with a number that no table has is kept as a number', () => {
    const { profile } = byEbpf([probe, '4294967295', '999', '0x40000027']);
    const names = callNames(profile.processes);
    expect(['x86_64:4294967295', 'x86_64:999', 'x32:getpid'].filter((name) => !names.has(name))).toEqual([]);
  });

  it('has the values of its selecting arguments, also those behind a pointer', () => {
    const { profile } = byEbpf([
      'python3',
      '-S',
      '-E',
      '-c',
      'import threading; threading.Thread(target=print).start()',
    ]);
    const [flags] = profile.processes.flatMap(({ calls }) =>
      calls.filter(({ name }) => name === 'clone3' || name === 'clone').flatMap(({ args = [] }) => args),
    );
    expect(flags).toMatchObject({ index: 0, name: 'flags', values: [0x3d0f00] });
    expect(flags?.uses).toHaveLength(1);
  });

  it('of a filter that denies it is not seen, as the documentation says', () => {
    const { profile, stdout } = byEbpf([fault, 'deny']);
    expect(stdout).toBe('3\n');
    expect(countOf(profile.processes, 'getppid')).toBe(0);
  });
});

describe('what was executed, and is gone at once,', () => {
  /** Traces a program that lies below so many directories. */
  const traceBelow = (count: number): Profile => {
    using directory = temporaryDirectory();
    const deep = join(directory.path, ...Array.from({ length: count }, () => 'd'));
    mkdirSync(deep, { recursive: true });
    copyFileSync('/bin/true', join(deep, 'true'));
    return byEbpf([join(deep, 'true')]).profile;
  };

  it('is known by its path below 50 directories', () => {
    const { programs, processes, runs } = traceBelow(50);
    expect(programs[processes[0]?.program ?? -1]?.path).toMatch(/(\/d){50}\/true$/);
    expect(runs[0]?.warnings).toEqual([]);
  });

  it('is said not to be known if its path is longer than can be told', () => {
    const { processes, runs } = traceBelow(80);
    // callgate may have been quick enough.
    const isKnown = processes[0]?.program !== null;
    expect(runs[0]?.warnings).toEqual(
      isKnown
        ? []
        : [
            'the program of an exec is not known: its path could not be told whole (64 names and 4096 bytes at most), and the process was gone',
          ],
    );
  });

  it('has a warning if its arguments are longer than can be told, but for those that no profile has', () => {
    const traced = (args: readonly string[]): Profile => byEbpf(['/bin/true', ...args]).profile;
    const { processes, runs } = traced(Array.from({ length: 15 }, () => 'x'.repeat(5000)));
    // callgate may have been quick enough.
    const isWhole = processes[0]?.argv?.length === 16;
    expect(runs[0]?.warnings).toEqual(
      isWhole
        ? []
        : [
            'the arguments of an exec could not be told whole (16384 bytes at most), and the process was gone',
          ],
    );
    const many = traced(Array.from({ length: 5000 }, (_, index) => `argument-${index}`));
    expect(many.runs[0]?.warnings).toEqual([]);
  });
});

describe('many at once', () => {
  it('1000 processes that live shortly are recorded whole', () => {
    const { profile } = byEbpf([crowd, 'children', '1000']);
    expect(profile.processes).toHaveLength(1001);
    const wrong = profile.processes
      .slice(1)
      .filter((child) => child.parent !== 0 || child.birth !== 'fork' || countOf([child], 'getppid') !== 1);
    expect(wrong).toEqual([]);
    expect(profile.processes.slice(1).map(({ exit }) => exit)).toEqual(
      Array.from({ length: 1000 }, () => ({ kind: 'exited', code: 0 })),
    );
    expect(profile.runs[0]?.complete).toBe(true);
  });

  it('200 threads are recorded whole, each with who made it', () => {
    const { profile } = byEbpf([crowd, 'threads', '200']);
    const [process] = profile.processes;
    expect(new Set(process?.threads.map(({ tid }) => tid)).size).toBe(200);
    expect(new Set(process?.threads.map(({ creator }) => creator))).toEqual(new Set([process?.pid]));
    expect(countOf(profile.processes, 'getppid')).toBe((200 * 201) / 2);
  });

  it('a chain of 50 execs keeps path, build-id, arguments and parent of each', () => {
    const { profile } = byEbpf([crowd, 'chain', '50']);
    expect(profile.programs).toHaveLength(1);
    expect(profile.programs[0]).toMatchObject({
      path: crowd,
      buildId: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
    expect(profile.processes.map(({ argv }) => argv?.[2])).toEqual(
      Array.from({ length: 51 }, (_, i) => `${50 - i}`),
    );
    expect(profile.processes.map(({ parent }) => parent)).toEqual([
      null,
      ...Array.from({ length: 50 }, (_, i) => i),
    ]);
  });
});

describe('a program that is executed', () => {
  const STAGES = `
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/sendfile.h>
    #include <unistd.h>
    extern char **environ;
    int main(int count, char **words) {
      if (!strcmp(words[count - 1], "second")) {
        getuid();
        execl("/bin/true", "true", NULL);
      }
      int file = memfd_create("stage", 0), own = open("/proc/self/exe", O_RDONLY);
      while (sendfile(file, own, NULL, 1 << 20) > 0);
      fexecve(file, (char *[]){"stage", "second", NULL}, environ);
      return 1;
    }`;

  it('from memory is told apart from what its process executes next', () => {
    const stages = compile(STAGES);
    const [ebpf, ptrace] = ['ebpf', 'ptrace'].map((method) => {
      const { profile } = traceCommand([stages], ['-q', '--method', method]);
      const { programs, processes, runs } = profile;
      const callers = processes.map(({ calls }) => calls.some(({ name }) => name === 'getuid'));
      return [
        programs.map(({ path }) => path),
        processes.map(({ program }) => program),
        callers,
        runs[0]?.complete,
      ];
    });
    expect(ebpf).toEqual(ptrace);
    expect(ebpf?.[0]).toEqual([stages, '/memfd:stage (deleted)', '/usr/bin/true']);
  });

  it('with more arguments than the kernel hands over keeps those that it does', () => {
    const words = ['x'.repeat(20_000), 'y'];
    const { profile } = byEbpf(['/bin/true', ...words]);
    const argv = profile.processes[0]?.argv ?? [];
    expect(argv.slice(0, 2)).toEqual(['/bin/true', 'x'.repeat(4096)]);
  });
});

describe('the same program under seccomp and eBPF', () => {
  const view = ({ processes, programs }: Profile): unknown =>
    processes
      .map((process: Process) => ({
        birth: process.birth,
        program: process.program === null ? null : programs[process.program],
        argv: process.argv,
        exit: process.exit,
        threads: process.threads.length,
        listens: process.listens.length,
        calls: process.calls
          .map(({ arch, nr, count, args }) => ({
            arch,
            nr,
            count,
            args: args?.map(({ name, values }) => ({ name, values })),
          }))
          .sort((a, b) => a.nr - b.nr),
      }))
      .map((one) => JSON.stringify(one))
      .sort();

  it.each([
    { name: 'ls', command: ['ls', '-lR', '/etc/default'] },
    {
      name: 'perl with forks',
      command: ['perl', '-e', 'for (1..3) { unless (fork) { exec "true" if $_ == 2; exit $_ } wait }'],
    },
    { name: 'find -exec', command: ['find', '/etc/default', '-maxdepth', '1', '-exec', 'true', '{}', ';'] },
    {
      name: 'sqlite3',
      command: ['sqlite3', ':memory:', 'create table t(a); insert into t values(1); select * from t'],
    },
    { name: 'a program that kills itself', command: ['sh', '-c', 'kill -9 $$'] },
    {
      name: 'listening sockets',
      command: [
        'python3',
        '-S',
        '-E',
        '-c',
        'import socket; a = socket.socket(); a.bind(("127.0.0.1", 0)); a.listen(); b = socket.socket(socket.AF_UNIX); b.bind("\\0callgate-test"); b.listen()',
      ],
    },
  ])('makes the same calls as often, with the same arguments, and ends the same: $name', ({ command }) => {
    const environment = { env: { PATH: '/usr/bin:/bin' } };
    const traced = (method: string): Profile =>
      traceCommand(command, ['-q', '--method', method], environment).profile;
    expect(view(traced('ebpf'))).toEqual(view(traced('seccomp')));
  });
});

describe('phases', () => {
  it('begin at the n-th call, at output, and at a socket that listens', () => {
    const script =
      'import os, socket, sys; os.getppid(); os.getsid(0); os.getppid(); os.getuid(); print("ready to go", flush=True); s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); os.getegid()';
    const { profile } = byEbpf(
      ['python3', '-S', '-E', '-c', script],
      ['--phase', 'second@syscall:getppid#2', '--phase', 'third@output:/^ready/'],
    );
    expect(profile.phases.map(({ name, entered }) => [name, entered])).toEqual([
      ['setup', true],
      ['second', true],
      ['third', true],
    ]);
    const phasesOf = (name: string): readonly number[] | undefined =>
      profile.processes.flatMap(({ calls }) => calls).find((call) => call.name === name)?.phases;
    expect([phasesOf('getsid'), phasesOf('getppid')]).toEqual([[0], [0, 1]]);
  });

  it('are proposed for a server as they are under seccomp', async () => {
    using directory = temporaryDirectory();
    for (const method of ['seccomp', 'ebpf']) {
      const file = join(directory.path, method);
      const port = method === 'ebpf' ? '16391' : '16392';
      const traced = start([
        'trace',
        '-q',
        '--method',
        method,
        '-o',
        file,
        '--ready',
        `listen:${port}`,
        '--workload',
        `redis-benchmark -q -p ${port} -n 2000 -t set,get`,
        '--',
        'redis-server',
        '--port',
        port,
        '--save',
        '',
      ]);
      const { stderr } = await traced.end;
      expect(stderr).not.toContain('was not ready');
      const profile = readProfile(file);
      const [process] = profile.processes;
      expect(process?.listens.map(({ address }) => address)).toContain(`tcp:${port}`);
      const main = profile.phases.findIndex(({ source }) => source === 'auto');
      expect(main).toBe(1);
      const waits = process?.calls.find(({ name }) => name === 'epoll_wait')?.waits;
      expect(waits?.uses.length).toBe(64);
      const serving = process?.calls.filter(({ phases }) => phases.includes(main)).map(({ name }) => name);
      expect(serving).toEqual(
        expect.arrayContaining(['accept4', 'epoll_ctl', 'epoll_wait', 'read', 'write']),
      );
      // Threads of the server may begin before or after it waits first: what they call is in either phase.
      expect(
        serving?.filter((name) => ['execve', 'bind', 'listen', 'arch_prctl', 'pread64'].includes(name ?? '')),
      ).toEqual([]);
    }
  });
});

describe('what runs already', () => {
  it('is recorded with all threads and later children, and goes on afterwards', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const server = start(['-c', 'echo began; while :; do sleep 0.05; done'], '/bin/sh');
    await server.waitFor('began');
    const { status, stderr } = callgate([
      'trace',
      '-q',
      '--method',
      'ebpf',
      '--pid',
      `${server.pid}`,
      '--duration',
      '400ms',
      '-o',
      file,
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { processes, runs } = readProfile(file);
    expect(processes[0]).toMatchObject({ pid: server.pid, birth: 'attach', exit: { kind: 'detached' } });
    expect(processes.filter(({ birth }) => birth === 'exec').length).toBeGreaterThan(1);
    expect(runs[0]?.incomplete).toEqual([
      'attached to a running process: what it did before was not seen',
      'detached while the program was running',
    ]);
    server.kill('SIGKILL');
    await server.end;
  });

  it('has waited until tracing ends, if it waits then', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const program = compile(`
      #include <stdio.h>
      #include <unistd.h>
      int main(void) {
        int ends[2];
        char byte;
        if (pipe(ends)) return 1;
        puts("began");
        fflush(stdout);
        for (int i = 0; i < 100; i++) usleep(10000);
        return read(ends[0], &byte, 1);
      }`);
    const waiter = start([], program);
    await waiter.waitFor('began');
    const options = ['-q', '--method', 'ebpf', '--pid', `${waiter.pid}`, '--duration', '1600ms', '-o', file];
    expect(callgate(['trace', ...options]).status).toBe(0);
    const read = readProfile(file).processes[0]?.calls.find(({ name }) => name === 'read');
    expect(read?.waits?.total).toBeGreaterThan(300e6);
    waiter.kill('SIGKILL');
    await waiter.end;
  });

  it('has the calls in which its threads sit all the while, of whatever arch, and none that they made before', async () => {
    using directory = temporaryDirectory();
    const sitting = start([], pending);
    await sitting.waitFor('began');
    const trace = (method: string): Process | undefined => {
      const file = join(directory.path, method);
      const options = [
        '-q',
        '--method',
        method,
        '--pid',
        `${sitting.pid}`,
        '--duration',
        '300ms',
        '-o',
        file,
      ];
      expect(callgate(['trace', ...options])).toMatchObject({ status: 0, stderr: '' });
      return readProfile(file).processes[0];
    };
    const seen = [trace('ebpf'), trace('ptrace')];
    const [byEvents, byStops] = seen.map((process) =>
      process?.calls.map(({ arch, name, count, args }) => ({
        arch,
        name,
        count,
        args: args?.map(({ name: which, values }) => ({ which, values })),
      })),
    );
    // Under ptrace a sleep goes on as restart_syscall, whose arguments are not the call's.
    const withoutSleep = (calls: typeof byEvents): unknown =>
      calls?.map((call) => ({ ...call, args: call.name === 'clock_nanosleep' ? null : call.args }));
    expect(withoutSleep(byEvents)).toEqual(withoutSleep(byStops));
    expect(countedCalls(seen[0])).toEqual(PENDING_CALLS);
    sitting.kill('SIGKILL');
    await sitting.end;
  });

  it('has the call that a thread is at work in when it is attached to', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const working = start(['busy'], pending);
    await working.waitFor('began');
    expect(callgate(['trace', '-q', '--method', 'ebpf', '--pid', `${working.pid}`, '-o', file]).status).toBe(
      0,
    );
    const { calls, exit } = readProfile(file).processes[0] ?? {};
    expect(exit).toEqual({ kind: 'exited', code: 0 });
    expect(calls?.map(({ name, count }) => [name, count])).toEqual([
      ['readv', 1],
      ['exit_group', 1],
    ]);
    await working.end;
  });

  it('has the call in which it sits also as part of a cgroup or of the machine', async () => {
    using directory = temporaryDirectory();
    const cgroup = join(cgroupMount(), `callgate-sits-${process.pid}`);
    mkdirSync(join(cgroup, 'inner'), { recursive: true });
    const [inside, outside] = [start([], pending), start([], pending)];
    writeFileSync(join(cgroup, 'inner/cgroup.procs'), `${inside.pid}`);
    await Promise.all([inside, outside].map((one) => one.waitFor('began')));
    const trace = (name: string, ...scope: readonly string[]): Map<number, Process> => {
      const file = join(directory.path, name);
      const { status } = callgate(['trace', '-q', '--duration', '300ms', '-o', file, ...scope]);
      expect(status).toBe(0);
      return new Map(readProfile(file).processes.map((each) => [each.pid, each]));
    };
    const byCgroup = trace('cgroup', '--cgroup', cgroup);
    const byAll = trace('all', '--all');
    for (const one of [inside, outside]) one.kill('SIGKILL');
    await Promise.all([inside, outside].map((one) => one.end));
    rmdirSync(join(cgroup, 'inner'));
    rmdirSync(cgroup);
    expect([...byCgroup.keys()]).toEqual([inside.pid]);
    for (const found of [byCgroup.get(inside.pid), byAll.get(inside.pid), byAll.get(outside.pid)]) {
      expect(countedCalls(found)).toEqual(PENDING_CALLS);
    }
  });

  it('in a cgroup is recorded until the cgroup vanishes', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const cgroup = join(cgroupMount(), `callgate-test-${process.pid}`);
    mkdirSync(cgroup);
    const traced = start(['trace', '--no-progress', '--cgroup', cgroup, '-o', file]);
    // The programs run once callgate has a child of theirs to tell of, or the file for the result is there.
    await traceBegan(traced.pid);
    spawnSync('sh', ['-c', `echo $$ >${cgroup}/cgroup.procs; exec sh -c 'getent passwd root; true'`]);
    spawnSync('true');
    rmdirSync(cgroup);
    const { status } = await traced.end;
    expect(status).toBe(0);
    const { processes, programs, runs } = readProfile(file);
    expect(programs.map(({ path }) => path).some((path) => path.endsWith('/getent'))).toBe(true);
    expect(programs.map(({ path }) => path).some((path) => path.endsWith('/true'))).toBe(false);
    expect(processes[0]?.birth).toBe('attach');
    expect(runs[0]?.incomplete).toContain(`cgroup ${cgroup} was removed while it was traced`);
  });

  it('in a cgroup is recorded until the cgroup is removed, also if it is made again at once', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const cgroup = join(cgroupMount(), `callgate-again-${process.pid}`);
    mkdirSync(cgroup);
    const traced = start(['trace', '-q', '--cgroup', cgroup, '--duration', '10s', '-o', file]);
    await traceBegan(traced.pid);
    rmdirSync(cgroup);
    mkdirSync(cgroup);
    const { status } = await traced.end;
    rmdirSync(cgroup);
    expect(status).toBe(0);
    expect(readProfile(file).runs[0]?.incomplete).toContain(
      `cgroup ${cgroup} was removed and made again while it was traced: what ran in the new one was not seen`,
    );
  });

  it('in a container is recorded until that ends, and nothing of those which begin after it', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const id = `callgate-ends-${process.pid}`;
    const cgroup = join(cgroupMount(), id);
    mkdirSync(cgroup);
    const sleeper = start(
      ['-c', `echo $$ >${cgroup}/cgroup.procs; exec unshare -m sh -c 'echo began; exec sleep 60'`],
      'sh',
    );
    await sleeper.waitFor('began');
    const traced = start(['trace', '-q', '--container', id, '--duration', '10s', '-o', file]);
    await traceBegan(traced.pid);
    sleeper.kill('SIGKILL');
    await sleeper.end;
    rmdirSync(cgroup);
    // The kernel gives the lowest number that is free.
    for (let round = 0; round < 20; round++) run('unshare', ['-m', rare, '100']);
    expect(await traced.end).toMatchObject({ status: 0, stderr: '' });
    const { programs, runs } = readProfile(file);
    expect(programs.map(({ path }) => path)).not.toContain(rare);
    expect(runs[0]?.incomplete).toContain(`container ${id} ended while it was traced`);
  });

  it.each([
    {
      trigger: 'output:/ready/',
      reason:
        'cannot fire in the whole machine, for where its processes write is not known (use syscall, symbol, listen, after or key, or --pid PID)',
    },
    {
      trigger: 'symbol:serve',
      reason:
        'does not say in which file, and what runs in the whole machine is not known beforehand (give the path of the object: symbol:/PATH/TO/OBJECT:serve)',
    },
    {
      trigger: 'symbol:/no/such/file:serve',
      reason:
        'names no file, and what runs in the whole machine is not known beforehand (give the path of the object: symbol:/PATH/TO/OBJECT:serve)',
    },
    {
      trigger: 'symbol:/bin/sh:serve',
      reason:
        'names no function of that file, and what runs in the whole machine is not known beforehand (give the path of the object: symbol:/PATH/TO/OBJECT:serve)',
    },
  ])('anywhere is not traced for $trigger, which says why', ({ trigger, reason }) => {
    using directory = temporaryDirectory();
    const options = ['--all', '--duration', '1s', '-o', join(directory.path, 'p')];
    expect(callgate(['trace', '-q', ...options, '--ready', trigger])).toMatchObject({
      status: 2,
      stderr: `callgate: trace: ${trigger} ${reason}\n`,
    });
  });

  it('anywhere on the machine is recorded with --all', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const traced = start(['trace', '--no-progress', '--all', '-o', file]);
    await traceBegan(traced.pid);
    spawnSync(crowd, ['chain', '3']);
    traced.kill('SIGTERM');
    await traced.end;
    const { processes, programs } = readProfile(file);
    const index = programs.findIndex(({ path }) => path === crowd);
    expect(processes.filter(({ program }) => program === index).length).toBe(4);
  });
});

describe('a function', () => {
  const CALLER = `
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/sendfile.h>
    #include <sys/syscall.h>
    #include <sys/wait.h>
    #include <unistd.h>
    void unnamed(char **words) {
      int file = memfd_create("unnamed", 0);
      while (sendfile(file, open("/bin/true", O_RDONLY), NULL, 1 << 20) > 1 << 19);
      fexecve(file, words, environ);
      _exit(1);
    }
    __attribute__((noinline)) void serve(void) { asm volatile(""); }
    __attribute__((noinline)) void stop(void) { asm volatile(""); }
    int main(int count, char **words) {
      if (count > 1 && !strcmp(words[1], "hot")) {
        for (int i = 0; i < 300000; i++) serve();
        syscall(SYS_getgid);
        return 0;
      }
      syscall(SYS_getuid);
      if (count > 1 && !fork()) { if (!strcmp(words[1], "unnamed")) unnamed(words); execv(words[1], words + 1); _exit(1); }
      wait(NULL);
      serve(); syscall(SYS_getppid); serve(); stop(); syscall(SYS_getgid);
      return 0;
    }`;
  let caller = '';
  let other = '';

  beforeAll(() => {
    caller = compile(CALLER);
    other = compile(CALLER, ['-DOTHER']);
  });

  const phasesOf = (process: Process | undefined): unknown[] =>
    ['getuid', 'getppid', 'getgid'].map((name) => process?.calls.find((call) => call.name === name)?.phases);

  it.each([
    { phases: ['main@symbol:serve'] },
    { phases: ['one@symbol:serve', 'two@symbol:serve'] },
    { phases: ['one@symbol:serve', 'two@symbol:stop'] },
    { phases: ['one@syscall:getppid', 'two@symbol:stop'] },
    { phases: ['one@symbol:serve', 'two@syscall:getgid'] },
    { phases: ['one@symbol:stop | symbol:serve'] },
    { phases: ['one@symbol:stop', 'two@symbol:serve'] },
  ])('begins phases as it does by breakpoints: $phases', ({ phases }) => {
    const options = phases.flatMap((phase) => ['--phase', phase]);
    const [ebpf, seccomp] = ['ebpf', 'seccomp'].map((method) => {
      const { profile } = traceCommand([caller], ['-q', '--method', method, ...options]);
      const [process] = profile.processes;
      const { complete, warnings } = profile.runs[0] ?? {};
      return [process?.transitions.map(({ phase }) => phase), phasesOf(process), complete, warnings];
    });
    expect(ebpf).toEqual(seccomp);
  });

  it('begins a phase in each process that comes to it, whoever executed it', () => {
    const { profile } = byEbpf([caller, caller], ['--phase', 'main@symbol:serve']);
    expect(profile.processes.map(({ birth }) => birth)).toEqual(['start', 'fork', 'exec']);
    const [parent, , child] = profile.processes;
    expect([phasesOf(parent), phasesOf(child)]).toEqual([
      [[0], [1], [1]],
      [[0], [1], [1]],
    ]);
    expect(profile.runs[0]).toMatchObject({ complete: true, incomplete: [] });
  });

  it('of another file that is executed meanwhile may be missed, which the profile says', () => {
    const { profile } = byEbpf([caller, other], ['--phase', 'main@symbol:serve']);
    expect(phasesOf(profile.processes[0])).toEqual([[0], [1], [1]]);
    expect(profile.runs[0]?.incomplete).toEqual([
      `${other} has serve as well, which ${other} may have reached before it was watched there (--method seccomp stops in time)`,
    ]);
  });

  it('may be in a program of which there is no file, which the profile says', () => {
    const { profile } = byEbpf([caller, 'unnamed'], ['--phase', 'main@symbol:serve']);
    expect(profile.runs[0]?.incomplete).toEqual([
      '/memfd:unnamed (deleted) could not be read when it was executed: whether it has symbol:serve is not known',
    ]);
  });

  it('tells once that the program is ready, however often it is called', () => {
    const { profile, status } = byEbpf([caller, 'hot'], ['--ready', 'symbol:serve', '--workload', 'true']);
    expect(profile.runs[0]?.workload).toEqual({ command: 'true', exit: { kind: 'exited', code: 0 } });
    expect([0, null]).toContain(status);
  });
});

describe('a refusal', () => {
  const SECCOMP = '--method seccomp';

  it('without BTF is one clear line, and the program is not run', () => {
    const script = `mount -t tmpfs tmpfs /sys/kernel/btf && ${CALLGATE} trace -q --method ebpf -o /dev/null -- echo ran`;
    const { status, stdout, stderr } = run('unshare', ['-m', 'sh', '-c', script]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(
      /^callgate: trace: no \/sys\/kernel\/btf\/vmlinux, which eBPF tracing needs .*\n$/,
    );
  });

  it('without privilege names the capabilities', () => {
    using directory = temporaryDirectory();
    const { status, stdout, stderr } = run('setpriv', [
      '--bounding-set=-bpf,-sys_admin',
      sharedCallgate(),
      'trace',
      '-q',
      '--method',
      'ebpf',
      '-o',
      join(directory.path, 'p'),
      '--',
      'echo',
      'ran',
    ]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe(
      `callgate: trace: eBPF tracing cannot be set up: it needs CAP_BPF and CAP_PERFMON, or root (${SECCOMP} needs no privilege)\n`,
    );
  });

  it.each([[['--all']], [['--cgroup', '/sys/fs/cgroup/unified']]])(
    'without privilege recommends no method that cannot do it: %s',
    (target) => {
      using directory = temporaryDirectory();
      const options = ['-q', '--method', 'ebpf', ...target, '-o', join(directory.path, 'p')];
      const { status, stderr } = run('setpriv', [
        '--bounding-set=-bpf,-sys_admin',
        sharedCallgate(),
        'trace',
        ...options,
      ]);
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: 'callgate: trace: eBPF tracing cannot be set up: it needs CAP_BPF and CAP_PERFMON, or root\n',
      });
    },
  );

  it('without bpf(2) is one clear line', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'p');
    const inject = [
      '-f',
      '-qq',
      '-e',
      'trace=bpf',
      '-e',
      'inject=bpf:error=ENOSYS',
      '-o',
      '/dev/null',
      CALLGATE,
    ];
    const { status, stderr } = run('strace', [
      ...inject,
      'trace',
      '-q',
      '--method',
      'ebpf',
      '-o',
      file,
      '--',
      'true',
    ]);
    expect(status).toBe(2);
    expect(stderr).toBe(
      `callgate: trace: eBPF tracing cannot be set up: this kernel has no bpf(2), ENOSYS (CONFIG_BPF_SYSCALL, or a seccomp filter that denies it; ${SECCOMP} does without)\n`,
    );
  });

  it('that shows only when it is tried makes the default method another one, which is told', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'p');
    const { status, stderr } = run('unshare', [
      '-Ur',
      CALLGATE,
      'trace',
      '--no-progress',
      '-o',
      file,
      '--',
      'true',
    ]);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^callgate: tracing by seccomp instead: eBPF tracing cannot be set up: .*EPERM.*$/m,
    );
    expect(readProfile(file).runs[0]).toMatchObject({ method: 'seccomp', complete: true });
  });

  it('needs no room in the limit of locked memory', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'p');
    const { status } = run('prlimit', [
      '--memlock=0',
      CALLGATE,
      'trace',
      '-q',
      '--method',
      'ebpf',
      '-o',
      file,
      '--',
      'true',
    ]);
    expect(status).toBe(0);
    expect(readProfile(file).runs[0]?.method).toBe('ebpf');
  });

  it.each([
    {
      name: 'a function that is in nothing which the program has at its start',
      phases: ['main@symbol:no_such_function'],
      reason:
        'symbol:no_such_function is in nothing that the program has when it starts, and eBPF tracing cannot wait for what comes later (give the path of the object, or use --method seccomp or ptrace)',
    },
    {
      name: 'a function in an object that the program has not',
      phases: ['main@symbol:libnone.so:serve'],
      reason:
        'symbol:libnone.so:serve names nothing that the program has when it starts (program, libc.so.6, ld-linux-x86-64.so.2), and eBPF tracing cannot wait for what comes later (give the path of the object, or use --method seccomp or ptrace)',
    },
    {
      name: 'a function that counts from something on which the kernel does not know at once',
      phases: ['warm@output:/x/', 'main@symbol:main'],
      reason:
        'symbol:main counts from output:/x/ on, which eBPF tracing would learn of too late (use --method seccomp or ptrace)',
    },
  ])('of $name names the methods that have it', ({ phases, reason }) => {
    using directory = temporaryDirectory();
    const options = phases.flatMap((phase) => ['--phase', phase]);
    const trace = (method: string): ReturnType<typeof callgate> =>
      callgate(['trace', '--method', method, ...options, '-o', join(directory.path, 'p'), '--', rare, '1']);
    expect(trace('ebpf')).toMatchObject({ status: 2, stderr: `callgate: trace: ${reason}\n` });
    const { status, stderr } = trace('auto');
    expect([status, stderr.split('\n')[0]]).toEqual([0, `callgate: tracing by seccomp instead: ${reason}`]);
  });

  it('of a program that does not exist comes from the kernel and leaves nothing behind', () => {
    using directory = temporaryDirectory();
    const script = join(directory.path, 'script');
    writeFileSync(script, 'echo hello\n', { mode: 0o755 });
    const { status, stderr } = callgate([
      'trace',
      '--method',
      'ebpf',
      '-o',
      join(directory.path, 'p'),
      '--',
      script,
    ]);
    expect(status).toBe(126);
    expect(stderr).toContain(`trace: cannot execute ${script}: ENOEXEC`);
  });
});

describe('a map that is full', () => {
  const traced = (
    limits: Limits,
    command: readonly string[],
  ): { result: BackendResult; processes: readonly Process[] } => {
    const recorder = new Recorder();
    const origin = process.hrtime.bigint();
    const path = command[0] as string;
    let eventfd = -1;
    const steps = createEbpfBackend(limits)(
      {
        method: 'ebpf',
        fallback: null,
        target: {
          kind: 'launch',
          path,
          argv: command,
          env: ['PATH=/usr/bin:/bin'],
          cwd: null,
          stdin: 'null',
          inherited: inheritedState(undefined),
        },
        phases: [],
        ready: null,
        announcement: null,
        privileged: true,
        enforcement: null,
        errors: false,
      },
      {
        recorder,
        now: () => Number(process.hrtime.bigint() - origin),
        startClock: () => undefined,
        send: (event) => {
          if (event.kind === 'eventfd') eventfd = event.fd;
        },
        receive: () => null,
        settled: () => undefined,
        report: () => undefined,
      },
      openLibc(),
    );
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const result = step.value;
    closeSync(eventfd);
    return { result, processes: recorder.finish().processes };
  };

  it('of calls makes the profile say how many were lost', () => {
    const { result } = traced({ ...LIMITS, calls: 8 }, ['/bin/true']);
    expect(result.exit).toEqual({ kind: 'exited', code: 0 });
    expect(result.lost).toBeGreaterThan(0);
    expect(result.missed?.[0]).toMatch(
      /^[0-9]+ calls or their arguments were lost, for the map of calls was full \(8 distinct ones\)$/,
    );
  });

  it('of tasks makes the profile say how many were lost', () => {
    const { result } = traced({ ...LIMITS, tasks: 16 }, [crowd, 'processes', '60']);
    expect(result.exit).toEqual({ kind: 'exited', code: 0 });
    expect(result.missed?.join()).toMatch(
      /processes or threads were lost, for the map of tasks was full \(16 at a time\)/,
    );
  });

  it('of events loses no call: what is in the other maps is found at the end', () => {
    // What is told are births and ends: the buffer has room for some thirty of them.
    const command = [crowd, 'children', '500'];
    const { result, processes } = traced({ ...LIMITS, events: 4096 }, command);
    expect(result.exit).toEqual({ kind: 'exited', code: 0 });
    const whole = byEbpf(command).profile;
    expect(result.missed?.join()).toMatch(/events were lost/);
    expect(callNames(processes)).toEqual(callNames(whole.processes));
    expect(countOf(processes, 'getppid')).toBe(500);
    // Its end was lost with most of the others, but it is known to who has started it.
    expect(processes[0]?.exit).toEqual({ kind: 'exited', code: 0 });
  });
});

it('a program that is started dies with callgate, as do its descendants, and nothing stays attached', async () => {
  using directory = temporaryDirectory();
  const traced = start([
    'trace',
    '-q',
    '--method',
    'ebpf',
    '-o',
    join(directory.path, 'p'),
    '--',
    fault,
    'family',
  ]);
  await traced.waitFor('began');
  const programs = attachedPrograms(traced.pid);
  expect(programs.length).toBeGreaterThan(3);
  traced.kill('SIGKILL');
  // Its stdout closes when all of the program is gone as well.
  const { signal } = await traced.end;
  expect(signal).toBe('SIGKILL');
  expect(() => process.kill(traced.pid, 0)).toThrow('ESRCH');
});

it('the default method is eBPF where it works, which is told unless -q is given', () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'p');
  const told = callgate(['trace', '--no-progress', '-o', file, '--', 'true']);
  expect(told.stderr.split('\n')[0]).toBe(
    'callgate: tracing by ebpf, for it costs the program least (--method chooses another)',
  );
  expect(readProfile(file).runs[0]?.method).toBe('ebpf');
  expect(callgate(['trace', '-q', '-o', file, '--', 'true']).stderr).toBe('');
});

/** Links to tracepoints that a process holds. */
function attachedPrograms(pid: number): readonly string[] {
  const { stdout } = spawnSync('sh', ['-c', `cat /proc/${pid}/fdinfo/* 2>/dev/null`], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => /link_type:\s*(tracing|raw_tracepoint)/.test(line));
}

/** Where the cgroup v2 hierarchy is. */
function cgroupMount(): string {
  return /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1] as string;
}

/** Waits until the tracing thread waits for events: it has an epoll descriptor on a ring buffer then. */
async function traceBegan(pid: number): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    const { stdout } = spawnSync(
      'sh',
      ['-c', `cat /proc/${pid}/task/*/wchan /proc/${pid}/fdinfo/* 2>/dev/null`],
      {
        encoding: 'utf8',
      },
    );
    if (/link_type:\s*(tracing|raw_tracepoint)/.test(stdout)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('callgate did not attach its programs within 20 s');
}
