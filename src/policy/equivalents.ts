/** Calls that do the same job: which one a program makes is decided by its C library and the kernel. */
export interface EquivalentRow {
  readonly calls: readonly string[];
  /** Who takes which, for the comment of an entry. */
  readonly reason: string;
}

/**
 * Whoever makes one call of a row may make any other of it elsewhere.
 *
 * Sources: the manual pages' NOTES, the sysdeps of glibc 2.28 to 2.42 and of musl 1.1 to 1.2. Names are those of all
 * arches: an arch takes those that it has. Rows share members on purpose, and are applied one after the other to what
 * was there before, so that nothing spreads from row to row.
 */
export const EQUIVALENTS: readonly EquivalentRow[] = [
  {
    calls: ['open', 'openat', 'openat2'],
    reason: 'glibc opens by openat since 2.26, musl by open, new libraries by openat2',
  },
  { calls: ['creat', 'open', 'openat'], reason: 'libraries without creat open with O_CREAT' },
  {
    calls: ['stat', 'newfstatat', 'fstatat64', 'stat64', 'statx'],
    reason: 'glibc takes newfstatat since 2.33 and statx for 64-bit times on 32 bits, musl stat or statx',
  },
  {
    calls: ['lstat', 'newfstatat', 'fstatat64', 'lstat64', 'statx'],
    reason: 'glibc takes newfstatat since 2.33 and statx for 64-bit times on 32 bits, musl lstat or statx',
  },
  {
    calls: ['fstat', 'newfstatat', 'fstatat64', 'fstat64', 'statx'],
    reason: 'glibc 2.33 to 2.38 takes newfstatat with an empty path, others fstat',
  },
  { calls: ['statfs', 'statfs64'], reason: 'large files on 32 bits' },
  { calls: ['fstatfs', 'fstatfs64'], reason: 'large files on 32 bits' },
  {
    calls: ['access', 'faccessat', 'faccessat2'],
    reason: 'faccessat2 (Linux 5.8) takes the flags that libraries emulated before',
  },
  {
    calls: ['chmod', 'fchmodat', 'fchmodat2'],
    reason: 'fchmodat2 (Linux 6.6) takes the flags that libraries emulated before',
  },
  { calls: ['chown', 'lchown', 'fchownat', 'chown32', 'lchown32'], reason: 'one job under several names' },
  { calls: ['fchown', 'fchown32'], reason: 'one job under several names' },
  {
    calls: ['mkdir', 'mkdirat'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['mknod', 'mknodat'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['rmdir', 'unlink', 'unlinkat'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['rename', 'renameat', 'renameat2'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['link', 'linkat'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['symlink', 'symlinkat'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['readlink', 'readlinkat'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['utime', 'utimes', 'futimesat', 'utimensat', 'utimensat_time64'],
    reason: 'libraries emulate the old ones by utimensat',
  },
  {
    calls: ['fork', 'vfork', 'clone', 'clone3'],
    reason: 'fork and posix_spawn take clone, or clone3 since glibc 2.34; musl takes fork and vfork',
  },
  {
    calls: ['pipe', 'pipe2'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['dup2', 'dup3'],
    reason: 'arches without the old form, and libraries that take the new one everywhere',
  },
  {
    calls: ['poll', 'ppoll', 'ppoll_time64'],
    reason: 'arches without the old form; 64-bit times on 32 bits',
  },
  {
    calls: ['select', '_newselect', 'pselect6', 'pselect6_time64'],
    reason: 'glibc takes pselect6 for select since 2.34; 64-bit times on 32 bits',
  },
  {
    calls: ['epoll_wait', 'epoll_pwait', 'epoll_pwait2'],
    reason: 'arches without the old form; epoll_pwait2 (Linux 5.11) for short timeouts',
  },
  { calls: ['epoll_create', 'epoll_create1'], reason: 'arches without the old form' },
  { calls: ['eventfd', 'eventfd2'], reason: 'arches without the old form' },
  { calls: ['signalfd', 'signalfd4'], reason: 'arches without the old form' },
  { calls: ['inotify_init', 'inotify_init1'], reason: 'arches without the old form' },
  { calls: ['accept', 'accept4'], reason: 'libraries take accept4 for accept on some arches' },
  { calls: ['recvmmsg', 'recvmmsg_time64'], reason: '64-bit times on 32 bits' },
  { calls: ['getdents', 'getdents64'], reason: 'libraries take getdents64 everywhere since glibc 2.28' },
  { calls: ['futex', 'futex_time64'], reason: '64-bit times on 32 bits' },
  {
    calls: ['nanosleep', 'clock_nanosleep', 'clock_nanosleep_time64'],
    reason: 'glibc takes clock_nanosleep for nanosleep since 2.31',
  },
  { calls: ['clock_gettime', 'clock_gettime64'], reason: '64-bit times on 32 bits' },
  { calls: ['clock_getres', 'clock_getres_time64'], reason: '64-bit times on 32 bits' },
  { calls: ['clock_settime', 'clock_settime64'], reason: '64-bit times on 32 bits' },
  {
    calls: ['clock_adjtime', 'clock_adjtime64', 'adjtimex'],
    reason: 'glibc takes clock_adjtime for adjtimex; 64-bit times on 32 bits',
  },
  { calls: ['timer_settime', 'timer_settime64'], reason: '64-bit times on 32 bits' },
  { calls: ['timer_gettime', 'timer_gettime64'], reason: '64-bit times on 32 bits' },
  { calls: ['timerfd_settime', 'timerfd_settime64'], reason: '64-bit times on 32 bits' },
  { calls: ['timerfd_gettime', 'timerfd_gettime64'], reason: '64-bit times on 32 bits' },
  { calls: ['rt_sigtimedwait', 'rt_sigtimedwait_time64'], reason: '64-bit times on 32 bits' },
  {
    calls: ['semop', 'semtimedop', 'semtimedop_time64'],
    reason: 'libraries take semtimedop for semop; 64-bit times on 32 bits',
  },
  { calls: ['mq_timedsend', 'mq_timedsend_time64'], reason: '64-bit times on 32 bits' },
  { calls: ['mq_timedreceive', 'mq_timedreceive_time64'], reason: '64-bit times on 32 bits' },
  { calls: ['io_getevents', 'io_pgetevents', 'io_pgetevents_time64'], reason: '64-bit times on 32 bits' },
  { calls: ['sched_rr_get_interval', 'sched_rr_get_interval_time64'], reason: '64-bit times on 32 bits' },
  { calls: ['mmap', 'mmap2'], reason: 'offsets in pages on 32 bits' },
  { calls: ['lseek', '_llseek'], reason: 'large files on 32 bits' },
  { calls: ['fcntl', 'fcntl64'], reason: 'large files on 32 bits' },
  { calls: ['truncate', 'truncate64'], reason: 'large files on 32 bits' },
  { calls: ['ftruncate', 'ftruncate64'], reason: 'large files on 32 bits' },
  { calls: ['sendfile', 'sendfile64'], reason: 'large files on 32 bits' },
  { calls: ['fadvise64', 'fadvise64_64'], reason: 'large files on 32 bits' },
  {
    calls: ['getrlimit', 'setrlimit', 'prlimit64', 'ugetrlimit'],
    reason: 'libraries take prlimit64 for all of them, older ones do not',
  },
  { calls: ['wait4', 'waitpid', 'waitid'], reason: 'libraries emulate one by the other' },
  { calls: ['preadv', 'preadv2'], reason: 'libraries try the second (Linux 4.6) first' },
  { calls: ['pwritev', 'pwritev2'], reason: 'libraries try the second (Linux 4.6) first' },
  {
    calls: ['copy_file_range', 'sendfile', 'sendfile64'],
    reason: 'programs that copy files fall back to sendfile where the file system refuses',
  },
  {
    calls: ['time', 'gettimeofday', 'clock_gettime', 'clock_gettime64'],
    reason: 'libraries emulate the older ones by clock_gettime',
  },
  { calls: ['getpgrp', 'getpgid'], reason: 'arches without the old form' },
  { calls: ['pause', 'ppoll', 'rt_sigsuspend'], reason: 'libraries emulate pause' },
  { calls: ['alarm', 'setitimer'], reason: 'libraries emulate alarm by setitimer' },
  { calls: ['getuid', 'getuid32'], reason: '32-bit ids on i386' },
  { calls: ['geteuid', 'geteuid32'], reason: '32-bit ids on i386' },
  { calls: ['getgid', 'getgid32'], reason: '32-bit ids on i386' },
  { calls: ['getegid', 'getegid32'], reason: '32-bit ids on i386' },
  { calls: ['setuid', 'setuid32'], reason: '32-bit ids on i386' },
  { calls: ['setgid', 'setgid32'], reason: '32-bit ids on i386' },
  { calls: ['setgroups', 'setgroups32'], reason: '32-bit ids on i386' },
  { calls: ['getgroups', 'getgroups32'], reason: '32-bit ids on i386' },
  { calls: ['setresuid', 'setresuid32'], reason: '32-bit ids on i386' },
  { calls: ['setresgid', 'setresgid32'], reason: '32-bit ids on i386' },
  { calls: ['setreuid', 'setreuid32'], reason: '32-bit ids on i386' },
  { calls: ['setregid', 'setregid32'], reason: '32-bit ids on i386' },
  { calls: ['sigaction', 'rt_sigaction'], reason: 'libraries take the rt_ form' },
  { calls: ['sigprocmask', 'rt_sigprocmask'], reason: 'libraries take the rt_ form' },
];

/** Calls that some library or kernel makes wherever a program of a certain kind runs. */
export interface Companion {
  /** The kind: it makes any of these calls. */
  readonly if: readonly string[];
  readonly calls: readonly string[];
  readonly reason: string;
}

/** What comes with another C library at the start of a program or a thread, whatever the program does. */
export const COMPANIONS: readonly Companion[] = [
  {
    if: ['execve', 'execveat', 'clone', 'clone3'],
    calls: ['rseq', 'set_robust_list', 'set_tid_address'],
    reason: 'C libraries register each program and thread by it (rseq since glibc 2.35)',
  },
  {
    if: ['execve', 'execveat'],
    calls: [
      'getrandom',
      'prlimit64',
      'pread64',
      'read',
      'brk',
      'mprotect',
      'munmap',
      'mmap',
      'mmap2',
      'readlink',
      'readlinkat',
    ],
    reason: 'C libraries and their loaders set themselves up by it, some versions only',
  },
  {
    if: ['clone', 'clone3'],
    calls: ['madvise', 'mprotect', 'munmap', 'mremap'],
    reason: 'C libraries manage the stacks of threads and the heap by it',
  },
  {
    if: ['futex', 'futex_time64'],
    calls: ['futex_waitv'],
    reason: 'waits on several futexes (Linux 5.16)',
  },
];

/** Values of selecting arguments that another C library passes for the same job. */
export interface PortableValue {
  /** The set of constants by which the argument is named, or `call.argument`. */
  readonly argument: string;
  /** Values that are added to the list. */
  readonly values?: readonly bigint[];
  /** Bits that may be set or not. */
  readonly free?: bigint;
  readonly reason: string;
}

/** Applied, with argument rules, to each argument that has a rule. */
export const PORTABLE_VALUES: readonly PortableValue[] = [
  // O_LARGEFILE is 0o100000 on x86 and 0o400000 on aarch64; the latter is O_NOFOLLOW on x86, which only restricts.
  {
    argument: 'open-flags',
    free: 0o100000n | 0o400000n | 0o2000000n,
    reason: 'musl always sets O_LARGEFILE, newer libraries O_CLOEXEC',
  },
  // SOCK_CLOEXEC | SOCK_NONBLOCK
  {
    argument: 'socket-type',
    free: 0o2000000n | 0o4000n,
    reason: 'newer libraries set SOCK_CLOEXEC and SOCK_NONBLOCK',
  },
  // MADV_DONTNEED, MADV_FREE, MADV_GUARD_INSTALL and MADV_GUARD_REMOVE
  {
    argument: 'madvise-advice',
    values: [4n, 8n, 102n, 103n],
    reason: 'glibc 2.42 guards stacks by MADV_GUARD_INSTALL, allocators give memory back',
  },
  // FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
  { argument: 'futex-op', free: 0x180n, reason: 'libraries differ in the flags of the same operation' },
  // PR_SET_VMA
  {
    argument: 'prctl-option',
    values: [0x53564d41n],
    reason: 'newer libraries name their mappings by PR_SET_VMA',
  },
];
