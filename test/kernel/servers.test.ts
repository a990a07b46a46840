import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Process, Profile } from '../../src/profile/model.ts';
import {
  callNames,
  countOf,
  readProfile,
  run,
  start,
  temporaryDirectory,
  traceCommand,
} from '../support/callgate.ts';
import { parseStrace } from '../support/strace.ts';

type Traced = ReturnType<typeof traceCommand>;

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

beforeAll(() => {
  // nginx and memcached give up root: they must be able to enter.
  chmodSync(directory.path, 0o755);
  for (const [tool, debian] of [
    ['redis-server', 'redis-server'],
    ['redis-benchmark', 'redis-tools'],
    ['nginx', 'nginx-light'],
    ['memcached', 'memcached'],
    ['lighttpd', 'lighttpd'],
    ['sqlite3', 'sqlite3'],
    ['curl', 'curl'],
    ['make', 'make'],
  ]) {
    const { status } = run('/bin/sh', ['-c', `command -v ${tool}`]);
    if (status !== 0) throw new Error(`${tool} is missing (Debian package ${debian})`);
  }
});

afterAll(() => directory[Symbol.dispose]());

/** A TCP port that nobody uses at the moment, by the kernel's word. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  return connected;
}

/** Waits for something that takes some milliseconds, ten seconds at most. */
async function until(what: string, happens: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await happens())) {
    if (Date.now() > end) throw new Error(`waited for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function newDirectory(name: string): string {
  const path = join(directory.path, name);
  mkdirSync(path);
  return path;
}

function autoTrigger(profile: Profile): string | null {
  return profile.phases.find(({ source }) => source === 'auto')?.trigger ?? null;
}

/** Names of what a process called in a phase. */
function inPhase(process: Process, phase: number): string[] {
  return process.calls.filter(({ phases }) => phases.includes(phase)).map(({ name, nr }) => name ?? `${nr}`);
}

describe('redis-server under redis-benchmark', () => {
  const benchmark = (port: number): string => `redis-benchmark -p ${port} -q -n 500 -c 5 -t get,set,lpush`;
  const command = (port: number, dir: string): string[] => [
    'redis-server',
    '--port',
    `${port}`,
    '--save',
    '',
    '--dir',
    dir,
    '--pidfile',
    join(dir, 'pid'),
  ];
  let port: number;
  let traced: Traced;

  beforeAll(async () => {
    port = await freePort();
    traced = traceCommand(command(port, newDirectory('redis')), [
      '--ready',
      `listen:${port}`,
      '--workload',
      benchmark(port),
    ]);
  });

  it('ends by the SIGTERM that follows the workload, and callgate with exit code 0 as it does', () => {
    expect(traced.status).toBe(0);
    expect(traced.stdout).toContain('Received SIGTERM scheduling shutdown');
    expect(traced.profile.runs[0]).toMatchObject({
      complete: true,
      workload: { command: benchmark(port), exit: { kind: 'exited', code: 0 } },
    });
  });

  it('is one process with four further threads', () => {
    expect(traced.profile.processes).toHaveLength(1);
    expect(traced.profile.processes[0]).toMatchObject({ birth: 'start', exit: { kind: 'exited', code: 0 } });
    expect(traced.profile.processes[0]?.threads).toHaveLength(4);
  });

  it('listens on its port', () => {
    expect(traced.profile.processes[0]?.listens.map(({ address }) => address)).toContain(`tcp:${port}`);
  });

  it('served every request of the benchmark under the tracer', () => {
    // Each request is read once and answered once.
    expect(countOf(traced.profile.processes, 'read')).toBeGreaterThan(1500);
    expect(countOf(traced.profile.processes, 'accept4')).toBeGreaterThanOrEqual(15);
    expect(traced.stderr).not.toMatch(/error/i);
  });

  it('is found to be set up when it first waits for clients', () => {
    expect(autoTrigger(traced.profile)).toMatch(/^syscall:epoll_wait(#[0-9]+)?$/);
    const [server] = traced.profile.processes;
    expect(inPhase(server as Process, 0)).toContain('listen');
    expect(inPhase(server as Process, 1)).not.toContain('listen');
    expect(inPhase(server as Process, 1)).toContain('epoll_wait');
  });

  it('makes the calls that strace -f sees of it', async () => {
    const log = join(directory.path, 'redis.strace');
    const other = await freePort();
    const dir = newDirectory('redis-strace');
    const strace = spawn('strace', ['-f', '-qq', '-o', log, ...command(other, dir)], { stdio: 'ignore' });
    const end = once(strace, 'exit');
    await until('redis under strace', () => listens(other));
    expect(run('/bin/sh', ['-c', benchmark(other)]).status).toBe(0);
    process.kill(Number(readFileSync(join(dir, 'pid'), 'utf8')), 'SIGTERM');
    await end;
    const reference = parseStrace(readFileSync(log, 'utf8'));
    const ours = callNames(traced.profile.processes);
    /** A call that one of two runs may have and the other not, and why. */
    const ALLOWED = new Set([
      'x86_64:restart_syscall', // a thread that was asleep when a signal or a tracer stopped it
      'x86_64:rt_sigreturn', // whether the end comes while a signal handler is to run
      'x86_64:futex', // contention between the threads
      'x86_64:madvise', // the allocator's background thread purges by time
      'x86_64:munmap', // likewise
      'x86_64:exit', // threads that end before the process does
    ]);
    expect(symmetric(ours, reference).filter((name) => !ALLOWED.has(name))).toEqual([]);
    expect(ours.size).toBeGreaterThan(40);
  });

  it('forks a child for BGSAVE, which is recorded with its own calls', async () => {
    const saving = await freePort();
    const dir = newDirectory('redis-bgsave');
    const save = `redis-cli -p ${saving} set key value && redis-cli -p ${saving} bgsave`;
    const wait = `for i in $(seq 100); do [ -s ${dir}/dump.rdb ] && exit 0; sleep 0.05; done; exit 9`;
    const { profile, status } = traceCommand(command(saving, dir), [
      '--ready',
      `listen:${saving}`,
      '--workload',
      `${save}; ${wait}`,
    ]);
    expect(status).toBe(0);
    expect(profile.runs[0]?.workload?.exit).toEqual({ kind: 'exited', code: 0 });
    const [server, child] = profile.processes;
    expect(profile.processes).toHaveLength(2);
    expect(child).toMatchObject({ parent: 0, argv: null, exit: { kind: 'exited', code: 0 } });
    expect(['fork', 'clone']).toContain(child?.birth);
    expect(child?.program).toBe(server?.program);
    expect(callNames([child as Process])).toContain('x86_64:rename');
    expect(callNames([server as Process])).not.toContain('x86_64:rename');
  });
});

/** What is in one of two sets only. */
function symmetric(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return [...[...a].filter((name) => !b.has(name)), ...[...b].filter((name) => !a.has(name))];
}

/** Configuration of an nginx with two workers, in a directory of its own. */
function nginxConfiguration(name: string, port: number): string[] {
  const dir = newDirectory(name);
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'html'));
  writeFileSync(join(dir, 'html/index.html'), 'hello from nginx\n');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    join(dir, 'nginx.conf'),
    `worker_processes 2;
pid ${dir}/pid;
error_log ${dir}/error.log;
daemon off;
events { worker_connections 64; }
http {
  access_log ${dir}/access.log;
  ${temporary.map((each) => `${each}_temp_path ${dir}/${each};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${dir}/html; }
}
`,
  );
  return ['nginx', '-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')];
}

describe('nginx with two workers under curl', () => {
  let port: number;
  let traced: Traced;

  beforeAll(async () => {
    port = await freePort();
    const load = `for i in $(seq 20); do curl -sf http://127.0.0.1:${port}/ || exit 1; done`;
    traced = traceCommand(nginxConfiguration('nginx', port), [
      '--ready',
      `listen:${port}`,
      '--workload',
      load,
    ]);
  });

  it('answers every request and ends with exit code 0', () => {
    expect(traced.stderr.match(/hello from nginx/g)).toHaveLength(20);
    expect(traced.status).toBe(0);
    expect(traced.profile.runs[0]?.complete).toBe(true);
  });

  it('is a master with two workers as its children', () => {
    expect(traced.profile.processes.map(({ birth, parent }) => [birth === 'start', parent])).toEqual([
      [true, null],
      [false, 0],
      [false, 0],
    ]);
  });

  it('listens in the master, and only there', () => {
    expect(traced.profile.processes.map((each) => each.listens.map(({ address }) => address))).toEqual([
      // nginx calls listen twice for a socket: once as it opens it, once with the backlog it is to have.
      expect.arrayContaining([`tcp:${port}`]),
      [],
      [],
    ]);
  });

  it('accepts in the workers, and only there', () => {
    const [master, ...workers] = traced.profile.processes as [Process, ...Process[]];
    expect(callNames([master])).not.toContain('x86_64:accept4');
    expect(callNames(workers)).toContain('x86_64:accept4');
  });

  it('is found to be set up when the master suspends itself and the workers wait for clients', () => {
    const triggers = autoTrigger(traced.profile)?.split(' | ') ?? [];
    expect(triggers.map((trigger) => trigger.replace(/#.*/, ''))).toEqual([
      'syscall:rt_sigsuspend',
      'syscall:epoll_wait',
    ]);
    const entered = traced.profile.processes.map(({ transitions }) => transitions.map(({ phase }) => phase));
    expect(entered).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
  });

  it('gives up root in the set-up of the workers', () => {
    for (const worker of traced.profile.processes.slice(1)) {
      expect(inPhase(worker, 0)).toContain('setuid');
      expect(inPhase(worker, 1)).not.toContain('setuid');
    }
  });
});

describe('memcached as nobody, with four worker threads', () => {
  let traced: Traced;

  beforeAll(async () => {
    const port = await freePort();
    const client = `printf 'set a 0 0 1\\r\\nx\\r\\nget a\\r\\nquit\\r\\n' | timeout 5 curl -s telnet://127.0.0.1:${port}`;
    traced = traceCommand(
      ['memcached', '-u', 'nobody', '-p', `${port}`, '-U', '0', '-l', '127.0.0.1', '-t', '4'],
      ['--ready', `listen:${port}`, '--workload', `for i in 1 2 3 4 5; do ${client}; done; sleep 0.3`],
    );
  });

  it('answers its clients and ends with exit code 0', () => {
    expect(traced.stderr.match(/VALUE a 0 1/g)).toHaveLength(5);
    expect(traced.status).toBe(0);
  });

  it('has its threads recorded', () => {
    expect(traced.profile.processes).toHaveLength(1);
    expect(traced.profile.processes[0]?.threads.length).toBeGreaterThanOrEqual(4);
  });

  it('is found to be set up when it waits for clients', () => {
    expect(autoTrigger(traced.profile)).toMatch(/^syscall:epoll_wait/);
    const [server] = traced.profile.processes;
    expect(inPhase(server as Process, 0)).toEqual(expect.arrayContaining(['setuid', 'listen']));
    expect(inPhase(server as Process, 1)).not.toEqual(expect.arrayContaining(['setuid']));
    expect(inPhase(server as Process, 1)).toEqual(expect.arrayContaining(['accept4', 'epoll_wait']));
  });
});

describe('lighttpd under curl', () => {
  it('answers and is found to be set up when it waits for clients', async () => {
    const port = await freePort();
    const dir = newDirectory('lighttpd');
    writeFileSync(join(dir, 'index.html'), 'hello from lighttpd\n');
    writeFileSync(
      join(dir, 'conf'),
      `server.document-root = "${dir}"\nserver.port = ${port}\nserver.bind = "127.0.0.1"\nindex-file.names = ("index.html")\n`,
    );
    const load = `for i in 1 2 3 4 5; do curl -sf http://127.0.0.1:${port}/ || exit 1; done; sleep 0.2`;
    const { profile, stderr, status } = traceCommand(
      ['lighttpd', '-D', '-f', join(dir, 'conf')],
      ['--ready', `listen:${port}`, '--workload', load],
    );
    expect(stderr.match(/hello from lighttpd/g)).toHaveLength(5);
    expect(status).toBe(0);
    expect(autoTrigger(profile)).toMatch(/^syscall:(epoll_wait|epoll_pwait|poll)/);
  });
});

describe('a program that just does its work', () => {
  const makefile = (): string => {
    const file = join(directory.path, 'makefile');
    if (!existsSync(file)) writeFileSync(file, 'all: a b\na b:\n\t@sleep 0.1; echo $@\n');
    return file;
  };

  it.each<{ name: string; command: () => readonly string[] }>([
    { name: 'ls', command: () => ['ls', '-l', '/etc'] },
    {
      name: 'sqlite3',
      command: () => ['sqlite3', ':memory:', 'create table t(a); insert into t values(1); select * from t;'],
    },
    { name: 'a pipeline', command: () => ['sh', '-c', 'seq 1000 | sort -n | tail -1; sleep 0.2'] },
    { name: 'make', command: () => ['make', '-s', '-j2', '-f', makefile()] },
    { name: 'sleep', command: () => ['sleep', '0.3'] },
    { name: 'cat', command: () => ['cat'] },
  ])('$name has setup and no proposed phase', ({ command }) => {
    const { profile, status } = traceCommand(command());
    expect(status).toBe(0);
    expect(profile.phases.map(({ name }) => name)).toEqual(['setup']);
  });

  it('curl, which waits for a server, has setup and no proposed phase', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhello'));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const file = join(directory.path, 'curl.json');
      const { status, stdout } = await start([
        'trace',
        '-o',
        file,
        '--',
        'curl',
        '-s',
        `http://127.0.0.1:${port}/`,
      ]).end;
      expect([status, stdout]).toEqual([0, 'hello']);
      const profile = readProfile(file);
      expect(profile.phases.map(({ name }) => name)).toEqual(['setup']);
      expect(callNames(profile.processes)).toContain('x86_64:connect');
    } finally {
      server.close();
    }
  });
});
