import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import type { PolicyCall } from './model.ts';

/**
 * What a dynamically linked program makes before its main function: of each row one call is enough.
 *
 * Seen with the loaders of glibc 2.31 to 2.41 and of musl 1.2; rseq, set_robust_list and prlimit64 may fail without
 * harm, so they are not here.
 */
const LOADER_CALLS: readonly (readonly string[])[] = [
  ['mmap', 'mmap2'],
  ['mprotect'],
  ['munmap'],
  ['openat', 'open'],
  ['read', 'pread64'],
  ['close'],
  ['fstat', 'newfstatat', 'fstat64', 'fstatat64', 'statx', 'stat'],
  ['brk'],
  ['set_tid_address'],
  ['arch_prctl', 'set_thread_area'],
  ['exit_group'],
];

/** What the loader needs and a set does not have, such as `openat or open`. */
export function missingLoaderCalls(calls: readonly PolicyCall[], arch: Arch): readonly string[] {
  const allowed = new Set(calls.filter((call) => call.arch === arch).map(({ name }) => name));
  return LOADER_CALLS.flatMap((row) => {
    // aarch64 sets its thread register without a call.
    const existing = row.filter((name) => syscallNumber(arch, name) !== null);
    return existing.length === 0 || existing.some((name) => allowed.has(name)) ? [] : [existing.join(' or ')];
  });
}
