import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  AbortError,
  callSet,
  CallgateError,
  DocumentError,
  formatProfile,
  LaunchError,
  mergeProfiles,
  parsePhase,
  parsePolicy,
  parseProfile,
  parseTrigger,
  startRun,
  startTrace,
  trace,
  UsageError,
  type TraceEvent,
  type TraceOptions,
} from '../../dist/index.js';
import { run, temporaryDirectory } from '../support/callgate.ts';
import { phase as policyPhase, policy } from './fixtures/policies.ts';

const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

afterAll(() => directory[Symbol.dispose]());

let files = 0;

function newPath(): string {
  return join(directory.path, `file-${files++}`);
}

function shell(script: string): Pick<TraceOptions, 'command'> {
  return { command: ['sh', '-c', script] };
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function failure(options: TraceOptions): Promise<unknown> {
  return await trace(options).then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
}

describe('trace', () => {
  it('gives the profile of a command and how it ended', async () => {
    const { profile, exit, error } = await trace({
      ...shell('ls / >/dev/null; exit 3'),
      method: 'seccomp',
    });
    expect([exit, error]).toEqual([{ kind: 'exited', code: 3 }, null]);
    expect(profile.runs[0]).toMatchObject({
      method: 'seccomp',
      command: ['sh', '-c', 'ls / >/dev/null; exit 3'],
      complete: true,
    });
    expect(profile.processes.map(({ birth }) => birth)).toEqual([
      'start',
      expect.stringMatching(/fork|clone/),
      'exec',
    ]);
    expect(callSet(profile, { program: 'ls' }).map(({ name }) => name)).toContain('getdents64');
  });

  it('gives a signal by its name', async () => {
    const { exit } = await trace(shell('kill -USR1 $$'));
    expect(exit).toEqual({ kind: 'signaled', signal: 'SIGUSR1', core: false });
  });

  it('gives a profile that can be written and read again', async () => {
    const { profile } = await trace(shell('true'));
    expect(parseProfile(formatProfile(profile))).toEqual(profile);
  });

  it('gives profiles that can be merged', async () => {
    const [one, two] = [await trace(shell('true')), await trace(shell('ls / >/dev/null'))];
    const merged = mergeProfiles([one.profile, two.profile]);
    expect(merged.runs).toHaveLength(2);
    const names = new Set(callSet(merged).map(({ name }) => name));
    for (const { name } of [...callSet(one.profile), ...callSet(two.profile)]) expect(names).toContain(name);
  });

  it('looks for the program in PATH, in the environment that it is given', async () => {
    const file = join(directory.path, 'only-there');
    writeFileSync(file, '#!/bin/sh\nexit 6\n', { mode: 0o755 });
    const command: TraceOptions['command'] = ['only-there'];
    // The first counts, as for getenv.
    const env = [`PATH=/nowhere:${directory.path}`, 'PATH=/nowhere'];
    const exit = { kind: 'exited', code: 6 };
    expect(await trace({ command, env })).toMatchObject({ exit });
    expect(await trace({ command, env: env.map((entry) => Buffer.from(entry)) })).toMatchObject({ exit });
    const enforced = startRun({ command, env, policy: policy([policyPhase('all', null)]) });
    expect(await enforced.outcome).toMatchObject({ exit });
    expect(await failure({ command: ['ls'], env: ['PATH=/nowhere'] })).toBeInstanceOf(LaunchError);
  });

  it('gives the program the environment that was asked for, and nothing else', async () => {
    const out = newPath();
    await trace({ command: ['/bin/sh', '-c', `exec /usr/bin/env >${out}`], env: ['A=1', 'B=two words'] });
    const lines = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
    expect(lines.sort()).toEqual(['A=1', 'B=two words']);
  });

  it('carries arguments and variables that are no UTF-8', async () => {
    const out = newPath();
    await trace({
      command: ['/bin/sh', '-c', `printf %s "$1$A" >${out}`, 'sh', Uint8Array.from([0xff, 0x41])],
      env: [Uint8Array.from([0x41, 0x3d, 0xfe])],
    });
    expect([...readFileSync(out)]).toEqual([0xff, 0x41, 0xfe]);
  });

  it('starts the program in the directory that was asked for', async () => {
    const out = newPath();
    await trace({ ...shell(`pwd -P >${out}`), cwd: directory.path });
    expect(readFileSync(out, 'utf8').trim()).toBe(realpathSync(directory.path));
  });

  it('finds a program with a relative path from there', async () => {
    const program = join(directory.path, 'program.sh');
    writeFileSync(program, '#!/bin/sh\nexit 6\n');
    chmodSync(program, 0o755);
    expect((await trace({ command: ['./program.sh'], cwd: directory.path })).exit).toEqual({
      kind: 'exited',
      code: 6,
    });
  });

  it('gives the program nothing to read with stdin null', async () => {
    const { exit } = await trace({
      ...shell('test "$(readlink /proc/self/fd/0)" = /dev/null'),
      stdin: 'null',
    });
    expect(exit).toEqual({ kind: 'exited', code: 0 });
  });

  it('takes phases and tells their transitions', async () => {
    const { profile } = await trace({
      ...shell('true; ls / >/dev/null'),
      phases: ['main@syscall:getdents64'],
    });
    expect(profile.phases.map(({ name, entered }) => [name, entered])).toEqual([
      ['setup', true],
      ['main', true],
    ]);
  });

  it('tells of what happens while it goes on', async () => {
    const events: TraceEvent[] = [];
    await trace({
      ...shell('ls / >/dev/null'),
      phases: ['main@syscall:getdents64'],
      onEvent: (event) => events.push(event),
    });
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'phase', 'root-ended']);
  });

  it('reports a program that was not ready in time as its error, with the profile so far', async () => {
    const { error, exit, profile } = await trace({
      command: ['sleep', '20'],
      ready: 'listen:9',
      readyTimeout: '200ms',
    });
    expect(error).toBeInstanceOf(CallgateError);
    expect(error?.message).toMatch(/not ready within 200 ms/);
    expect(exit).toEqual({ kind: 'signaled', signal: 'SIGTERM', core: false });
    expect(profile.runs[0]?.complete).toBe(false);
  });

  it('attaches to a process and lets it go', async () => {
    const out = newPath();
    // No child of this process, but a child's.
    const child = spawn('sh', ['-c', `sleep 20 & echo $! >${out}; wait`]);
    while (!existsSync(out) || readFileSync(out, 'utf8') === '')
      await new Promise((resolve) => setTimeout(resolve, 10));
    const pid = Number(readFileSync(out, 'utf8'));
    try {
      const { profile, exit } = await trace({ pids: [pid], duration: '200ms' });
      expect(exit).toBeNull();
      expect(profile.processes[0]).toMatchObject({ pid, birth: 'attach', exit: { kind: 'detached' } });
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^TracerPid:\s+0$/m);
    } finally {
      process.kill(pid, 'SIGKILL');
      child.kill('SIGKILL');
    }
  });
});

