import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { LIBSECCOMP_PROGRAM } from '../../src/export/libseccomp-program.ts';
import { selectSet } from '../../src/export/selection.ts';
import type { Policy } from '../../src/policy/model.ts';
import { compile } from '../support/compile.ts';
import { compileProbe, probePolicy, readProbe, runConsumer } from './probe.ts';

let probe: string;

beforeAll(() => {
  probe = compileProbe();
});

/** Compiles the exported C program with all warnings as errors, and runs the probe by it. */
function runByProgram(policy: Policy, calls: readonly string[]): ReturnType<typeof runConsumer> {
  const source = LIBSECCOMP_PROGRAM.write(selectSet(policy)).content as string;
  const program = compile(source, ['-Wall', '-Wextra', '-Werror', '-lseccomp']);
  return runConsumer(program, [probe, ...calls], 'libseccomp-dev');
}

const CALLS = ['uname', 'getppid', 'mkdir', 'clone3', 'socket-unix', 'socket-unix-dirty', 'socket-inet'];

test('the C program enforces a policy: allowed calls work, others fail as the policy says', () => {
  const { status, stdout, stderr } = runByProgram(probePolicy(), CALLS);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(readProbe(stdout)).toEqual({
    uname: 14,
    getppid: 0,
    mkdir: 1,
    clone3: 38,
    'socket-unix': 0,
    'socket-unix-dirty': 0,
    'socket-inet': 1,
  });
});

test('arches are told apart: what i386 allows is not opened on x86-64', () => {
  const policy = probePolicy({
    arches: [
      { arch: 'x86_64', newest: 450 },
      { arch: 'i386', newest: 450 },
    ],
  });
  const [setup, ...rest] = policy.phases;
  const mkdir = { arch: 'i386', nr: 39, name: 'mkdir', args: [], why: [] } as const;
  const both: Policy = { ...policy, phases: [{ ...setup!, calls: [...setup!.calls, mkdir] }, ...rest] };
  expect(readProbe(runByProgram(both, ['mkdir', 'getppid']).stdout)).toEqual({ mkdir: 1, getppid: 0 });
  const i386 = compile(readFileSync(new URL('probe.c', import.meta.url), 'utf8'), ['-m32', '-static']);
  const source = LIBSECCOMP_PROGRAM.write(selectSet(both)).content as string;
  const program = compile(source, ['-lseccomp']);
  // Nothing else is allowed to i386 than mkdir, so the program cannot even start, and is not killed for its arch.
  const { signal } = runConsumer(program, [i386, 'mkdir'], 'gcc-multilib');
  expect(signal).not.toBe('SIGSYS');
});

test('a call that libseccomp has no name for is added by its number', () => {
  const policy = probePolicy();
  const [setup, ...rest] = policy.phases;
  const unnamed = { arch: 'x86_64', nr: 2000, name: null, args: [], why: [] } as const;
  const source = LIBSECCOMP_PROGRAM.write(
    selectSet({ ...policy, phases: [{ ...setup!, calls: [...setup!.calls, unnamed] }, ...rest] }),
  ).content as string;
  const { status, stdout } = runConsumer(compile(source, ['-lseccomp']), [probe, 'newer'], 'libseccomp-dev');
  expect([status, readProbe(stdout)]).toEqual([0, { newer: 38 }]);
});

test('it says of allowed calls that it does not know that they stay denied, not of those that fail with ENOSYS', () => {
  const policy = probePolicy({
    arches: [
      { arch: 'x86_64', newest: 450 },
      { arch: 'i386', newest: 450 },
    ],
  });
  const [setup, ...rest] = policy.phases;
  const unnamed = { arch: 'i386', nr: 2000, name: null, args: [], why: [] } as const;
  const source = LIBSECCOMP_PROGRAM.write(
    selectSet({ ...policy, phases: [{ ...setup!, calls: [...setup!.calls, unnamed] }, ...rest] }),
  ).content as string;
  const { status, stderr } = runConsumer(
    compile(source, ['-lseccomp']),
    [probe, 'getppid'],
    'libseccomp-dev',
  );
  expect([status, stderr]).toEqual([0, 'lock-down: number (2000) is unknown here and stays denied\n']);
});

test('it says what it could not run', () => {
  const source = LIBSECCOMP_PROGRAM.write(selectSet(probePolicy())).content as string;
  const { status, stderr } = runConsumer(
    compile(source, ['-lseccomp']),
    ['/no/such/program'],
    'libseccomp-dev',
  );
  expect([status, stderr]).toEqual([
    127,
    'lock-down: cannot run /no/such/program: No such file or directory\n',
  ]);
});
