import koffi from 'koffi';
import type { Pointer } from './libc.ts';

/** Numbers of the x86-64 table; source: arch/x86/entry/syscalls/syscall_64.tbl. */
const SYS_perf_event_open = 298;
const SYS_bpf = 321;

const SIG_SETMASK = 2;

/** What eBPF needs of libc besides what every trace does; all return -1 on failure but for `mmap`. */
export interface BpfLibc {
  /** bpf(2). */
  bpf(command: number, attributes: Pointer, size: number): number;
  /** perf_event_open(2) of all processes; `attributes` is struct perf_event_attr. */
  perfEventOpen(attributes: Pointer, processor: number, flags: number): number;
  /** ioctl(2) with a number as its argument. */
  ioctl(fd: number, request: number, value: number): number;
  /** Address of a mapping of a descriptor, or -1n (MAP_FAILED). */
  mmap(size: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, size: number): number;
  epollCreate(flags: number): number;
  /** `event` is struct epoll_event. */
  epollControl(epoll: number, operation: number, fd: number, event: Pointer): number;
  /** `events` is struct epoll_event[]; `timeout` in milliseconds. */
  epollWait(epoll: number, events: Pointer, count: number, timeout: number): number;
  eventfd(value: number, flags: number): number;
  /** `ends` is int[2]: where to read and where to write. */
  pipe(ends: Pointer, flags: number): number;
  /** Replaces the signal mask of the calling thread; both are sigset_t, and `old` may be null. */
  setSignalMask(mask: Pointer, old: Pointer): number;
  /** Memory at an address, as it is: valid until it is unmapped. */
  view(address: bigint, size: number): ArrayBuffer;
}

/** Binds the calls to the calling thread, on x86-64 only. */
export function openBpfLibc(): BpfLibc {
  const lib = koffi.load('libc.so.6');
  // SAFETY: (all below) synchronous calls on the calling thread; typed arrays stay in place for the duration of a call, and
  // what the kernel keeps beyond one (mappings) is the caller's to unmap.
  const bpf = lib.func('syscall', 'long', ['long', 'int', 'void *', 'uint']);
  const perfEventOpen = lib.func('syscall', 'long', ['long', 'void *', 'int', 'int', 'int', 'ulong']);
  const mmap = lib.func('mmap', 'uintptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'long']);
  const munmap = lib.func('munmap', 'int', ['uintptr_t', 'size_t']);
  // On Linux that of the thread alone.
  const sigprocmask = lib.func('sigprocmask', 'int', ['int', 'void *', 'void *']);
  return {
    bpf: (command, attributes, size) => bpf(SYS_bpf, command, attributes, size) as number,
    perfEventOpen: (attributes, processor, flags) =>
      perfEventOpen(SYS_perf_event_open, attributes, -1, processor, -1, flags) as number,
    ioctl: lib.func('ioctl', 'int', ['int', 'ulong', 'ulong']),
    mmap: (size, protection, flags, fd, offset) =>
      BigInt.asIntN(64, BigInt(mmap(0, size, protection, flags, fd, offset) as number | bigint)),
    munmap: (address, size) => munmap(address, size) as number,
    epollCreate: lib.func('epoll_create1', 'int', ['int']),
    epollControl: lib.func('epoll_ctl', 'int', ['int', 'int', 'int', 'void *']),
    epollWait: lib.func('epoll_wait', 'int', ['int', 'void *', 'int', 'int']),
    pipe: lib.func('pipe2', 'int', ['void *', 'int']),
    eventfd: lib.func('eventfd', 'int', ['uint', 'int']),
    setSignalMask: (mask, old) => sigprocmask(SIG_SETMASK, mask, old) as number,
    view: (address, size) => koffi.view(address, size),
  };
}

/** A file as it lies in memory, without a copy of it, until disposed of; null where it cannot be mapped. */
export function mapFile(
  libc: BpfLibc,
  fd: number,
  size: number,
): ({ readonly bytes: Uint8Array } & Disposable) | null {
  const PROT_READ = 1;
  const MAP_PRIVATE = 2;
  // SAFETY: the mapping is read-only and lasts until dispose, after which the caller does not touch the bytes.
  const address = libc.mmap(size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address === -1n) return null;
  const bytes = new Uint8Array(libc.view(address, size));
  return { bytes, [Symbol.dispose]: () => void libc.munmap(address, size) };
}
