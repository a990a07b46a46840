import koffi from 'koffi';
import type { Pointer } from './libc.ts';

/** Numbers of the x86-64 table; source: arch/x86/entry/syscalls/syscall_64.tbl. */
const SYS_seccomp = 317;
const SYS_bpf = 321;

/** System calls that only the probes make; all return -1 on failure. */
export interface ProbeLibc {
  /** seccomp(2). */
  seccomp(operation: number, flags: number, argument: Pointer): number;
  /** bpf(2). */
  bpf(command: number, attributes: Pointer, size: number): number;
}

/** Binds the calls to the calling thread, on x86-64 only. */
export function openProbeLibc(): ProbeLibc {
  const lib = koffi.load('libc.so.6');
  // SAFETY: (both) synchronous calls on the calling thread; the kernel keeps no pointer beyond the call.
  const seccomp = lib.func('syscall', 'long', ['long', 'uint', 'uint', 'void *']);
  const bpf = lib.func('syscall', 'long', ['long', 'int', 'void *', 'uint']);
  return {
    seccomp: (operation, flags, argument) => seccomp(SYS_seccomp, operation, flags, argument) as number,
    bpf: (command, attributes, size) => bpf(SYS_bpf, command, attributes, size) as number,
  };
}
