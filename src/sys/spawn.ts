import { chmodSync, mkdtempSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { errnoText } from '../abi/errno.ts';
import { SystemCallError } from '../base/errors.ts';
import { closeDescriptor } from './descriptor.ts';
import { addressOf, type Libc } from './libc.ts';

const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10;
const F_DUPFD_CLOEXEC = 1030;

const EPERM = 1;
const EACCES = 13;
const EINVAL = 22;
const ENOSYS = 38;

/** What memfd_create gives where executable memfds are forbidden (vm.memfd_noexec, a seccomp filter) or unknown, and not for a want of room. */
const FORBIDDEN: ReadonlySet<number> = new Set([EPERM, EACCES, EINVAL, ENOSYS]);

/** sizeof(posix_spawn_file_actions_t) is 80 on x86-64 glibc; more does no harm. */
const FILE_ACTIONS_SIZE = 256;

export interface SpawnOptions {
  /** argv, argv[0] included. Bytes where text cannot carry them. */
  readonly argv: readonly (string | Uint8Array)[];
  /** `NAME=value` entries. */
  readonly env: readonly (string | Uint8Array)[];
  /** Descriptors that the child gets, `from` here as `to` there; everything else that Node opened is close-on-exec. */
  readonly descriptors: readonly { readonly from: number; readonly to: number }[];
  /** Working directory, or null for this process's own. */
  readonly cwd: string | null;
}

/**
 * Starts an executable image that exists only in memory, as a child of the calling thread.
 *
 * @returns the pid
 * @throws SystemCallError if the image cannot be stored or started
 */
export function spawnImage(libc: Libc, image: Uint8Array, options: SpawnOptions): number {
  using file = storeImage(libc, image, Math.max(0, ...options.descriptors.map(({ to }) => to + 1)));
  const pid = new Int32Array(1);
  const actions = new Uint8Array(FILE_ACTIONS_SIZE);
  const argv = stringTable(options.argv);
  const env = stringTable(options.env);
  // SAFETY: `actions` is larger than the structure and lives until destroyed below; the tables and the
  // bytes they point to stay referenced until posix_spawn has returned, which is after the child's exec.
  libc.fileActionsInit(actions);
  try {
    // Node marks the descriptors it inherited as close-on-exec; a dup2 onto itself undoes that in the child.
    for (const { from, to } of options.descriptors) libc.fileActionsAddDup2(actions, from, to);
    if (options.cwd !== null) libc.fileActionsAddChdir(actions, options.cwd);
    const error = libc.posixSpawn(pid, file.path, actions, argv.pointers, env.pointers);
    if (error !== 0) {
      throw new SystemCallError(`posix_spawn: cannot start the launcher, ${errnoText(error)}`, {
        request: 'posix_spawn',
        errno: error,
      });
    }
  } finally {
    libc.fileActionsDestroy(actions);
    argv.release();
    env.release();
  }
  return pid[0] as number;
}

/** An image that can be executed by path until disposed of. */
export interface StoredImage extends Disposable {
  readonly path: string;
}

/**
 * A memfd, or a temporary file where the system forbids executable memfds (sysctl vm.memfd_noexec).
 *
 * The child executes a memfd by its number. A descriptor that the child gets under that number before would be executed in its place, or make it
 * fail, so the memfd has `lowest` or a higher number: more than all that the child gets.
 *
 * @throws SystemCallError if there is no descriptor left, or no room
 */
export function storeImage(libc: Libc, image: Uint8Array, lowest: number): StoredImage {
  const fd = openMemory(libc, lowest);
  if (fd === null) return storeFile(image);
  const file = { path: `/proc/self/fd/${fd}`, [Symbol.dispose]: () => closeDescriptor(fd) };
  try {
    writeSync(fd, image);
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw noPlace('memory', error);
  }
}

/** An executable memfd, or null where there can be none. */
function openMemory(libc: Libc, lowest: number): number | null {
  // SAFETY: (both) the name is copied by the kernel; the descriptor is owned by the caller.
  let fd = libc.memfdCreate('callgate', MFD_CLOEXEC | MFD_EXEC);
  if (fd === -1 && libc.errno() === EINVAL) fd = libc.memfdCreate('callgate', MFD_CLOEXEC);
  if (fd === -1) {
    const errno = libc.errno();
    if (FORBIDDEN.has(errno)) return null;
    throw new SystemCallError(`memfd_create: no place for the launcher in memory, ${errnoText(errno)}`, {
      request: 'memfd_create',
      errno,
    });
  }
  if (fd >= lowest) return fd;
  const moved = libc.fcntl(fd, F_DUPFD_CLOEXEC, lowest);
  closeDescriptor(fd);
  // The limit of open files leaves no such number.
  return moved === -1 ? null : moved;
}

function storeFile(image: Uint8Array): StoredImage {
  let directory: string | null = null;
  const remove = (): void => {
    if (directory !== null) rmSync(directory, { recursive: true, force: true });
  };
  try {
    // The child may be in another directory when it executes it.
    directory = mkdtempSync(resolve(tmpdir(), 'callgate-'));
    const path = join(directory, 'launcher');
    writeFileSync(path, image);
    // Whoever the child is to run as has to get there, whatever the umask.
    chmodSync(path, 0o755);
    chmodSync(directory, 0o711);
    return { path, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw noPlace(tmpdir(), error);
  }
}

/** What Node's error of a file says, as one of ours. */
function noPlace(where: string, error: unknown): SystemCallError {
  const { syscall = 'write', errno = 0 } = error as NodeJS.ErrnoException;
  return new SystemCallError(`${syscall}: no place for the launcher in ${where}, ${errnoText(-errno)}`, {
    request: syscall,
    errno: -errno,
  });
}

/** A char *[] that ends with NULL, and the bytes it points to. */
export function stringTable(strings: readonly (string | Uint8Array)[]): {
  pointers: BigUint64Array;
  /** Its call after the last use is what keeps the bytes referenced until then. */
  release(): void;
} {
  const parts = strings.map((text) => (typeof text === 'string' ? Buffer.from(text) : text));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length + 1, 1));
  const pointers = new BigUint64Array(parts.length + 1);
  const base = addressOf(bytes);
  let at = 0;
  for (const [index, part] of parts.entries()) {
    bytes.set(part, at);
    pointers[index] = base + BigInt(at);
    at += part.length + 1;
  }
  return { pointers, release: () => void bytes.fill(0) };
}
