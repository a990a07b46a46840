import type { EbpfCode } from './assembler.ts';
import { CGROUP_EVENT, EVENT, EVENT_TYPE, PATH_CAP } from './layout.ts';
import { ProgramAssembler, RB_NO_WAKEUP, type ProgramOptions } from './program.ts';

const AT = { zero: -8, spare: -16 } as const;

/**
 * The program at raw tracepoint cgroup_attach_task: tells to which cgroup a process is moved, in any hierarchy. A short
 * one, and its cgroup with it, may be gone before callgate could look.
 *
 * Registers: r6 the task (struct task_struct), r7 the buffer in which the event is put together, r8 the path, r9 the cgroup.
 */
export function assembleMove(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  const { taskTgid, taskPid, cgroupNode, cgroupRoot, nodeId, rootHierarchy } = code.fields;
  // TP_PROTO of include/trace/events/cgroup.h: the cgroup, its path, the task, and whether all its threads are moved.
  code.load('r9', 'r1', 0, 8).load('r8', 'r1', 8, 8).load('r6', 'r1', 16, 8);
  // A thread that is moved alone, in a threaded cgroup, does not take its process with it.
  code.load('r1', 'r6', taskTgid, 4).load('r2', 'r6', taskPid, 4).jumpIf('ne', 'r1', 'r2', 'end');
  code.store('r10', AT.zero, 0, 8).lookup('scratch', AT.zero).mov('r7', 'r0').jumpIf('eq', 'r7', 0, 'end');
  code.load('r1', 'r6', taskTgid, 4).store('r7', CGROUP_EVENT.tgid, 'r1', 4);
  code.store('r7', EVENT.type, EVENT_TYPE.cgroup, 4).store('r7', EVENT.entry, 0, 4);
  code.call('ktime_get_ns').store('r7', EVENT.time, 'r0', 8);
  for (const [pointer, field, to, width] of [
    [cgroupNode, nodeId, CGROUP_EVENT.id, 8],
    [cgroupRoot, rootHierarchy, CGROUP_EVENT.hierarchy, 4],
  ] as const) {
    code.store('r10', AT.spare, 0, 8).fetch('r3', 'r9', pointer, 8, AT.spare);
    code.fetch('r1', 'r3', field, width, AT.spare).store('r7', to, 'r1', width);
  }
  code.mov('r1', 'r7').alu('add', 'r1', CGROUP_EVENT.path).mov('r2', PATH_CAP).mov('r3', 'r8');
  code.call('probe_read_kernel_str').jumpIf('sle', 'r0', 0, 'end').jumpIf('gt', 'r0', PATH_CAP, 'end');
  code.store('r7', CGROUP_EVENT.length, 'r0', 4);
  code.mov('r2', 'r7').mov('r3', 'r0').alu('add', 'r3', CGROUP_EVENT.path).mov('r4', RB_NO_WAKEUP);
  return code.sendPointed().finish();
}
