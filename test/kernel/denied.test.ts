import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callNames,
  CALLGATE,
  readProfile,
  run,
  start,
  temporaryDirectory,
  type Finished,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { phase, policy, writePolicy } from './fixtures/policies.ts';

/** Number of ENOLINK, with which nothing fails by itself. */
const ENOLINK = 67;
const INHERITED = [`118=${ENOLINK}`, `120=${ENOLINK}`];
const DENIED = ['x86_64:getresuid', 'x86_64:getresgid'];
const SAID = 'getresuid Link has been severed\ngetresgid Link has been severed\n';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
let deny: string;
let denied: string;
let denied32: string;
let loop: string;

beforeAll(() => {
  [deny, denied, loop] = ['deny', 'denied', 'loop'].map((name) =>
    compile(readFileSync(new URL(`fixtures/${name}.c`, import.meta.url), 'utf8')),
  ) as [string, string, string];
  denied32 = compile(readFileSync(new URL('fixtures/denied.c', import.meta.url), 'utf8'), ['-m32']);
});

afterAll(() => directory[Symbol.dispose]());

const UNSEEN = 'a call that it denies is not seen by --method ebpf (by --method ptrace it is)';

const audit = (file: string, ...command: readonly string[]): string[] => [
  'run',
  '--audit',
  '--policy',
  file,
  '--',
  ...command,
];

function trace(
  method: string,
  before: readonly string[],
  command: readonly string[],
): Finished & { file: string } {
  const file = join(directory.path, 'profile.json');
  const words = [
    ...before,
    CALLGATE,
    'trace',
    '-q',
    '--method',
    method,
    '--phases',
    'none',
    '-o',
    file,
    '--',
    ...command,
  ];
  return { ...run(words[0] as string, words.slice(1)), file };
}

function deniedCalls(file: string): string[] {
  const names = callNames(readProfile(file).processes);
  return DENIED.filter((name) => names.has(name));
}

describe('a seccomp filter that the program inherits', () => {
  it.each(['ptrace', 'seccomp', 'adaptive'])('hides no call that it denies under --method %s', (method) => {
    const { status, stdout, stderr, file } = trace(method, [deny, ...INHERITED, '--'], [denied]);
    expect([status, stdout, stderr]).toEqual([0, SAID, '']);
    expect(deniedCalls(file)).toEqual(DENIED);
    expect(readProfile(file).runs[0]).toMatchObject({ complete: true, warnings: [] });
  });

  it('hides the calls that it denies under --method ebpf, which is said', () => {
    const { status, stdout, stderr, file } = trace('ebpf', [deny, ...INHERITED, '--'], [denied]);
    const warning = `the program inherits a seccomp filter: ${UNSEEN}`;
    expect([status, stdout, stderr]).toEqual([0, SAID, `callgate: warning: ${warning}\n`]);
    expect(deniedCalls(file)).toEqual([]);
    expect(readProfile(file).runs[0]).toMatchObject({ complete: true, warnings: [warning] });
  });

  it('hides the calls that it denies from an audit, which is said', () => {
    const file = writePolicy(directory.path, policy([phase('all', null, ['getresuid'])]));
    const { stdout, stderr } = run(deny, [...INHERITED, '--', CALLGATE, ...audit(file, denied)]);
    expect(stdout).toBe(SAID);
    expect(stderr).toContain(
      'the program inherits a seccomp filter: a call that it denies is not reported\n',
    );
  });

  it('is told of under --method ebpf with --pid', async () => {
    const running = start([`118=${ENOLINK}`, '--', loop], deny);
    await running.waitFor('began');
    const file = join(directory.path, 'attached.json');
    const options = ['--method', 'ebpf', '--duration', '200ms', '-q', '-o', file];
    const { stderr } = run(CALLGATE, ['trace', ...options, '--pid', `${running.pid}`]);
    running.kill('SIGKILL');
    await running.end;
    expect(stderr).toContain(`pid ${running.pid} is under a seccomp filter: ${UNSEEN}\n`);
  });
});

describe('a seccomp filter of the program itself', () => {
  it.each(['ptrace', 'seccomp', 'adaptive'])('hides no call that it denies under --method %s', (method) => {
    const { stdout, stderr, file } = trace(method, [], [denied, 'filter']);
    expect([stdout, stderr, deniedCalls(file)]).toEqual([SAID, '', DENIED]);
  });

  it('hides the calls that it denies under --method ebpf, which is said', () => {
    const { stdout, stderr, file } = trace('ebpf', [], [denied, 'filter']);
    expect(stdout).toBe(SAID);
    const pid = readProfile(file).processes[0]?.pid;
    expect(stderr).toBe(`callgate: warning: pid ${pid} asked for a seccomp filter: ${UNSEEN}\n`);
    expect(deniedCalls(file)).toEqual([]);
  });

  it('is no matter of a program that only asks what seccomp can do', () => {
    const ask = compile(
      '#include <sys/syscall.h>\n#include <unistd.h>\nint main() { unsigned short sizes[3]; return syscall(SYS_seccomp, 3, 0, sizes); }',
    );
    expect(trace('ebpf', [], [ask]).stderr).toBe('');
  });
});

describe('a filter of the program that wants a tracer', () => {
  const WITHOUT = 'getresuid Function not implemented\ngetresgid Function not implemented\n';

  const cases = ['ptrace', 'seccomp', 'adaptive', 'ebpf'].flatMap((method) =>
    ['', 'late', '32-bit', '32-bit late'].map((how) => ({ method, how })),
  );

  it.each(cases)(
    'has none under --method $method, as it would be without callgate: $how',
    ({ method, how }) => {
      for (const data of ['0', '7', '65535']) {
        const program = how.startsWith('32-bit') ? denied32 : denied;
        const words = ['trace', data, ...(how.endsWith('late') ? ['late'] : [])];
        expect(run(program, words).stdout).toBe(WITHOUT);
        const { stdout, stderr, file } = trace(method, [], [program, ...words]);
        expect(stdout).toBe(WITHOUT);
        if (method === 'ebpf') continue;
        const arch = program === denied32 ? 'i386' : 'x86_64';
        const calls = readProfile(file).processes.flatMap((process) => process.calls);
        const made = calls.filter(({ name }) => name === 'getresuid' || name === 'getresgid');
        expect(made.map((call) => [call.arch, call.count])).toEqual([
          [arch, 1],
          [arch, 1],
        ]);
        expect(stderr).toBe('');
      }
    },
  );

  it.each(['ptrace', 'seccomp', 'adaptive'])('has none if it is inherited, under --method %s', (method) => {
    const { stdout, stderr, file } = trace(method, [denied, 'trace', '7', '--'], [denied]);
    expect([stdout, stderr, deniedCalls(file)]).toEqual([WITHOUT, '', DENIED]);
  });

  it('has none in an audit, which goes on', () => {
    const file = writePolicy(directory.path, policy([phase('all', null, ['getppid'])]));
    const { stdout, stderr } = run(CALLGATE, audit(file, denied, 'trace', '7'));
    expect(stdout).toBe(WITHOUT);
    expect(stderr).toContain('getppid');
    expect(stderr).not.toContain('getres');
  });

  it.each(['key', 'syscall:getsid'])('has none under a policy with a phase that begins at %s', (trigger) => {
    const file = writePolicy(directory.path, policy([phase('all', null), phase('main', trigger)]));
    const { stdout } = run(CALLGATE, ['run', '-q', '--policy', file, '--', denied, 'trace', '7']);
    expect(stdout).toBe(WITHOUT);
  });
});
