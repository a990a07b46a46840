import { once } from 'node:events';
import {
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
  writeFileSync,
} from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { text } from 'node:stream/consumers';
import { spawn as spawnChild, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/policy/model.ts';
import { run, temporaryDirectory } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { phase, policy, statusField, twoPhases } from './fixtures/policies.ts';

// As those have it who install the package.
const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
const { LaunchError, PolicyError, spawn, UsageError } = (await import(
  LIBRARY
)) as typeof import('../../src/index.ts');

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
