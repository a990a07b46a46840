import { describe, expect, it, test } from 'vitest';
import type { Process } from '../profile/model.ts';
import { parseStraceLine } from './strace-line.ts';
import { readProfile } from './testing/read-text.ts';

const names = ({ calls }: Process): readonly string[] =>
  calls.map(({ arch, nr, name, count }) => `${arch}:${name ?? nr} ${count}`);

describe('lines', () => {
  const call = (name: string, args: string, value: bigint | null, errno: string | null = null): object => ({
    kind: 'call',
    name,
    nr: null,
    args: expect.stringMatching(args) as string,
    result: { value, errno },
  });
  it.each([
    ['close(3) = 0', null, null, call('close', '^3', 0n)],
    ['12 close(3)                        = 0', 12, null, call('close', '', 0n)],
    ['[pid    12] close(3) = 0', 12, null, call('close', '', 0n)],
    ['12 00:00:01.000002 close(3) = 0', 12, 1_000_002, call('close', '', 0n)],
    ['12 1795418993.699410 close(3) = 0', 12, 1_795_418_993_699_410, call('close', '', 0n)],
    ['12 close(3) = 0 <0.000012>', 12, null, call('close', '', 0n)],
    ['12 [00007fd0f7774a10] close(3) = 0', 12, null, call('close', '', 0n)],
    [
      '12 open("a) = 3 b", O_RDONLY) = -1 ENOENT (No such file or directory)',
      12,
      null,
      call('open', 'a', -1n, 'ENOENT'),
    ],
    ['12 open("x") = 3</etc/x>', 12, null, call('open', '', 3n)],
    ['12 mmap(NULL, 1) = 0x7f65c1ab4000', 12, null, call('mmap', '', 0x7f65c1ab4000n)],
    ['12 fcntl(1, F_GETFL) = 0x1 (flags O_WRONLY)', 12, null, call('fcntl', '', 1n)],
    ['12 exit_group(0) = ?', 12, null, call('exit_group', '', null)],
    [
      '12 read(0, 0x1, 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)',
      12,
      null,
      call('read', '', null),
    ],
    ['12 [ 257] openat(AT_FDCWD, "x") = 3', 12, null, { ...call('openat', '', 3n), nr: 257 }],
    [
      '12 wait4(-1,  <unfinished ...>',
      12,
      null,
      { kind: 'call', name: 'wait4', nr: null, args: '-1,  <unfinished ...>', result: null },
    ],
    [
      '12 <... wait4 resumed>NULL, 0, NULL) = 13',
      12,
      null,
      { kind: 'resumed', name: 'wait4', result: { value: 13n, errno: null } },
    ],
    [
      '12 <... read resumed> "x", 1) = 1',
      12,
      null,
      { kind: 'resumed', name: 'read', result: { value: 1n, errno: null } },
    ],
    ['12 +++ exited with 3 +++', 12, null, { kind: 'exited', code: 3 }],
    ['12 +++ killed by SIGSYS (core dumped) +++', 12, null, { kind: 'killed', signal: 'SIGSYS', core: true }],
    ['12 --- SIGCHLD {si_signo=SIGCHLD} ---', 12, null, { kind: 'signal' }],
    ['[  59] close(3) = 0', null, null, { ...call('close', '', 0n), nr: 59 }],
    ['[00007fd0f7774a10] close(3) = 0', null, null, call('close', '', 0n)],
    ['12 [   3] [00007fd0f7774a10] close(3) = 0', 12, null, { ...call('close', '', 0n), nr: 3 }],
    ['12<sh> close(3) = 0', 12, null, call('close', '', 0n)],
    ['12<a \\76 b> 00:00:01.000002 close(3) = 0', 12, 1_000_002, call('close', '', 0n)],
    ['[pid    12<sh>] [   3] close(3) = 0', 12, null, { ...call('close', '', 0n), nr: 3 }],
    ['12<sh> vfork() = 13<sh>', 12, null, call('vfork', '', 13n)],
    ['12<sh> +++ exited with 3 +++', 12, null, { kind: 'exited', code: 3 }],
    [' > /usr/lib/libc.so.6(__read+0xd) [0xf71ad]', null, null, { kind: 'frame' }],
    [' > unexpected_backtracing_error [0x7ffd8]', null, null, { kind: 'frame' }],
    ['strace: Process 13 attached', null, null, { kind: 'attached', pid: 13 }],
    ['[ Process PID=12 runs in 32 bit mode. ]', null, null, { kind: 'mode', pid: 12, mode: '32 bit' }],
    [
      '[pid  7132] [ Process PID=7132 runs in 64 bit mode. ]',
      7132,
      null,
      { kind: 'mode', pid: 7132, mode: '64 bit' },
    ],
  ])('%s', (line, pid, time, want) => {
    expect(parseStraceLine(line)).toEqual({ pid, time, line: want });
  });

  it.each(['hello', ' > quoted', '[1, 2]', 'ls(1) lists files', '', 'total 12', 'drwx------ 2 root root'])(
    '%j is none of strace’s',
    (line) => {
      expect(parseStraceLine(line)).toBe(null);
    },
  );
});

