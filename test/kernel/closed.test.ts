import { chmodSync, copyFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyCall, PolicyPhase } from '../../src/policy/model.ts';
import { readProfile, run, temporaryDirectory, type Finished } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';
import { allBut, phase, policy, withI386, writePolicy } from './fixtures/policies.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const programs: Record<string, string> = {};
let callgate: string;

beforeAll(() => {
  callgate = sharedCallgate();
  chmodSync(directory.path, 0o777);
  const source = readFileSync(new URL('fixtures/closed.c', import.meta.url), 'utf8');
  for (const [name, flags] of Object.entries({ 'x86-64': ['-pthread'], i386: ['-pthread', '-m32'] })) {
    const program = compile(source, flags);
    chmodSync(dirname(program), 0o755);
    programs[name] = program;
    programs[`${name} executable only`] = `${program}-only`;
    copyFileSync(program, `${program}-only`);
    chmodSync(`${program}-only`, 0o711);
  }
});

afterAll(() => directory[Symbol.dispose]());

function asNobody(
  args: readonly string[],
  program: string,
  mode: string,
  before: readonly string[] = [],
): Finished {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const words = program.endsWith('only') ? [...mode.split(' '), 'open'] : mode.split(' ');
  return run('setpriv', [
    ...nobody,
    callgate,
    ...args,
    '--',
    ...before,
    programs[program] as string,
    ...words,
  ]);
}

/** Runs the program under a policy that denies some calls, and in its second phase getsid as well. */
function enforced(
  program: string,
  mode: string,
  trigger: string,
  { denied = [], options = [] }: { denied?: string[]; options?: string[] } = {},
): Finished {
  const both = (names: string[]): { calls: PolicyCall[] } => ({
    calls: [...allBut(names), ...allBut(names, 'i386')],
  });
  const phases = [
    phase('setup', null, [], both(denied)),
    phase('main', trigger, [], both([...denied, 'getsid'])),
  ];
  const { arches } = withI386(policy([]));
  const file = writePolicy(directory.path, policy(phases, { arches }));
  return asNobody(['run', '--policy', file, ...options], program, mode);
}

function lines({ stdout }: Finished): string[] {
  return stdout.split('\n').filter((line) => line !== '');
}

function outcome(result: Finished): unknown[] {
  return [
    result.stderr.replace(/pid [0-9]+ is held to [0-9]+/, 'is held to'),
    ...lines(result),
    result.status,
  ];
}

const NO_MASK = 'SigBlk:\t0000000000000000';
const HELD = [
  'callgate: phase main: is held to calls now\n',
  'getsid Operation not permitted',
  NO_MASK,
  'Seccomp_filters:\t2',
  0,
];
const PROGRAMS = ['x86-64', 'x86-64 executable only', 'i386', 'i386 executable only'];

