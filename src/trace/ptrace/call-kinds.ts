import { ARCHES, AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import { selectingArguments } from '../../abi/selecting-arguments.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import { isWaitingCall } from '../../abi/waiting-calls.ts';

/** Calls that need more than counting, as a bit set per number. */
export const KIND_ARGUMENTS = 1;
export const KIND_WAIT = 2;
export const KIND_CLONE = 4;
export const KIND_CLONE3 = 8;
export const KIND_LISTEN = 0x10;
export const KIND_SECCOMP = 0x20;
export const KIND_WRITE = 0x40;
export const KIND_MMAP = 0x80;
export const KIND_RESTART = 0x100;
export const KIND_SOCKETCALL = 0x200;
export const KIND_EXEC = 0x400;
export const KIND_PRCTL = 0x800;
export const KIND_VFORK = 0x1000;

/** Numbers at and above this have no kind. */
const SIZE = 1024;

const NAMES: readonly (readonly [number, readonly string[]])[] = [
  [KIND_CLONE, ['clone']],
  [KIND_CLONE3, ['clone3']],
  [KIND_VFORK, ['fork', 'vfork']],
  [KIND_LISTEN, ['listen']],
  [KIND_SECCOMP, ['seccomp']],
  [KIND_PRCTL, ['prctl']],
  [KIND_WRITE, ['write', 'writev', 'pwrite64', 'pwritev', 'sendto', 'sendmsg']],
  [KIND_MMAP, ['mmap', 'mmap2']],
  [KIND_RESTART, ['restart_syscall']],
  [KIND_SOCKETCALL, ['socketcall']],
  [KIND_EXEC, ['execve', 'execveat']],
];

/** Bit set of every number of one arch; built when the first call of that arch is seen. */
export function buildCallKinds(arch: Arch): Uint16Array {
  const kinds = new Uint16Array(SIZE);
  for (let nr = 0; nr < SIZE; nr++) {
    if (selectingArguments(arch, nr).length > 0) kinds[nr] = KIND_ARGUMENTS;
    if (isWaitingCall(arch, nr)) kinds[nr] = (kinds[nr] as number) | KIND_WAIT;
  }
  for (const [kind, names] of NAMES) {
    for (const name of names) {
      const nr = syscallNumber(arch, name);
      if (nr !== null) kinds[nr] = (kinds[nr] as number) | kind;
    }
  }
  return kinds;
}

const X86_64 = ARCHES.indexOf('x86_64');
const I386 = ARCHES.indexOf('i386');
const X32 = ARCHES.indexOf('x32');
const AARCH64 = ARCHES.indexOf('aarch64');

/** Index into ARCHES of a call; x32 is x86-64 with bit 30 of a number that is not negative. -1 if unknown. */
export function archIndex(auditArch: number, nr: number): number {
  switch (auditArch) {
    case AUDIT_ARCH.x86_64:
      return nr >= 0 && (nr & X32_SYSCALL_BIT) !== 0 ? X32 : X86_64;
    case AUDIT_ARCH.i386:
      return I386;
    case AUDIT_ARCH.aarch64:
      return AARCH64;
    default:
      return -1;
  }
}
