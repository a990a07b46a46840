import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { text } from 'node:stream/consumers';
import { spawn as spawnChild, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/policy/model.ts';
import { formatPolicyJson } from '../../src/policy/save.ts';
import { run, temporaryDirectory } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { phase, policy, statusField, twoPhases } from './fixtures/policies.ts';

// As those have it who install the package.
const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
const { AbortError, DocumentError, LaunchError, parsePolicy, PolicyError, spawn, startRun, UsageError } =
  (await import(LIBRARY)) as typeof import('../../src/index.ts');

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
let probe: string;

beforeAll(() => {
  probe = compile(readFileSync(new URL('./fixtures/probe.c', import.meta.url), 'utf8'), ['-pthread']);
});

afterAll(() => directory[Symbol.dispose]());

const OPEN: Policy = policy([phase('all', null)]);
const NO_MKDIR: Policy = policy([phase('all', null, ['mkdir', 'mkdirat'])]);

/** How a child ended, and what it wrote. */
async function finish(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }> {
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'close') as Promise<[number | null, string | null]>,
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
  ]);
  return { code, signal, stdout, stderr };
}

describe('spawn of the library', () => {
  it('runs a program under the policy, which has no tracer and cannot gain privileges', async () => {
    const { code, stdout } = await finish(spawn(probe, ['status', 'exit=5'], { policy: OPEN }));
    expect([code, stdout]).toEqual([5, 'filters 1 tracer no no_new_privs 1\n']);
  });

  it('denies what the policy does not allow', async () => {
    const path = `${directory.path}/never`;
    const { stdout } = await finish(
      spawn(probe, [`mkdir=${path}`, 'fork', `mkdir=${path}`], { policy: NO_MKDIR }),
    );
    expect(stdout).toBe('mkdir Operation not permitted\nmkdir Operation not permitted\n');
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it('filters from the first instruction on: the loader is under the policy as well', async () => {
    const document = policy([phase('all', null, ['openat'])], { onViolation: 'kill' });
    const { code, signal, stdout } = await finish(spawn(probe, ['say=ran'], { policy: document }));
    expect([code, signal, stdout]).toEqual([null, 'SIGSYS', '']);
  });

  it('takes the set of the first phase where there are several', async () => {
    const { stdout } = await finish(spawn(probe, ['status'], { policy: twoPhases('key') }));
    expect(stdout).toBe('filters 1 tracer no no_new_privs 1\n');
  });

  it('gives an ordinary child: its pid is that of the program', async () => {
    const child = spawn(probe, ['pids'], { policy: OPEN });
    const { stdout } = await finish(child);
    expect(stdout).toBe(`pid ${child.pid} parent ${process.pid}\n`);
  });

  it('pipes stdin, stdout and stderr', async () => {
    const child = spawn('/bin/sh', ['-c', 'cat; echo problem >&2'], { policy: OPEN });
    child.stdin?.end('through the pipe\n');
    expect(await finish(child)).toEqual({
      code: 0,
      signal: null,
      stdout: 'through the pipe\n',
      stderr: 'problem\n',
    });
  });

  it('passes further descriptors on', async () => {
    const child = spawn('/bin/sh', ['-c', 'echo third >&3'], {
      policy: OPEN,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    expect(await text(child.stdio[3] as NodeJS.ReadableStream)).toBe('third\n');
  });

  it('is under the policy whatever descriptors it is given, be they of programs themselves', async () => {
    const path = `${directory.path}/unfiltered`;
    const script = `${directory.path}/script`;
    writeFileSync(script, `#!/bin/sh\nmkdir ${path}\n`, { mode: 0o755 });
    const shell = openSync('/bin/sh', 'r');
    // More than this process has open: one of them has the number that the launcher has here.
    const further = Array.from({ length: readdirSync('/proc/self/fd').length + 20 }, () => shell);
    const child = spawn(script, [], { policy: NO_MKDIR, stdio: ['ignore', 'pipe', 'pipe', ...further] });
    closeSync(shell);
    const { code, stderr } = await finish(child);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Operation not permitted')]);
    expect(existsSync(path)).toBe(false);
    rmSync(script);
  });

  it('throws if no descriptor is left for it', () => {
    const program = `
      import fs from 'node:fs';
      const { spawn } = await import(${JSON.stringify(LIBRARY)});
      const policy = JSON.parse(process.argv[1]);
      spawn('/bin/true', [], { policy, stdio: 'ignore' });
      const taken = [];
      try {
        for (;;) taken.push(fs.openSync('/dev/null'));
      } catch {}
      try {
        spawn('/bin/true', [], { policy, stdio: 'ignore' });
      } catch ({ name, message }) {
        for (const fd of taken) fs.closeSync(fd);
        console.log(name, message);
      }`;
    const args = ['--input-type=module', '-e', program, JSON.stringify(OPEN)];
    const finished = run('/bin/sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, ...args], {
      env: { ...process.env, TMPDIR: directory.path },
    });
    expect(finished).toMatchObject({
      stdout: 'SystemCallError memfd_create: no place for the launcher in memory, EMFILE\n',
      stderr: '',
    });
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it('has no descriptors but those that it was given', async () => {
    // ls has the directory itself open.
    const { stdout } = await finish(spawn('/bin/sh', ['-c', 'ls -l /proc/self/fd'], { policy: OPEN }));
    expect(stdout).not.toMatch(/memfd|callgate/);
    expect(stdout).toMatch(/ 0 -> .*\n.* 1 -> .*\n/);
  });

  it('looks for the program in PATH, in the environment that it is given', async () => {
    const plain = await finish(spawn('true', [], { policy: OPEN }));
    expect(plain.code).toBe(0);
    expect(() => spawn('true', [], { policy: OPEN, env: { PATH: directory.path } })).toThrow(LaunchError);
  });

  it.each(['text', 'URL'])('starts in the directory that is given as %s', async (form) => {
    const cwd = form === 'URL' ? pathToFileURL(directory.path) : directory.path;
    const { stdout } = await finish(spawn('/bin/pwd', [], { policy: OPEN, cwd }));
    expect(stdout).toBe(`${realpathSync(directory.path)}\n`);
  });

  it('has the environment that is given, and no other', async () => {
    const { stdout } = await finish(spawn('/usr/bin/env', [], { policy: OPEN, env: { ONLY: 'this' } }));
    expect(stdout).toBe('ONLY=this\n');
  });

  it('shows the program its name and arguments as they were given', async () => {
    const script = "tr '\\0' '|' </proc/$$/cmdline";
    const plain = await finish(spawn('/bin/sh', ['-c', script, 'two words', ''], { policy: OPEN }));
    expect(plain.stdout).toBe(`/bin/sh|-c|${script}|two words||`);
    const named = await finish(spawn('/bin/sh', ['-c', script], { policy: OPEN, argv0: 'other' }));
    expect(named.stdout).toBe(`other|-c|${script}|`);
  });

  it('ends by a signal of its parent', async () => {
    const child = spawn(probe, ['say=up', 'pause'], { policy: OPEN });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    expect(child.kill('SIGTERM')).toBe(true);
    expect(await finish(child)).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('ends by an abort signal', async () => {
    const controller = new AbortController();
    const child = spawn(probe, ['say=up', 'pause'], {
      policy: OPEN,
      signal: controller.signal,
      killSignal: 'SIGKILL',
    });
    child.once('error', () => undefined);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    controller.abort();
    expect(await finish(child)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('can be detached into a session of its own', async () => {
    const child = spawn(probe, ['say=up', 'pause'], { policy: OPEN, detached: true });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    expect(statusField(child.pid as number, 'NSsid')).toBe(`${child.pid}`);
    process.kill(-(child.pid as number), 'SIGKILL');
    expect(await finish(child)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('throws before anything is started if the program is not there or cannot be executed', () => {
    expect(() => spawn('/proc/nowhere/program', [], { policy: OPEN })).toThrow(LaunchError);
    expect(() => spawn('no-such-program', [], { policy: OPEN })).toThrow(/not found in PATH/);
    expect(() => spawn('/etc/passwd', [], { policy: OPEN })).toThrow(/not executable/);
  });

  it('says why the kernel does not execute the program, and ends as a shell would', async () => {
    const file = `${directory.path}/text`;
    writeFileSync(file, 'exit 3\n', { mode: 0o755 });
    expect(await finish(spawn(file, [], { policy: OPEN }))).toMatchObject({
      code: 126,
      stderr: `callgate: spawn: cannot execute ${file}: ENOEXEC\n`,
    });
    const lost = compile('int main(void) { return 3; }', ['-Wl,--dynamic-linker=/nowhere']);
    expect(await finish(spawn(lost, [], { policy: OPEN }))).toMatchObject({
      code: 127,
      stderr: `callgate: spawn: cannot execute ${lost}: ENOENT\n`,
    });
    rmSync(file);
  });

  it('says for what it would have been started, and where if that is not there', () => {
    expect(() => spawn('no-such-program', [], { policy: OPEN })).toThrow(
      /^spawn: no-such-program: not found/,
    );
    const cwd = `${directory.path}/nowhere`;
    const message = `spawn: ${cwd}: no such directory to start ${probe} in`;
    expect(() => spawn(probe, [], { policy: OPEN, cwd })).toThrow(message);
    expect(() => spawn(probe, [], { policy: OPEN, cwd: pathToFileURL(cwd) })).toThrow(message);
    expect(() => spawn(probe, [], { policy: OPEN, cwd: probe })).toThrow(
      `spawn: ${probe}: is no directory to start ${probe} in`,
    );
  });

  it('takes a directory as a URL, whatever is in its name', async () => {
    const cwd = mkdtempSync(`${directory.path}/a b%20ü-`);
    copyFileSync(probe, `${cwd}/program`);
    const child = spawn('./program', ['say=ran'], { policy: OPEN, cwd: pathToFileURL(cwd) });
    expect(await finish(child)).toMatchObject({ code: 0, stdout: 'ran\n' });
    rmSync(cwd, { recursive: true });
  });

  it('takes arguments that are left out, as that of Node does', async () => {
    expect(await finish(spawn(probe, undefined, { policy: OPEN }))).toMatchObject({ code: 0, stdout: '' });
    expect(await finish(spawn(probe, { policy: OPEN }))).toMatchObject({ code: 0, stdout: '' });
  });

  it.each<{ name: string; args: readonly unknown[]; message: string }>([
    {
      name: 'no policy',
      args: ['ls', []],
      message: 'spawn: there is no policy ({ policy } is the last argument)',
    },
    {
      name: 'no policy in the options',
      args: ['ls', [], {}],
      message: 'spawn: there is no policy (options.policy; parsePolicy reads one)',
    },
    {
      name: 'a policy that is text',
      args: ['ls', [], { policy: 'x' }],
      message: 'spawn: options.policy is none (parsePolicy reads one)',
    },
    {
      name: 'a shell',
      args: ['ls', { policy: OPEN, shell: true }],
      message: "spawn: there is no option shell (the program is a shell then: '/bin/sh', ['-c', text])",
    },
    {
      name: 'arguments that are text',
      args: ['ls', '-l', { policy: OPEN }],
      message: "spawn: args has to be an array, not '-l'",
    },
    {
      name: 'a program that is none',
      args: [undefined, [], { policy: OPEN }],
      message: 'spawn: the program has to be text, not undefined',
    },
  ])('is a UsageError for $name', ({ args, message }) => {
    expect(() => (spawn as (...all: readonly unknown[]) => unknown)(...args)).toThrow(
      new UsageError(message),
    );
  });

  it.each<{ name: string; args: readonly [string, readonly string[], object] }>([
    { name: 'the program', args: ['/bin/tr\0ue', [], {}] },
    { name: 'an argument', args: ['/bin/true', ['one', 'a\0b'], {}] },
    { name: 'a variable', args: ['/bin/true', [], { env: { A: 'x\0y' } }] },
    { name: 'the name of a variable', args: ['/bin/true', [], { env: { 'A\0': 'x' } }] },
    { name: 'the directory', args: ['/bin/true', [], { cwd: '/t\0mp' }] },
    { name: 'argv0', args: ['/bin/true', [], { argv0: 'a\0b' }] },
  ])('throws what Node does for a zero byte in $name', ({ args: [command, args, options] }) => {
    const thrown = (start: () => unknown): unknown => {
      try {
        start();
        return null;
      } catch (error) {
        const { name, code, message } = error as NodeJS.ErrnoException;
        return { name, code, message };
      }
    };
    const ours = thrown(() => spawn(command, args, { ...options, policy: OPEN }));
    expect(ours).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    expect(ours).toEqual(thrown(() => spawnChild(command, args, options)));
  });

  it.each<{ name: string; args: readonly unknown[]; options: object }>([
    { name: 'an argv0 that is a number', args: [], options: { argv0: 5 } },
    { name: 'an argument that is a symbol', args: [Symbol('x')], options: {} },
  ])('throws the TypeError that Node throws for $name', ({ args, options }) => {
    const thrown = (start: () => unknown): unknown => {
      try {
        start();
        return null;
      } catch (error) {
        const { name, code, message } = error as NodeJS.ErrnoException;
        return { name, code, message };
      }
    };
    const texts = args as readonly string[];
    const ours = thrown(() => spawn('/bin/true', texts, { ...options, policy: OPEN }));
    expect(ours).toMatchObject({ name: 'TypeError' });
    expect(ours).toEqual(thrown(() => spawnChild('/bin/true', texts, options)));
  });

  it('is refused no shell where it is said that there is to be none', async () => {
    const options = { policy: OPEN, shell: false };
    expect(await finish(spawn('/bin/true', options))).toMatchObject({ code: 0 });
  });

  it('takes an empty directory for its own, as Node does', async () => {
    const { stdout } = await finish(spawn('/bin/pwd', { policy: OPEN, cwd: '' }));
    expect(stdout).toBe(`${process.cwd()}\n`);
  });

  it('says what it was asked to start, not what that takes', async () => {
    const child = spawn('true', ['one', 'two'], { policy: OPEN });
    expect([child.spawnfile, child.spawnargs]).toEqual(['true', ['true', 'one', 'two']]);
    await finish(child);
    const named = spawn('true', ['one'], { policy: OPEN, argv0: 'other' });
    expect([named.spawnfile, named.spawnargs]).toEqual(['true', ['other', 'one']]);
    await finish(named);
  });

  it('says in an event of an error what it was asked to start', () => {
    // Nothing is closed to root.
    const cwd = mkdtempSync(`${directory.path}/closed-`);
    chmodSync(directory.path, 0o755);
    chmodSync(cwd, 0);
    const script = `
      import { spawn, parsePolicy } from ${JSON.stringify(LIBRARY)};
      const policy = parsePolicy(${JSON.stringify(formatPolicyJson(OPEN))});
      if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
      spawn('ls', ['-l'], { policy, cwd: ${JSON.stringify(cwd)} }).on('error', ({ code, path, message, spawnargs }) =>
        console.log(JSON.stringify([code, path, message, spawnargs])));`;
    const { stdout } = run(process.execPath, ['--input-type=module', '-e', script]);
    rmSync(cwd, { recursive: true });
    expect(JSON.parse(stdout)).toEqual(['EACCES', 'ls', 'spawn ls EACCES', ['-l']]);
  });

  it('is a LaunchError for what is in a directory that is closed', () => {
    const closed = mkdtempSync(`${directory.path}/closed-`);
    writeFileSync(`${closed}/program`, '#!/bin/sh\n', { mode: 0o755 });
    chmodSync(directory.path, 0o755);
    chmodSync(closed, 0);
    const script = `
      import { spawn, parsePolicy, LaunchError } from ${JSON.stringify(LIBRARY)};
      const policy = parsePolicy(${JSON.stringify(formatPolicyJson(OPEN))});
      if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
      for (const [command, env] of [['${closed}/program', {}], ['program', { PATH: '${closed}' }]]) {
        try { spawn(command, { policy, env }); }
        catch (error) { console.log(error instanceof LaunchError, error.exitCode, error.message); }
      }`;
    const { stdout } = run(process.execPath, ['--input-type=module', '-e', script]);
    rmSync(closed, { recursive: true });
    expect(stdout).toBe(
      `true 126 spawn: ${closed}/program: cannot be looked at, permission denied\n` +
        'true 127 spawn: program: not found in PATH (give its path, or install it)\n',
    );
  });

  it('tells a script the path by which it was started', async () => {
    const script = `${directory.path}/script`;
    writeFileSync(script, '#!/bin/sh\necho "$0"\n', { mode: 0o755 });
    const by = async (command: string, cwd: string): Promise<string> =>
      (await finish(spawn(command, { policy: OPEN, cwd }))).stdout.trim();
    expect(await by('./script', directory.path)).toBe('./script');
    expect(await by(script, '/')).toBe(script);
    rmSync(script);
  });

  it('is a LaunchError for a path that cannot be followed', () => {
    const loop = `${directory.path}/loop`;
    symlinkSync('loop', loop);
    const reasons = [
      [loop, /^spawn: .*loop: cannot be looked at, too many symbolic links/],
      [`/${'a'.repeat(5000)}`, /cannot be looked at, name too long$/],
      ['a'.repeat(300), /: not found in PATH/],
      ['/bin/true/', /^spawn: \/bin\/true\/: (no such file|cannot be looked at, not a directory)$/],
    ] as const;
    for (const [command, message] of reasons) {
      expect(() => spawn(command, { policy: OPEN })).toThrow(LaunchError);
      expect(() => spawn(command, { policy: OPEN })).toThrow(message);
    }
    rmSync(loop);
  });

  it('throws if the policy does not allow execve', () => {
    const document = policy([phase('all', null, ['execve'])]);
    expect(() => spawn(probe, [], { policy: document })).toThrow(PolicyError);
    expect(() => spawn(probe, [], { policy: document })).toThrow(/phase all does not allow execve/);
  });

  it('leaves neither descriptors nor children behind after a hundred children', async () => {
    const descriptors = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`).replace(/\[[0-9]+\]/, '')}`];
        } catch {
          // The one by which the directory was read.
          return [];
        }
      });
    const children = (): string => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    const before = [descriptors(), children()];
    for (let round = 0; round < 10; round++) {
      const ends = Array.from({ length: 10 }, () => finish(spawn(probe, ['status'], { policy: NO_MKDIR })));
      for (const { code, stdout } of await Promise.all(ends)) {
        expect([code, stdout]).toEqual([0, 'filters 1 tracer no no_new_privs 1\n']);
      }
    }
    expect([descriptors(), children()]).toEqual(before);
  });
});

describe('a policy that a program has in hand', () => {
  const bare = { format: 'callgate-policy', version: 1, arches: OPEN.arches };
  const [all] = OPEN.phases as [Policy['phases'][number]];
  const spoiled = (change: object): object => ({ ...OPEN, ...change });

  it.each<{ name: string; document: object; problem: RegExp }>([
    {
      name: 'without a format',
      document: { phases: [{}] },
      problem: /its "format" is not "callgate-policy"/,
    },
    {
      name: 'without calls',
      document: { ...bare, phases: [{ name: 'a' }] },
      problem: /missing field, "calls"/,
    },
    {
      name: 'of numbers that are text',
      document: spoiled({ phases: [{ ...all, calls: [{ arch: 'x86_64', nr: '59', name: 'execve' }] }] }),
      problem: /\/phases\/0\/calls\/0\/nr: must be integer/,
    },
    {
      name: 'of an argument that there is none of',
      document: spoiled({
        phases: [
          { ...all, calls: [{ arch: 'x86_64', nr: 59, args: [{ index: 9, width: 32, values: [1] }] }] },
        ],
      }),
      problem: /\/args\/0/,
    },
    {
      name: 'of names that are other calls',
      document: spoiled({ phases: [{ ...all, calls: [{ arch: 'x86_64', nr: 59, name: 'read' }] }] }),
      problem: /name and number disagree/,
    },
    { name: 'of an unknown action', document: spoiled({ onViolation: 'foo' }), problem: /\/onViolation/ },
    {
      name: 'with something else in it',
      document: spoiled({ calls: [] }),
      problem: /unknown field, "calls"/,
    },
    { name: 'of a lower arch', document: spoiled({ arches: [{ arch: 'x86_64' }] }), problem: /"newest"/ },
  ])('is refused if it is one $name', ({ document, problem }) => {
    const given = document as Policy;
    for (const start of [
      (): unknown => spawn('/bin/true', { policy: given }),
      (): unknown => startRun({ command: ['/bin/true'], policy: given }),
    ]) {
      expect(start).toThrow(DocumentError);
      expect(start).toThrow(problem);
    }
  });

  it('may leave out what a document may', async () => {
    const document = {
      ...bare,
      phases: [{ name: 'all', calls: all.calls.map(({ arch, nr }) => ({ arch, nr })) }],
    };
    const { stdout } = await finish(spawn(probe, ['status'], { policy: document as unknown as Policy }));
    expect(stdout).toBe('filters 1 tracer no no_new_privs 1\n');
  });

  it('keeps its arguments and kernels', async () => {
    const [kernels, { policy: read }] = [
      { from: '5.10', to: '6.12' },
      { policy: parsePolicy(formatPolicyJson(NO_MKDIR)) },
    ];
    const calls = read.phases[0]?.calls.map((call) =>
      call.name === 'kill'
        ? { ...call, args: [{ index: 1, name: null, width: 64, values: [2n ** 63n], free: 0n }] }
        : call,
    );
    const given = { ...read, kernels, phases: [{ ...all, calls }] } as Policy;
    const { stdout, code } = await finish(spawn('/bin/sh', ['-c', 'kill -0 $$; echo $?'], { policy: given }));
    expect([code, stdout]).toEqual([0, '1\n']);
  });

  it('counts as it is at each start', async () => {
    const calls = [...all.calls];
    const given = { ...OPEN, phases: [{ ...all, calls }] };
    const mkdir = async (): Promise<string> =>
      (await finish(spawn(probe, [`mkdir=${directory.path}`], { policy: given }))).stdout;
    expect(await mkdir()).toBe('mkdir File exists\n');
    calls.splice(
      calls.findIndex(({ name }) => name === 'mkdir'),
      1,
    );
    expect(await mkdir()).toBe('mkdir Operation not permitted\n');
  });
});

describe('startRun', () => {
  it('ends the program when its signal is aborted', async () => {
    const controller = new AbortController();
    let started = 0;
    const running = startRun({
      command: ['sleep', '60'],
      policy: OPEN,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind !== 'started') return;
        started = event.pid;
        controller.abort();
      },
    });
    await expect(running.outcome).rejects.toThrow(AbortError);
    expect(existsSync(`/proc/${started}`)).toBe(false);
    const again = (): unknown =>
      startRun({ command: ['sleep', '60'], policy: OPEN, signal: controller.signal });
    expect(again).toThrow(AbortError);
  });

  it.each<{ name: string; options: unknown; message: string }>([
    { name: 'nothing', options: null, message: 'run: options has to be an object, not null' },
    {
      name: 'no policy',
      options: { command: ['true'] },
      message: 'run: there is no policy (parsePolicy reads one)',
    },
    {
      name: 'no command',
      options: { policy: OPEN },
      message: 'run: there is no command (a program, and its arguments)',
    },
    {
      name: 'a policy that is text',
      options: { command: ['true'], policy: 'x' },
      message: "run: policy has to be an object, not 'x'",
    },
    {
      name: 'an option of trace',
      options: { command: ['true'], policy: OPEN, stdin: 'null' },
      message: 'run: there is no option "stdin" (command, policy, audit, ifStuck, env, cwd, onEvent, signal)',
    },
    {
      name: 'an ifStuck that there is none of',
      options: { command: ['true'], policy: OPEN, ifStuck: 'foo' },
      message: "run: ifStuck is 'foo' (keep, kill)",
    },
    {
      name: 'an audit that is text',
      options: { command: ['true'], policy: OPEN, audit: 'no' },
      message: "run: audit has to be true or false, not 'no'",
    },
  ])('refuses $name by a UsageError', ({ options, message }) => {
    const start = (): unknown => startRun(options as Parameters<typeof startRun>[0]);
    expect(start).toThrow(UsageError);
    expect(start).toThrow(message);
  });
});
