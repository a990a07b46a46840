import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { formatJson } from '../../src/export/json-text.ts';
import { buildOciProfile } from '../../src/export/oci-profile.ts';
import { OCI } from '../../src/export/oci.ts';
import { selectSet } from '../../src/export/selection.ts';
import type { Policy } from '../../src/policy/model.ts';
import { compileProbe, probePolicy, readProbe, runConsumer, scratch } from './probe.ts';

let probe: string;

beforeAll(() => {
  probe = compileProbe();
});

/** Runs a command in a container made by hand: busybox and the probe in an empty root, no network. */
function runInContainer(policy: Policy, args: readonly string[]): ReturnType<typeof runConsumer> {
  const bundle = scratch();
  const root = join(bundle, 'rootfs');
  for (const name of ['bin', 'proc', 'tmp']) mkdirSync(join(root, name), { recursive: true });
  try {
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  } catch (error) {
    throw new Error('no /bin/busybox (Debian package busybox-static)', { cause: error });
  }
  for (const name of ['sh', 'mkdir', 'uname']) copyFileSync('/bin/busybox', join(root, 'bin', name));
  copyFileSync(probe, join(root, 'bin/probe'));
  chmodSync(join(root, 'bin/probe'), 0o755);
  const config = {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: ['PATH=/bin'],
      cwd: '/',
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [] },
    },
    root: { path: 'rootfs' },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: {
      namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'network' }],
      seccomp: buildOciProfile(selectSet(policy)).profile,
    },
  };
  writeFileSync(join(bundle, 'config.json'), formatJson(config));
  const id = `callgate-${process.pid}-${Math.random().toString(36).slice(2)}`;
  return runConsumer('runc', ['--root', join(bundle, 'state'), 'run', '--bundle', bundle, id], 'runc');
}

test('runc enforces an exported profile: allowed calls work, others fail as the policy says', () => {
  const { status, stdout, stderr } = runInContainer(probePolicy(), [
    'probe',
    'uname',
    'getppid',
    'mkdir',
    'clone3',
    'newer',
    'socket-unix',
    'socket-unix-dirty',
    'socket-inet',
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(readProbe(stdout)).toEqual({
    // The call is made, and finds no memory at its address.
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

test('a program of the container is denied mkdir and goes on', () => {
  const { stdout, stderr } = runInContainer(probePolicy({}, ['clone']), [
    'sh',
    '-c',
    'mkdir /tmp/x || echo denied; uname -s',
  ]);
  expect(stdout).toBe('denied\nLinux\n');
  expect(stderr).toContain("mkdir: can't create directory '/tmp/x': Operation not permitted");
});

test('another errno of the policy is the one that the program sees', () => {
  const { stdout } = runInContainer(probePolicy({ onViolation: 'errno:EACCES' }), ['probe', 'mkdir']);
  expect(readProbe(stdout)).toEqual({ mkdir: 13 });
});

test('with kill a denied call ends the process by SIGSYS', () => {
  const { status, stdout } = runInContainer(probePolicy({ onViolation: 'kill' }), [
    'probe',
    'getppid',
    'mkdir',
  ]);
  expect(readProbe(stdout)).toEqual({ getppid: 0 });
  expect(status).toBe(128 + 31);
});

test('the profile that runc loads is the exported text', () => {
  const selection = selectSet(probePolicy());
  expect(OCI.write(selection).content).toBe(formatJson(buildOciProfile(selection).profile));
});
