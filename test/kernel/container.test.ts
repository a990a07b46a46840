import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import {
  callgate,
  callNames,
  countOf,
  readProfile,
  run,
  start,
  temporaryDirectory,
  type Background,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.c`, import.meta.url), 'utf8');

let loop = '';
let rare = '';

beforeAll(() => {
  loop = compile(fixture('loop'), ['-static']);
  rare = compile(fixture('rare'));
});

/** A container of runc in which a program, `loop` if no other is given, runs until dispose. */
async function startContainer(id: string, program: string = loop): Promise<Disposable> {
  const bundle = temporaryDirectory();
  mkdirSync(join(bundle.path, 'rootfs'));
  copyFileSync(program, join(bundle.path, 'rootfs/loop'));
  expect(run('runc', ['spec', '--bundle', bundle.path]).status).toBe(0);
  const file = join(bundle.path, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as { process: object };
  config.process = { ...config.process, terminal: false, args: ['/loop'] };
  writeFileSync(file, JSON.stringify(config));
  const container: Background = start(['run', '--bundle', bundle.path, id], 'runc');
  await container.waitFor('began');
  return {
    [Symbol.dispose]: () => {
      run('runc', ['kill', id, 'KILL']);
      bundle[Symbol.dispose]();
    },
  };
}

it.each([
  { name: 'its id', shorten: (id: string) => id },
  { name: 'the first characters of its id', shorten: (id: string) => id.slice(0, -2) },
])('a container is recorded by $name, and nothing outside of it', async ({ shorten }) => {
  using directory = temporaryDirectory();
  const id = `callgate${process.pid}x${Math.random().toString(36).slice(2)}`;
  using _container = await startContainer(id);
  const file = join(directory.path, 'profile');
  const traced = start(['trace', '-q', '--container', shorten(id), '--duration', '1s', '-o', file]);
  for (const deadline = Date.now() + 800; Date.now() < deadline;) run(rare, ['100']);
  expect(await traced.end).toMatchObject({ status: 0, stderr: '' });
  const { processes, programs, runs } = readProfile(file);
  expect(programs.map(({ path }) => path)).toEqual(['/loop']);
  expect(processes.map(({ birth }) => birth)).toEqual(['attach']);
  expect(countOf(processes, 'getsid')).toBeGreaterThan(5);
  expect(callNames(processes)).toEqual(new Set(['x86_64:getsid', 'x86_64:clock_nanosleep']));
  expect(runs[0]?.incomplete).toContain(
    `recorded container ${shorten(id)}: what ran there before was not seen`,
  );
});

it('a container has the calls in which it sits', async () => {
  using directory = temporaryDirectory();
  const id = `callgate${process.pid}x${Math.random().toString(36).slice(2)}`;
  using _container = await startContainer(id, compile(fixture('pending'), ['-static', '-pthread']));
  const file = join(directory.path, 'profile');
  const options = ['-q', '--container', id, '--duration', '300ms', '-o', file];
  expect(callgate(['trace', ...options])).toMatchObject({ status: 0, stderr: '' });
  const { processes } = readProfile(file);
  expect(processes).toHaveLength(1);
  expect([...callNames(processes)].sort()).toEqual([
    'i386:futex',
    'x86_64:accept4',
    'x86_64:clock_nanosleep',
    'x86_64:epoll_wait',
    'x86_64:futex',
    'x86_64:pause',
    'x86_64:poll',
    'x86_64:read',
  ]);
});

it('a container that does not exist is one clear line', () => {
  using directory = temporaryDirectory();
  const { status, stderr } = callgate([
    'trace',
    '-q',
    '--container',
    'no-such-container',
    '-o',
    join(directory.path, 'p'),
  ]);
  expect(status).toBe(2);
  expect(stderr).toBe(
    'callgate: trace: no process of container no-such-container was found (--pid PID with the pid of one, or --cgroup PATH)\n',
  );
});
