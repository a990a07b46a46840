import { errnoText } from '../abi/errno.ts';
import { SystemCallError } from '../base/errors.ts';
import type { Libc } from './libc.ts';

/** Requests of ptrace(2); source: include/uapi/linux/ptrace.h. */
export const PTRACE_CONT = 7;
export const PTRACE_SINGLESTEP = 9;
export const PTRACE_GETREGS = 12;
export const PTRACE_SETREGS = 13;
export const PTRACE_DETACH = 17;
export const PTRACE_SYSCALL = 24;
export const PTRACE_GETEVENTMSG = 0x4201;
export const PTRACE_GETSIGINFO = 0x4202;
export const PTRACE_SEIZE = 0x4206;
export const PTRACE_INTERRUPT = 0x4207;
export const PTRACE_LISTEN = 0x4208;
export const PTRACE_GETSIGMASK = 0x420a;
export const PTRACE_SETSIGMASK = 0x420b;
export const PTRACE_GET_SYSCALL_INFO = 0x420e;

export const PTRACE_O_TRACESYSGOOD = 1;
export const PTRACE_O_TRACEFORK = 2;
export const PTRACE_O_TRACEVFORK = 4;
export const PTRACE_O_TRACECLONE = 8;
export const PTRACE_O_TRACEEXEC = 0x10;
export const PTRACE_O_TRACEEXIT = 0x40;
export const PTRACE_O_TRACESECCOMP = 0x80;
export const PTRACE_O_EXITKILL = 0x100000;

export const PTRACE_EVENT_FORK = 1;
export const PTRACE_EVENT_VFORK = 2;
export const PTRACE_EVENT_CLONE = 3;
export const PTRACE_EVENT_EXEC = 4;
export const PTRACE_EVENT_EXIT = 6;
export const PTRACE_EVENT_SECCOMP = 7;
export const PTRACE_EVENT_STOP = 128;

export const PTRACE_SYSCALL_INFO_ENTRY = 1;
export const PTRACE_SYSCALL_INFO_EXIT = 2;
export const PTRACE_SYSCALL_INFO_SECCOMP = 3;

/** Index of a register in struct user_regs_struct, in 64-bit words; source: arch/x86/include/asm/user_64.h. */
export const REG = {
  r12: 3,
  r10: 7,
  rax: 10,
  rdx: 12,
  rsi: 13,
  rdi: 14,
  orig_rax: 15,
  rip: 16,
  cs: 17,
} as const;

const ESRCH = 3;
const SIGTRAP = 5;

/**
 * ptrace(2) bound to the calling thread, with the buffers that its requests fill.
 *
 * Requests on a tracee that has died (ESRCH) are normal: they return false, and its end comes from waitpid.
 */
