import type { EbpfCode } from './assembler.ts';
import { HIDDEN_OUTPUT_EVENT, OUTPUT_REST, TASK } from './layout.ts';
import { emitBuffers, WORK_SIZE } from './output-code.ts';
import { ProgramAssembler, RB_FORCE_WAKEUP, type ProgramOptions } from './program.ts';

/** Places on the stack. */
const AT = {
  tid: -8,
  tgid: -16,
  spare: -24,
  work: -24 - WORK_SIZE,
  event: -24 - WORK_SIZE - HIDDEN_OUTPUT_EVENT.size,
} as const;

/**
 * The program at raw tracepoint sys_exit: sends what of a write could not be read when it began, for the kernel has touched the
 * pages since. Where it had no need to, as for /dev/null, callgate is told where the text lies.
 *
 * Registers: r6 the arguments of the tracepoint and later the buffer of an event, r7 the task's entry in its map, r8 what is left.
 */
export function assembleOutput(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  code.mov('r6', 'r1').call('get_current_pid_tgid').store('r10', AT.tid, 'r0', 4);
  code.alu('rsh', 'r0', 32).store('r10', AT.tgid, 'r0', 8);
  code.lookup('outputs', AT.tid).mov('r8', 'r0').jumpIf('eq', 'r8', 0, 'end');
  for (let offset = 0; offset < OUTPUT_REST.size; offset += 8) {
    code.load('r1', 'r8', offset, 8).store('r10', AT.work + offset, 'r1', 8);
  }
  code.remove('outputs', AT.tid);
  // Of one that failed nothing was written; one that is to be made again comes by anew.
  code.load('r1', 'r6', 8, 8).jumpIf('sle', 'r1', 0, 'end');
  code.lookup('tasks', AT.tid).mov('r7', 'r0').jumpIf('eq', 'r7', 0, 'end');
  code.store('r10', AT.spare, 0, 8).lookup('scratch', AT.spare).mov('r6', 'r0').jumpIf('eq', 'r6', 0, 'end');
  emitBuffers(code, AT.work, 'end');
  code.load('r2', 'r7', TASK.entry, 4).beginEvent(AT.event, 'hiddenOutput', 'r2', AT.work + OUTPUT_REST.time);
  for (const field of ['stream', 'isVector', 'first'] as const) {
    code.load('r1', 'r10', AT.work + OUTPUT_REST[field], 4);
    code.store('r10', AT.event + HIDDEN_OUTPUT_EVENT[field], 'r1', 4);
  }
  code.load('r1', 'r10', AT.tgid, 8).store('r10', AT.event + HIDDEN_OUTPUT_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r10', AT.tid, 4).store('r10', AT.event + HIDDEN_OUTPUT_EVENT.tid, 'r1', 4);
  // All that is sent has to be set.
  code.store('r10', AT.event + HIDDEN_OUTPUT_EVENT.tid + 4, 0, 4);
  for (const field of ['address', 'length'] as const) {
    code.load('r1', 'r10', AT.work + OUTPUT_REST[field], 8);
    code.store('r10', AT.event + HIDDEN_OUTPUT_EVENT[field], 'r1', 8);
  }
  code.send(AT.event, HIDDEN_OUTPUT_EVENT.size, RB_FORCE_WAKEUP);
  return code.finish();
}
