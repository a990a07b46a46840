import { openLibc, type Libc } from './libc.ts';

const SYS_close = 3;

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/**
 * Closes a descriptor that libc has opened: on a worker thread Node keeps account of those that it has opened itself, and warns of others that are
 * closed by its means.
 */
export function closeDescriptor(fd: number): void {
  // SAFETY: no memory is passed; the descriptor is the caller's, who does not use it any more.
  openLibc().syscall(SYS_close, fd, 0, null);
}

/** Lets reads and writes wait, by this descriptor and by all that share its file description; nothing where it is closed. */
export function makeBlocking(libc: Libc, fd: number): void {
  // SAFETY: (both) no memory is passed, and the descriptor stays open.
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags === -1 || (flags & O_NONBLOCK) === 0) return;
  libc.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}
