import { X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import { syscallName } from '../../abi/syscalls.ts';
import { REG } from '../../sys/ptrace.ts';
import { readStatus } from '../proc.ts';
import type { Context } from './context.ts';
import type { Task } from './task.ts';

const EINTR = 4n;
/** ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and ERESTART_RESTARTBLOCK of include/linux/errno.h. */
const RESTARTS: ReadonlySet<bigint> = new Set([512n, 513n, 514n, 516n]);
const RESTART_BLOCK = 516n;

/**
 * Calls that return EINTR even when no handler ran: an interrupt by the tracer must not show through. Those on sockets do so
 * with SO_RCVTIMEO or SO_SNDTIMEO only, and have done nothing yet then; see signal(7).
 */
const NOT_RESTARTED: ReadonlySet<string> = new Set([
  'epoll_wait',
  'epoll_pwait',
  'epoll_pwait2',
  'rt_sigtimedwait',
  'rt_sigtimedwait_time64',
  'io_getevents',
  'io_pgetevents',
  'io_pgetevents_time64',
  'io_uring_enter',
  'semop',
  'semtimedop',
  'semtimedop_time64',
  'msgrcv',
  'msgsnd',
  'recvfrom',
  'recvmsg',
  'recvmmsg',
  'recvmmsg_time64',
  'sendto',
  'sendmsg',
  'sendmmsg',
  'connect',
  'accept',
  'accept4',
  'read',
  'readv',
  'preadv2',
  'write',
  'writev',
  'pwritev2',
  // What i386 does the same by.
  'socketcall',
  'ipc',
  'poll',
  'select',
]);

/** __USER32_CS of arch/x86/include/asm/segment.h. */
const USER32_CS = 0x23n;

/** What a task was doing when an interrupt of ours stopped it. */
export interface Interrupted {
  /** Number of the call that it was in; its arch is the caller's. */
  readonly nr: number;
  /** It will come back as restart_syscall and not under its own number. */
  readonly restartBlock: boolean;
}

/**
 * Makes an interrupt by the tracer invisible to the program: a call that would return EINTR because of it is made again.
 *
 * For a task in a PTRACE_EVENT_STOP or a syscall-exit-stop that PTRACE_INTERRUPT led to. Calls that the kernel
 * restarts by itself are left to it.
 *
 * @returns the call that was interrupted and goes on, or null if the task was in none
 */
export function hideInterrupt(context: Context, task: Task): Interrupted | null {
  const { ptrace } = context;
  if (!ptrace.getRegisters(task.tid)) return null;
  const registers = ptrace.registers;
  const nr = Number(BigInt.asIntN(32, registers[REG.orig_rax] as bigint));
  if (nr < 0) return null;
  const error = -BigInt.asIntN(64, registers[REG.rax] as bigint);
  if (RESTARTS.has(error)) return { nr, restartBlock: error === RESTART_BLOCK };
  if (error !== EINTR || !isNotRestarted(archOf(registers, nr), nr) || hasPendingSignal(task.tid))
    return null;
  registers[REG.rax] = registers[REG.orig_rax] as bigint;
  registers[REG.rip] = (registers[REG.rip] as bigint) - 2n;
  registers[REG.orig_rax] = BigInt.asUintN(64, -1n);
  ptrace.setRegisters(task.tid);
  return { nr, restartBlock: false };
}

function isNotRestarted(arch: Arch, nr: number): boolean {
  return NOT_RESTARTED.has(syscallName(arch, arch === 'x32' ? nr & ~X32_SYSCALL_BIT : nr) ?? '');
}

/** The arch of a call by the code segment of its caller: what 64-bit code does by int 0x80 is not told apart. */
function archOf(registers: BigUint64Array, nr: number): Arch {
  if (registers[REG.cs] === USER32_CS) return 'i386';
  return (nr & X32_SYSCALL_BIT) === 0 ? 'x86_64' : 'x32';
}

/** Whether a real signal waits for delivery: then EINTR is the program's due. */
function hasPendingSignal(tid: number): boolean {
  const status = readStatus(tid);
  if (status === null) return false;
  const mask = (field: string): bigint => BigInt(`0x${status.get(field) ?? '0'}`);
  return ((mask('SigPnd') | mask('ShdPnd')) & ~mask('SigBlk')) !== 0n;
}
