import type { Arch } from '../abi/arch.ts';
import { visibleArguments } from './argument-constants.ts';
import { createArgument } from './argument-rules.ts';
import { identifyName, type CallIdentity } from './call-label.ts';
import type { PolicyArgument, Runtime } from './model.ts';

/** A call of a group, under its name on all arches. */
export interface GroupCall {
  readonly name: string;
  /** Arches on which it belongs to the group; absent: all that have it. */
  readonly arches?: readonly Arch[];
  /** Why this call, for the comment of the entry. */
  readonly why: string;
  /** Constants that are enough where argument rules are made, by name of the argument. */
  readonly args?: Readonly<Record<string, readonly bigint[]>>;
  /** Bits of these arguments that may be set or not. */
  readonly free?: Readonly<Record<string, bigint>>;
}

/** Calls that a trace may not show, or that somebody else than the program makes. */
export interface CallGroup {
  readonly name: string;
  readonly reason: string;
  readonly calls: readonly GroupCall[];
}

/** What the kernel itself, or the last instruction of every program, makes. */
export const ALWAYS_GROUP: CallGroup = {
  name: 'always',
  reason: 'calls that the kernel puts into the program, and its end',
  calls: [
    { name: 'rt_sigreturn', why: 'a signal handler returns by it' },
    // On i386 a handler without SA_SIGINFO returns by the old one.
    { name: 'sigreturn', why: 'a signal handler returns by it' },
    { name: 'restart_syscall', why: 'the kernel goes on by it with a call that a signal interrupted' },
    { name: 'exit', why: 'a thread ends by it' },
    { name: 'exit_group', why: 'a process ends by it' },
  ],
};

/** What starts the program, where no trace has shown it and the program's own code does not make it. */
export const LAUNCH_GROUP: CallGroup = {
  name: 'launch',
  reason: 'the call that starts the program, under its own filter',
  calls: [{ name: 'execve', why: 'the program is executed under its own filter' }],
};

const VDSO = 'the vDSO makes it where the clock source asks for it';

/** What the vDSO answers in user space on some machines. Source: vdso(7), arch/{x86,arm64}/entry/vdso. */
export const VDSO_GROUP: CallGroup = {
  name: 'vdso',
  reason: 'calls that the vDSO hides from a trace, and makes on machines with another clock source',
  calls: [
    { name: 'clock_gettime', why: VDSO },
    { name: 'clock_gettime64', why: VDSO },
    { name: 'clock_getres', why: VDSO },
    { name: 'clock_getres_time64', why: VDSO },
    { name: 'gettimeofday', why: VDSO },
    { name: 'time', why: VDSO },
    { name: 'getcpu', arches: ['x86_64', 'x32', 'i386'], why: VDSO },
    // Since Linux 6.11 the vDSO hands out random bytes from a state that this call fills.
    { name: 'getrandom', why: 'the vDSO of Linux 6.11 and later fills its state by it' },
  ],
};

const WAITS = 'threads wait for each other by it, or not, as chance will have it';

/** FUTEX_WAIT, _WAKE, _REQUEUE, _CMP_REQUEUE, _WAKE_OP, _WAIT_BITSET and _WAKE_BITSET: what locks of C libraries take. */
const FUTEX_OPS: readonly bigint[] = [0n, 1n, 3n, 4n, 5n, 9n, 10n];

/** FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME. */
const FUTEX_FLAGS = 0x180n;

/** What a program with threads makes only if two of them want the same at the same time, which a trace need not show. */
export const THREADS_GROUP: CallGroup = {
  name: 'threads',
  reason: 'calls by which threads start and wait for each other, which a run may show or not',
  calls: [
    { name: 'futex', why: WAITS, args: { op: FUTEX_OPS }, free: { op: FUTEX_FLAGS } },
    { name: 'futex_time64', why: WAITS, args: { op: FUTEX_OPS }, free: { op: FUTEX_FLAGS } },
    { name: 'sched_yield', why: WAITS },
  ],
};

/**
 * Calls by which a thread sets itself up before it runs the program's own code, or names and places itself. A thread that was
 * made shortly before a transition is as far as its first wait in one run, and has not begun in another.
 *
 * Source: nptl/pthread_create.c of glibc (start_thread), src/thread/pthread_create.c of musl.
 */
