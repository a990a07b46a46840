import { ARCHES } from '../../abi/arch.ts';
import { syscallName } from '../../abi/syscalls.ts';
import { REG } from '../../sys/ptrace.ts';
import { readStatus } from '../proc.ts';
import type { Context } from './context.ts';
import type { Task } from './task.ts';

const EINTR = 4n;
/** ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and ERESTART_RESTARTBLOCK of include/linux/errno.h. */
const RESTARTS: ReadonlySet<bigint> = new Set([512n, 513n, 514n, 516n]);
const RESTART_BLOCK = 516n;

/** Calls that return EINTR even when no handler ran: an interrupt by the tracer must not show through. */
const NOT_RESTARTED: ReadonlySet<string> = new Set([
  'epoll_wait',
  'epoll_pwait',
  'epoll_pwait2',
  'rt_sigtimedwait',
  'io_getevents',
  'io_pgetevents',
  'semop',
  'semtimedop',
  'msgrcv',
  'msgsnd',
  'recvfrom',
  'recvmsg',
  'recvmmsg',
  'accept',
  'accept4',
  'read',
  'poll',
  'select',
]);

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
 * @returns the call that was interrupted, or null if the task was in none
 */
export function hideInterrupt(context: Context, task: Task): Interrupted | null {
  const { ptrace } = context;
  if (!ptrace.getRegisters(task.tid)) return null;
  const registers = ptrace.registers;
  const nr = Number(BigInt.asIntN(32, registers[REG.orig_rax] as bigint));
  if (nr < 0) return null;
  const error = -BigInt.asIntN(64, registers[REG.rax] as bigint);
  if (RESTARTS.has(error)) return { nr, restartBlock: error === RESTART_BLOCK };
  if (error !== EINTR || !isNotRestarted(nr) || hasPendingSignal(task.tid)) return null;
  registers[REG.rax] = registers[REG.orig_rax] as bigint;
  registers[REG.rip] = (registers[REG.rip] as bigint) - 2n;
  registers[REG.orig_rax] = BigInt.asUintN(64, -1n);
  ptrace.setRegisters(task.tid);
  return null;
}

function isNotRestarted(nr: number): boolean {
  return ARCHES.slice(0, 2).some((arch) => NOT_RESTARTED.has(syscallName(arch, nr) ?? ''));
}

/** Whether a real signal waits for delivery: then EINTR is the program's due. */
function hasPendingSignal(tid: number): boolean {
  const status = readStatus(tid);
  if (status === null) return false;
  const mask = (field: string): bigint => BigInt(`0x${status.get(field) ?? '0'}`);
  return ((mask('SigPnd') | mask('ShdPnd')) & ~mask('SigBlk')) !== 0n;
}
