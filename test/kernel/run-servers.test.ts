import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/model.ts';
import {
  callgate,
  run,
  start,
  temporaryDirectory,
  type Background,
  type Finished,
} from '../support/callgate.ts';
import { statusField, until } from './fixtures/policies.ts';

/*
 * Real programs: traced under a workload, turned into a policy, and run under it with the same workload. What does not
 * depend on the program's own choice, such as which thread waits for which, is for the policy to foresee.
 */

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

beforeAll(() => {
  process.env['XDG_RUNTIME_DIR'] = directory.path;
  // nginx and memcached give up root: they must be able to enter.
  chmodSync(directory.path, 0o755);
  for (const [tool, debian] of [
    ['redis-server', 'redis-server'],
    ['redis-benchmark', 'redis-tools'],
    ['nginx', 'nginx-light'],
    ['memcached', 'memcached'],
    ['sqlite3', 'sqlite3'],
    ['curl', 'curl'],
  ]) {
    const { status } = run('/bin/sh', ['-c', `command -v ${tool}`]);
    if (status !== 0) throw new Error(`${tool} is missing (Debian package ${debian})`);
  }
});

afterAll(() => directory[Symbol.dispose]());

const started: Background[] = [];

afterEach(() => {
  // What a failed test has left behind: the program gets the signal, or has ended.
  for (const running of started.splice(0)) running.kill('SIGTERM');
});

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

function newDirectory(name: string): string {
  const path = join(directory.path, name);
  mkdirSync(path);
  chmodSync(path, 0o755);
  return path;
}

/** What is in a file; nothing if it is not there yet. */
function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Every process of a tree, the program that callgate runs first. */
function processesOf(pidFile: string): number[] {
  const root = Number(readFileSync(pidFile, 'utf8'));
  const children = (pid: number): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [root, ...children(root)];
}

/** Filters and tracer of every thread of some processes, each pair once. */
function confinement(pids: readonly number[]): string[] {
  const found = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map(
      (tid) =>
        `${statusField(pid, 'Seccomp_filters', Number(tid))} filters, tracer ${statusField(pid, 'TracerPid', Number(tid))}`,
    ),
  );
  return [...new Set(found)];
}

/** A server, and what is done with it; each start has a port and a directory of its own. */
interface Server {
  readonly name: string;
  readonly command: (port: number, dir: string) => string[];
  /** Where main begins, if that is not left to be found. */
  readonly phase?: string;
  /** A shell script that fails if anything is not answered as it should be. */
  readonly workload: (port: number, dir: string) => string;
}

interface Running {
  readonly port: number;
  readonly dir: string;
  readonly callgate: Background;
}

/** What is learned of a server once, and used by all of its tests. */
class Confined {
  readonly server: Server;
  policyFile = '';

  constructor(server: Server) {
    this.server = server;
  }

  /** Traces the server under its workload and makes the policy. */
  async learn(): Promise<void> {
    const { name, command, workload, phase } = this.server;
    const port = await freePort();
    const dir = newDirectory(`${name}-trace`);
    const profile = join(directory.path, `${name}.json`);
    this.policyFile = join(directory.path, `${name}.yaml`);
    const traced = callgate([
      'trace',
      '-q',
      '-o',
      profile,
      ...(phase === undefined ? [] : ['--phase', phase]),
      '--ready',
      `listen:${port}`,
      '--workload',
      workload(port, dir),
      '--',
      ...command(port, dir),
    ]);
    if (traced.status !== 0) throw new Error(`${name} could not be traced: ${traced.stderr}`);
    const { runs } = JSON.parse(readFileSync(profile, 'utf8')) as { runs: { workload: { exit: unknown } }[] };
    expect(runs[0]?.workload.exit).toEqual({ kind: 'exited', code: 0 });
    const made = callgate(['policy', profile, '-o', this.policyFile]);
    expect([made.status, made.stdout]).toEqual([0, '']);
  }

  get policy(): Policy {
    return parsePolicy(readFileSync(this.policyFile, 'utf8'));
  }

  /** Names of what a phase allows. */
  names(phase: number): (string | null)[] {
    return this.policy.phases[phase]?.calls.map(({ name }) => name) ?? [];
  }

