import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findExporter } from '../../src/export/exporters.ts';
import { selectSet } from '../../src/export/selection.ts';
import { samplePolicy } from '../../src/export/testing/sample-policy.ts';
import { formatPolicyYaml } from '../../src/policy/save.ts';
import { callgate, temporaryDirectory } from '../support/callgate.ts';

const arches = [{ arch: 'x86_64' as const, newest: 471 }];
const policy = samplePolicy({
  arches,
  onViolation: 'errno:ENOSYS',
  phases: { setup: ['execve', 'exit_group', 'read', 'write'], main: ['read', 'write'] },
});
const single = samplePolicy({ arches, phases: { setup: ['read'] } });
let directory: ReturnType<typeof temporaryDirectory>;
let options: { readonly cwd: string };

beforeAll(() => {
  directory = temporaryDirectory();
  options = { cwd: directory.path };
  writeFileSync(join(directory.path, 'two.yaml'), formatPolicyYaml(policy));
  writeFileSync(join(directory.path, 'one.yaml'), formatPolicyYaml(single));
});

afterAll(() => directory[Symbol.dispose]());

const WHOLE_LIFE =
  'callgate: wrote the set of setup, for the whole life (--phase main for a program that switches by itself)\n';

describe('callgate export', () => {
  it('writes the set of the first phase to stdout, and says so', () => {
    const finished = callgate(['export', 'two.yaml', '--format', 'pfc'], options);
    expect(finished).toEqual({
      status: 0,
      signal: null,
      stdout: findExporter('pfc').write(selectSet(policy)).content,
      stderr: WHOLE_LIFE,
    });
  });

  it('writes another phase if asked to, without a word', () => {
    const finished = callgate(['export', 'two.yaml', '-f', 'pfc', '--phase', 'main'], options);
    expect(finished).toMatchObject({ status: 0, stderr: '' });
    expect(finished.stdout).not.toContain('execve');
  });

  it('writes bytes to a file as they are', () => {
    const finished = callgate(['export', 'two.yaml', '-f', 'cbpf', '-o', 'filter.bpf'], options);
    expect(finished).toMatchObject({ status: 0, stdout: '', stderr: WHOLE_LIFE });
    expect(new Uint8Array(readFileSync(join(directory.path, 'filter.bpf')))).toEqual(
      findExporter('cbpf').write(selectSet(policy)).content,
    );
  });

  it('says what the format cannot say, and goes on', () => {
    const finished = callgate(['export', 'one.yaml', '-f', 'seccompiler'], options);
    expect(finished.status).toBe(0);
    expect(finished.stderr).toBe(
      'callgate: other: calls newer than the policy are treated as denied instead of failing with ENOSYS\n',
    );
  });

  it('with --exact writes nothing then', () => {
    const finished = callgate(['export', 'one.yaml', '-f', 'seccompiler', '--exact', '-o', 'never'], options);
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toContain(
      'callgate: export: seccompiler cannot say all of the policy (--exact)\n',
    );
    expect(() => readFileSync(join(directory.path, 'never'))).toThrow('ENOENT');
  });

  it('prints the lines for the pod to stderr', () => {
    const finished = callgate(['export', 'two.yaml', '-f', 'k8s-localhost'], options);
    expect(() => JSON.parse(finished.stdout) as unknown).not.toThrow();
    expect(finished.stderr).toContain('localhostProfile: profiles/sample.json\n');
  });

  it('reads stdin', () => {
    const input = formatPolicyYaml(single);
    expect(callgate(['export', '-', '-f', 'asm'], { ...options, input }).stdout).toMatch(/^0000: /);
  });

  it.each([
    [['export', 'one.yaml'], "callgate: required option '-f, --format <format>' not specified\n"],
    [['export', 'one.yaml', '-f', 'docker'], 'callgate: format: no such format, "docker" (oci, k8s-spo, '],
    [['export', 'none.yaml', '-f', 'oci'], 'callgate: none.yaml: cannot be read, no such file\n'],
    [
      ['export', 'one.yaml', '-f', 'oci', '--phase', 'x'],
      'callgate: phase: no such phase, "x" (the policy has setup)\n',
    ],
    [
      ['export', 'one.yaml', '-f', 'oci', '--program', 'x'],
      'callgate: program: no set of its own in phase setup, "x" (there are none)\n',
    ],
  ])('refuses %j', (args, message) => {
    const finished = callgate(args, options);
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toContain(message);
  });
});
