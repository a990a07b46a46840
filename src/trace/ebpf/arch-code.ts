import { X32_SYSCALL_BIT } from '../../abi/arch.ts';
import type { ProgramAssembler } from './program.ts';
import { TS_COMPAT } from './shortcut-code.ts';

/** Indices of ARCHES. */
export const X86_64 = 0;
export const I386 = 1;
const X32 = 2;

/** From the number in r8 and the status of the task's thread in r1: r8 = the number, without the bit of x32; r9 = the index of the arch. */
export function emitArch(code: ProgramAssembler): void {
  code.alu32('mov', 'r8', 'r8').mov('r9', I386);
  code.jumpIf('set', 'r1', TS_COMPAT, 'arch').mov('r9', X86_64);
  code.jumpIf32('slt', 'r8', 0, 'arch').jumpIf('set', 'r8', X32_SYSCALL_BIT, 'x32').jump('arch');
  code.label('x32').mov('r9', X32).alu32('and', 'r8', ~X32_SYSCALL_BIT).label('arch');
}

/** The same for the task that the program runs in. */
export function emitCurrentArch(code: ProgramAssembler): void {
  code.call('get_current_task_btf').load('r1', 'r0', code.fields.taskStatus, 4);
  emitArch(code);
}
