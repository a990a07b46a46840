import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { callgate, CALLGATE, run, temporaryDirectory, type Finished } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';

/** The calls that a machine refuses, as fixtures/deny.c takes them; numbers of x86-64. */
const NO_SECCOMP = ['317=38', '157:22=22'];
const NO_NEW_PRIVS = ['157:38=1'];
const NO_PTRACE = ['101=1'];
const NO_BPF = ['321=1'];

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const policy: string = join(directory.path, 'echo.yaml');
let deny = '';

beforeAll(() => {
  deny = compile(readFileSync(new URL('fixtures/deny.c', import.meta.url), 'utf8'));
  chmodSync(dirname(deny), 0o755);
  chmodSync(directory.path, 0o777);
  const profile = join(directory.path, 'echo.json');
  expect(callgate(['trace', '-q', '-o', profile, '--', 'echo', 'ran']).status).toBe(0);
  expect(callgate(['policy', profile, '-o', policy]).status).toBe(0);
});

function refuse(calls: readonly string[], args: readonly string[], as: readonly string[] = []): Finished {
  const command = as.length === 0 ? CALLGATE : sharedCallgate();
  const [program, ...rest] = [...as, deny, ...calls, '--', command, ...args, '--', 'echo', 'ran'];
  return run(program, rest, { cwd: directory.path });
}

const FILTER = (name: string): string =>
  `callgate: run: the kernel refused the filter, ${name}: the program was not run (see callgate doctor)\n`;
const BECOME = 'callgate: the kernel refused the filter, the program was not run (see callgate doctor)\n';
const SEIZE = (command: string): string =>
  `callgate: ${command}: the kernel does not let callgate trace its own child, PTRACE_SEIZE gave EPERM (is callgate itself being traced? see callgate doctor)\n`;

describe('where the kernel refuses', () => {
  const ENFORCED = ['run', '--policy', policy];

  it.each<{ what: string; calls: string[]; args: string[]; as?: string[]; status: number; stderr: string }>([
    { what: 'seccomp, run', calls: NO_SECCOMP, args: ENFORCED, status: 2, stderr: FILTER('ENOSYS') },
    {
      what: 'seccomp, run --exec',
      calls: NO_SECCOMP,
      args: [...ENFORCED, '--exec'],
      status: 166,
      stderr: BECOME,
    },
    { what: 'no_new_privs, run', calls: NO_NEW_PRIVS, args: ENFORCED, status: 2, stderr: FILTER('EPERM') },
    {
      what: 'no_new_privs, run --exec',
      calls: NO_NEW_PRIVS,
      args: [...ENFORCED, '--exec'],
      status: 129,
      stderr: BECOME,
    },
    {
      what: 'no_new_privs, run by an ordinary user',
      calls: NO_NEW_PRIVS,
      args: ENFORCED,
      as: NOBODY,
      status: 2,
      stderr: FILTER('EPERM'),
    },
    { what: 'ptrace, run', calls: NO_PTRACE, args: ENFORCED, status: 2, stderr: SEIZE('run') },
    {
      what: 'ptrace, trace',
      calls: NO_PTRACE,
      args: ['trace', '--method', 'seccomp'],
      status: 2,
      stderr: SEIZE('trace'),
    },
  ])('$what, the program is not run, and one line says why', ({ calls, args, as, status, stderr }) => {
    expect(refuse(calls, args, as)).toEqual({ status, signal: null, stdout: '', stderr });
  });

  it('ptrace, another process cannot be attached to, and one line says why', () => {
    const { status, stdout, stderr } = run(deny, [
      ...NO_PTRACE,
      '--',
      CALLGATE,
      'trace',
      '--method',
      'ptrace',
      '-o',
      join(directory.path, 'attached.json'),
      '--pid',
      `${process.pid}`,
    ]);
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: SEIZE('trace') });
  });

  it.each(['--method ptrace', ''])(
    'eBPF and seccomp or nothing but eBPF, another way is left: %s',
    (method) => {
      const calls = method === '' ? NO_BPF : [...NO_BPF, ...NO_SECCOMP];
      const { status, stdout, stderr } = refuse(calls, ['trace', ...method.split(' ').filter(Boolean)]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: 'ran\n' });
      if (method === '')
        expect(stderr).toMatch(/^callgate: tracing by seccomp instead: eBPF tracing cannot be set up/);
    },
  );

  it.each<{ what: string; calls: string[]; as: string[] }>([
    { what: 'seccomp', calls: NO_SECCOMP, as: [] },
    { what: 'no_new_privs to an ordinary user', calls: NO_NEW_PRIVS, as: NOBODY },
  ])('$what, by a filter, --method seccomp traces without one of its own', ({ what, calls, as }) => {
    const args = ['trace', '-q', '--method', 'seccomp', '-o', `${what}.json`];
    expect(refuse(calls, args, as)).toMatchObject({ status: 0, stdout: 'ran\n', stderr: '' });
  });

  it('seccomp, a child of the library says so and is not run', () => {
    const script = join(directory.path, 'spawn.mjs');
    const library = new URL('../../dist/index.js', import.meta.url).href;
    writeFileSync(
      script,
      `import { readFileSync } from 'node:fs';
       import { parsePolicy, spawn } from '${library}';
       const policy = parsePolicy(readFileSync('${policy}', 'utf8'));
       spawn('echo', ['ran'], { policy, stdio: 'inherit' }).on('exit', (code) => console.log('exit', code));\n`,
    );
    const { stdout, stderr } = run(deny, [...NO_SECCOMP, '--', process.execPath, script]);
    expect({ stdout, stderr }).toEqual({ stdout: 'exit 166\n', stderr: BECOME });
  });
});
