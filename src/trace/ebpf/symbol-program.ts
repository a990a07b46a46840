import { emitTask } from './adoption-code.ts';
import type { EbpfCode } from './assembler.ts';
import { ADOPT_EVENT, PROCESS, TASK, TASK_LAUNCHING, TRIGGER_EVENT } from './layout.ts';
import { ProgramAssembler, RB_FORCE_WAKEUP, type ProgramOptions, type SymbolTrigger } from './program.ts';

/** Places on the stack. */
const AT = {
  tid: -8,
  ids: -16,
  now: -24,
  tgid: -32,
  process: -40,
  phase: -48,
  event: -48 - Math.max(TRIGGER_EVENT.size, ADOPT_EVENT.size),
  newTask: -80 - TASK.size,
  newProcess: -80 - TASK.size - PROCESS.size,
} as const;

/**
 * The program at the first instruction of a function, with all triggers that wait for it: one alone, so that which of them are armed
 * is decided before any fires. A call of the function that begins one phase does not count for the next.
 *
 * Registers: r7 the task's entry in map `tasks`.
 */
export function assembleSymbol(options: ProgramOptions, triggers: readonly SymbolTrigger[]): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  emitTask(code, options, {
    idsAt: AT.ids,
    tidAt: AT.tid,
    nowAt: AT.now,
    taskAt: AT.newTask,
    processAt: AT.newProcess,
    eventAt: AT.event,
  });
  code.load('r1', 'r7', TASK.flags, 4).jumpIf('set', 'r1', TASK_LAUNCHING, 'end');
  code.call('ktime_get_ns').store('r10', AT.now, 'r0', 8);
  code.load('r1', 'r10', AT.ids, 8).alu('rsh', 'r1', 32).store('r10', AT.tgid, 'r1', 4);
  code.lookup('processes', AT.tgid).jumpIf('eq', 'r0', 0, 'end').store('r10', AT.process, 'r0', 8);
  code.phase(AT.tgid).store('r10', AT.phase, 'r0', 8);
  for (const { index, armed, phase } of triggers) {
    const next = code.fresh('next trigger');
    if (armed !== null) code.load('r1', 'r10', AT.phase, 8).jumpIf('ne', 'r1', armed, next);
    // Several threads may be here at once, and a function may be called for ever: told of once.
    code.load('r1', 'r10', AT.process, 8).load('r2', 'r1', PROCESS.counts + index * 4, 4);
    code
      .jumpIf('ne', 'r2', 0, next)
      .mov('r2', 1)
      .fetchAdd('r1', PROCESS.counts + index * 4, 'r2', 4);
    code.jumpIf32('ne', 'r2', 0, next);
    if (phase !== null) {
      code.load('r1', 'r10', AT.process, 8).mov('r2', phase).store('r1', PROCESS.phase, 'r2', 4);
    }
    code.load('r2', 'r7', TASK.entry, 4).beginEvent(AT.event, 'trigger', 'r2', AT.now);
    code.store('r10', AT.event + TRIGGER_EVENT.watch, index, 4).load('r1', 'r10', AT.tgid, 4);
    code.store('r10', AT.event + TRIGGER_EVENT.tgid, 'r1', 4);
    code.send(AT.event, TRIGGER_EVENT.size, RB_FORCE_WAKEUP).label(next);
  }
  return code.finish();
}