  /** Starts it under the policy and waits until it listens. */
  async start(label: string, options: readonly string[] = []): Promise<Running> {
    const port = await freePort();
    const dir = newDirectory(`${this.server.name}-${label}`);
    const running = start([
      'run',
      '--policy',
      this.policyFile,
      ...options,
      '--',
      ...this.server.command(port, dir),
    ]);
    started.push(running);
    await until(`${this.server.name} to listen`, () => listens(port));
    await until(`${this.server.name} to write its pid`, () => /^[0-9]+/.test(readText(join(dir, 'pid'))));
    return { port, dir, callgate: running };
  }

  /** Does the same work as under the trace. */
  async work({ port, dir }: Running): Promise<Finished> {
    return await start(['-c', this.server.workload(port, dir)], '/bin/sh').end;
  }

  async stop({ callgate: running }: Running): Promise<Finished> {
    running.kill('SIGTERM');
    return await running.end;
  }
}

/** Tests that are the same for every server. */
function describeWorkload(confined: Confined): void {
  it('has a policy of two phases, of which the second is tighter', () => {
    const { phases } = confined.policy;
    expect(phases.map(({ name }) => name)).toEqual(['setup', 'main']);
    expect(confined.names(1).length).toBeLessThan(confined.names(0).length * 0.85);
  });

  it('goes beyond it in nothing when the same work is done again', async () => {
    const running = await confined.start('audit', ['--audit']);
    const { status, stderr } = await confined.work(running);
    expect([status, stderr]).toEqual([0, '']);
    const end = await confined.stop(running);
    expect(end.stderr).toContain('callgate: audit: no call outside of the policy\n');
    expect(end.status).toBe(0);
  });
}

describe('redis-server with BGSAVE and an AOF rewrite', () => {
  const redis: Confined = new Confined({
    name: 'redis',
    command: (port, dir) => [
      'redis-server',
      '--port',
      `${port}`,
      '--save',
      '',
      '--appendonly',
      'yes',
      '--dir',
      dir,
      '--pidfile',
      join(dir, 'pid'),
      '--loglevel',
      'warning',
    ],
    workload: (port, dir) => `
      set -e
      redis-benchmark -p ${port} -q -n 1000 -c 10 -t get,set,lpush,lrange_100,incr,hset >/dev/null
      redis-cli -p ${port} set key value >/dev/null
      redis-cli -p ${port} bgsave >/dev/null
      i=0; until [ -s ${dir}/dump.rdb ]; do i=$((i + 1)); [ $i -lt 200 ]; sleep 0.05; done
      redis-cli -p ${port} bgrewriteaof >/dev/null
      i=0; until ls ${dir}/appendonlydir | grep -q 2.base; do i=$((i + 1)); [ $i -lt 200 ]; sleep 0.05; done
      i=0; until redis-cli -p ${port} info persistence | grep -q aof_rewrite_in_progress:0; do i=$((i + 1)); [ $i -lt 200 ]; sleep 0.05; done
      [ "$(redis-cli -p ${port} info persistence | grep -c _status:ok)" = 3 ]
      [ "$(redis-cli -p ${port} get key)" = value ]`,
  });

  beforeAll(() => redis.learn());

  describeWorkload(redis);

  it('serves and persists under the policy, in all threads and without a tracer', async () => {
    const running = await redis.start('enforced');
    const { status, stderr } = await redis.work(running);
    expect([status, stderr]).toEqual([0, '']);
    expect(confinement(processesOf(join(running.dir, 'pid')))).toEqual(['2 filters, tracer 0']);
    const end = await redis.stop(running);
    expect([end.status, end.stdout]).toEqual([0, expect.stringContaining('ready to exit')]);
    expect(end.stderr).toMatch(/^callgate: phase main: pid [0-9]+ is held to [0-9]+ calls now\n$/);
  });

  it('cannot listen on another port any more, which was not traced', async () => {
    expect(redis.names(0)).toContain('bind');
    expect(redis.names(1)).not.toContain('bind');
    const running = await redis.start('denied');
    const other = await freePort();
    const { stdout } = run('redis-cli', ['-p', `${running.port}`, 'config', 'set', 'port', `${other}`]);
    expect(stdout).toMatch(/^ERR CONFIG SET failed.*Unable to listen on this port/);
    expect(await listens(other)).toBe(false);
    expect((await redis.stop(running)).stdout).toMatch(/errno: 1\b|Operation not permitted/);
  });

  it('is explained what it would have been denied', async () => {
    const running = await redis.start('explained', ['--audit']);
    const other = await freePort();
    run('redis-cli', ['-p', `${running.port}`, 'config', 'set', 'port', `${other}`]);
    expect(await listens(other)).toBe(true);
    const { stderr, status } = await redis.stop(running);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /would be denied socket\(domain AF_INET, .*\) in phase main, from socket.*listenToPort/,
    );
    expect(stderr).toMatch(/would be denied bind in phase main, from bind.*listenToPort/);
  });

  it('goes on under the filter if callgate is killed', async () => {
    const running = await redis.start('orphaned');
    const pids = processesOf(join(running.dir, 'pid'));
    await until('the release', () => confinement(pids).join() === '2 filters, tracer 0');
    try {
      process.kill(running.callgate.pid, 'SIGKILL');
      expect((await redis.work(running)).status).toBe(0);
      const other = await freePort();
      expect(run('redis-cli', ['-p', `${running.port}`, 'config', 'set', 'port', `${other}`]).stdout).toMatch(
        /^ERR/,
      );
    } finally {
      process.kill(pids[0] as number, 'SIGKILL');
    }
  });
});

