import { ARCHES, type Arch } from '../../abi/arch.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import { emitScope, emitUnseen } from './adoption-code.ts';
import { emitArch, emitCurrentArch } from './arch-code.ts';
import type { EbpfCode } from './assembler.ts';
import { ADOPTION_PLACES, AT, emitCall, readTime } from './enter-program.ts';
import { ABSENT } from './kernel-fields.ts';
import { ARCH_COUNT, TASK, TASK_UNSEEN } from './layout.ts';
import { ProgramAssembler, type ProgramOptions } from './program.ts';

/** Offsets in struct pt_regs: arch/x86/include/uapi/asm/ptrace.h. */
const RETURN_VALUE = 80;
const ORIGINAL_NUMBER = 120;

/** The return value while the kernel works on a call: ENOSYS. Source: PUSH_AND_CLEAR_REGS in arch/x86/entry. */
const IN_CALL = -38;
/** ERESTART_RESTARTBLOCK of include/linux/errno.h: a call that goes on as restart_syscall when the task, which is stopped, does. */
const RESTART_BLOCK = -516;

/** PF_EXITING of include/linux/sched.h. */
const EXITING = 4;

/** What a new process returns 0 from though it has never made it, and what a new program returns 0 from as if it had. */
const BORN_IN = ['fork', 'vfork', 'clone', 'clone3', 'execve', 'execveat'];

/**
 * The program at raw tracepoint sys_exit: counts a call that began before anything was watched, with which its task was seen nowhere else. It is
 * there only until it is known of every task that it sits in none.
 *
 * A sigreturn has no number any more, and an execve that succeeded belongs to a program that is gone: neither is counted.
 */
export function assembleReturn(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  code
    .mov('r6', 'r1')
    .call('get_current_pid_tgid')
    .store('r10', AT.ids, 'r0', 8)
    .store('r10', AT.tid, 'r0', 4);
  skipSeen(code, options);
  if (options.adoption !== 'none') emitScope(code, options, ADOPTION_PLACES, null);
  code
    .load('r1', 'r6', 0, 8)
    .store('r10', AT.registers, 'r1', 8)
    .load('r8', 'r1', ORIGINAL_NUMBER, 8)
    .jumpIf32('slt', 'r8', 0, 'end');
  emitCurrentArch(code);
  code.load('r1', 'r6', 8, 8).jumpIf('ne', 'r1', 0, 'own');
  for (let arch = 0; arch < ARCH_COUNT; arch++) {
    const other = code.fresh('other arch');
    code.jumpIf('ne', 'r9', arch, other);
    for (const name of BORN_IN) {
      const nr = syscallNumber(ARCHES[arch] as Arch, name);
      if (nr !== null) code.jumpIf('eq', 'r8', nr, 'end');
    }
    code.label(other);
  }
  code.label('own');
  countPending(code, options, true);
  return code.finish();
}

/**
 * The program that the kernel runs for each task: counts the call in which a task sits of which nothing has been seen yet.
 *
 * A task that is on no processor has the registers of its last entry into the kernel, be it by a call or not, on its stack, and it is in that call if
 * its return value is still what it is at the entry. One that returns meanwhile is taken by the program that sees it. Of one that is on a
 * processor it cannot be told here: they are counted, for somebody has to look again.
 */
export function assembleLook(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  const { fields } = code;
  code.load('r6', 'r1', 8, 8).jumpIf('eq', 'r6', 0, 'end');
  // The end of one that is about to end may have been told already.
  code.load('r1', 'r6', fields.taskFlags, 4).jumpIf('set', 'r1', EXITING, 'end');
  // Threads of the kernel have no memory, and make no calls.
  code.load('r1', 'r6', fields.taskMm, 8).jumpIf('eq', 'r1', 0, 'end');
  code.load('r1', 'r6', fields.taskTgid, 4).alu('lsh', 'r1', 32).load('r2', 'r6', fields.taskPid, 4);
  code.store('r10', AT.tid, 'r2', 4).alu('or', 'r1', 'r2').store('r10', AT.ids, 'r1', 8);
  skipSeen(code, options);
  if (options.adoption !== 'none') emitScope(code, options, ADOPTION_PLACES, 'r6');
  // A kernel for one processor has no such field: what runs there is callgate.
  if (fields.taskOnCpu !== ABSENT) {
    code
      .load('r1', 'r6', fields.taskOnCpu, 4)
      .jumpIf('eq', 'r1', 0, 'off')
      .count('running', 1, 8)
      .jump('end');
  }
  code.label('off').mov('r1', 'r6').call('task_pt_regs').store('r10', AT.registers, 'r0', 8);
  code.load('r8', 'r0', ORIGINAL_NUMBER, 8).jumpIf32('slt', 'r8', 0, 'end');
  code.load('r1', 'r0', RETURN_VALUE, 8).jumpIf32('eq', 'r1', IN_CALL, 'sits');
  code.jumpIf32('ne', 'r1', RESTART_BLOCK, 'end').label('sits');
  code.load('r1', 'r6', fields.taskStatus, 4);
  emitArch(code);
  countPending(code, options, false);
  return code.finish();
}

/** Ends the program if a call of the task has been seen, or it is not followed. */
function skipSeen(code: ProgramAssembler, options: ProgramOptions): void {
  code.lookup('tasks', AT.tid);
  if (options.adoption !== 'none') code.jumpIf('ne', 'r0', 0, 'end');
  else
    code.jumpIf('eq', 'r0', 0, 'end').load('r1', 'r0', TASK.flags, 4).jumpIf('ne', 'r1', TASK_UNSEEN, 'end');
}

/** Counts the call r8 of arch r9 if nobody has seen a call of its task. */
function countPending(code: ProgramAssembler, options: ProgramOptions, isCurrent: boolean): void {
  code.store('r10', AT.row, 'r8', 8);
  emitUnseen(code, options, ADOPTION_PLACES);
  code.load('r8', 'r10', AT.row, 8);
  readTime(code);
  emitCall(code, options, { isCurrent, claims: false });
}
