import { AUDIT_ARCH } from '../../abi/arch.ts';
import {
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_STOP,
  PTRACE_SYSCALL,
  PTRACE_SYSCALL_INFO_ENTRY,
  PTRACE_SYSCALL_INFO_EXIT,
  PTRACE_SYSCALL_INFO_SECCOMP,
  REG,
} from '../../sys/ptrace.ts';
import { decodeStatus, type WaitStatus } from '../../sys/wait.ts';
import { listExecutableRegions } from '../proc.ts';
import type { Context } from './context.ts';
import type { Task } from './task.ts';

const SIGTRAP = 5;
const SIGTRAP_SYSCALL = SIGTRAP | 0x80;
const PR_SET_NO_NEW_PRIVS = 38n;
const SECCOMP_SET_MODE_FILTER = 1n;
const SECCOMP_FILTER_FLAG_TSYNC = 1n;
/** Set to null: the call does nothing but tell the mask. */
const SIG_BLOCK = 0n;
const PROT_READ_WRITE = 3n;
const MAP_PRIVATE_ANONYMOUS = 0x22n;
const ENOSYS = -38n;
const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;
const MINUS_ONE = 0xffff_ffff_ffff_ffffn;
/** USER32_CS of arch/x86/include/asm/segment.h. */
const USER32_CS = 0x23n;
const SIGSTOP = 19;
const ENOEXEC = 8;
/** ERESTARTSYS and ERESTART_RESTARTBLOCK of include/linux/errno.h, the ends of the codes for calls that are made again. */
const FIRST_RESTART = 512n;
const LAST_RESTART = 516n;
/** Signals that no mask can hold: SIGKILL and SIGSTOP. */
const UNMASKABLE = (1n << 8n) | (1n << 18n);

/** What an arch needs for calls on behalf of a tracee. */
interface Convention {
  readonly mmap: bigint;
  readonly prctl: bigint;
  readonly seccomp: bigint;
  readonly rt_sigprocmask: bigint;
  /** Registers of the arguments, as indices of struct user_regs_struct. */
  readonly registers: readonly number[];
  /** Bytes of the instruction that enters the kernel. */
  readonly instruction: Uint8Array;
  /** Size of a pointer in struct sock_fprog. */
  readonly pointer: 4 | 8;
}

const X86_64: Convention = {
  mmap: 9n,
  prctl: 157n,
  seccomp: 317n,
  rt_sigprocmask: 14n,
  registers: [REG.rdi, REG.rsi, REG.rdx, REG.r10, 9, 8],
  instruction: new Uint8Array([0x0f, 0x05]),
  pointer: 8,
};

const I386: Convention = {
  mmap: 192n,
  prctl: 172n,
  seccomp: 354n,
  rt_sigprocmask: 175n,
  registers: [5, 11, REG.rdx, REG.rsi, REG.rdi, 4],
  instruction: new Uint8Array([0xcd, 0x80]),
  pointer: 4,
};

/** How an injection ended. */
export type Injection =
  | { readonly kind: 'filtered' }
  /** TSYNC could not bring this thread in line: it has a filter of its own. */
  | { readonly kind: 'diverged'; readonly tid: number }
  | {
      readonly kind: 'refused';
      /** The call that failed, or the search for an instruction by which the process can make one. */
      readonly step: 'search' | 'mmap' | 'rt_sigprocmask' | 'prctl' | 'seccomp';
      readonly errno: number;
    }
  /** It stands where it cannot be made to call anything: to be tried again at its next call. */
  | { readonly kind: 'later' }
  /** The process died meanwhile; its end comes from waitpid. */
  | { readonly kind: 'gone' };

/**
 * Installs a seccomp filter in a process from outside: one of its threads, which is stopped, makes the calls, and TSYNC
 * extends the filter to all others. Afterwards that thread is in the same state as before, and still stopped.
 *
 * All its signals are blocked meanwhile. At a syscall-enter-stop or seccomp stop the pending call is made again afterwards, under
 * the new filter. The page that holds the filter stays mapped, for the filter may deny munmap. Not to be used
 * at the stop of an exec.
 *
 * Without privilege the memory of a process that is not dumpable (prctl(PR_SET_DUMPABLE), a program that may be executed but not
 * read) is closed to its tracer too, by whatever way; its registers and its signal mask are not, and will do.
 */
