import { emitCurrentArch } from './arch-code.ts';
import type { EbpfCode } from './assembler.ts';
import { ERROR_KEY, TASK } from './layout.ts';
import { ProgramAssembler, type ProgramOptions } from './program.ts';

/** Results from here to -1 are errors; those before are the kernel's own, of calls that are not over (ERESTARTSYS and its like). */
const FIRST_ERROR = -511;

/** Offset of orig_ax in struct pt_regs: arch/x86/include/uapi/asm/ptrace.h. */
const ORIG_AX = 120;

/** Places on the stack. */
const AT = { tid: -8, key: -24, count: -32 } as const;

/**
 * The program at raw tracepoint sys_exit: counts the errors of calls that have been counted. A call that a seccomp filter of the task's own
 * denies comes by here without having been entered.
 *
 * Registers: r6 the arguments of the tracepoint, r7 the task's entry in its map, r8 the number, r9 the arch.
 */
export function assembleOutcome(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  code.mov('r6', 'r1').call('get_current_pid_tgid').store('r10', AT.tid, 'r0', 4);
  code.lookup('tasks', AT.tid).mov('r7', 'r0').jumpIf('eq', 'r7', 0, 'end');
  code.load('r1', 'r7', TASK.counted, 4).jumpIf('eq', 'r1', 0, 'end').store('r7', TASK.counted, 0, 4);
  // Unsigned: what is not negative is below as well.
  code.load('r2', 'r6', 8, 8).jumpIf('lt', 'r2', FIRST_ERROR, 'end');
  code
    .mov('r1', 0)
    .alu('sub', 'r1', 'r2')
    .store('r10', AT.key + ERROR_KEY.errno, 'r1', 4);
  // After a signal's return it is -1, and the result is that of the call that the signal had interrupted.
  code.load('r1', 'r6', 0, 8).load('r8', 'r1', ORIG_AX, 8).jumpIf32('eq', 'r8', -1, 'end');
  emitCurrentArch(code);
  code.load('r1', 'r7', TASK.entry, 4).store('r10', AT.key + ERROR_KEY.entry, 'r1', 4);
  code.store('r10', AT.key + ERROR_KEY.arch, 'r9', 4).store('r10', AT.key + ERROR_KEY.nr, 'r8', 4);
  code.lookup('errors', AT.key).jumpIf('ne', 'r0', 0, 'known');
  code.store('r10', AT.count, 1, 8).insert('errors', AT.key, AT.count).jumpIf('eq', 'r0', 0, 'end');
  // Another thread was first, or there is no room.
  code.lookup('errors', AT.key).jumpIf('ne', 'r0', 0, 'known').count('lostCalls', 1, 8).jump('end');
  code.label('known').mov('r1', 1).atomicAdd('r0', 0, 'r1', 8);
  return code.finish();
}
