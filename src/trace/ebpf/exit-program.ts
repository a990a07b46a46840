import type { EbpfCode } from './assembler.ts';
import { CONTROL, PROCESS, PROCESS_END_EVENT, STATE, TASK, THREAD_END_EVENT } from './layout.ts';
import { ProgramAssembler, RB_FORCE_WAKEUP, RB_NO_WAKEUP, type ProgramOptions } from './program.ts';
import { emitForget } from './shortcut-code.ts';

/** Places on the stack. */
const AT = { tid: -8, tgid: -16, now: -24, waitKey: -40, event: -72, exit: -80 } as const;

/**
 * The program at raw tracepoint sched_process_exit: the end of a thread, and with the last one that of its process.
 *
 * Registers: r6 the task (struct task_struct), r7 its entry in map `tasks`, r8 its struct signal_struct.
 */
export function assembleExit(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  const { taskPid, taskTgid, taskExitCode, taskSignal, signalLive, signalFlags, signalExitCode } =
    code.fields;
  code.load('r6', 'r1', 0, 8).load('r1', 'r6', taskPid, 4).store('r10', AT.tid, 'r1', 4);
  code.load('r1', 'r6', taskTgid, 4).store('r10', AT.tgid, 'r1', 4);
  code.call('ktime_get_ns').store('r10', AT.now, 'r0', 8);
  if (options.isLean === true) emitForget(code, AT.tid);
  if (options.streams.length > 0) code.remove('outputs', AT.tid);
  code.lookup('tasks', AT.tid).mov('r7', 'r0').jumpIf('eq', 'r7', 0, 'process');
  code.endWait(AT.now, AT.waitKey);
  code.zero(AT.event, THREAD_END_EVENT.size);
  code.load('r2', 'r7', TASK.entry, 4).beginEvent(AT.event, 'threadEnd', 'r2', AT.now);
  code.load('r1', 'r10', AT.tid, 4).store('r10', AT.event + THREAD_END_EVENT.tid, 'r1', 4);
  code.load('r1', 'r10', AT.tgid, 4).store('r10', AT.event + THREAD_END_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r6', taskExitCode, 4).store('r10', AT.event + THREAD_END_EVENT.exitCode, 'r1', 4);
  code.remove('tasks', AT.tid).send(AT.event, THREAD_END_EVENT.size, RB_NO_WAKEUP);
  // A thread of the kernel's own may be the last of the process: nothing was recorded of it, but it ends the process.
  code
    .label('process')
    .load('r8', 'r6', taskSignal, 8)
    .load('r1', 'r8', signalLive, 4)
    .jumpIf32('ne', 'r1', 0, 'end');
  code.lookup('processes', AT.tgid).jumpIf('eq', 'r0', 0, 'end');
  code.zero(AT.event, PROCESS_END_EVENT.size);
  code.load('r2', 'r0', PROCESS.entry, 4).beginEvent(AT.event, 'processEnd', 'r2', AT.now);
  code.load('r1', 'r10', AT.tgid, 4).store('r10', AT.event + PROCESS_END_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r8', signalFlags, 4).store('r10', AT.event + PROCESS_END_EVENT.signalFlags, 'r1', 4);
  code.load('r1', 'r8', signalExitCode, 4).store('r10', AT.event + PROCESS_END_EVENT.exitCode, 'r1', 4);
  // Two threads may see that none is left: the first takes the process out.
  code.remove('processes', AT.tgid).jumpIf('ne', 'r0', 0, 'end');
  code.mapValue('r1', 'state', STATE.live).mov('r2', -1).fetchAdd('r1', 0, 'r2', 4);
  code.mov('r4', RB_FORCE_WAKEUP).jumpIf32('eq', 'r2', 1, 'wake');
  code.mapValue('r1', 'control', CONTROL.root).load('r1', 'r1', 0, 4).load('r2', 'r10', AT.tgid, 4);
  code.jumpIf('eq', 'r1', 'r2', 'wake').mov('r4', RB_NO_WAKEUP).label('wake');
  code.mov('r2', 'r10').alu('add', 'r2', AT.event).mov('r3', PROCESS_END_EVENT.size).sendPointed();
  return code.finish();
}