export function injectFilter(
  context: Context,
  task: Task,
  filter: Uint8Array,
  options: { readonly noNewPrivs: boolean },
): Injection {
  const injector = new Injector(context, task);
  try {
    return injector.run(filter, options.noNewPrivs);
  } catch (error) {
    if (error instanceof TraceeGone) return { kind: 'gone' };
    throw error;
  }
}

class TraceeGone extends Error {}

class Injector {
  readonly #context: Context;
  readonly #task: Task;
  readonly #tid: number;
  readonly #pid: number;
  #convention: Convention = X86_64;
  /** The pending call of the stop has not been used yet. */
  #pending = false;
  #entry = 0n;
  /** A group-stop was passed over. */
  #stopped = false;

  constructor(context: Context, task: Task) {
    this.#context = context;
    this.#task = task;
    this.#tid = task.tid;
    this.#pid = task.process.pid;
  }

  run(filter: Uint8Array, noNewPrivs: boolean): Injection {
    const { ptrace } = this.#context;
    this.#check(ptrace.fetchSyscallInfo(this.#tid));
    const { op, auditArch } = ptrace;
    const atEntry = op === PTRACE_SYSCALL_INFO_ENTRY || op === PTRACE_SYSCALL_INFO_SECCOMP;
    this.#pending = atEntry;
    this.#check(ptrace.getRegisters(this.#tid));
    const saved = ptrace.registers.slice();
    // Outside of a call the kernel takes every task for a 64-bit one, so that only the code segment tells.
    const is32Bit = atEntry ? auditArch === AUDIT_ARCH.i386 : saved[REG.cs] === USER32_CS;
    this.#convention = is32Bit ? I386 : X86_64;
    const entry = this.#findInstruction(saved, op, auditArch);
    if (typeof entry !== 'bigint') return entry;
    this.#entry = entry;
    const mask = ptrace.getSignalMask(this.#tid);
    this.#check(mask !== null && ptrace.setSignalMask(this.#tid, ALL_SIGNALS));
    // Not in a finally: what takes the place of a thread that is gone, by an exec, has registers of its own.
    const injection = this.#install(filter, noNewPrivs);
    this.#restore(saved, mask ?? 0n, atEntry);
    return injection;
  }

  #install(filter: Uint8Array, noNewPrivs: boolean): Injection {
    const { mmap, prctl, seccomp, pointer } = this.#convention;
    const size = BigInt(Math.ceil((filter.length + 32) / 4096) * 4096);
    const page = this.#call(mmap, [0n, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, MINUS_ONE, 0n]);
    if (isError(page)) return { kind: 'refused', step: 'mmap', errno: Number(-page) };
    const block = new Uint8Array(16 + filter.length);
    const view = new DataView(block.buffer);
    view.setUint16(0, filter.length / 8, true);
    // What `#writeByMask` spoils before the block is the page's own.
    const address = BigInt.asUintN(pointer * 8, page) + 16n;
    if (pointer === 8) view.setBigUint64(8, address + 16n, true);
    else view.setUint32(4, Number(address + 16n), true);
    block.set(filter, 16);
    if (!this.#context.memory.write(this.#tid, address, block)) {
      const errno = this.#writeByMask(address, block);
      if (errno !== 0) return { kind: 'refused', step: 'rt_sigprocmask', errno };
    }
    if (noNewPrivs) {
      const result = this.#call(prctl, [PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n, 0n]);
      if (isError(result)) return { kind: 'refused', step: 'prctl', errno: Number(-result) };
    }
    const result = this.#call(seccomp, [
      SECCOMP_SET_MODE_FILTER,
      SECCOMP_FILTER_FLAG_TSYNC,
      address,
      0n,
      0n,
      0n,
    ]);
    if (isError(result)) return { kind: 'refused', step: 'seccomp', errno: Number(-result) };
    return result === 0n ? { kind: 'filtered' } : { kind: 'diverged', tid: Number(result) };
  }

  /**
   * Writes bytes where memory is closed to the tracer: it sets the signal mask, and has the tracee ask for it, which writes eight bytes. Two
   * bits of a mask are always 0: where they are to be 1 only the last five bytes count, and the next call, which goes
   * before this one, writes what has been spoiled. Up to seven bytes before `address` are spoiled.
   *
   * @returns the error number of a call that fails, or 0
   */
  #writeByMask(address: bigint, bytes: Uint8Array): number {
    const { ptrace } = this.#context;
    const padded = new Uint8Array(8 + bytes.length);
    padded.set(bytes, 8);
    const view = new DataView(padded.buffer);
    for (let end = padded.length; end > 8;) {
      const mask = view.getBigUint64(end - 8, true);
      const to = address + BigInt(end - 16);
      const result = this.#call(this.#convention.rt_sigprocmask, [SIG_BLOCK, 0n, to, 8n, 0n, 0n], () =>
        this.#check(ptrace.setSignalMask(this.#tid, mask)),
      );
      // Before it goes on: no signal can be delivered at the stop itself.
      this.#check(ptrace.setSignalMask(this.#tid, ALL_SIGNALS));
      if (isError(result)) return Number(-result);
      end -= (mask & UNMASKABLE) === 0n ? 8 : 5;
    }
    return 0;
  }

  /**
   * Makes the tracee do one system call and returns the result, negative error numbers included. `entered` is called when it
   * is in the call; not for one that takes the place of a pending one.
   */
  #call(nr: bigint, args: readonly bigint[], entered?: () => void): bigint {
    const { ptrace } = this.#context;
    const { registers } = ptrace;
    this.#check(ptrace.getRegisters(this.#tid));
    for (const [index, register] of this.#convention.registers.entries()) {
      const value = args[index] as bigint;
      registers[register] = this.#convention === I386 ? BigInt.asUintN(32, value) : value;
    }
    if (this.#pending) {
      // The call that is about to be made becomes ours.
      registers[REG.orig_rax] = nr;
      registers[REG.rax] = BigInt.asUintN(64, ENOSYS);
    } else {
      registers[REG.rip] = this.#entry;
      registers[REG.rax] = nr;
      // Otherwise the kernel could take the register for the number of an interrupted call and restart it.
      registers[REG.orig_rax] = MINUS_ONE;
    }
    this.#check(ptrace.setRegisters(this.#tid));
    if (!this.#pending) {
      this.#step(PTRACE_SYSCALL_INFO_ENTRY);
      entered?.();
    }
    this.#pending = false;
    this.#step(PTRACE_SYSCALL_INFO_EXIT);
    this.#check(ptrace.getRegisters(this.#tid));
    const result = registers[REG.rax] as bigint;
    return this.#convention === I386 ? BigInt.asIntN(32, result) : BigInt.asIntN(64, result);
  }

  /** Runs to the next stop of a kind; seccomp stops and events of the group on the way are passed over. */
  #step(op: number): void {
    const { ptrace } = this.#context;
    let signal = 0;
    for (;;) {
      this.#check(ptrace.resume(PTRACE_SYSCALL, this.#tid, signal));
      const status = this.#wait();
      // At an exec by another thread the first one, if it is this, goes on as that: nothing of it is left.
      if (status.kind !== 'stopped' || status.event === PTRACE_EVENT_EXEC) {
        this.#context.unhandled.push({ tid: this.#tid, status });
        throw new TraceeGone();
      }
      // SIGSTOP is the one signal besides SIGKILL that cannot be blocked: it is delivered, and obeyed afterwards.
      signal = status.event === 0 && status.signal === SIGSTOP ? SIGSTOP : 0;
      if (status.event === PTRACE_EVENT_STOP && status.signal !== SIGTRAP) this.#stopped = true;
      if (status.event !== 0 || status.signal !== SIGTRAP_SYSCALL) continue;
      this.#check(ptrace.fetchSyscallInfo(this.#tid));
      if (ptrace.op === op) return;
    }
  }

  /**
   * Waits for the task, and keeps what others report meanwhile. The wait is for all of them: the kernel tells the end of a leader only
   * once those of its other threads have been taken, and a thread that execs waits for the same.
   */
  #wait(): WaitStatus {
    const { waiter, unhandled } = this.#context;
    for (;;) {
      const tid = waiter.next();
      this.#check(tid !== 0);
      const status = decodeStatus(waiter.status);
      if (tid === this.#tid) return status;
      if (status.kind === 'stopped' && status.event === PTRACE_EVENT_EXEC) this.#forgetStops(tid);
      unhandled.push({ tid, status });
    }
  }

  /** An exec has ended the stop in which a first thread stood: to resume from that would be to resume the exec, unseen. */
  #forgetStops(tid: number): void {
    const { unhandled } = this.#context;
    for (let index = unhandled.length - 1; index >= 0; index--) {
      if (unhandled[index]?.tid === tid) unhandled.splice(index, 1);
    }
  }

  #restore(saved: BigUint64Array, mask: bigint, atEntry: boolean): void {
    const { ptrace } = this.#context;
    ptrace.registers.set(saved);
    if (atEntry) {
      ptrace.registers[REG.rax] = saved[REG.orig_rax] as bigint;
      ptrace.registers[REG.rip] = (saved[REG.rip] as bigint) - 2n;
      ptrace.registers[REG.orig_rax] = MINUS_ONE;
    }
    ptrace.setRegisters(this.#tid);
    ptrace.setSignalMask(this.#tid, mask);
    // A call that the kernel is to restart needs a pass through its signal code, which an interrupt brings about.
    const error = -BigInt.asIntN(64, saved[REG.rax] as bigint);
    const isRestarted = !atEntry && error >= FIRST_RESTART && error <= LAST_RESTART;
    this.#task.interrupted = (isRestarted || this.#stopped) && ptrace.interrupt(this.#tid);
  }

  /** Address of an instruction that enters the kernel: the one just executed, or one in the vDSO or in mapped code. */
  #findInstruction(saved: BigUint64Array, op: number, auditArch: number): bigint | Injection {
    const { memory } = this.#context;
    const { instruction } = this.#convention;
    const before = (saved[REG.rip] as bigint) - 2n;
    if (this.#pending) {
      const bytes = memory.read(this.#tid, before, 2);
      if (bytes?.[0] === instruction[0] && bytes?.[1] === instruction[1]) return before;
    }
    const regions = listExecutableRegions(this.#pid);
    let isReadable = false;
    for (const region of regions) {
      const bytes = memory.read(this.#tid, BigInt(region.start), region.end - region.start);
      if (bytes === null) continue;
      isReadable = true;
      const at = Buffer.from(bytes).indexOf(instruction);
      if (at !== -1) return BigInt(region.start + at);
    }
    // A task that was killed meanwhile has no memory any more, although its end is still to be told.
    this.#check(this.#context.ptrace.getRegisters(this.#tid));
    if (isReadable) return { kind: 'refused', step: 'search', errno: ENOEXEC };
    if (!isAfterCall(saved, op)) return { kind: 'later' };
    // By the kernel's word: 64-bit code can make calls of i386 too.
    this.#convention = auditArch === AUDIT_ARCH.i386 ? I386 : X86_64;
    return before;
  }

  #check(alive: boolean): void {
    if (!alive) throw new TraceeGone();
  }
}

/**
 * Whether the instruction before the one that comes next is, by the registers alone, one that enters the kernel: both its forms
 * have two bytes, and sysenter of 32-bit code comes back behind one. Not so after a signal's return or at a handler's start.
 */
function isAfterCall(registers: BigUint64Array, op: number): boolean {
  if (op === PTRACE_SYSCALL_INFO_ENTRY || op === PTRACE_SYSCALL_INFO_SECCOMP) return true;
  if (BigInt.asIntN(32, registers[REG.orig_rax] as bigint) < 0n) return false;
  const error = -BigInt.asIntN(64, registers[REG.rax] as bigint);
  return op === PTRACE_SYSCALL_INFO_EXIT || (error >= FIRST_RESTART && error <= LAST_RESTART);
}

function isError(result: bigint): boolean {
  return result < 0n && result >= -4095n;
}
