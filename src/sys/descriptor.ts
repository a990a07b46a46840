import { closeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { openLibc } from './libc.ts';

const SYS_close = 3;

/**
 * Closes a descriptor that libc has opened. On a worker thread Node keeps account of those that it has opened itself, and warns of others that are
 * closed by its means.
 */
export function closeDescriptor(fd: number): void {
  if (isMainThread) closeSync(fd);
  // SAFETY: no memory is passed; the descriptor is the caller's, who does not use it any more.
  else openLibc().syscall(SYS_close, fd, 0, null);
}
