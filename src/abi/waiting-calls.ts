import type { Arch } from './arch.ts';
import { syscallNumber } from './syscalls.ts';

/**
 * What a call waits for: `event` a descriptor, a connection or a signal, `sleep` time alone, `child` a process,
 * `lock` another thread or process, `data` bytes or a message.
 */
export type WaitCategory = 'event' | 'sleep' | 'child' | 'lock' | 'data';

/**
 * Calls in which a program in its steady state may stand, by category, under the names of all arches. Whether a given
 * use did wait, only its duration tells: `read` on a file does not. Source: the calls' manual pages.
 */
const CALLS: Readonly<Record<WaitCategory, string>> = {
  event:
    'accept accept4 epoll_pwait epoll_pwait2 epoll_wait io_getevents io_pgetevents io_pgetevents_time64 io_uring_enter ' +
    '_newselect pause poll ppoll ppoll_time64 pselect6 pselect6_time64 rt_sigsuspend rt_sigtimedwait ' +
    'rt_sigtimedwait_time64 select sigsuspend',
  // restart_syscall goes on with whichever timed call a stop interrupted.
  sleep: 'clock_nanosleep clock_nanosleep_time64 nanosleep restart_syscall',
  child: 'wait4 waitid waitpid',
  lock: 'flock futex futex_time64 futex_wait futex_waitv semop semtimedop semtimedop_time64',
  data:
    'mq_timedreceive mq_timedreceive_time64 msgrcv preadv2 read readv recvfrom recvmmsg recvmmsg_time64 recvmsg ' +
    'splice tee',
};

/** First arguments with which i386's two multiplexers wait. Source: include/uapi/linux/net.h and ipc.h. */
const MULTIPLEXED: Readonly<Record<string, Readonly<Record<number, WaitCategory>>>> = {
  // SYS_ACCEPT, SYS_RECV, SYS_RECVFROM, SYS_RECVMSG, SYS_ACCEPT4, SYS_RECVMMSG
  socketcall: { 5: 'event', 10: 'data', 12: 'data', 17: 'data', 18: 'event', 19: 'data' },
  // SEMOP, SEMTIMEDOP, MSGRCV
  ipc: { 1: 'lock', 4: 'lock', 12: 'data' },
};

const categories = new Map<Arch, ReadonlyMap<number, WaitCategory>>();

/**
 * What a call waits for, or null if it is none by which a program waits in a steady state.
 *
 * `first` is its first argument and matters for `socketcall` and `ipc` of i386 only, which without it give null; the
 * upper half of ipc's, a version, is ignored as the kernel does.
 */
export function waitCategory(arch: Arch, nr: number, first?: number): WaitCategory | null {
  const found = load(arch).get(nr);
  if (found !== undefined || arch !== 'i386' || first === undefined) return found ?? null;
  for (const [name, selections] of Object.entries(MULTIPLEXED)) {
    if (syscallNumber(arch, name) === nr) return selections[name === 'ipc' ? first & 0xffff : first] ?? null;
  }
  return null;
}

/** Whether {@link waitCategory} knows the call. */
export function isWaitingCall(arch: Arch, nr: number, first?: number): boolean {
  return waitCategory(arch, nr, first) !== null;
}

/** Numbers of `arch` by which a program waits, with their categories; the multiplexers of i386 are not among them. */
export function waitingCalls(arch: Arch): ReadonlyMap<number, WaitCategory> {
  return load(arch);
}

function load(arch: Arch): ReadonlyMap<number, WaitCategory> {
  const known = categories.get(arch);
  if (known !== undefined) return known;
  const fresh = new Map<number, WaitCategory>();
  for (const [category, names] of Object.entries(CALLS) as [WaitCategory, string][]) {
    for (const name of names.split(' ')) {
      const nr = syscallNumber(arch, name);
      if (nr !== null) fresh.set(nr, category);
    }
  }
  categories.set(arch, fresh);
  return fresh;
}
