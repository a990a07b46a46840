import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { FIREJAIL } from '../../src/export/firejail.ts';
import { selectSet } from '../../src/export/selection.ts';
import type { Policy } from '../../src/policy/model.ts';
import { compileProbe, probePolicy, readProbe, runConsumer, scratch } from './probe.ts';

let probe: string;

beforeAll(() => {
  probe = compileProbe();
});

function runInFirejail(policy: Policy, calls: readonly string[]): ReturnType<typeof runConsumer> {
  const profile = join(scratch(), 'probe.profile');
  writeFileSync(profile, FIREJAIL.write(selectSet(policy)).content);
  return runConsumer('firejail', [`--profile=${profile}`, '--quiet', probe, ...calls], 'firejail');
}

test('firejail enforces an exported keep list: allowed calls work, others fail as the policy says', () => {
  const { status, stdout } = runInFirejail(probePolicy(), ['uname', 'getppid', 'mkdir', 'clone3']);
  expect(status).toBe(0);
  // Firejail cannot give ENOSYS to some and EPERM to others.
  expect(readProbe(stdout)).toEqual({ uname: 14, getppid: 0, mkdir: 1, clone3: 1 });
});

test('another errno of the policy is the one that the program sees', () => {
  const { stdout } = runInFirejail(probePolicy({ onViolation: 'errno:EACCES' }), ['getppid', 'mkdir']);
  expect(readProbe(stdout)).toEqual({ getppid: 0, mkdir: 13 });
});

test('with kill a denied call ends the process', () => {
  const { status, stdout } = runInFirejail(probePolicy({ onViolation: 'kill' }), ['getppid', 'mkdir']);
  expect(readProbe(stdout)).toEqual({ getppid: 0 });
  expect(status).not.toBe(0);
});

test('names that firejail does not know go as numbers', () => {
  const { status, stdout } = runInFirejail(probePolicy({}, ['landlock_create_ruleset', 'cachestat']), [
    'getppid',
  ]);
  expect([status, readProbe(stdout)]).toEqual([0, { getppid: 0 }]);
});
