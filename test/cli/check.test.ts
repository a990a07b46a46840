import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CheckResult } from '../../src/policy/check.ts';
import { formatPolicyYaml } from '../../src/policy/save.ts';
import { LOADER_NAMES, samplePhase, samplePolicy } from '../../src/policy/testing/sample-policy.ts';
import { callgate, temporaryDirectory } from '../support/callgate.ts';

/** The text of a policy with one phase that allows these calls beside what the loader needs. */
function policyText(names = ''): string {
  return formatPolicyYaml(samplePolicy([samplePhase('setup', `${LOADER_NAMES} ${names}`)]));
}

describe('callgate check', () => {
  it('ends with 0 if nothing is worse than a warning', () => {
    const { status, stdout, stderr } = callgate(['check', '-'], { input: policyText('ioctl') });
    expect(stderr).toBe('');
    expect(stdout).toContain(
      'SET    ARCH    ALLOWED  BY ARGUMENT  BLOCKED   OF  CVES TAKEN AWAY\nsetup  x86_64       19            0',
    );
    expect(stdout).toContain('denied calls: errno:EPERM; ENOSYS for clone3\n');
    expect(stdout).toMatch(
      /\nwarning setup: ioctl: nothing keeps out TIOCSTI or TIOCLINUX: [^\n]*\n +program\n0 errors, 0 dangerous calls, 1 warning\n$/,
    );
    expect(status).toBe(0);
  });

  it('ends with 1 if a dangerous call is open, unless it is accepted', () => {
    const { status, stdout } = callgate(['check', '-'], { input: policyText('ptrace') });
    expect(stdout).toContain('danger  setup: ptrace: changes the memory and registers of other processes\n');
    expect(status).toBe(1);
    const accepted = callgate(['check', '-', '--accept', 'ptrace'], { input: policyText('ptrace') });
    expect(accepted.stdout.trimEnd().split('\n').at(-1)).toBe('nothing found');
    expect(accepted.status).toBe(0);
  });

  it('takes accepted calls before the policy, with commas or one by one', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'open.yaml');
    writeFileSync(file, policyText('mount ptrace'));
    for (const args of [
      ['--accept', 'mount,ptrace', file],
      ['--accept', 'mount', '--accept', 'ptrace', file],
      [file, '--accept=ptrace, mount'],
    ]) {
      const { status, stdout } = callgate(['check', ...args]);
      expect([status, stdout.trimEnd().split('\n').at(-1)]).toEqual([0, 'nothing found']);
    }
  });

  it.each([
    ['moutn', 'callgate: accept: no system call is called "moutn" (did you mean mount?)\n'],
    ['', 'callgate: accept: no system call is called ""\n'],
  ])('refuses to accept %j, which is no call', (name, want) => {
    const { status, stdout, stderr } = callgate(['check', '-', '--accept', `ptrace,${name}`], {
      input: policyText('mount'),
    });
    expect([status, stdout, stderr]).toEqual([2, '', want]);
  });

  it('gives the same as JSON', () => {
    const { status, stdout } = callgate(['check', '-', '--json'], { input: policyText('bpf') });
    const result = JSON.parse(stdout) as CheckResult & { format: string; failed: boolean };
    expect([status, result.format, result.failed]).toEqual([1, 'callgate-check', true]);
    expect(result.findings).toEqual([
      {
        severity: 'danger',
        rule: 'dangerous',
        sets: ['setup'],
        call: 'bpf',
        message: 'runs code in the kernel',
      },
    ]);
  });

  it('says what a change opens and closes, and ends with 1 if it opens anything', () => {
    using directory = temporaryDirectory();
    const other = join(directory.path, 'old.yaml');
    writeFileSync(other, policyText('sendfile'));
    const opened = callgate(['check', '-', '--diff', other], { input: policyText('splice') });
    expect(opened.stdout).toBe(
      'opened  setup: splice: was denied\nclosed  setup: sendfile: was allowed\n1 opened, 1 closed, 0 changed\n',
    );
    expect(opened.status).toBe(1);
    const closed = callgate(['check', '-', '--diff', other], { input: policyText() });
    expect([closed.status, closed.stdout]).toEqual([
      0,
      'closed  setup: sendfile: was allowed\n0 opened, 1 closed, 0 changed\n',
    ]);
    const json = callgate(['check', '-', '--json', '--diff', other], { input: policyText('splice') });
    expect(JSON.parse(json.stdout)).toMatchObject({
      format: 'callgate-policy-diff',
      version: 1,
      opens: true,
    });
  });

  it('takes a tighter phase that is gone, or that may begin later, as opened', () => {
    using directory = temporaryDirectory();
    const other = join(directory.path, 'old.yaml');
    const phased = (trigger: string): string =>
      formatPolicyYaml(
        samplePolicy([samplePhase('setup', LOADER_NAMES), samplePhase('main', 'read', { trigger })]),
      );
    writeFileSync(other, phased('after:1s'));
    const gone = callgate(['check', '-', '--diff', other], { input: policyText() });
    expect(gone.stdout).toContain(
      'opened  main: this phase is gone, setup holds instead, which allows more\n',
    );
    expect(gone.status).toBe(1);
    const later = callgate(['check', '-', '--diff', other], { input: phased('after:99h') });
    expect(later.stdout).toContain('opened  main: begins at after:99h, was after:1s: that may be later');
    expect(later.status).toBe(1);
  });

  it('lists all that is wrong with a broken document, with lines', () => {
    const input = policyText('splice')
      .replace('- splice', '- spliced')
      .replace('strict: observed', 'strict: lax');
    const { status, stderr } = callgate(['check', '-'], { input });
    expect(stderr).toBe(
      'callgate: stdin: not a valid policy, 1 problem\n  /strict (line 7): must be one of observed, balanced, sound, is "lax"\n',
    );
    expect(status).toBe(2);
  });

  it('refuses to read stdin twice, and a file that is not there', () => {
    expect(callgate(['check', '-', '--diff', '-']).stderr).toBe(
      'callgate: policy: stdin (-) can be read only once\n',
    );
    const { status, stderr } = callgate(['check', '/proc/nowhere/p.yaml']);
    expect([status, stderr]).toEqual([2, 'callgate: /proc/nowhere/p.yaml: cannot be read, no such file\n']);
  });
});
