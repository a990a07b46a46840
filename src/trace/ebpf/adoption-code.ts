import type { Register } from './instruction-set.ts';
import { ADOPT_EVENT, PROCESS, TASK, TASK_UNSEEN } from './layout.ts';
import { RB_NO_WAKEUP, type ProgramAssembler, type ProgramOptions } from './program.ts';

/** Places on the stack. */
export interface Places {
  /** Pid in the upper, tid in the lower half. */
  readonly idsAt: number;
  readonly tidAt: number;
  readonly nowAt: number;
  readonly taskAt: number;
  readonly processAt: number;
  readonly eventAt: number;
}

/** Source: include/linux/cgroup.h; cgroups can be nested deeper, but nobody does. */
const CGROUP_DEPTH = 64;

/** r7 = the task that runs; ends if it is none of ours. Keeps r6 and r9. */
export function emitTask(code: ProgramAssembler, options: ProgramOptions, at: Places): void {
  code.call('get_current_pid_tgid').store('r10', at.idsAt, 'r0', 8);
  code.store('r10', at.tidAt, 'r0', 4).lookup('tasks', at.tidAt).mov('r7', 'r0');
  if (options.adoption === 'none') {
    code.jumpIf('eq', 'r7', 0, 'end');
    return;
  }
  code.jumpIf('ne', 'r7', 0, 'found');
  emitAdoption(code, options, at, false);
  code.label('found');
}

/**
 * r7 = a task of ours of which no call has been seen yet, which it is no longer then: whoever is first has it, the program that sees its next
 * call or one that has seen in which it sits. Ends if it is none, or another was first. Ids and tid are on the stack. Keeps r6 and r9, loses r8.
 */
export function emitUnseen(code: ProgramAssembler, options: ProgramOptions, at: Places): void {
  code.lookup('tasks', at.tidAt).mov('r7', 'r0');
  if (options.adoption === 'none') {
    code.jumpIf('eq', 'r7', 0, 'end').mov('r0', TASK_UNSEEN).mov('r1', 0);
    code.compareExchange('r7', TASK.flags, 'r1', 4).jumpIf32('ne', 'r0', TASK_UNSEEN, 'end');
  } else {
    code.jumpIf('ne', 'r7', 0, 'end');
    emitAdoption(code, options, at, true);
  }
}

/**
 * A task that nobody has told of makes a call: if it is in the scope of the trace it becomes one of ours, and r7 its entry; if
 * not the program ends. A task that sits in a call has been found in the scope already, and becomes one only if no other program was first.
 */