describe('a program whose memory is closed to its tracer', () => {
  it.each(PROGRAMS)('gets a filter under --method adaptive, and keeps its signal mask: %s', (program) => {
    const file = join(directory.path, `${program}.json`);
    const result = asNobody(
      ['trace', '-q', '--phases', 'none', '--method', 'adaptive', '-o', file],
      program,
      'hot',
    );
    expect([result.stderr, result.status]).toEqual(['', 0]);
    expect(lines(result)).toEqual(['got 1', NO_MASK, 'Seccomp_filters:\t1']);
    const calls = readProfile(file).processes.flatMap((each) => each.calls);
    expect(calls.find(({ name }) => name === 'getppid')?.count).toBe(null);
    expect(calls.find(({ nr }) => nr === 600)?.count).toBe(1);
  });

  it.each(['x86-64', 'i386'])('gets every signal that is sent to it meanwhile: %s', (program) => {
    const file = join(directory.path, `${program}-signals.json`);
    const result = asNobody(
      ['trace', '-q', '--phases', 'none', '--method', 'adaptive', '-o', file],
      program,
      'signals',
    );
    expect(result.stderr).toBe('');
    expect(lines(result)).toEqual(['got 2000', NO_MASK, 'Seccomp_filters:\t1']);
  });

  it.each(PROGRAMS)('is held to the next phase at a call: %s', (program) => {
    expect(outcome(enforced(program, 'turn', 'syscall:getppid'))).toEqual(HELD);
  });

  it.each(['x86-64', 'i386'])(
    'is held to the next phase in the middle of calls that wait, and without one: %s',
    (program) => {
      for (const mode of ['waits 0.8', 'events 0.8', 'spins 0.8']) {
        expect([mode, ...outcome(enforced(program, mode, 'after:300ms'))]).toEqual([mode, ...HELD]);
      }
    },
  );

  it('is killed where it cannot be held to the next phase, which is said', () => {
    const result = enforced('x86-64', 'turn', 'syscall:getppid', { denied: ['rt_sigprocmask'] });
    expect([result.signal, result.stdout]).toEqual(['SIGKILL', '']);
    expect(result.stderr).toMatch(
      /^callgate: phase main: pid [0-9]+ could not be held to it, rt_sigprocmask was refused, EPERM; it is killed/,
    );
  });

  it('goes on with --if-stuck keep, as it was, which is said too', () => {
    const result = enforced('x86-64', 'turn', 'syscall:getppid', {
      denied: ['rt_sigprocmask'],
      options: ['--if-stuck', 'keep'],
    });
    expect(lines(result)).toEqual(['getsid done', NO_MASK, 'Seccomp_filters:\t1']);
    expect(result.stderr).toMatch(/rt_sigprocmask was refused, EPERM; it goes on$/m);
  });

  describe('and that has a set of its own', () => {
    /** A policy in which the program is denied getsid, later on also getpgid, and others are not. */
    function runOwn(program: string, mode: string, options: readonly string[], shell = false): Finished {
      const path = programs[program] as string;
      const own = (denied: string[]): Partial<PolicyPhase> => ({
        programs: [{ path, buildId: null, calls: allBut(denied) }],
      });
      const phases = [
        phase('setup', null, [], own(['getsid'])),
        phase('main', 'syscall:getpgid', [], own(['getsid', 'getpgrp'])),
      ];
      const file = writePolicy(directory.path, policy(phases));
      const args = ['run', '-q', '--policy', file, ...options];
      return asNobody(args, program, mode, shell ? ['sh', '-c', '"$@"; :', 'sh'] : []);
    }

    it('is held to that in its children too', () => {
      const result = runOwn('x86-64', 'forks', []);
      expect([result.stderr, ...lines(result)]).toEqual([
        '',
        'getpgrp Operation not permitted',
        'getsid Operation not permitted',
        NO_MASK,
        'Seccomp_filters:\t3',
      ]);
    });

    it.each([false, true])(
      'is killed where nobody can tell that it is that, which is said: by a shell %s',
      (shell) => {
        const result = runOwn('x86-64 executable only', 'turn', [], shell);
        expect([result.stdout, shell || result.signal]).toEqual(['', shell || 'SIGKILL']);
        expect(result.stderr).toMatch(
          /pid [0-9]+ could not be held to it, which program it is cannot be told .*; it is killed/,
        );
      },
    );

    it('goes on with --if-stuck keep, held to the set of the tree, which is said too', () => {
      const result = runOwn('x86-64 executable only', 'turn', ['--if-stuck', 'keep']);
      expect(lines(result)[0]).toBe('getsid done');
      expect(result.stderr).toMatch(/which program it is cannot be told .*; it goes on$/m);
    });

    it('is not killed in an audit, which warns', () => {
      const result = runOwn('x86-64 executable only', 'turn', ['--audit']);
      expect(lines(result)[0]).toBe('getsid done');
      expect(result.stderr).toContain('is held against the set of the tree alone, which program');
    });
  });
});
