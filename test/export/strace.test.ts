import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { detectImporter, findImporter } from '../../src/import/importers.ts';
import type { Profile } from '../../src/profile/model.ts';
import { compile } from '../support/compile.ts';
import { parseStrace } from '../support/strace.ts';
import { runConsumer, scratch } from './probe.ts';

/** A thread, a child that executes, a failed call, and an exit code. */
const PROGRAM = `
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
static void *run(void *unused) { getppid(); return unused; }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, 0, run, 0);
  pthread_join(thread, 0);
  if (fork() == 0) { execl("/nonexistent", "no", (char *)0); execl("/bin/true", "true", "x y", (char *)0); }
  wait(0);
  return 3;
}`;

function importLog(file: string): { readonly profile: Profile; readonly remarks: readonly string[] } {
  const bytes = readFileSync(file);
  const imported = detectImporter(bytes, 'log').read({
    bytes,
    source: 'log',
    arch: 'x86_64',
    written: '2026-01-02T03:04:05.678Z',
    program: null,
  });
  if (imported.kind !== 'profile') throw new TypeError('no profile');
  return imported;
}

test.each([
  ['-f'],
  ['-f', '-tt'],
  ['-f', '-ttt', '-n', '-T'],
  ['-f', '-i', '-y'],
  ['-f', '-Y', '-n', '-i', '-k'],
])('a log of strace %s is read to the last line', (...options) => {
  const program = compile(PROGRAM, ['-lpthread']);
  const log = join(scratch(), 'log');
  runConsumer('strace', [...options, '-o', log, program], 'strace');
  const { profile, remarks } = importLog(log);
  expect(remarks.filter((remark) => !remark.includes('time stamps'))).toEqual([]);
  const [main, child, replaced] = profile.processes;
  expect(profile.processes).toHaveLength(3);
  expect(main).toMatchObject({ birth: 'start', argv: [program], exit: { kind: 'exited', code: 3 } });
  expect(main!.threads).toHaveLength(1);
  expect(main!.calls.some(({ name }) => name === 'getppid')).toBe(true);
  expect(child).toMatchObject({ birth: 'clone', parent: 0, exit: { kind: 'exec' } });
  expect(child!.calls.find(({ name }) => name === 'execve')).toMatchObject({
    count: 2,
    errnos: { ENOENT: 1 },
  });
  expect(replaced).toMatchObject({
    birth: 'exec',
    parent: 1,
    argv: ['true', 'x y'],
    exit: { kind: 'exited', code: 0 },
  });
  const names = new Set(
    profile.processes.flatMap(({ calls }) => calls.map(({ arch, name }) => `${arch}:${name}`)),
  );
  if (!options.includes('-n') && !options.includes('-i') && !options.includes('-tt')) {
    expect([...names].sort()).toEqual([...parseStrace(readFileSync(log, 'utf8'))].sort());
  }
});

test('a program in 32-bit mode has the numbers of i386, by what strace says on a terminal', () => {
  const program = compile(PROGRAM, ['-m32', '-lpthread']);
  const { stderr } = runConsumer('strace', ['-f', program], 'strace');
  const imported = findImporter('strace').read({
    bytes: new TextEncoder().encode(stderr),
    source: 'log',
    arch: 'x86_64',
    written: '2026-01-02T03:04:05.678Z',
    program: null,
  });
  if (imported.kind !== 'profile') throw new TypeError('no profile');
  const arches = imported.profile.processes.map(({ calls, birth }) => [
    birth,
    [...new Set(calls.filter(({ launch }) => launch !== true).map(({ arch }) => arch))],
  ]);
  expect(arches).toEqual([
    ['start', ['i386']],
    ['clone', ['i386']],
    ['exec', ['x86_64']],
  ]);
});

test.each([['-n'], ['-i'], ['-n', '-i'], ['-k'], ['-Y', '-f']])(
  'a log of strace %s is told from other formats',
  (...options) => {
    const log = join(scratch(), 'log');
    runConsumer('strace', [...options, '-o', log, '/bin/true'], 'strace');
    const [process] = importLog(log).profile.processes;
    expect(process).toMatchObject({ argv: ['/bin/true'], exit: { kind: 'exited', code: 0 } });
  },
);
