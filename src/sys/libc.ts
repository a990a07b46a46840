import koffi from 'koffi';
import { SystemCallError } from '../base/errors.ts';

/** Pointer argument: bytes that the callee reads or writes, or an address, or null. */
export type Pointer = ArrayBufferView | bigint | null;

/**
 * The libc functions that callgate calls, each as thin as possible; all return -1 (or an error number) on failure.
 *
 * A task is ptraced by one OS thread, so every function here is synchronous and the caller stays on one thread.
 */
export interface Libc {
  ptrace(request: number, tid: number, address: number | bigint, data: number | bigint): number;
  ptracePointer(request: number, tid: number, address: number | bigint, data: Pointer): number;
  waitpid(pid: number, status: Int32Array, options: number): number;
  kill(pid: number, signal: number): number;
  tgkill(pid: number, tid: number, signal: number): number;
  memfdCreate(name: string, flags: number): number;
  posixSpawn(pid: Int32Array, path: string, actions: Pointer, argv: Pointer, envp: Pointer): number;
  fileActionsInit(actions: Pointer): number;
  fileActionsAddDup2(actions: Pointer, from: number, to: number): number;
  fileActionsAddChdir(actions: Pointer, path: string): number;
  fileActionsDestroy(actions: Pointer): number;
  prlimit(pid: number, resource: number, limit: Pointer, old: Pointer): number;
  getxattrSize(path: string, name: string): number;
  processVmReadv(pid: number, local: Pointer, remote: Pointer): number;
  prctl(option: number, argument: number): number;
  syscall(nr: number, a: number, b: number, c: Pointer): number;
  execve(path: string, argv: Pointer, envp: Pointer): number;
  fcntl(fd: number, command: number, argument: number): number;
  poll(descriptors: Pointer, count: number, timeout: number): number;
  signal(signal: number, handler: null): bigint;
  ioctl(fd: number, request: number, argument: Pointer): number;
  /** Both are struct sigaction. */
  sigaction(signal: number, action: Pointer, old: Pointer): number;
  tcgetattr(fd: number, termios: Pointer): number;
  tcgetpgrp(fd: number): number;
  getpgrp(): number;
  glibcVersion(): string | null;
  /** errno of the last call; meaningful only directly after a failure. */
  errno(): number;
}

/**
 * Loads libc into this thread.
 *
 * @throws SystemCallError if there is no libc.so.6 to load.
 */
export function openLibc(): Libc {
  const lib = openLibrary();
  // SAFETY: (all below) synchronous calls on the calling thread; koffi keeps typed arrays alive and in place
  // for the duration of a call, and no callee here keeps a pointer beyond it.
  return {
    ptrace: lib.func('long ptrace(long request, int tid, uintptr_t address, uintptr_t data)'),
    ptracePointer: lib.func('ptrace', 'long', ['long', 'int', 'uintptr_t', 'void *']),
    waitpid: lib.func('int waitpid(int pid, void *status, int options)'),
    kill: lib.func('int kill(int pid, int signal)'),
    tgkill: onUse(lib, 'int tgkill(int pid, int tid, int signal)'),
    memfdCreate: lib.func('int memfd_create(const char *name, unsigned int flags)'),
    posixSpawn: posixSpawnOf(lib),
    fileActionsInit: lib.func('int posix_spawn_file_actions_init(void *actions)'),
    fileActionsAddDup2: lib.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)'),
    // Since glibc 2.29: looked up only when a directory is asked for.
    fileActionsAddChdir: (actions, path) =>
      lib.func('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)')(
        actions,
        path,
      ) as number,
    fileActionsDestroy: lib.func('int posix_spawn_file_actions_destroy(void *actions)'),
    prlimit: lib.func('int prlimit64(int pid, int resource, void *limit, void *old)'),
    getxattrSize: getxattrSizeOf(lib),
    processVmReadv: processVmReadvOf(lib),
    prctl: onUse(lib, 'int prctl(int option, unsigned long argument)'),
    syscall: onUse(lib, 'long syscall(long nr, long a, long b, void *c)'),
    execve: onUse(lib, 'int execve(const char *path, void *argv, void *envp)'),
    fcntl: onUse(lib, 'int fcntl(int fd, int command, long argument)'),
    poll: onUse(lib, 'int poll(void *descriptors, unsigned long count, int timeout)'),
    signal: onUse(lib, 'uintptr_t signal(int signal, void *handler)'),
    ioctl: onUse(lib, 'int ioctl(int fd, unsigned long request, void *argument)'),
    sigaction: onUse(lib, 'int sigaction(int signal, void *action, void *old)'),
    tcgetattr: onUse(lib, 'int tcgetattr(int fd, void *termios)'),
    tcgetpgrp: onUse(lib, 'int tcgetpgrp(int fd)'),
    getpgrp: onUse(lib, 'int getpgrp()'),
    glibcVersion: () => {
      try {
        return lib.func('const char *gnu_get_libc_version()')() as string;
      } catch {
        return null;
      }
    },
    errno: () => koffi.errno(),
  };
}

/** Address of a typed array's first byte; valid while the array is referenced, for it lies outside the moving heap. */
export function addressOf(view: ArrayBufferView): bigint {
  return koffi.address(view);
}

type Library = ReturnType<typeof koffi.load>;

function openLibrary(): Library {
  try {
    return koffi.load('libc.so.6');
  } catch (error) {
    throw new SystemCallError(`libc: cannot load libc.so.6: ${(error as Error).message}`, {
      request: 'dlopen',
      errno: 2,
    });
  }
}

/** A function that most runs do not need: looked up at its first use, for binding one takes a while. */
function onUse(lib: Library, prototype: string): (...args: unknown[]) => never {
  let bound: ((...args: unknown[]) => never) | undefined;
  return (...args) => {
    bound ??= lib.func(prototype) as unknown as (...args: unknown[]) => never;
    return bound(...args);
  };
}

function posixSpawnOf(lib: Library): Libc['posixSpawn'] {
  const spawn = lib.func(
    'int posix_spawn(void *pid, const char *path, void *actions, void *attributes, void *argv, void *envp)',
  );
  return (pid, path, actions, argv, envp) => spawn(pid, path, actions, null, argv, envp) as number;
}

function getxattrSizeOf(lib: Library): Libc['getxattrSize'] {
  const getxattr = lib.func('long getxattr(const char *path, const char *name, void *value, size_t size)');
  return (path, name) => getxattr(path, name, null, 0) as number;
}

function processVmReadvOf(lib: Library): Libc['processVmReadv'] {
  const readv = lib.func(
    'long process_vm_readv(int pid, void *local, ulong localCount, void *remote, ulong remoteCount, ulong flags)',
  );
  return (pid, local, remote) => readv(pid, local, 1, remote, 1, 0) as number;
}