describe('nginx with two workers, a reload and a killed worker', () => {
  const configuration = (dir: string, ports: readonly number[]): string => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    return `
worker_processes 2;
pid ${dir}/pid;
error_log ${dir}/error.log;
daemon off;
events { worker_connections 64; }
http {
  access_log ${dir}/access.log;
  ${temporary.map((each) => `${each}_temp_path ${dir}/${each};`).join(' ')}
  ${ports.map((port) => `server { listen 127.0.0.1:${port}; root ${dir}; }`).join(' ')}
}
`;
  };
  const nginx: Confined = new Confined({
    name: 'nginx',
    command: (port, dir) => {
      writeFileSync(join(dir, 'index.html'), 'hello\n');
      writeFileSync(join(dir, 'nginx.conf'), configuration(dir, [port]));
      return ['nginx', '-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')];
    },
    workload: (port, dir) => `
      set -e
      get() { for i in $(seq 20); do [ "$(curl -sf http://127.0.0.1:${port}/)" = hello ]; done; }
      workers() { cat /proc/$(cat ${dir}/pid)/task/*/children; }
      settle() { i=0; until set -- $(workers); [ $# = 2 ] && [ "$*" != "$old" ]; do i=$((i + 1)); [ $i -lt 200 ]; sleep 0.05; done; sleep 0.2; }
      get
      old=$(echo $(workers)); kill -HUP $(cat ${dir}/pid); settle; get
      old=$(echo $(workers)); set -- $old; kill -KILL $1; settle; get
      curl -s http://127.0.0.1:${port}/nothing | grep -q 404`,
  });

  beforeAll(() => nginx.learn());

  describeWorkload(nginx);

  it('answers everything under the policy, with workers that are born in the last phase', async () => {
    const running = await nginx.start('enforced');
    const { status, stderr } = await nginx.work(running);
    expect([status, stderr]).toEqual([0, '']);
    const pids = processesOf(join(running.dir, 'pid'));
    expect(pids).toHaveLength(3);
    expect(confinement(pids)).toEqual(['2 filters, tracer 0']);
    expect(readText(join(running.dir, 'error.log'))).not.toMatch(
      /\[(emerg|alert|crit|error)\](?!.*(signal 9|nothing))/,
    );
    const end = await nginx.stop(running);
    expect(end.status).toBe(0);
  });

  it('cannot listen on a further port after a reload, and serves on', async () => {
    const running = await nginx.start('denied');
    const { dir, port } = running;
    const other = await freePort();
    writeFileSync(join(dir, 'nginx.conf'), configuration(dir, [port, other]));
    await until(
      'the transition of the master',
      () => confinement(processesOf(join(dir, 'pid'))).join() === '2 filters, tracer 0',
    );
    process.kill(Number(readFileSync(join(dir, 'pid'), 'utf8')), 'SIGHUP');
    await until('nginx to complain', () => /Operation not permitted/.test(readText(join(dir, 'error.log'))));
    expect(await listens(other)).toBe(false);
    expect(run('curl', ['-sf', `http://127.0.0.1:${port}/`]).stdout).toBe('hello\n');
    await nginx.stop(running);
  });
});

