import type { Call, Phase, Process, Profile, Run } from '../../profile/model.ts';

const MS = 1e6;

const SETUP: Phase = { name: 'setup', trigger: null, source: 'start', reason: null, entered: true };

const RUN: Run = {
  method: 'ptrace',
  command: ['sh', '-c', 'exec ./server --name "a b"'],
  workload: { command: 'client --count 3', exit: { kind: 'exited', code: 0 } },
  start: '2026-01-02T03:04:05.678Z',
  duration: 3000 * MS,
  complete: true,
  incomplete: [],
  lost: 0,
  warnings: [],
  host: {
    kernel: '6.1.0',
    arch: 'x86_64',
    libc: 'glibc 2.36',
    distribution: 'Debian GNU/Linux 12 (bookworm)',
  },
};

/**
 * A server that a shell starts: it sets itself up for 40 ms, then waits in epoll_wait, with two threads, and a worker
 * that it forks in main; one call of i386 and one number without a name.
 */
export function serverProfile(): Profile {
  return {
    format: 'callgate-profile',
    version: 1,
    generator: { name: 'callgate', version: '0.1.0' },
    runs: [RUN],
    phases: [
      SETUP,
      {
        name: 'main',
        trigger: 'syscall:epoll_wait',
        source: 'auto',
        reason: 'server (pid 100) waits in epoll_wait',
        entered: true,
      },
    ],
    programs: [
      { path: '/bin/dash', buildId: null, calls: [] },
      { path: '/srv/server', buildId: 'abcdef', calls: [] },
    ],
    processes: [
      {
        ...processOf(100, 'start', null, 0, 10),
        program: 0,
        argv: RUN.command,
        exit: { kind: 'exec' },
        calls: [
          call(12, 'brk', 2, 1, 2),
          { ...call(59, 'execve', 1, 0, 0), launch: true },
          call(60, 'exit', 1, 9, 9),
        ],
      },
      {
        ...processOf(100, 'exec', 0, 10, 3000),
        argv: ['./server', '--name', 'a b'],
        exit: { kind: 'exited', code: 0 },
        threads: [
          { tid: 101, creator: 100, start: 20 * MS, end: 3000 * MS },
          { tid: 102, creator: 100, start: 21 * MS, end: null },
          { tid: 107, creator: 101, start: 22 * MS, end: null },
        ],
        transitions: [
          { phase: 0, at: 10 * MS },
          { phase: 1, at: 40 * MS },
        ],
        listens: [
          { at: 30 * MS, address: 'tcp:8080' },
          { at: 31 * MS, address: 'tcp:8080' },
          { at: 32 * MS, address: 'unix:/run/server.sock' },
        ],
        calls: [
          { ...call(0, 'read', 2000, 11, 2900), phases: [0, 1], errnos: { EAGAIN: 12, EINTR: 30 } },
          {
            ...call(10, 'mprotect', 3, 12, 13),
            args: [{ index: 2, name: 'prot', values: [1, 3, '0xffffffff00000000'] }],
          },
          call(50, 'listen', 2, 30, 31),
          {
            ...call(232, 'epoll_wait', 999, 40, 2950),
            phases: [1],
            waits: { uses: [40 * MS, 50 * MS], total: 2800 * MS },
          },
          { ...call(288, 'accept4', 3, 60, 2000), phases: [1] },
          {
            ...call(16, 'ioctl', 2, 14, 15),
            args: [{ index: 1, name: 'request', values: 'any' }],
          },
          { ...call(5, 'open', 1, 16, 16), arch: 'i386' },
          call(600, null, 1, 17, 17),
        ],
      },
      {
        ...processOf(103, 'fork', 1, 100, 200),
        transitions: [{ phase: 1, at: 100 * MS }],
        exit: { kind: 'signaled', signal: 'SIGKILL', core: false },
        calls: [{ ...call(1, 'write', 5, 110, 150), phases: [1] }],
      },
      {
        ...processOf(104, 'vfork', 1, 300, null),
        transitions: [{ phase: 1, at: 300 * MS }],
        program: null,
        exit: null,
        calls: [],
      },
    ],
  };
}

/** A profile whose every text tries to drive the terminal. */
export function hostileProfile(): Profile {
  const evil = '\u001b]0;owned\u0007\u009b31m\u202etxt\r\n';
  const profile = serverProfile();
  const [shell, ...others] = profile.processes as [Process, ...Process[]];
  return {
    ...profile,
    runs: [
      {
        ...RUN,
        command: [evil, `it's`],
        workload: { command: evil, exit: { kind: 'signaled', signal: `SIG${evil}`, core: true } },
        complete: false,
        incomplete: [evil],
        warnings: [evil],
        host: { kernel: evil, arch: 'x86_64', libc: evil, distribution: evil },
      },
    ],
    phases: [SETUP, { name: 'main', trigger: evil, source: 'auto', reason: evil, entered: false }],
    programs: [
      { path: `/${evil}`, buildId: null, calls: [] },
      { path: '/srv/server', buildId: null, calls: [] },
    ],
    processes: [
      {
        ...shell,
        argv: [evil],
        exit: { kind: 'signaled', signal: `SIG${evil}`, core: false },
        listens: [{ at: 0, address: evil }],
        calls: shell.calls.map((each) => ({ ...each, args: [{ index: 0, name: evil, values: [1] }] })),
      },
      ...others,
    ],
  };
}

function processOf(
  pid: number,
  birth: Process['birth'],
  parent: number | null,
  start: number,
  end: number | null,
): Process {
  return {
    run: 0,
    pid,
    birth,
    parent,
    program: 1,
    argv: null,
    start: start * MS,
    end: end === null ? null : end * MS,
    exit: null,
    threads: [],
    transitions: [{ phase: 0, at: start * MS }],
    listens: [],
    calls: [],
  };
}

/** Times are in milliseconds. */
function call(nr: number, name: string | null, count: number, first: number, last: number): Call {
  return {
    arch: 'x86_64',
    nr,
    name,
    origin: 'observed',
    count,
    first: first * MS,
    last: last * MS,
    phases: [0],
  };
}
