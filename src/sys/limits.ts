import type { Libc } from './libc.ts';

/** RLIMIT_NOFILE; source: include/uapi/asm-generic/resource.h. */
const RLIMIT_NOFILE = 7;

/**
 * Sets the soft limit of open files of another process, leaving the hard limit; false if that is refused.
 *
 * Node raises its own soft limit to the hard one at start, and children would inherit that.
 */
export function setOpenFilesLimit(libc: Libc, pid: number, soft: number): boolean {
  const limit = new BigUint64Array(2);
  // SAFETY: struct rlimit64 is two 64-bit words, read and written in place.
  if (libc.prlimit(pid, RLIMIT_NOFILE, null, limit) === -1) return false;
  const hard = limit[1] as bigint;
  limit[0] = BigInt(soft) < hard ? BigInt(soft) : hard;
  return libc.prlimit(pid, RLIMIT_NOFILE, limit, null) !== -1;
}
