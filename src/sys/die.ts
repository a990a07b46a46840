import type { Libc } from './libc.ts';

/** RLIMIT_CORE; source: include/uapi/asm-generic/resource.h. */
const RLIMIT_CORE = 4;

/** Ends this process by a signal, as its default action would, without a core file of its own. */
export function dieBySignal(libc: Libc, signal: number): void {
  const none = new BigUint64Array(2);
  // SAFETY: struct rlimit64 is two 64-bit words; SIG_DFL is the null pointer.
  libc.prlimit(0, RLIMIT_CORE, none, null);
  libc.signal(signal, null);
  libc.kill(process.pid, signal);
}
