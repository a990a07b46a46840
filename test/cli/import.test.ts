import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePolicy } from '../../src/policy/load.ts';
import { parseProfile } from '../../src/profile/load.ts';
import { callgate, temporaryDirectory } from '../support/callgate.ts';

const OCI = JSON.stringify({
  defaultAction: 'SCMP_ACT_ERRNO',
  architectures: ['SCMP_ARCH_X86_64'],
  syscalls: [
    { names: ['read', 'no_such_call'], action: 'SCMP_ACT_ALLOW' },
    { names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }] },
  ],
});
const STRACE =
  '7 1000000000.000001 execve("./a", ["./a"], 0x7 /* 1 var */) = 0\n7 1000000000.000002 brk(NULL) = 0x1\n';
let directory: ReturnType<typeof temporaryDirectory>;
let options: { readonly cwd: string };

beforeAll(() => {
  directory = temporaryDirectory();
  options = { cwd: directory.path };
  writeFileSync(join(directory.path, 'docker.json'), OCI);
  writeFileSync(join(directory.path, 'a.strace'), STRACE);
});

afterAll(() => directory[Symbol.dispose]());

describe('callgate import', () => {
  it('makes a policy of an OCI profile and says what is left out', () => {
    const { status, stdout, stderr } = callgate(['import', 'docker.json'], options);
    expect(status).toBe(0);
    expect(stderr).toBe(
      'callgate: read as oci, wrote a policy\n' +
        'callgate: warning: names that callgate does not know are left out: "no_such_call"\n',
    );
    const policy = parsePolicy(stdout);
    expect(policy.phases[0]!.calls.map(({ name, why }) => [name, why])).toEqual([
      ['personality', ['imported from docker.json (oci)']],
      ['read', ['imported from docker.json (oci)']],
    ]);
  });

  it('writes JSON if asked to', () => {
    const { stdout } = callgate(['import', 'docker.json', '--json'], options);
    expect(JSON.parse(stdout)).toMatchObject({ format: 'callgate-policy', onViolation: 'errno:EPERM' });
  });

  it('makes a profile of a log of strace, which show reads', () => {
    const finished = callgate(['import', 'a.strace', '-o', 'a.json'], options);
    expect(finished).toMatchObject({
      status: 0,
      stdout: '',
      stderr: 'callgate: read as strace, wrote a profile\n',
    });
    expect(parseProfile(readFileSync(join(directory.path, 'a.json'), 'utf8')).programs[0]!.path).toBe('./a');
    expect(callgate(['show', 'a.json'], options)).toMatchObject({ status: 0 });
  });

  it('reads stdin, and takes the program that is given', () => {
    const { stdout } = callgate(['import', '-', '--program', '/usr/bin/redis'], {
      ...options,
      input: '[0, 1]',
    });
    expect(parseProfile(stdout).programs[0]!.path).toBe('/usr/bin/redis');
  });

  it('goes out again as another format', () => {
    callgate(['import', 'docker.json', '-o', 'docker.yaml'], options);
    const { status, stdout } = callgate(['export', 'docker.yaml', '-f', 'pfc'], options);
    expect(status).toBe(0);
    expect(stdout).toContain('  personality (135) if int(args[0]) == 0x8: allow\n');
  });

  it.each([
    [['import', 'none.json'], 'callgate: none.json: cannot be read, no such file\n'],
    [['import', 'docker.json', '-f', 'strace'], 'callgate: docker.json: no calls as strace prints them\n'],
    [['import', 'docker.json', '-f', 'docker'], 'callgate: format: no such format, "docker" (cbpf, oci, '],
  ])('refuses %j', (args, message) => {
    const finished = callgate(args, options);
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toContain(message);
  });

  it('refuses what it does not recognise', () => {
    expect(callgate(['import', '-'], { ...options, input: 'hello\n' })).toMatchObject({
      status: 2,
      stderr:
        'callgate: stdin: format not recognised (cbpf, oci, sysfilter, chestnut, strace, numbers, audit, systemd, confine, temporal, callander, number-lines, names)\n',
    });
  });

  it('and compare refuse the listing of a filter, and import a policy that is one already', () => {
    const policy = callgate(['import', 'docker.json', '-o', 'own.yaml'], options);
    expect(policy.status).toBe(0);
    expect(callgate(['export', 'own.yaml', '-f', 'pfc', '-o', 'own.pfc'], options).status).toBe(0);
    for (const args of [
      ['import', 'own.pfc'],
      ['import', 'own.pfc', '-f', 'names'],
      ['compare', 'own.pfc'],
      ['compare', 'own.pfc', '--as', 'names'],
    ]) {
      const { status, stdout, stderr } = callgate(args, options);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(
        /^callgate: own\.pfc: a listing of a filter for people, which cannot be imported /,
      );
    }
    const again = callgate(['import', 'own.yaml'], options);
    expect([again.status, again.stdout, again.stderr]).toEqual([
      2,
      '',
      'callgate: own.yaml: a policy of callgate already (callgate check, run, export and compare read it)\n',
    ]);
  });
});