export const THREAD_START_CALLS: readonly string[] = [
  'gettid',
  'prctl',
  'rseq',
  'rt_sigprocmask',
  'sched_getaffinity',
  'sched_setaffinity',
  'sched_setattr',
  'sched_setscheduler',
  'set_robust_list',
  'setpriority',
  'sigaltstack',
];

/** Name and reason of what `MEMORY_CALLS` adds to a later phase. */
export const MEMORY_GROUP: Pick<CallGroup, 'name' | 'reason'> = {
  name: 'memory',
  reason: 'memory calls of earlier phases: when an allocator makes them is not for the program to say',
};

/** Calls by which allocators get memory, give it back and make it usable. */
export const MEMORY_CALLS: readonly string[] = [
  'brk',
  'madvise',
  'mmap',
  'mmap2',
  'mprotect',
  'mremap',
  'munmap',
];

/**
 * What tightening a filter takes: it is put in place from inside the process. `mmap` of a page for the program,
 * no_new_privs, and seccomp(2), by which filters can be added and never taken away.
 */
export const SWITCH_GROUP: CallGroup = {
  name: 'switch',
  reason:
    'calls by which a tighter filter is put in place later: for the next phase, or for a program at its exec',
  calls: [
    {
      name: 'mmap',
      arches: ['x86_64', 'x32', 'aarch64'],
      why: 'a page for the tighter filter',
      // PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS
      args: { prot: [3n], flags: [0x22n] },
    },
    {
      name: 'mmap2',
      why: 'a page for the tighter filter',
      args: { prot: [3n], flags: [0x22n] },
    },
    // PR_SET_NO_NEW_PRIVS
    { name: 'prctl', why: 'no_new_privs comes before a filter', args: { option: [38n] } },
    {
      name: 'seccomp',
      why: 'adds the tighter filter',
      // SECCOMP_SET_MODE_FILTER; no flags or SECCOMP_FILTER_FLAG_TSYNC
      args: { op: [1n], flags: [0n, 1n] },
    },
  ],
};

const LOADS = 'between loading the filter and starting the program';
const PRIVILEGES = 'gives up privileges after loading the filter, unless no_new_privs is set';

/**
 * What a container runtime does after it has loaded the filter.
 *
 * The calls without which runc 1.1 and crun 1.8 fail, found by denying one at a time, and those that their own
 * published minimal profiles have beside them.
 */
export const RUNTIME_GROUPS: Readonly<Record<Runtime, CallGroup>> = {
  runc: {
    name: 'runtime:runc',
    reason: 'calls that runc makes between loading the filter and starting the program',
    calls: [
      ...namesOf(
        'arch_prctl close execve fstatfs getdents64 mprotect openat write',
        `runc 1.1 fails without it ${LOADS}`,
      ),
      ...namesOf(
        'chdir epoll_ctl epoll_pwait fchown fcntl fstat futex getpid getppid nanosleep newfstatat prctl read sched_yield',
        `runc makes it ${LOADS}`,
      ),
      ...namesOf('capget capset setgid setgroups setuid', `runc ${PRIVILEGES}`),
    ],
  },
  crun: {
    name: 'runtime:crun',
    reason: 'calls that crun makes between loading the filter and starting the program',
    calls: [
      ...namesOf('arch_prctl execve mprotect', `crun 1.8 fails without it ${LOADS}`),
      ...namesOf(
        'brk chdir close close_range exit_group fstat mmap newfstatat openat prctl read umask write',
        `crun makes it ${LOADS}`,
      ),
      ...namesOf('capset setgroups setresgid setresuid', `crun ${PRIVILEGES}`),
    ],
  },
};

/** The calls of a group that an arch has. */
export function groupCalls(
  group: CallGroup,
  arch: Arch,
): readonly { readonly call: CallIdentity; readonly row: GroupCall }[] {
  return group.calls.flatMap((row) => {
    const call = row.arches !== undefined && !row.arches.includes(arch) ? null : identifyName(arch, row.name);
    return call === null ? [] : [{ call, row }];
  });
}

/** The arguments of a call of a group that are enough, as rules. */
export function groupArguments(
  call: CallIdentity,
  { args = {}, free = {} }: GroupCall,
): readonly PolicyArgument[] {
  return visibleArguments(call).flatMap(({ index, name, bits }) => {
    const values = args[name];
    return values === undefined
      ? []
      : [createArgument({ index, name, width: bits, values, free: free[name] ?? 0n })];
  });
}

function namesOf(names: string, why: string): GroupCall[] {
  return names.split(' ').map((name) => ({ name, why }));
}
