/** How one probing call ended; a probe never throws for what the kernel answers. */
export type Answer =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'error'; readonly errno: number }
  /** The process that made the call was killed for it. */
  | { readonly kind: 'killed'; readonly signal: number }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'untried'; readonly reason: string };

/** Answers of ptrace(2) on a child of our own, in the order in which they were asked. */
export interface PtraceFacts {
  readonly seize: Answer;
  /** PTRACE_INTERRUPT and the stop that it asks for; the value is the event, PTRACE_EVENT_STOP. */
  readonly interrupt: Answer;
  /** PTRACE_GET_SYSCALL_INFO at the syscall-enter-stop of a known call; the value is its nr. */
  readonly syscallInfo: Answer;
  /** process_vm_readv(2) from the stopped child; the value is the count of bytes. */
  readonly readMemory: Answer;
  /** A write through /proc/PID/mem to a read-only page; the value is the count of bytes, 0 if it was refused. */
  readonly writeMemory: Answer;
  readonly detach: Answer;
}

/** Answers of seccomp(2). */
export interface SeccompFacts {
  /** SECCOMP_GET_ACTION_AVAIL by name of the action, such as `KILL_PROCESS`. */
  readonly actions: Readonly<Record<string, Answer>>;
  /** SECCOMP_SET_MODE_FILTER without a program by name of the flag, such as `TSYNC`: EFAULT where the flag is known. */
  readonly flags: Readonly<Record<string, Answer>>;
  /** A filter that returns SECCOMP_RET_TRACE in a traced child; the value is the nr that stopped, -1 if none did. */
  readonly traceStop: Answer;
}

/** What the probes that need native code found. */
export interface NativeFacts {
  /** Why there is no native code to call, or null. */
  readonly unavailable: string | null;
  readonly glibc: string | null;
  /** The start of a program image from memory. */
  readonly launcher: Answer;
  readonly ptrace: PtraceFacts;
  readonly seccomp: SeccompFacts;
  /** prctl(PR_GET_NO_NEW_PRIVS) here. */
  readonly getNoNewPrivs: Answer;
  /** prctl(PR_SET_NO_NEW_PRIVS) in a child. */
  readonly setNoNewPrivs: Answer;
  /** Start of a 32-bit program; the value is its exit code, {@link I386_EXIT_CODE} if it really ran. */
  readonly i386: Answer;
  /** getpid by its x32 number, in a child. */
  readonly x32: Answer;
  /** BPF_PROG_LOAD of a raw tracepoint program that does nothing. */
  readonly bpf: Answer;
}

/** Exit code of the 32-bit probe program. */
export const I386_EXIT_CODE = 42;

/** Actions of a filter by name; source: include/uapi/linux/seccomp.h. */
export const PROBED_ACTIONS = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0x00000000,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  USER_NOTIF: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

/** Flags of SECCOMP_SET_MODE_FILTER by name; source: include/uapi/linux/seccomp.h. */
export const PROBED_FLAGS = {
  TSYNC: 1,
  LOG: 2,
  SPEC_ALLOW: 4,
  NEW_LISTENER: 8,
  TSYNC_ESRCH: 16,
  WAIT_KILLABLE_RECV: 32,
} as const;

/** Facts of a machine on which nothing native could be tried. */
export function untriedFacts(reason: string): NativeFacts {
  const untried: Answer = { kind: 'untried', reason };
  return {
    unavailable: reason,
    glibc: null,
    launcher: untried,
    ptrace: everyPtrace(untried),
    seccomp: { ...everySeccomp(untried), traceStop: untried },
    getNoNewPrivs: untried,
    setNoNewPrivs: untried,
    i386: untried,
    x32: untried,
    bpf: untried,
  };
}

/** The same answer to every question about ptrace. */
export function everyPtrace(answer: Answer): PtraceFacts {
  return {
    seize: answer,
    interrupt: answer,
    syscallInfo: answer,
    readMemory: answer,
    writeMemory: answer,
    detach: answer,
  };
}

/** The same answer to every question about actions and flags. */
export function everySeccomp(answer: Answer): Pick<SeccompFacts, 'actions' | 'flags'> {
  const all = (names: object): Record<string, Answer> =>
    Object.fromEntries(Object.keys(names).map((name) => [name, answer]));
  return { actions: all(PROBED_ACTIONS), flags: all(PROBED_FLAGS) };
}
