import type { Libc } from './libc.ts';

const POLLOUT = 4;

/** Whether a write of up to 4096 bytes to a pipe, or some to a terminal, would go through at once; true for what cannot be asked. */
export function isWritable(libc: Libc, fd: number): boolean {
  // struct pollfd: the descriptor, and events in the lower half of the second word.
  const entry = Int32Array.of(fd, POLLOUT);
  // SAFETY: one entry of eight bytes, which the kernel writes into during the call.
  return libc.poll(entry, 1, 0) !== 0;
}
