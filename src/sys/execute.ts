import type { Libc } from './libc.ts';
import { storeImage, stringTable } from './spawn.ts';

const F_SETFD = 2;

/**
 * Replaces this process by an executable image that exists only in memory.
 *
 * Returns only if that fails, with the error number. The other threads of the process end.
 *
 * @throws SystemCallError if the image cannot be stored
 */
export function executeImage(
  libc: Libc,
  image: Uint8Array,
  options: {
    readonly argv: readonly (string | Uint8Array)[];
    readonly env: readonly (string | Uint8Array)[];
    /** Descriptors that stay open; Node marks what it inherits as close-on-exec. */
    readonly descriptors: readonly number[];
  },
): number {
  using file = storeImage(libc, image, Math.max(0, ...options.descriptors.map((fd) => fd + 1)));
  const argv = stringTable(options.argv);
  const env = stringTable(options.env);
  for (const fd of options.descriptors) libc.fcntl(fd, F_SETFD, 0);
  // SAFETY: the tables and what they point to are referenced until `release` below; on success nothing returns.
  libc.execve(file.path, argv.pointers, env.pointers);
  const errno = libc.errno();
  argv.release();
  env.release();
  return errno;
}
