import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Bpf, ProgramRefusedError } from '../../src/sys/bpf.ts';
import { openBpfLibc } from '../../src/sys/bpf-libc.ts';
import { openLibc } from '../../src/sys/libc.ts';
import { Waiter } from '../../src/sys/wait.ts';
import { Assembler } from '../../src/trace/ebpf/assembler.ts';
import { readKernelFields } from '../../src/trace/ebpf/kernel-image.ts';
import { startLauncher } from '../../src/trace/ebpf/launch.ts';
import { explainRefusal } from '../../src/trace/ebpf/refusal.ts';
import { inheritedState } from '../../src/trace/inherited.ts';
import { CALLGATE, readProfile, run, temporaryDirectory } from '../support/callgate.ts';

it('what the verifier refuses is told in its own words, in one line', () => {
  const bpf = new Bpf(openLibc(), openBpfLibc());
  const program = {
    name: 'callgate_test',
    // It returns what nobody has put into r0.
    instructions: new Assembler().exit().assemble().instructions,
    tracepoint: readKernelFields().tracepoints.sys_enter,
  };
  let refusal: unknown;
  try {
    bpf.close(bpf.loadProgram(program));
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(ProgramRefusedError);
  expect(explainRefusal(refusal as ProgramRefusedError).message).toBe(
    'trace: eBPF tracing cannot be set up: bpf: the kernel refused program callgate_test, EACCES, the verifier says "R0 !read_ok"',
  );
});

/** Traces `true` while some of its calls of bpf(2), which are counted from 1, fail with EAGAIN. */
function traceWithInterruptions(which: string): { status: number | null; stderr: string; method: string } {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'p');
  const { status, stderr } = run('strace', [
    '-f',
    '-qq',
    '-e',
    'trace=bpf',
    '-e',
    `inject=bpf:error=EAGAIN:when=${which}`,
    '-o',
    '/dev/null',
    CALLGATE,
    'trace',
    '-q',
    '--method',
    'ebpf',
    '-o',
    file,
    '--',
    'true',
  ]);
  return { status, stderr, method: status === 0 ? (readProfile(file).runs[0]?.method ?? '') : '' };
}

it.each([
  { what: 'the guard', which: 1 },
  { what: 'the launcher', which: 2 },
])(
  'what the machine refuses of starting $what is no refusal of eBPF, and no reason to fall back',
  ({ which }) => {
    using directory = temporaryDirectory();
    const inject = `inject=memfd_create:error=EAGAIN:when=${which}`;
    const { status, stderr } = run('strace', [
      '-f',
      '-qq',
      '-e',
      'trace=memfd_create',
      '-e',
      inject,
      '-o',
      '/dev/null',
      CALLGATE,
      'trace',
      '-q',
      '-o',
      join(directory.path, 'p'),
      '--',
      'true',
    ]);
    expect(stderr).toMatch(
      /^callgate: tracer: memfd_create: no place for the launcher in memory, EAGAIN.*\n$/,
    );
    expect(status).not.toBe(0);
  },
);

it('a launcher of which the programs could not be told is not left behind', () => {
  const libc = openLibc();
  let launcher = 0;
  const follow = (pid: number): void => {
    launcher = pid;
    throw new Error('refused');
  };
  const target = {
    kind: 'launch',
    path: '/bin/true',
    argv: ['true'],
    env: [],
    cwd: null,
    stdin: 'null',
    inherited: inheritedState(undefined),
  } as const;
  expect(() => startLauncher(libc, new Waiter(libc), target, follow)).toThrow('refused');
  expect(launcher).toBeGreaterThan(0);
  expect(existsSync(`/proc/${launcher}`)).toBe(false);
});

/** Calls of bpf(2) before the first program is loaded: nine maps, and two values. */
const BEFORE_PROGRAMS = 11;

it('a signal that interrupts the verifier does not count: the program is offered again', () => {
  const first = BEFORE_PROGRAMS + 1;
  expect(traceWithInterruptions(`${first}..${first + 4}`)).toEqual({
    status: 0,
    stderr: '',
    method: 'ebpf',
  });
});

it('a verifier that is interrupted for ever is a refusal and no endless loop', () => {
  const { status, stderr } = traceWithInterruptions(`${BEFORE_PROGRAMS + 1}+`);
  expect(status).toBe(2);
  expect(stderr).toMatch(
    /^callgate: trace: eBPF tracing cannot be set up: bpf: the kernel refused program callgate_exit, EAGAIN.*\n$/,
  );
});

it.each<{ what: string; words: (pid: number, file: string) => readonly string[] }>([
  { what: 'a program', words: (_, file) => ['trace', '-q', '--method', 'ebpf', '-o', file, '--', 'true'] },
  {
    what: 'a process that runs',
    words: (pid, file) => [
      'trace',
      '-q',
      '--pid',
      `${pid}`,
      '--method',
      'ebpf',
      '--duration',
      '100ms',
      '-o',
      file,
    ],
  },
  { what: 'the machine', words: (_, file) => ['watch', '-q', '-d', `${file}.d`, '--once', '100ms'] },
])(
  'a limit of open files that is too small for some part of it is what a refusal says: $what',
  ({ words }) => {
    using directory = temporaryDirectory();
    const sleeper = spawn('sleep', ['100'], { stdio: 'ignore' });
    using _sleeper = { [Symbol.dispose]: () => sleeper.kill() };
    const command = [CALLGATE, ...words(sleeper.pid as number, join(directory.path, 'p'))];
    // Node itself takes some twenty.
    let limit = 36;
    const trace = (): { status: number | null; stderr: string } =>
      run('sh', ['-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...command]);
    const said: string[] = [];
    for (let ended = trace(); ended.status !== 0 && limit < 100; limit++, ended = trace()) {
      said.push(ended.stderr);
    }
    expect(limit).toBeLessThan(100);
    expect(said.length).toBeGreaterThan(0);
    const clear =
      /^callgate: (?:trace|watch): eBPF tracing cannot be set up: \w+ gave EMFILE: .* \(ulimit -n\)\n$/;
    expect(said.filter((text) => !clear.test(text))).toEqual([]);
  },
);
