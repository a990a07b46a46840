import { constants } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { argumentValueName } from './argument-values.ts';

describe('argumentValueName', () => {
  it.each([
    ['fcntl', 'cmd', 2, 'F_SETFD'],
    ['fcntl', 'cmd', 0x406, 'F_DUPFD_CLOEXEC'],
    ['ioctl', 'request', 0x5401, 'TCGETS'],
    ['ioctl', 'request', 0x5412, 'TIOCSTI'],
    ['ioctl', 'request', 0x5413, 'TIOCGWINSZ'],
    ['ioctl', 'request', 0x541b, 'FIONREAD'],
    ['ioctl', 'request', 0x5421, 'FIONBIO'],
    ['prctl', 'option', 22, 'PR_SET_SECCOMP'],
    ['arch_prctl', 'option', 0x1002, 'ARCH_SET_FS'],
    ['socket', 'domain', 10, 'AF_INET6'],
    ['socket', 'type', 1 | 0o2000000 | 0o4000, 'SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC'],
    ['setsockopt', 'level', 1, 'SOL_SOCKET'],
    ['setsockopt', 'level', 6, 'IPPROTO_TCP'],
    ['madvise', 'advice', 4, 'MADV_DONTNEED'],
    ['mprotect', 'prot', 0, 'PROT_NONE'],
    ['mprotect', 'prot', 5, 'PROT_READ|PROT_EXEC'],
    ['mmap', 'flags', 0x22, 'MAP_PRIVATE|MAP_ANONYMOUS'],
    ['mmap', 'flags', 0x3, 'MAP_SHARED_VALIDATE'],
    ['openat', 'flags', 0o2000000, 'O_RDONLY|O_CLOEXEC'],
    ['openat', 'flags', 0o4010000 | 2, 'O_RDWR|O_SYNC'],
    ['futex', 'op', 128, 'FUTEX_WAIT|FUTEX_PRIVATE_FLAG'],
    ['futex', 'op', 0x189, 'FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG|FUTEX_CLOCK_REALTIME'],
    ['clone', 'flags', 0x4111, 'CLONE_VM|CLONE_VFORK|SIGCHLD'],
    ['clone', 'flags', 17, 'SIGCHLD'],
    ['clone3', 'flags', 0x100000000n, 'CLONE_CLEAR_SIGHAND'],
    ['seccomp', 'op', 1, 'SECCOMP_SET_MODE_FILTER'],
    ['epoll_ctl', 'op', 3, 'EPOLL_CTL_MOD'],
    ['keyctl', 'op', 3, 'KEYCTL_REVOKE'],
    ['ptrace', 'request', 0x4206, 'PTRACE_SEIZE'],
    ['membarrier', 'cmd', 16, 'MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED'],
    ['semget', 'semflg', 0o1600, 'IPC_CREAT|0600'],
    ['kill', 'sig', 9, 'SIGKILL'],
    ['getrandom', 'flags', 0, '0'],
    ['personality', 'persona', 0x40000, 'PER_LINUX|ADDR_NO_RANDOMIZE'],
  ] as const)('reads %s %s %d as %s', (syscall, argument, value, want) => {
    expect(argumentValueName('x86_64', syscall, argument, value)).toBe(want);
  });

  it('keeps bits without a name in hexadecimal', () => {
    expect(argumentValueName('x86_64', 'mprotect', 'prot', 0x41)).toBe('PROT_READ|0x40');
  });

  it('ignores what lies above the width of the argument', () => {
    expect(argumentValueName('x86_64', 'fcntl', 'cmd', 0xdeadbeef00000002n)).toBe('F_SETFD');
  });

  it('knows that aarch64 numbers some flags of open differently', () => {
    expect(argumentValueName('aarch64', 'openat', 'flags', 0o40000)).toBe('O_RDONLY|O_DIRECTORY');
    expect(argumentValueName('x86_64', 'openat', 'flags', 0o200000)).toBe('O_RDONLY|O_DIRECTORY');
  });

  it('knows the requests of i386 that carry the size of a long', () => {
    expect(argumentValueName('x86_64', 'ioctl', 'request', 0x80086601)).toBe('FS_IOC_GETFLAGS');
    expect(argumentValueName('i386', 'ioctl', 'request', 0x80046601)).toBe('FS_IOC_GETFLAGS');
  });

  it('gives null where there is no name', () => {
    expect(argumentValueName('x86_64', 'ioctl', 'request', 0x12345678)).toBeNull();
    expect(argumentValueName('x86_64', 'socket', 'protocol', 6)).toBeNull();
    expect(argumentValueName('x86_64', 'getpid', 'flags', 0)).toBeNull();
    expect(argumentValueName('x86_64', 'ioctl', 'other', 0x5401)).toBeNull();
  });

  it('agrees with the flags of open that Node knows', () => {
    const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] as
      | 'x86_64'
      | 'aarch64'
      | undefined;
    if (machine === undefined) return;
    const theirs = Object.entries(constants).filter(([name]) =>
      /^O_(CREAT|EXCL|TRUNC|APPEND|DIRECTORY|NOFOLLOW|SYNC|DIRECT|NONBLOCK)$/.test(name),
    );
    expect(theirs).toHaveLength(9);
    for (const [name, value] of theirs) {
      expect(argumentValueName(machine, 'openat', 'flags', value)).toBe(`O_RDONLY|${name}`);
    }
  });
});
