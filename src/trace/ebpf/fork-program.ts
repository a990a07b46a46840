import type { EbpfCode } from './assembler.ts';
import { FORK_EVENT, PROCESS, TASK, TASK_LAUNCHING } from './layout.ts';
import { ProgramAssembler, RB_NO_WAKEUP, type ProgramOptions } from './program.ts';
import { emitForget } from './shortcut-code.ts';

/** Places on the stack. */
const AT = {
  parentTid: -8,
  childTid: -16,
  childTgid: -24,
  now: -32,
  parentTgid: -40,
  task: -40 - TASK.size,
  event: -96 - FORK_EVENT.size,
  process: -96 - FORK_EVENT.size - PROCESS.size,
  spare: -104 - FORK_EVENT.size - PROCESS.size,
} as const;

/**
 * The program at raw tracepoint sched_process_fork: what a task that is traced makes is traced from before its first call.
 *
 * Registers: r6 the child (struct task_struct), r7 the parent's entry in map `tasks`, r8 the child's number of a process entry.
 */
export function assembleFork(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  const { taskPid, taskTgid, taskExitSignal, taskCgroups, setCgroup, cgroupNode, nodeId } = code.fields;
  code.load('r6', 'r1', 8, 8).load('r1', 'r1', 0, 8);
  code.load('r2', 'r1', taskPid, 4).store('r10', AT.parentTid, 'r2', 4);
  code.load('r2', 'r1', taskTgid, 4).store('r10', AT.parentTgid, 'r2', 4);
  code.lookup('tasks', AT.parentTid).mov('r7', 'r0').jumpIf('eq', 'r7', 0, 'end');
  code.load('r1', 'r7', TASK.flags, 4).jumpIf('set', 'r1', TASK_LAUNCHING, 'end');
  code.load('r1', 'r6', taskPid, 4).store('r10', AT.childTid, 'r1', 4);
  code.load('r1', 'r6', taskTgid, 4).store('r10', AT.childTgid, 'r1', 4);
  if (options.isLean === true) emitForget(code, AT.childTid);
  code.call('ktime_get_ns').store('r10', AT.now, 'r0', 8);
  code.zero(AT.task, TASK.size).zero(AT.event, FORK_EVENT.size);
  code.load('r8', 'r7', TASK.entry, 4);
  code
    .load('r1', 'r10', AT.childTgid, 4)
    .load('r2', 'r10', AT.parentTgid, 4)
    .jumpIf('eq', 'r1', 'r2', 'thread');
  code
    .zero(AT.process, PROCESS.size)
    .newEntry()
    .mov('r8', 'r0')
    .store('r10', AT.process + PROCESS.entry, 'r8', 4);
  code.phase(AT.parentTgid).store('r10', AT.process + PROCESS.phase, 'r0', 4);
  code.store('r10', AT.event + FORK_EVENT.phase, 'r0', 4);
  if (options.moves === true) {
    // It may be born into another cgroup than its parent's (CLONE_INTO_CGROUP), which is no move.
    code.fetch('r3', 'r6', taskCgroups, 8, AT.spare).fetch('r3', 'r3', setCgroup, 8, AT.spare);
    code.fetch('r3', 'r3', cgroupNode, 8, AT.spare).fetch('r1', 'r3', nodeId, 8, AT.spare);
    code.store('r10', AT.event + FORK_EVENT.cgroup, 'r1', 8);
  }
  code.insert('processes', AT.childTgid, AT.process).jumpIf('ne', 'r0', 0, 'lost').count('live', 1, 4);
  code.label('thread').store('r10', AT.task + TASK.entry, 'r8', 4);
  code.load('r1', 'r10', AT.childTgid, 4).store('r10', AT.task + TASK.tgid, 'r1', 4);
  code.insert('tasks', AT.childTid, AT.task).jumpIf('ne', 'r0', 0, 'lost');
  code.load('r2', 'r7', TASK.entry, 4).beginEvent(AT.event, 'fork', 'r2', AT.now);
  code.store('r10', AT.event + FORK_EVENT.childEntry, 'r8', 4);
  for (const name of ['parentTid', 'childTid', 'childTgid', 'parentTgid'] as const) {
    code.load('r1', 'r10', AT[name], 4).store('r10', AT.event + FORK_EVENT[name], 'r1', 4);
  }
  code.load('r1', 'r7', TASK.cloneFlags, 4).store('r10', AT.event + FORK_EVENT.cloneFlags, 'r1', 4);
  code.load('r1', 'r6', taskExitSignal, 4).store('r10', AT.event + FORK_EVENT.exitSignal, 'r1', 4);
  code.send(AT.event, FORK_EVENT.size, RB_NO_WAKEUP).jump('end');
  code.label('lost').count('lostTasks', 1, 8);
  return code.finish();
}
