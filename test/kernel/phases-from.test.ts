import { copyFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { callgate, readProfile, temporaryDirectory } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

/** Waits in a loop within a loop; the inner one is nearer to the call, and begins anew each time. */
const SOURCE = `
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define APART __attribute__((noinline, noclone))
APART void turn(void) { for (int i = 0; i < 3; i++) if (poll(0, 0, 1) < 0) abort(); }
APART void serve(void) { for (int i = 0; i < 200; i++) { turn(); if (getppid() < 0) abort(); } }
APART void prepare(void) { for (int i = 0; i < 3; i++) { usleep(1000); puts("prepared"); } }
int main(void) { prepare(); chdir("/"); serve(); getpgrp(); return 0; }
`;

const program = compile(SOURCE, ['-O1', '-fno-inline']);

it.each(['seccomp', 'ptrace'])(
  'the phase begins at the outermost loop that a trace by %s found running',
  (method) => {
    const trace = join(directory.path, `${method}.json`);
    const output = join(directory.path, `${method}.static.json`);
    expect(callgate(['trace', '-q', '--method', method, '-o', trace, '--', program]).status).toBe(0);
    const poll = readProfile(trace).processes[0]?.calls.find(({ name }) => name === 'poll');
    expect(poll?.waits?.frames?.length).toBeGreaterThanOrEqual(5);
    expect(callgate(['analyze', '-q', '--phases-from', trace, '-o', output, program]).status).toBe(0);
    const { phases, programs } = readProfile(output);
    expect(phases[1]?.reason).toBe('a loop of serve was running when the trace saw it wait');
    const main = programs[0]?.analysis === undefined ? [] : namesOf(output, 1);
    expect(main).toContain('getpgrp');
    expect(main).toContain('getppid');
    expect(main).not.toContain('chdir');
  },
);

it('without what was running it begins at the loop around the call', () => {
  const trace = join(directory.path, 'counted.json');
  const output = join(directory.path, 'counted.static.json');
  expect(callgate(['trace', '-q', '--method', 'ebpf', '-o', trace, '--', program]).status).toBe(0);
  expect(callgate(['analyze', '-q', '--phases-from', trace, '-o', output, program]).status).toBe(0);
  expect(readProfile(output).phases[1]?.reason).toBe('a loop of turn waits by poll');
});

it('is refused of a trace of another program, or another build', () => {
  const trace = join(directory.path, 'other.json');
  const output = join(directory.path, 'other.static.json');
  expect(callgate(['trace', '-q', '--method', 'seccomp', '-o', trace, '--', program]).status).toBe(0);
  const rebuilt = compile(SOURCE.replace('i < 200', 'i < 201'), ['-O1', '-fno-inline', '-Wl,--build-id']);
  for (const other of ['/usr/bin/true', rebuilt]) {
    const { status, stderr } = callgate(['analyze', '--phases-from', trace, '-o', output, other]);
    expect(stderr).toBe(
      `callgate: analyze: the trace of --phases-from has no process of this build of ${other}, but of ${program} (trace it, or leave the option out)\n`,
    );
    expect(status).toBe(2);
  }
});

it('is taken for a copy, a link and a script of the program', () => {
  const trace = join(directory.path, 'script.json');
  const output = join(directory.path, 'script.static.json');
  expect(callgate(['trace', '-q', '--method', 'seccomp', '-o', trace, '--', program]).status).toBe(0);
  const [copy, link, script] = ['copy', 'link', 'script'].map((name) => join(directory.path, name)) as [
    string,
    string,
    string,
  ];
  copyFileSync(program, copy);
  symlinkSync(program, link);
  writeFileSync(script, `#!${program}\n`, { mode: 0o755 });
  for (const file of [copy, link, script]) {
    expect(callgate(['analyze', '-q', '--phases-from', trace, '-o', output, file])).toMatchObject({
      status: 0,
      stderr: '',
    });
  }
});

function namesOf(file: string, phase: number): (string | null)[] {
  return (readProfile(file).programs[0]?.calls ?? [])
    .filter(({ phases }) => phases.includes(phase))
    .map(({ name }) => name);
}
