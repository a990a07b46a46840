import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CALLGATE, callgate, run, temporaryDirectory, type Finished } from '../support/callgate.ts';
import { phase, policy, writePolicy } from '../kernel/fixtures/policies.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

afterAll(() => directory[Symbol.dispose]());

const help: Finished = callgate(['run', '--help']);

describe('callgate run --help', () => {
  it('shows how it is used, on stdout', () => {
    expect([help.status, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toMatch(/^Usage: callgate run \[options\] -- COMMAND \[ARGUMENT\.\.\.\]\n/);
  });

  it.each(['--policy', '--profile', '--audit', '--learn', '--if-stuck', '--report', '--exec', '--quiet'])(
    'explains %s',
    (option) => {
      expect(help.stdout).toMatch(new RegExp(`^ +(-[a-z], )?${option}\\b.* [a-z]`, 'm'));
    },
  );

  it('has examples, from the trace to the lock-down', () => {
    const [, examples = ''] = help.stdout.split('Examples:\n');
    expect(examples).toMatch(/callgate trace .*\n +callgate policy .*\n +callgate run .*--audit/);
  });

  it('says with which exit code it ends', () => {
    expect(help.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'With --audit the exit code is 1 if a call was outside of the policy.',
    );
  });
});

describe('callgate run', () => {
  const file = writePolicy(directory.path, policy([phase('all', null)]));

  function refused(...args: string[]): Finished {
    const result = callgate(['run', ...args]);
    expect([result.status, result.stdout]).toEqual([2, '']);
    return result;
  }

  it('asks for a command', () => {
    expect(refused('--policy', file).stderr).toBe("callgate: missing required argument 'command'\n");
  });

  it('refuses an option that it does not know, with the nearest one', () => {
    expect(refused('--polcy', file, '--', 'true').stderr).toMatch(
      /unknown option '--polcy'\n\(Did you mean --policy\?\)/,
    );
  });

  it('refuses another choice for --if-stuck', () => {
    expect(refused('--policy', file, '--if-stuck', 'pray', '--', 'true').stderr).toMatch(
      /Allowed choices are keep, kill/,
    );
  });

  it('leaves the options of the program to the program, with and without --', () => {
    for (const separator of [['--'], []]) {
      const { status, stdout } = callgate([
        'run',
        '--policy',
        file,
        ...separator,
        'echo',
        '-n',
        '--audit',
        '--',
        '-q',
      ]);
      expect([status, stdout]).toEqual([0, '--audit -- -q']);
    }
  });

  it('passes bytes that are no text to the program', () => {
    const script = `exec "$1" run --policy "$2" -- printf "$(printf 'a\\377b')"`;
    const { stdout } = run('/bin/sh', ['-c', script, 'sh', CALLGATE, file]);
    expect(stdout).toBe('a\ufffdb');
  });

  it('reads a policy from a pipe', () => {
    const { status, stdout } = run('/bin/sh', [
      '-c',
      'cat "$2" | "$1" run --policy /dev/stdin -- echo ran',
      'sh',
      CALLGATE,
      file,
    ]);
    expect([status, stdout]).toEqual([0, 'ran\n']);
  });

  it('says what a report can have without an audit', () => {
    const options = ['run', '--policy', file, '--report', join(directory.path, 'sight')];
    expect(callgate([...options, '--', 'true']).stderr).toBe(
      'callgate: report: has nothing of calls that fail with EPERM, of which the kernel tells nobody; --audit shows every call outside of the policy\n',
    );
    expect(callgate([...options, '-q', '--', 'true']).stderr).toBe('');
    expect(callgate([...options, '--audit', '--', 'true']).stderr).not.toContain('report:');
    expect(help.stdout.replaceAll(/\s+/g, ' ')).toContain('Only with --audit does it see each call');
  });

  it('writes an empty report if there was nothing to report', () => {
    const report = join(directory.path, 'report');
    writeFileSync(report, 'old\n');
    expect(callgate(['run', '--policy', file, '--report', report, '--', 'true']).status).toBe(0);
    expect(readFileSync(report, 'utf8')).toBe('');
  });

  it('keeps control characters of a program name out of the terminal', () => {
    const { stderr } = callgate(['run', '--policy', file, '--', 'evil\u001b[31m']);
    expect(stderr).not.toContain('\u001b');
    expect(stderr).toContain('evil');
  });
});