function emitAdoption(code: ProgramAssembler, options: ProgramOptions, at: Places, isPending: boolean): void {
  const pidAt = at.eventAt;
  if (!isPending) emitScope(code, options, at, null);
  code.load('r1', 'r10', at.idsAt, 8).alu('rsh', 'r1', 32).store('r10', pidAt, 'r1', 4);
  code.call('ktime_get_ns').store('r10', at.nowAt, 'r0', 8);
  code.zero(at.taskAt, TASK.size).mov('r8', 0);
  code.lookup('processes', pidAt).jumpIf('ne', 'r0', 0, 'known process');
  code
    .zero(at.processAt, PROCESS.size)
    .newEntry()
    .store('r10', at.processAt + PROCESS.entry, 'r0', 4);
  code
    .insert('processes', pidAt, at.processAt)
    .mov('r8', 1)
    .jumpIf('eq', 'r0', 0, 'new process')
    .mov('r8', 0);
  code.label('new process').lookup('processes', pidAt).jumpIf('ne', 'r0', 0, 'known process');
  code.count('lostTasks', 1, 8).jump('end');
  code
    .label('known process')
    .load('r1', 'r0', PROCESS.entry, 4)
    .store('r10', at.taskAt + TASK.entry, 'r1', 4);
  code.load('r1', 'r10', pidAt, 4).store('r10', at.taskAt + TASK.tgid, 'r1', 4);
  code.insert('tasks', at.tidAt, at.taskAt);
  if (isPending)
    code.jumpIf('eq', 'r0', 0, 'first').lookup('tasks', at.tidAt).jumpIf('ne', 'r0', 0, 'end').label('first');
  code.lookup('tasks', at.tidAt).mov('r7', 'r0').jumpIf('ne', 'r7', 0, 'adopted');
  code.count('lostTasks', 1, 8).jump('end');
  code.label('adopted').jumpIf('eq', 'r8', 0, 'tell').count('live', 1, 4).label('tell');
  code.load('r2', 'r7', TASK.entry, 4).beginEvent(at.eventAt, 'adopt', 'r2', at.nowAt);
  code.load('r1', 'r7', TASK.tgid, 4).store('r10', at.eventAt + ADOPT_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r10', at.tidAt, 4).store('r10', at.eventAt + ADOPT_EVENT.tid, 'r1', 4);
  code.store('r10', at.eventAt + ADOPT_EVENT.isProcess, 'r8', 8);
  code.send(at.eventAt, ADOPT_EVENT.size, RB_NO_WAKEUP);
}

/**
 * Ends the program if a task is not in the scope of the trace: that which runs if `task` is null, else that in a register, which is kept.
 * Loses what is at `processAt` and `eventAt`.
 */
export function emitScope(
  code: ProgramAssembler,
  options: ProgramOptions,
  { idsAt, processAt: spareAt, eventAt: leftAt }: Places,
  task: Register | null,
): void {
  code.load('r1', 'r10', idsAt, 8).alu('rsh', 'r1', 32).jumpIf('eq', 'r1', options.self, 'end');
  if (options.adoption === 'cgroup') {
    if (task === null) {
      code.map('r1', 'cgroups').mov('r2', 0).call('current_task_under_cgroup').jumpIf('ne', 'r0', 1, 'end');
    } else {
      emitCgroup(code, options, task, spareAt, leftAt);
    }
  } else if (options.adoption === 'mount-namespace') {
    if (task === null) code.call('get_current_task_btf');
    code.fetch('r3', task ?? 'r0', code.fields.taskNsproxy, 8, spareAt).jumpIf('eq', 'r3', 0, 'end');
    code.fetch('r3', 'r3', code.fields.nsMount, 8, spareAt).jumpIf('eq', 'r3', 0, 'end');
    code.fetch('r1', 'r3', code.fields.mountNsNumber, 4, spareAt);
    code.alu32('mov', 'r2', options.mountNamespace).jumpIf('ne', 'r1', 'r2', 'end');
  }
}

/** Ends the program if the cgroup (v2) of a task is not the wanted one or below it: the helper answers for the task that runs only. */
function emitCgroup(
  code: ProgramAssembler,
  { cgroup }: ProgramOptions,
  task: Register,
  spareAt: number,
  leftAt: number,
): void {
  const { fields } = code;
  const cgroupAt = spareAt + 8;
  code.fetch('r3', task, fields.taskCgroups, 8, spareAt).jumpIf('eq', 'r3', 0, 'end');
  code.fetch('r1', 'r3', fields.setCgroup, 8, spareAt).store('r10', cgroupAt, 'r1', 8);
  code.store('r10', leftAt, CGROUP_DEPTH, 8).label('cgroup');
  code
    .load('r1', 'r10', leftAt, 8)
    .jumpIf('eq', 'r1', 0, 'end')
    .alu('sub', 'r1', 1)
    .store('r10', leftAt, 'r1', 8);
  code.load('r3', 'r10', cgroupAt, 8).fetch('r3', 'r3', fields.cgroupNode, 8, spareAt);
  code.fetch('r3', 'r3', fields.nodeId, 8, spareAt);
  code.constant('r2', cgroup).jumpIf('eq', 'r3', 'r2', 'in cgroup');
  // The parent is given by its first member of that kind; the root has none.
  code.load('r3', 'r10', cgroupAt, 8).fetch('r1', 'r3', fields.cgroupParent, 8, spareAt);
  code.jumpIf('eq', 'r1', 0, 'end').alu('sub', 'r1', fields.cgroupSelf).store('r10', cgroupAt, 'r1', 8);
  code.jump('cgroup').label('in cgroup');
}
