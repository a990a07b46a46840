import { openLibc } from './libc.ts';

const SYS_close = 3;

/**
 * Closes a descriptor that libc has opened: on a worker thread Node keeps account of those that it has opened itself, and warns of others that are
 * closed by its means.
 */
export function closeDescriptor(fd: number): void {
  // SAFETY: no memory is passed; the descriptor is the caller's, who does not use it any more.
  openLibc().syscall(SYS_close, fd, 0, null);
}