describe('an error of trace', () => {
  it('is a LaunchError with code 127 for a program that does not exist', async () => {
    const error = await failure({ command: ['no-such-program-at-all'] });
    expect(error).toBeInstanceOf(LaunchError);
    expect(error).toMatchObject({
      name: 'LaunchError',
      code: 'ERR_LAUNCH',
      exitCode: 127,
      message: 'trace: no-such-program-at-all: not found in PATH (give its path, or install it)',
    });
  });

  it('is a LaunchError with code 126 for a file that cannot be executed', async () => {
    const file = newPath();
    writeFileSync(file, 'no program');
    expect(await failure({ command: [file] })).toMatchObject({ code: 'ERR_LAUNCH', exitCode: 126 });
  });

  it('is a LaunchError with code 126 for what the kernel refuses to execute', async () => {
    const file = newPath();
    writeFileSync(file, 'no program');
    chmodSync(file, 0o755);
    const error = await failure({ command: [file] });
    expect(error).toBeInstanceOf(LaunchError);
    expect(error).toMatchObject({ exitCode: 126 });
    expect((error as Error).message).toMatch(/ENOEXEC/);
  });

  it.each<{ name: string; options: TraceOptions; message: RegExp }>([
    {
      name: 'neither a command nor a process',
      options: {},
      message: /either a program to start or processes/,
    },
    {
      name: 'both',
      options: { command: ['true'], pids: [1] },
      message: /either a program to start or processes/,
    },
    {
      name: 'a bad trigger',
      options: { command: ['true'], phases: ['main@soon'] },
      message: /^trigger: unknown kind/,
    },
    {
      name: 'a bad duration',
      options: { command: ['true'], duration: 'long' },
      message: /^duration: bad duration/,
    },
    {
      name: 'a filter for a running process',
      options: { pids: [1], method: 'seccomp' },
      message: /needs --method ptrace/,
    },
    { name: 'itself', options: { pids: [process.pid] }, message: /cannot trace itself/ },
    { name: 'a pid that is none', options: { pids: [1.5] }, message: /1\.5 is not a process id/ },
    {
      name: 'a process that does not exist',
      options: { pids: [4194303] },
      message: /there is no process 4194303/,
    },
  ])('is a UsageError for $name', async ({ options, message }) => {
    const error = await failure(options);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
  });

  it('is a UsageError for a child of the process itself, whose stops Node would take for its end', async () => {
    const child = spawn('sleep', ['20']);
    const error = await failure({ pids: [child.pid as number] });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(/is a child of this process/);
  });

  it.each<{ name: string; options: object; message: string }>([
    {
      name: 'an empty command',
      options: { command: [] },
      message: 'trace: command is empty (a program, and its arguments)',
    },
    {
      name: 'a command that is text',
      options: { command: 'ls -l' },
      message: "trace: command has to be an array, not 'ls -l'",
    },
    {
      name: 'an argument that is a number',
      options: { command: ['ls', 1] },
      message: 'trace: command[1] has to be text, not 1',
    },
    {
      name: 'a program with a zero byte',
      options: { command: ['/bin/true\0x'] },
      message: "trace: command[0] has a zero byte, at which the kernel would cut it: '/bin/true\\x00x'",
    },
    {
      name: 'an argument with a zero byte',
      options: { command: ['true', 'a\0b'] },
      message: 'trace: command[1] has a zero byte',
    },
    {
      name: 'an argument of bytes with a zero byte',
      options: { command: ['true', Uint8Array.of(65, 0, 66)] },
      message: 'trace: command[1] has a zero byte',
    },
    {
      name: 'an entry of the environment with a zero byte',
      options: { command: ['true'], env: ['A=1', 'B=\0'] },
      message: 'trace: env[1] has a zero byte',
    },
    {
      name: 'a directory with a zero byte',
      options: { command: ['true'], cwd: '/\0tmp' },
      message: 'trace: cwd has a zero byte',
    },
    {
      name: 'a workload with a zero byte',
      options: { command: ['true'], workload: 'a\0' },
      message: 'trace: workload has a zero byte',
    },
    {
      name: 'an environment that is an object',
      options: { command: ['true'], env: { A: '1' } },
      message: "trace: env has to be an array of NAME=value, not { A: '1' }",
    },
    {
      name: 'an unknown method',
      options: { command: ['true'], method: 'magic' },
      message: "trace: method is 'magic' (auto, ebpf, seccomp, ptrace, adaptive)",
    },
    {
      name: 'no processes',
      options: { pids: [] },
      message: 'trace: pids is empty (the processes to attach to)',
    },
    {
      name: 'a process that is no list',
      options: { pids: 1 },
      message: 'trace: pids has to be an array, not 1',
    },
    {
      name: 'an empty scope',
      options: { scope: {} },
      message: 'trace: scope has to have one of cgroup, container and all',
    },
    {
      name: 'a duration that is a number',
      options: { command: ['true'], duration: 5 },
      message: 'trace: duration has to be text, not 5',
    },
    {
      name: 'an onEvent that is none',
      options: { command: ['true'], onEvent: 1 },
      message: 'trace: onEvent has to be a function, not 1',
    },
    {
      name: 'a signal that is none',
      options: { command: ['true'], signal: 'SIGTERM' },
      message: "trace: signal has to be an AbortSignal, not 'SIGTERM'",
    },
    {
      name: 'an option that there is none of',
      options: { command: ['true'], singal: 1 },
      message: 'trace: there is no option "singal" (command, pids, scope, ',
    },
    {
      name: 'an option of other ways to start a program',
      options: { command: ['true'], stdio: 'ignore' },
      message: 'trace: there is no option "stdio"',
    },
    {
      name: 'a phase without a name',
      options: { command: ['true'], phases: [{}] },
      message: 'trace: phases[0].name has to be text, not undefined',
    },
    {
      name: 'a phase without a trigger',
      options: { command: ['true'], phases: [{ name: 'main' }] },
      message: 'trace: phases[0].trigger has to be text or parsed, not undefined',
    },
    {
      name: 'a phase of a name that none can have',
      options: { command: ['true'], phases: [{ name: 'a b', trigger: { kind: 'key', text: 'key' } }] },
      message: 'phase: bad name "a b"',
    },
    {
      name: 'a trigger of an unknown kind',
      options: { command: ['true'], phases: [{ name: 'main', trigger: { kind: 'soon', text: 'soon' } }] },
      message: "trace: phases[0].trigger.kind is 'soon' (syscall, symbol, listen, output, after, key)",
    },
    {
      name: 'a further trigger that lacks something',
      options: {
        command: ['true'],
        phases: [
          {
            name: 'main',
            trigger: { kind: 'key', text: 'key' },
            alternatives: [{ kind: 'syscall', text: 'syscall:read', name: 'read' }],
          },
        ],
      },
      message: 'trace: phases[0].alternatives[0].n has to be a number from 1 up, not undefined',
    },
    {
      name: 'a ready that is no trigger',
      options: { command: ['true'], ready: {} },
      message: 'trace: ready.kind is undefined',
    },
  ])('is a UsageError for $name, before anything runs', async ({ options, message }) => {
    expect(() => startTrace(options as TraceOptions)).toThrow(UsageError);
    const error = await failure(options as TraceOptions);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toContain(message);
  });

  it('is what onEvent has thrown, and nothing goes on', async () => {
    for (const method of ['ebpf', 'seccomp'] as const) {
      const pid = newPath();
      const began = Date.now();
      const thrown = new Error('of the caller');
      const told: string[] = [];
      const error = await failure({
        ...shell(`sleep 60 & echo $! >${pid}; wait`),
        method,
        workload: 'sleep 60',
        ready: 'after:100ms',
        onEvent: ({ kind }) => {
          told.push(kind);
          if (kind === 'ready') throw thrown;
        },
      });
      expect(error).toBe(thrown);
      expect(told.at(-1)).toBe('ready');
      expect(Date.now() - began).toBeLessThan(20_000);
      expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
    }
  });

  it('is what onEvent has thrown for a process that was attached to, which goes on', async () => {
    const child = run('/bin/sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!']);
    const pid = Number(child.stdout);
    const thrown = new Error('of the caller');
    const error = await failure({
      pids: [pid],
      phases: ['main@after:100ms'],
      onEvent: () => {
        throw thrown;
      },
    });
    expect(error).toBe(thrown);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^TracerPid:\t0$/m);
    process.kill(pid, 'SIGKILL');
  });

  it('is thrown by startTrace before anything runs', () => {
    const file = newPath();
    expect(() => startTrace({ ...shell(`touch ${file}`), phases: ['main@soon'] })).toThrow(UsageError);
    expect(existsSync(file)).toBe(false);
  });

  it('is a DocumentError for a profile that is none', () => {
    expect(() => parseProfile('{}')).toThrow(DocumentError);
  });
});

