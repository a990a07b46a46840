/** What the kernel does with a call; the kinds are spelled as in /proc/sys/kernel/seccomp/actions_avail. */
export type Action =
  | { readonly kind: 'kill_process' }
  | { readonly kind: 'kill_thread' }
  | { readonly kind: 'trap' }
  /** The call is not made and gives -errno; 0 makes it seem to succeed. At most 4095 (MAX_ERRNO). */
  | { readonly kind: 'errno'; readonly errno: number }
  | { readonly kind: 'user_notif' }
  /** A PTRACE_EVENT_SECCOMP stop; the tracer reads `data` (0 to 65535) with PTRACE_GETEVENTMSG. Without a tracer: ENOSYS. */
  | { readonly kind: 'trace'; readonly data: number }
  | { readonly kind: 'log' }
  | { readonly kind: 'allow' };

/** SECCOMP_RET_* values; source: include/uapi/linux/seccomp.h. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0x00000000,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  USER_NOTIF: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

/** Mask of the action in a return value; source: include/uapi/linux/seccomp.h. */
const SECCOMP_RET_ACTION_FULL = 0xffff0000;

/** Mask of the data in a return value; source: include/uapi/linux/seccomp.h. */
const SECCOMP_RET_DATA = 0x0000ffff;

/** Largest error number that a filter can give; the kernel lowers larger ones to it (include/linux/err.h). */
export const MAX_ERRNO = 4095;

/** ENOSYS, what the kernel itself answers for a call that it does not have (asm-generic/errno.h). */
export const ENOSYS = 38;

/** The call is made. */
export const ALLOW: Action = { kind: 'allow' };
/** The call is made and logged to the audit log. */
export const LOG: Action = { kind: 'log' };
/** SIGSYS with si_code SYS_SECCOMP; the program may handle it. */
export const TRAP: Action = { kind: 'trap' };
/** The call waits for a decision of whoever holds the listener. */
export const USER_NOTIF: Action = { kind: 'user_notif' };
/** The calling thread dies as if by SIGSYS; the others go on. */
export const KILL_THREAD: Action = { kind: 'kill_thread' };
/** The whole process dies by SIGSYS. */
export const KILL_PROCESS: Action = { kind: 'kill_process' };

/** The value that a program returns for an action. */
export function encodeAction(action: Action): number {
  switch (action.kind) {
    case 'kill_process':
      return SECCOMP_RET.KILL_PROCESS;
    case 'kill_thread':
      return SECCOMP_RET.KILL_THREAD;
    case 'trap':
      return SECCOMP_RET.TRAP;
    case 'errno':
      return SECCOMP_RET.ERRNO + action.errno;
    case 'user_notif':
      return SECCOMP_RET.USER_NOTIF;
    case 'trace':
      return SECCOMP_RET.TRACE + action.data;
    case 'log':
      return SECCOMP_RET.LOG;
    case 'allow':
      return SECCOMP_RET.ALLOW;
  }
}

/**
 * The action that the kernel takes for a program's return value.
 *
 * As the kernel does, errors above 4095 are lowered to it and actions that it does not know kill the process
 * (`__seccomp_filter` of kernel/seccomp.c). Data of `trap`, which only a signal handler sees, is dropped.
 */
export function decodeAction(value: number): Action {
  const data = value & SECCOMP_RET_DATA;
  switch ((value & SECCOMP_RET_ACTION_FULL) >>> 0) {
    case SECCOMP_RET.KILL_THREAD:
      return KILL_THREAD;
    case SECCOMP_RET.TRAP:
      return TRAP;
    case SECCOMP_RET.ERRNO:
      return { kind: 'errno', errno: Math.min(data, MAX_ERRNO) };
    case SECCOMP_RET.USER_NOTIF:
      return USER_NOTIF;
    case SECCOMP_RET.TRACE:
      return { kind: 'trace', data };
    case SECCOMP_RET.LOG:
      return LOG;
    case SECCOMP_RET.ALLOW:
      return ALLOW;
    default:
      return KILL_PROCESS;
  }
}

/** An action as text: its kind, and the number in brackets where it has one, such as `errno(38)`. */
export function formatAction(action: Action): string {
  if (action.kind === 'errno') return `errno(${action.errno})`;
  if (action.kind === 'trace') return `trace(${action.data})`;
  return action.kind;
}
