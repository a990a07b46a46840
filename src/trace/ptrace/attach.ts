import { errnoText } from '../../abi/errno.ts';
import { SystemCallError, UnsupportedError, UsageError } from '../../base/errors.ts';
import type { AttachTarget } from '../backend.ts';
import { hasEnded, isTracedByUs, listThreads, readExecutable, readStatus } from '../proc.ts';
import { newAddressSpace } from './address-space.ts';
import type { Context } from './context.ts';
import type { Family } from './family.ts';
import { newTask, type Task } from './task.ts';

/**
 * Attaches to every thread of the processes; each stops once and goes on by itself.
 *
 * @returns one task a process
 * @throws UsageError if a process is gone
 * @throws UnsupportedError if tracing it is forbidden, with the reason where /proc tells it
 */
export function attach(context: Context, family: Family, target: AttachTarget): Task[] {
  context.host.startClock();
  // All or none: one that cannot be traced is found out before anything of the others has been recorded.
  for (const pid of target.pids) seize(context, pid, pid);
  return target.pids.map((pid) => attachProcess(context, family, pid));
}

/** False for a thread that needs no seizing: it has ended, or it is traced since its birth. */
function seize({ ptrace, options }: Context, pid: number, tid: number): boolean {
  try {
    ptrace.seize(tid, options);
    return true;
  } catch (error) {
    // Between the listing and the seizing a thread may end, and one that is new may turn out to be a seized one's.
    if (tid !== pid && (hasEnded(tid) || isTracedByUs(tid))) return false;
    throw explain(pid, error);
  }
}

function attachProcess(context: Context, family: Family, pid: number): Task {
  const { ptrace, recorder, tasks, host } = context;
  const process = family.begin(pid, 'attach', host.now());
  const space = newAddressSpace();
  const add = (tid: number): void => {
    const task = newTask(tid, process, space);
    task.syscallStops = true;
    task.attaching = true;
    // It may be: then the event is its first stop.
    task.cloning = true;
    task.cloneFlags = -1;
    tasks.set(tid, task);
    if (tid !== pid) recorder.startThread(process, tid, null, host.now());
    ptrace.interrupt(tid);
  };
  add(pid);
  // A thread that is not seized yet may start another: look again until there is nothing new. Threads that a
  // seized one starts are traced from birth, and their birth is told by an event.
  for (let found = true; found;) {
    found = false;
    for (const tid of listThreads(pid)) {
      if (tasks.has(tid) || !seize(context, pid, tid)) continue;
      add(tid);
      found = true;
    }
  }
  return tasks.get(pid) as Task;
}

function explain(pid: number, error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const status = readStatus(pid);
  if (status === null) return new UsageError(`trace: there is no process ${pid}`, { cause: error });
  if (hasEnded(pid) && !listThreads(pid).every(hasEnded)) {
    return new UnsupportedError(
      `trace: the first thread of process ${pid} has ended, and ptrace cannot follow a process of which only others go on (--method ebpf can, as root)`,
      { feature: 'ptrace', cause: error },
    );
  }
  if (hasEnded(pid)) {
    return new UsageError(`trace: process ${pid} has ended and waits for its parent (a zombie)`, {
      cause: error,
    });
  }
  const tracer = Number(status.get('TracerPid') ?? 0);
  if (tracer !== 0) {
    return new UnsupportedError(
      `trace: process ${pid} is already traced by pid ${tracer} (${readExecutable(tracer) ?? 'unknown'}); a process has one tracer at a time`,
      { feature: 'ptrace', cause: error },
    );
  }
  const name = errnoText(error.errno);
  return new UnsupportedError(
    `trace: not allowed to trace process ${pid}, ${name} (run as root, or see callgate doctor for what forbids it)`,
    { feature: 'ptrace', cause: error },
  );
}
