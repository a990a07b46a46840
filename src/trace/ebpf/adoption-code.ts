import { ADOPT_EVENT, PROCESS, TASK } from './layout.ts';
import { RB_NO_WAKEUP, type ProgramAssembler, type ProgramOptions } from './program.ts';

/** Places on the stack. */
interface Places {
  /** Pid in the upper, tid in the lower half. */
  readonly idsAt: number;
  readonly tidAt: number;
  readonly nowAt: number;
  readonly taskAt: number;
  readonly processAt: number;
  readonly eventAt: number;
}

/** r7 = the task that runs; ends if it is none of ours. Keeps r6 and r9. */
export function emitTask(code: ProgramAssembler, options: ProgramOptions, at: Places): void {
  code.call('get_current_pid_tgid').store('r10', at.idsAt, 'r0', 8);
  code.store('r10', at.tidAt, 'r0', 4).lookup('tasks', at.tidAt).mov('r7', 'r0');
  if (options.adoption === 'none') {
    code.jumpIf('eq', 'r7', 0, 'end');
    return;
  }
  code.jumpIf('ne', 'r7', 0, 'found');
  emitAdoption(code, options, at);
  code.label('found');
}

/**
 * A task that nobody has told of makes a call: if it is in the scope of the trace it becomes one of ours, and r7 its entry; if
 * not the program ends.
 */
function emitAdoption(code: ProgramAssembler, options: ProgramOptions, at: Places): void {
  const pidAt = at.eventAt;
  code.load('r1', 'r10', at.idsAt, 8).alu('rsh', 'r1', 32).jumpIf('eq', 'r1', options.self, 'end');
  code.store('r10', pidAt, 'r1', 4);
  emitScope(code, options, at.processAt);
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
  code
    .insert('tasks', at.tidAt, at.taskAt)
    .lookup('tasks', at.tidAt)
    .mov('r7', 'r0')
    .jumpIf('ne', 'r7', 0, 'adopted');
  code.count('lostTasks', 1, 8).jump('end');
  code.label('adopted').jumpIf('eq', 'r8', 0, 'tell').count('live', 1, 4).label('tell');
  code.load('r2', 'r7', TASK.entry, 4).beginEvent(at.eventAt, 'adopt', 'r2', at.nowAt);
  code.load('r1', 'r7', TASK.tgid, 4).store('r10', at.eventAt + ADOPT_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r10', at.tidAt, 4).store('r10', at.eventAt + ADOPT_EVENT.tid, 'r1', 4);
  code.store('r10', at.eventAt + ADOPT_EVENT.isProcess, 'r8', 8);
  code.send(at.eventAt, ADOPT_EVENT.size, RB_NO_WAKEUP);
}

function emitScope(code: ProgramAssembler, options: ProgramOptions, spareAt: number): void {
  if (options.adoption === 'cgroup') {
    code.map('r1', 'cgroups').mov('r2', 0).call('current_task_under_cgroup').jumpIf('ne', 'r0', 1, 'end');
  } else if (options.adoption === 'mount-namespace') {
    code.call('get_current_task_btf');
    code.fetch('r3', 'r0', code.fields.taskNsproxy, 8, spareAt).jumpIf('eq', 'r3', 0, 'end');
    code.fetch('r3', 'r3', code.fields.nsMount, 8, spareAt).jumpIf('eq', 'r3', 0, 'end');
    code.fetch('r1', 'r3', code.fields.mountNsNumber, 4, spareAt);
    code.alu32('mov', 'r2', options.mountNamespace).jumpIf('ne', 'r1', 'r2', 'end');
  }
}
