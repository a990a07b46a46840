import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { CBPF } from '../../src/export/cbpf.ts';
import { selectSet, type SelectionOptions } from '../../src/export/selection.ts';
import type { Policy } from '../../src/policy/model.ts';
import { compileProbe, probePolicy, readProbe, runConsumer, scratch } from './probe.ts';

let probe: string;

beforeAll(() => {
  probe = compileProbe();
});

/** Runs the probe under bubblewrap with the exported program as --seccomp. */
function runInBubblewrap(
  policy: Policy,
  calls: readonly string[],
  options: SelectionOptions = {},
): ReturnType<typeof runConsumer> {
  const file = join(scratch(), 'filter.bpf');
  writeFileSync(file, CBPF.write(selectSet(policy, options)).content);
  const fd = openSync(file, 'r');
  try {
    return runConsumer('bwrap', ['--ro-bind', '/', '/', '--seccomp', '3', probe, ...calls], 'bubblewrap', {
      fds: [fd],
    });
  } finally {
    closeSync(fd);
  }
}

test('bubblewrap enforces an exported program: allowed calls work, others fail as the policy says', () => {
  const calls = [
    'uname',
    'getppid',
    'mkdir',
    'clone3',
    'newer',
    'socket-unix',
    'socket-unix-dirty',
    'socket-inet',
  ];
  const { status, stdout, stderr } = runInBubblewrap(probePolicy(), calls);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(readProbe(stdout)).toEqual({
    uname: 14,
    getppid: 0,
    mkdir: 1,
    clone3: 38,
    newer: 38,
    'socket-unix': 0,
    'socket-unix-dirty': 0,
    'socket-inet': 1,
  });
});

test('with kill a denied call ends the process by SIGSYS', () => {
  const { status, signal, stdout } = runInBubblewrap(probePolicy({ onViolation: 'kill' }), [
    'getppid',
    'mkdir',
  ]);
  expect(readProbe(stdout)).toEqual({ getppid: 0 });
  expect([status, signal]).toEqual([128 + 31, null]);
});

test('the set of a later phase is another program', () => {
  const { status, stdout } = runInBubblewrap(probePolicy(), ['uname'], { phase: 'main' });
  expect(stdout).toBe('');
  expect(status).not.toBe(0);
});