describe('memcached', () => {
  const memcached: Confined = new Confined({
    name: 'memcached',
    // By its first calls of epoll_wait main could begin while a thread is still starting, and the calls by which it does
    // so would be in main's set or not, as chance has it.
    phase: 'main@after:800ms',
    command: (port, dir) => [
      'memcached',
      '-l',
      '127.0.0.1',
      '-p',
      `${port}`,
      '-U',
      '0',
      '-u',
      'root',
      '-P',
      join(dir, 'pid'),
    ],
    workload: (port) => `
      set -e
      sleep 1
      for i in 1 2 3 4 5; do
        answer=$(printf 'set key%s 0 0 5\\r\\nhello\\r\\nget key%s\\r\\ndelete key%s\\r\\nstats\\r\\nquit\\r\\n' $i $i $i | curl -s -m 5 telnet://127.0.0.1:${port} | tr -d '\\r')
        echo "$answer" | grep -q '^STORED$'
        echo "$answer" | grep -q '^hello$'
        echo "$answer" | grep -q '^DELETED$'
      done`,
  });

  beforeAll(() => memcached.learn());

  describeWorkload(memcached);

  it('answers everything under the policy, in all threads and without a tracer', async () => {
    const running = await memcached.start('enforced');
    const { status, stderr } = await memcached.work(running);
    expect([status, stderr]).toEqual([0, '']);
    await until(
      'the release',
      () => confinement(processesOf(join(running.dir, 'pid'))).join() === '2 filters, tracer 0',
    );
    const end = await memcached.stop(running);
    expect([end.status, end.signal]).toEqual([0, null]);
  });
});

describe('sqlite3', () => {
  const SCRIPT = `
create table t (n integer primary key, text);
with recursive c(n) as (select 1 union all select n + 1 from c where n < 500) insert into t select n, hex(randomblob(100)) from c;
create index i on t (text);
select count(*), sum(n) from t;
delete from t where n % 2;
select count(*) from t;
vacuum;
`;
  /** Main begins with the first statement: all that the shell does to start is over then. */
  const TRIGGER = 'symbol:sqlite3_prepare_v2';
  let policyFile: string;
  let databases = 0;

  const command = (script: string): [string[], string] => {
    const dir = newDirectory(`sqlite-${databases++}`);
    const file = join(dir, 'script.sql');
    writeFileSync(file, script);
    return [['sqlite3', '-batch', '-bail', join(dir, 'db'), `.read ${file}`], join(dir, 'db')];
  };

  beforeAll(() => {
    const profile = join(directory.path, 'sqlite.json');
    policyFile = join(directory.path, 'sqlite.yaml');
    const traced = callgate([
      'trace',
      '-q',
      '-o',
      profile,
      '--phase',
      `main@${TRIGGER}`,
      '--',
      ...command(SCRIPT)[0],
    ]);
    expect([traced.status, traced.stdout, traced.stderr]).toEqual([0, '500|125250\n250\n', '']);
    expect(callgate(['policy', profile, '-o', policyFile]).status).toBe(0);
  });

  it('goes beyond its policy in nothing when the same work is done again', () => {
    const { status, stdout, stderr } = callgate([
      'run',
      '-q',
      '--audit',
      '--policy',
      policyFile,
      '--',
      ...command(SCRIPT)[0],
    ]);
    expect([stderr, status, stdout]).toEqual([
      'callgate: audit: no call outside of the policy\n',
      0,
      '500|125250\n250\n',
    ]);
  });

  it('does the same work in two enforced phases', () => {
    const [words, db] = command(SCRIPT);
    const { status, stdout, stderr } = callgate(['run', '--policy', policyFile, '--', ...words]);
    expect([status, stdout]).toEqual([0, '500|125250\n250\n']);
    expect(stderr).toMatch(/^callgate: phase main: pid [0-9]+ is held to [0-9]+ calls now\n$/);
    expect(run('sqlite3', [db, 'pragma integrity_check']).stdout).toBe('ok\n');
  });

  it('cannot start a program from a script, which was not traced', () => {
    const mark = join(directory.path, 'shell-was-here');
    const [words] = command(`select 1;\n.shell touch ${mark}\nselect 2;\n`);
    const [program = '', ...args] = words;
    // Without a policy it does.
    run(program, args);
    expect(existsSync(mark)).toBe(true);
    rmSync(mark);
    callgate(['run', '--policy', policyFile, '--', ...words]);
    expect(existsSync(mark)).toBe(false);
  });
});