const TREE = `100 1000000000.000000 execve("/bin/sh", ["sh", "-c", "ls \\"a\\""], 0x7ffc /* 35 vars */) = 0
100 1000000000.000100 brk(NULL) = 0x56a2f000
100 1000000000.000200 access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
100 1000000000.000300 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>
101 1000000000.000350 getpid() = 101
100 1000000000.000400 <... clone resumed>) = 101
100 1000000000.000500 clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND, exit_signal=0}, 88) = 102
102 1000000000.000600 futex(0x1, FUTEX_WAIT <unfinished ...>
101 1000000000.000700 execve("/bin/ls", ["ls", "a"], 0x55 /* 35 vars */) = 0
101 1000000000.000800 syscall_0x1f4(0x1, 0x2) = -1 ENOSYS (Function not implemented)
102 1000000000.000900 <... futex resumed>) = 0
102 1000000000.001000 exit(0) = ?
102 1000000000.001100 +++ exited with 0 +++
101 1000000000.001200 +++ killed by SIGSYS +++
100 1000000000.001300 --- SIGCHLD {si_signo=SIGCHLD} ---
100 1000000000.001400 exit_group(1) = ?
100 1000000000.001500 +++ exited with 1 +++
`;

test('a log becomes the tree of processes with what each did', () => {
  const { profile, remarks } = readProfile('strace', TREE);
  expect(remarks).toEqual([]);
  expect(profile.runs[0]).toMatchObject({
    method: 'import',
    command: ['sh', '-c', 'ls "a"'],
    start: '2001-09-09T01:46:40.000Z',
    duration: 1_500_000,
    complete: false,
  });
  const [shell, child, ls] = profile.processes;
  expect(profile.programs.map(({ path }) => path)).toEqual(['/bin/sh', '/bin/ls']);
  expect(shell).toMatchObject({
    pid: 100,
    birth: 'start',
    argv: ['sh', '-c', 'ls "a"'],
    exit: { kind: 'exited', code: 1 },
    threads: [{ tid: 102, creator: 100, start: 600_000, end: 1_100_000 }],
  });
  expect(names(shell!)).toEqual([
    'x86_64:brk 1',
    'x86_64:access 1',
    'x86_64:clone 1',
    'x86_64:execve 1',
    'x86_64:exit 1',
    'x86_64:futex 1',
    'x86_64:exit_group 1',
    'x86_64:clone3 1',
  ]);
  expect(shell!.calls.find(({ name }) => name === 'execve')?.launch).toBe(true);
  expect(shell!.calls.find(({ name }) => name === 'access')?.errnos).toEqual({ ENOENT: 1 });
  expect(child).toMatchObject({
    pid: 101,
    birth: 'clone',
    parent: 0,
    program: 0,
    exit: { kind: 'exec' },
    end: 700_000,
  });
  expect(names(child!)).toEqual(['x86_64:getpid 1', 'x86_64:execve 1']);
  expect(ls).toMatchObject({
    pid: 101,
    birth: 'exec',
    parent: 1,
    program: 1,
    exit: { kind: 'signaled', signal: 'SIGSYS' },
  });
  expect(names(ls!)).toEqual(['x86_64:500 1']);
});

test('a program in 32-bit mode has the numbers of i386', () => {
  const { profile } = readProfile(
    'strace',
    `execve("./a", ["./a"], 0x7ffc /* 1 var */) = 0
[ Process PID=100 runs in 32 bit mode. ]
brk(NULL) = 0x56a2f000
execve("./b", ["./b"], 0x7ffc /* 1 var */) = 0
[ Process PID=100 runs in 64 bit mode. ]
brk(NULL) = 0x56a2f000
+++ exited with 0 +++
`,
  );
  expect(profile.processes.map(names)).toEqual([
    ['x86_64:execve 1', 'i386:execve 1', 'i386:brk 1'],
    ['x86_64:brk 1'],
  ]);
});

test('a 32-bit program is found out by its calls, as strace -o leaves its lines out', () => {
  const { profile, remarks } = readProfile(
    'strace',
    '7 execve("./a", ["./a"], 0x7 /* 1 var */) = 0\n7 mmap2(NULL, 1) = 0x1\n7 brk(NULL) = 0x1\n',
  );
  expect(names(profile.processes[0]!)).toEqual(['x86_64:execve 1', 'i386:brk 1', 'i386:mmap2 1']);
  expect(remarks).toEqual([
    'the log has no time stamps (strace -ttt), all processes begin at 0',
    'processes with calls that only i386 has are taken for 32-bit ones: mmap2',
  ]);
});

test('an attached process has neither beginning nor program', () => {
  const { profile } = readProfile(
    'strace',
    'strace: Process 9 attached\n[pid     9] <... read resumed>"x", 1) = 1\n[pid     9] write(1, "x", 1) = 1\n',
  );
  expect(profile.processes[0]).toMatchObject({ pid: 9, birth: 'attach', program: null, exit: null });
  expect(names(profile.processes[0]!)).toEqual(['x86_64:read 1', 'x86_64:write 1']);
});

test('times of day go on after midnight', () => {
  const { profile } = readProfile(
    'strace',
    '7 23:59:59.500000 brk(NULL) = 0\n7 00:00:00.250000 brk(NULL) = 0\n',
  );
  expect(profile.processes[0]!.calls[0]).toMatchObject({ first: 0, last: 750_000_000, count: 2 });
});

test('lines of others and unknown names are left out, and that is said', () => {
  const { profile, remarks } = readProfile('strace', '7 brk(NULL) = 0\nhello world\n7 frobnicate(1) = 0\n');
  expect(names(profile.processes[0]!)).toEqual(['x86_64:brk 1']);
  expect(remarks).toContain("lines that are not strace's are left out, 1");
  expect(remarks).toContain('names that x86_64 does not have are left out: frobnicate');
});

test('a log without calls is refused', () => {
  expect(() => readProfile('strace', 'nothing\n')).toThrow('file: no calls as strace prints them');
});