describe('an option that is undefined', () => {
  it('is as if it had been left out', async () => {
    const options = { ...shell('exit 3'), duration: undefined, other: undefined };
    const { exit } = await trace(options as unknown as TraceOptions);
    expect(exit).toEqual({ kind: 'exited', code: 3 });
  });
});

describe('an AbortSignal', () => {
  const methods = ['ebpf', 'seccomp', 'ptrace'] as const;

  it.each(methods)('ends the program and all that it started, by %s', async (method) => {
    const [pid, controller] = [newPath(), new AbortController()];
    const tracing = failure({
      ...shell(`sleep 60 & echo $! >${pid}.new; mv ${pid}.new ${pid}; wait`),
      method,
      signal: controller.signal,
    });
    while (!existsSync(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
    const reason = new Error('the reason');
    controller.abort(reason);
    const error = await tracing;
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason });
    expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
  });

  it.each(methods)('ends a program that has not come up yet, by %s', async (method) => {
    const controller = new AbortController();
    const tracing = failure({ command: ['sleep', '60'], method, signal: controller.signal });
    controller.abort();
    expect(await tracing).toBeInstanceOf(AbortError);
  });

  it('has a program killed after the grace time', async () => {
    const [ready, controller] = [newPath(), new AbortController()];
    const tracing = failure({
      ...shell(`trap '' TERM; touch ${ready}; while :; do sleep 0.1; done`),
      grace: '200ms',
      signal: controller.signal,
    });
    while (!existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort();
    expect(await tracing).toBeInstanceOf(AbortError);
  });

  it('ends the workload as well', async () => {
    const [began, controller] = [newPath(), new AbortController()];
    const during = failure({
      command: ['sleep', '60'],
      workload: `echo $$ >${began}.new; mv ${began}.new ${began}; exec sleep 60`,
      signal: controller.signal,
    });
    while (!existsSync(began)) await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort();
    expect(await during).toBeInstanceOf(AbortError);
    expect(isRunning(Number(readFileSync(began, 'utf8')))).toBe(false);
  });

  it('has a process that was attached to let go of', async () => {
    const child = run('/bin/sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!']);
    const pid = Number(child.stdout);
    const controller = new AbortController();
    const error = await failure({
      pids: [pid],
      phases: ['main@after:50ms'],
      signal: controller.signal,
      onEvent: ({ kind }) => {
        if (kind === 'phase') controller.abort();
      },
    });
    expect(error).toBeInstanceOf(AbortError);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^TracerPid:\t0$/m);
    process.kill(pid, 'SIGKILL');
  });

  it('that is aborted already lets nothing start', async () => {
    const file = newPath();
    const signal = AbortSignal.abort('why');
    const options = { ...shell(`touch ${file}`), signal };
    expect(() => startTrace(options)).toThrow(AbortError);
    expect(await failure(options)).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'why' });
    expect(existsSync(file)).toBe(false);
  });

  it('does nothing once all is over, and is not listened to any more', async () => {
    const controller = new AbortController();
    const outcome = await trace({ ...shell('exit 3'), signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    controller.abort();
    expect(outcome).toMatchObject({ exit: { kind: 'exited', code: 3 }, error: null });
  });
});