export class Ptrace {
  readonly #libc: Libc;
  readonly #info: ArrayBuffer = new ArrayBuffer(88);
  readonly #infoBytes: Uint8Array = new Uint8Array(this.#info);
  readonly #infoWords: Uint32Array = new Uint32Array(this.#info);
  readonly #infoInts: Int32Array = new Int32Array(this.#info);
  readonly #message: BigUint64Array = new BigUint64Array(1);
  readonly #siginfo: Int32Array = new Int32Array(32);
  /** Registers as the last `getRegisters` found them; change and `setRegisters` to write. */
  readonly registers: BigUint64Array = new BigUint64Array(27);

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Makes `tid` a tracee of this thread without stopping it. @throws SystemCallError */
  seize(tid: number, options: number): void {
    // SAFETY: no memory is passed.
    if (this.#libc.ptrace(PTRACE_SEIZE, tid, 0, options) === -1) throw this.#error('PTRACE_SEIZE', tid);
  }

  /** Resumes by PTRACE_CONT, PTRACE_SYSCALL, PTRACE_LISTEN or PTRACE_DETACH; false if the tracee is gone. */
  resume(request: number, tid: number, signal: number): boolean {
    // SAFETY: no memory is passed.
    return this.#libc.ptrace(request, tid, 0, signal) !== -1 || this.#gone('resume', tid);
  }

  /** Asks a running tracee for a PTRACE_EVENT_STOP; false if it is gone. */
  interrupt(tid: number): boolean {
    // SAFETY: no memory is passed.
    return this.#libc.ptrace(PTRACE_INTERRUPT, tid, 0, 0) !== -1 || this.#gone('PTRACE_INTERRUPT', tid);
  }

  /** Fetches PTRACE_GET_SYSCALL_INFO into the accessors below; false if the tracee is gone. */
  fetchSyscallInfo(tid: number): boolean {
    // SAFETY: the kernel writes at most the 88 bytes of #infoBytes, which this object owns.
    return (
      this.#libc.ptracePointer(PTRACE_GET_SYSCALL_INFO, tid, 88, this.#infoBytes) !== -1 ||
      this.#gone('PTRACE_GET_SYSCALL_INFO', tid)
    );
  }

  /** PTRACE_SYSCALL_INFO_*: what kind of stop the last fetch saw. */
  get op(): number {
    return this.#infoBytes[0] as number;
  }

  /** AUDIT_ARCH_* of the call. */
  get auditArch(): number {
    return this.#infoWords[1] as number;
  }

  /** Address of the instruction after the one that made the call; exact below 2^53, as all addresses of programs are. */
  get instructionPointer(): number {
    return (this.#infoWords[3] as number) * 2 ** 32 + (this.#infoWords[2] as number);
  }

  /** Number as the kernel takes it, an int: at entry and seccomp stops. */
  get nr(): number {
    return this.#infoInts[6] as number;
  }

  /** Low half of argument `index`, unsigned. */
  low(index: number): number {
    return this.#infoWords[8 + index * 2] as number;
  }

  /** High half of argument `index`, unsigned. */
  high(index: number): number {
    return this.#infoWords[9 + index * 2] as number;
  }

  /** All 64 bits of argument `index`. */
  argument(index: number): bigint {
    return (BigInt(this.high(index)) << 32n) | BigInt(this.low(index));
  }

  /** SECCOMP_RET_DATA of the filter that caused a seccomp stop. */
  get stopData(): number {
    return this.#infoWords[20] as number;
  }

  /** Return value at an exit stop; errors are negative error numbers. */
  get returnValue(): number {
    return (this.#infoInts[7] as number) * 2 ** 32 + (this.#infoWords[6] as number);
  }

  /** At an exit stop: whether the return value is an error. */
  get isError(): boolean {
    return this.#infoBytes[32] !== 0;
  }

  /**
   * PTRACE_GETEVENTMSG of a stop by `event` (PTRACE_EVENT_*): a new tid, the former tid of an exec, the status at an exit. Null if the tracee is
   * gone or not in that stop any more: a kill takes it on to its exit, whose message, 9, is nobody's tid.
   */
  eventMessage(tid: number, event: number): number | null {
    // SAFETY: the kernel writes one unsigned long into #message.
    if (this.#libc.ptracePointer(PTRACE_GETEVENTMSG, tid, 0, this.#message) === -1) {
      this.#gone('PTRACE_GETEVENTMSG', tid);
      return null;
    }
    // After the message: what is in the stop still was in it then.
    return this.signalCode(tid) === (SIGTRAP | (event << 8)) ? Number(this.#message[0]) : null;
  }

  /** si_code of the signal whose delivery is stopped, or of the event; null if the tracee is gone. */
  signalCode(tid: number): number | null {
    // SAFETY: siginfo_t is 128 bytes, the size of #siginfo.
    if (this.#libc.ptracePointer(PTRACE_GETSIGINFO, tid, 0, this.#siginfo) === -1) return null;
    return this.#siginfo[2] as number;
  }

  /** Fills `registers`; false if the tracee is gone. */
  getRegisters(tid: number): boolean {
    // SAFETY: struct user_regs_struct is 27 words, the size of `registers`.
    return (
      this.#libc.ptracePointer(PTRACE_GETREGS, tid, 0, this.registers) !== -1 ||
      this.#gone('PTRACE_GETREGS', tid)
    );
  }

  /** Writes `registers` back; false if the tracee is gone. */
  setRegisters(tid: number): boolean {
    // SAFETY: the kernel reads 27 words of `registers`.
    return (
      this.#libc.ptracePointer(PTRACE_SETREGS, tid, 0, this.registers) !== -1 ||
      this.#gone('PTRACE_SETREGS', tid)
    );
  }

  /** Blocked signals as a bit set (bit n-1: signal n), or null if the tracee is gone. */
  getSignalMask(tid: number): bigint | null {
    // SAFETY: the kernel writes one 64-bit sigset_t into #message; its size is passed as the address.
    if (this.#libc.ptracePointer(PTRACE_GETSIGMASK, tid, 8, this.#message) === -1) {
      this.#gone('PTRACE_GETSIGMASK', tid);
      return null;
    }
    return this.#message[0] as bigint;
  }

  /** Sets the blocked signals; false if the tracee is gone. */
  setSignalMask(tid: number, mask: bigint): boolean {
    this.#message[0] = mask;
    // SAFETY: the kernel reads one 64-bit sigset_t from #message.
    return (
      this.#libc.ptracePointer(PTRACE_SETSIGMASK, tid, 8, this.#message) !== -1 ||
      this.#gone('PTRACE_SETSIGMASK', tid)
    );
  }

  #gone(request: string, tid: number): false {
    if (this.#libc.errno() !== ESRCH) throw this.#error(request, tid);
    return false;
  }

  #error(request: string, tid: number): SystemCallError {
    const errno = this.#libc.errno();
    return new SystemCallError(`ptrace: ${request} of tid ${tid} failed, ${errnoText(errno)}`, {
      request,
      errno,
      tid,
    });
  }
}