describe('what reads text', () => {
  it.each<{ name: string; read: (text: string) => unknown; context: string }>([
    { name: 'parsePolicy', read: parsePolicy, context: 'policy' },
    { name: 'parseProfile', read: parseProfile, context: 'profile' },
    { name: 'parsePhase', read: parsePhase, context: 'phase' },
    { name: 'parseTrigger', read: parseTrigger, context: 'trigger' },
  ])('refuses what is none by a UsageError: $name', ({ read, context }) => {
    for (const [value, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [5, '5'],
      [Buffer.from('x'), 'Buffer'],
    ] as const) {
      const attempt = (): unknown => read(value as unknown as string);
      expect(attempt).toThrow(UsageError);
      expect(attempt).toThrow(`${context}: has to be text, not ${shown} (`);
    }
  });
});

describe('startTrace', () => {
  it('enters a phase by hand', async () => {
    const [go, up] = [newPath(), newPath()];
    const running = startTrace({
      ...shell(`touch ${up}; while ! [ -e ${go} ]; do sleep 0.02; done`),
      phases: ['main@key'],
    });
    while (!existsSync(up)) await new Promise((resolve) => setTimeout(resolve, 10));
    const begins = running.enterPhase('main');
    expect(() => running.enterPhase('other')).toThrow(/^phase: there is no phase "other" \(phases: main\)$/);
    expect(await begins).toBe(true);
    expect(running.progress().phase).toBe(1);
    // It has begun: what comes from here on is in it. To enter it again is no wait.
    expect(await running.enterPhase('main')).toBe(true);
    writeFileSync(go, '');
    const { profile } = await running.outcome;
    expect(profile.processes[0]?.transitions.map(({ phase }) => phase)).toEqual([0, 1]);
  });

  it('shows how far it has come', async () => {
    const running = startTrace({ command: ['sleep', '20'] });
    while (running.progress().calls < 10) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(running.progress()).toMatchObject({ tasks: 1, processes: 1, phase: 0 });
    running.kill();
    expect((await running.outcome).exit).toEqual({ kind: 'signaled', signal: 'SIGKILL', core: false });
  });

  it('passes an interrupt on to the program', async () => {
    const running = startTrace({ command: ['sleep', '20'] });
    while (running.progress().calls < 10) await new Promise((resolve) => setTimeout(resolve, 10));
    running.interrupt('SIGINT');
    const { exit, profile } = await running.outcome;
    expect(exit).toEqual({ kind: 'signaled', signal: 'SIGINT', core: false });
    expect(profile.runs[0]).toMatchObject({ complete: true, incomplete: [] });
  });

  it('is complete if the program ignores an interrupt and ends by itself', async () => {
    const [up, go] = [join(directory.path, 'ignoring'), join(directory.path, 'ended')];
    const running = startTrace(shell(`trap "" INT; touch ${up}; while ! [ -e ${go} ]; do sleep 0.02; done`));
    while (!existsSync(up)) await new Promise((resolve) => setTimeout(resolve, 10));
    running.interrupt('SIGINT');
    writeFileSync(go, '');
    const { exit, profile } = await running.outcome;
    expect(exit).toEqual({ kind: 'exited', code: 0 });
    expect(profile.runs[0]).toMatchObject({ complete: true, incomplete: [] });
  });

  it('says that it was interrupted if the program had to be killed', async () => {
    const running = startTrace({ command: ['sleep', '20'] });
    while (running.progress().calls < 10) await new Promise((resolve) => setTimeout(resolve, 10));
    running.interrupt('SIGTERM');
    running.kill();
    expect((await running.outcome).profile.runs[0]).toMatchObject({
      complete: false,
      incomplete: ['interrupted by SIGTERM'],
    });
  });

  it('refuses a signal that there is none of, and goes on', async () => {
    const running = startTrace(shell('sleep 0.3; exit 3'));
    expect(() => running.interrupt('SIGFOO' as NodeJS.Signals)).toThrow(
      new UsageError("trace: there is no signal 'SIGFOO' (a name such as SIGTERM)"),
    );
    expect(await running.outcome).toMatchObject({ exit: { kind: 'exited', code: 3 }, error: null });
  });

  it('obeys what it was told before the program was there', async () => {
    const running = startTrace({ ...shell('sleep 0.2'), phases: ['main@key'] });
    await running.enterPhase('main');
    const { profile } = await running.outcome;
    expect(profile.phases[1]?.entered).toBe(true);
  });

  it('does nothing more when all is over', async () => {
    const running = startTrace({ ...shell('true'), phases: ['main@key'] });
    await running.outcome;
    expect(await running.enterPhase('main')).toBe(false);
    expect(() => {
      running.kill();
      running.interrupt('SIGTERM');
    }).not.toThrow();
  });
});

describe('a process that uses the library', () => {
  it('can have two traces at once', async () => {
    const [one, two] = await Promise.all([
      trace(shell('sleep 0.3; exit 1')),
      trace(shell('ls / >/dev/null; sleep 0.3; exit 2')),
    ]);
    expect([one.exit, two.exit]).toEqual([
      { kind: 'exited', code: 1 },
      { kind: 'exited', code: 2 },
    ]);
    // They were there at the same time, and neither has seen what the other one did.
    expect(callSet(one.profile).map(({ name }) => name)).not.toContain('getdents64');
    expect(callSet(two.profile).map(({ name }) => name)).toContain('getdents64');
    expect(
      Math.abs(Date.parse(one.profile.runs[0]?.start ?? '') - Date.parse(two.profile.runs[0]?.start ?? '')),
    ).toBeLessThan(300);
  });

  it.each([
    "trace({ command, method: 'ebpf' })",
    "trace({ command, method: 'seccomp' })",
    'startRun({ command, policy }).outcome',
  ])('has read and written itself, and the program waits when it reads and writes: %s', (start) => {
    const script = `import { startRun, trace } from ${JSON.stringify(LIBRARY)};
const policy = JSON.parse(process.argv[1]);
process.stdin.on('data', () => undefined).pause();
process.stdout.write('of the process\\n');
process.stderr.write('of the process\\n');
const command = ['grep', '^flags', '/proc/self/fdinfo/0', '/proc/self/fdinfo/1', '/proc/self/fdinfo/2'];
await ${start};`;
    const document = JSON.stringify(policy([policyPhase('all', null)]));
    const { stdout } = run(process.execPath, ['--input-type=module', '-e', script, document]);
    const flags = [...stdout.matchAll(/flags:\t([0-7]+)/g)].map((match) =>
      Number.parseInt(match[1] ?? '', 8),
    );
    expect(flags.map((word) => word & constants.O_NONBLOCK)).toEqual([0, 0, 0]);
  });

  it('may be profiled, which sends a signal every fraction of a millisecond, while it traces by ebpf', () => {
    const script = `import { trace } from ${JSON.stringify(LIBRARY)};
for (let count = 0; count < 4; count++) await trace({ command: ['true'], method: 'ebpf' });
console.log('traced');`;
    const profiling = ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', directory.path];
    const args = [...profiling, '--input-type=module', '-e', script];
    expect(run(process.execPath, args)).toMatchObject({ stdout: 'traced\n', stderr: '' });
  });

  it.each(['ebpf', 'seccomp'] as const)('may have many descriptors open, by %s', async (method) => {
    const taken = Array.from({ length: 300 }, () => openSync('/dev/null', 'r'));
    try {
      expect((await trace({ ...shell('exit 3'), method })).exit).toEqual({ kind: 'exited', code: 3 });
    } finally {
      for (const fd of taken) closeSync(fd);
    }
  });

  it('may be at work on a worker thread, of which Node has nothing to complain', () => {
    const program = `
      const { isMainThread, Worker } = require('node:worker_threads');
      if (isMainThread) new Worker(__filename);
      else import(${JSON.stringify(LIBRARY)}).then(async ({ trace, spawn, buildPolicy }) => {
        const { profile, exit } = await trace({ command: ['true'], method: 'ebpf' });
        const child = spawn('true', { policy: buildPolicy([profile]).policy });
        child.once('exit', (code) => console.log(exit.code, code));
      });`;
    const file = `${newPath()}.cjs`;
    writeFileSync(file, program);
    expect(run(process.execPath, [file])).toMatchObject({ status: 0, stdout: '0 0\n', stderr: '' });
  });

  it('gets the exits of its own children', async () => {
    const early = spawn('sh', ['-c', 'sleep 0.2; exit 7']);
    const killed = spawn('sleep', ['20']);
    const ends = Promise.all([once(early, 'exit'), once(killed, 'exit')]);
    const tracing = trace(shell('sleep 0.5; exit 1'));
    const during = once(spawn('sh', ['-c', 'exit 9']), 'exit');
    killed.kill('SIGTERM');
    expect(await Promise.all([ends, during])).toEqual([
      [
        [7, null],
        [null, 'SIGTERM'],
      ],
      [9, null],
    ]);
    expect((await tracing).exit).toEqual({ kind: 'exited', code: 1 });
  });

  it.each(['seccomp', 'ptrace'])('hears of the ends of children, and not of every stop, by %s', (method) => {
    const script = `import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { trace } from ${JSON.stringify(LIBRARY)};
let heard = 0;
process.on('SIGCHLD', () => heard++);
const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
const tracing = (count) => trace({
  command: ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'status=none', 'count=' + count],
  method: '${method}',
});
const [own] = await Promise.all([once(child, 'exit'), tracing(5000), tracing(10).then(() => child.stdin.end())]);
console.log(own[0], heard < 100 ? 'few' : heard);
const before = heard;
const stopped = spawn('sh', ['-c', 'kill -STOP $$; exit 4']);
const isStopped = () => / T /.test(readFileSync('/proc/' + stopped.pid + '/stat', 'latin1'));
while (heard === before || !isStopped()) await new Promise((resolve) => setTimeout(resolve, 10));
stopped.kill('SIGCONT');
console.log((await once(stopped, 'exit'))[0]);`;
    expect(run(process.execPath, ['--input-type=module', '-e', script])).toMatchObject({
      stdout: '0 few\n4\n',
      stderr: '',
    });
  });

  it('ends when the trace is over, for nothing keeps it alive', () => {
    const script = `import { trace } from ${JSON.stringify(LIBRARY)};
const { exit, profile } = await trace({ command: ['sh', '-c', 'exit 4'] });
console.log(exit.code, profile.processes.length);`;
    const began = Date.now();
    const { status, stdout, stderr } = run(process.execPath, ['--input-type=module', '-e', script]);
    expect([status, stdout, stderr]).toEqual([0, '4 1\n', '']);
    expect(Date.now() - began).toBeLessThan(5000);
  });

  it('is not kept alive by the library alone', () => {
    const { status, stdout } = run(process.execPath, [
      '--input-type=module',
      '-e',
      `await import(${JSON.stringify(LIBRARY)}); console.log('loaded');`,
    ]);
    expect([status, stdout]).toEqual([0, 'loaded\n']);
  });

  it('leaves no child behind after a failed start', async () => {
    const before = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    const file = newPath();
    writeFileSync(file, 'no program');
    chmodSync(file, 0o755);
    await failure({ command: [file] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')).toBe(before);
  });
});
