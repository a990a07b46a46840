import { signalName } from '../../abi/signals.ts';
import { PTRACE_EVENT_CLONE, PTRACE_EVENT_VFORK } from '../../sys/ptrace.ts';
import type { WaitStatus } from '../../sys/wait.ts';
import type { ExitStatus } from '../../profile/model.ts';
import { hasEnded, isThreadOf, isTracedByUs, readStat, readStatus } from '../proc.ts';
import type { Privilege, Programs } from '../programs.ts';
import type { ProcessRecord } from '../recorder.ts';
import { copyAddressSpace, newAddressSpace } from './address-space.ts';
import type { Context } from './context.ts';
import { newTask, type Task } from './task.ts';

const CLONE_VM = 0x100;
const CLONE_PARENT = 0x8000;

type Ended = Exclude<WaitStatus, { kind: 'stopped' }>;

/** A child of which nobody has told yet, as it was when it stopped: it is looked at again at every stop of the others, of whom there may be hundreds. */
interface Stranger {
  readonly at: number;
  readonly pid: number;
  readonly parentPid: number;
}

/** Births, execs and deaths: who is whose child, and which task belongs to which process. */
export class Family {
  readonly #context: Context;
  readonly #programs: Programs;
  /** Live processes by pid. */
  readonly #processes: Map<number, ProcessRecord> = new Map();
  /** Those of them that were let go of, with the time of their start, by which a pid is still theirs. */
  readonly #letGo: Map<number, number> = new Map();
  /** Tasks that were adopted, and of which a parent may still tell. */
  readonly #adopted: Set<number> = new Set();
  /** Children that stopped before their parent's event told of them. */
  readonly #strangers: Map<number, Stranger> = new Map();
  /** Ends that came before the birth was told of. */
  readonly #early: Map<number, { status: Ended; at: number }> = new Map();
  /** Tasks that ended inside a fork or clone call, the latest last: the parents of children that nobody tells of. */
  readonly #cutOff: Task[] = [];
  #root: number | null = null;
  /** How the program that was started ended, across its execs. */
  rootExit: ExitStatus | null = null;

  constructor(context: Context, programs: Programs) {
    this.#context = context;
    this.#programs = programs;
  }

  get processes(): ReadonlyMap<number, ProcessRecord> {
    return this.#processes;
  }

  /** The processes that a signal can be sent to. Of those that were let go of the end is not seen, and a pid may be somebody else's by then. */
  reachable(): Map<number, ProcessRecord> {
    for (const [pid, startTime] of this.#letGo) {
      const isOurChild = pid === this.#root && this.rootExit === null;
      if (!isOurChild && readStat(pid)?.startTime !== startTime) this.#remove(pid);
    }
    return new Map(this.#processes);
  }

  /** A process goes on without being traced. */
  letGo(pid: number): void {
    const stat = readStat(pid);
    if (stat === null) this.#remove(pid);
    else this.#letGo.set(pid, stat.startTime);
  }

  /** Whether a parent tells only now of a child that was adopted, and that has ended or been let go of since. To be asked once. */
  isToldLate(tid: number): boolean {
    return !this.#context.tasks.has(tid) && this.#adopted.delete(tid) && !isNewTracee(tid);
  }

  /** Whether there is news of children whose birth has not been told of. */
  get hasStrangers(): boolean {
    return this.#strangers.size > 0 || this.#early.size > 0;
  }

  get root(): number | null {
    return this.#root;
  }

  /** The first process, at its exec (started) or as it is found (attached). */
  begin(pid: number, birth: 'start' | 'attach', at: number): ProcessRecord {
    const { program, path, argv, privilege } = this.#programs.of(pid);
    if (birth === 'start') {
      this.#root = pid;
      this.#warnPrivilege(path, privilege);
    }
    const phase = 0;
    const process = this.#context.recorder.startProcess({
      pid,
      birth,
      parent: null,
      program,
      argv,
      at,
      phase,
    });
    this.#processes.set(pid, process);
    return process;
  }

  /** The parent's event: makes the child's task. Returns it if it has stopped already and waits to be resumed. */
  born(parent: Task, event: number, tid: number, at: number): Task | null {
    const early = this.#endOf(tid);
    const seen = this.#context.tasks.get(tid);
    this.#adopted.delete(tid);
    if (seen !== undefined) {
      // It was adopted on its own word because its parent seemed to have died; now the parent says more.
      this.#correct(seen, parent, event);
      return null;
    }
    const stopped = this.#strangers.has(tid);
    this.#strangers.delete(tid);
    const isThread = event === PTRACE_EVENT_CLONE && this.#isThread(parent, tid, early !== undefined);
    const task = isThread ? this.#newThread(parent, tid, at) : this.#newProcess(parent, event, tid, at);
    task.syscallStops = parent.syscallStops;
    if (early !== undefined) {
      this.#early.delete(tid);
      this.ended(tid, early.status, early.at);
      return null;
    }
    return stopped ? task : null;
  }

  /** A task that stopped and is not known: its birth will be told of, unless its parent has died. */
  stranger(tid: number, at: number): void {
    // An end of which nobody told was that of another with this tid.
    this.#early.delete(tid);
    this.#adopted.delete(tid);
    this.#strangers.set(tid, { at, ...relativesOf(tid) });
  }

  /**
   * Makes tasks of the children that were held and of which no parent will tell any more: it was killed while it
   * made them. They are stopped, and the caller resumes them.
   */
  adoptStrangers(): Task[] {
    const adopted: Task[] = [];
    for (const [tid, { at, pid, parentPid }] of this.#strangers) {
      if (this.#mayStillBeTold(tid, pid, parentPid)) continue;
      this.#strangers.delete(tid);
      this.#adopted.add(tid);
      const process = this.#processes.get(pid);
      const relative = pid === tid || process === undefined ? undefined : this.#anyTask(process);
      adopted.push(
        relative === undefined
          ? this.#newOrphan(tid, this.#processes.has(parentPid) ? parentPid : relativesOf(tid).parentPid, at)
          : this.#newThread(relative, tid, at),
      );
    }
    // Those that nobody will tell of made no call, and their tids are free for others.
    const { tasks } = this.#context;
    if (this.#early.size > 0 && ![...tasks.values()].some((task) => this.#mayBeCloning(task))) {
      this.#early.clear();
      this.#adopted.clear();
    }
    return adopted;
  }

  /** execve succeeded in `tid`, which was `former` before: all other threads are gone. */
  exec(tid: number, former: number, at: number): Task | null {
    const { tasks, recorder } = this.#context;
    const task = tasks.get(former) ?? tasks.get(tid);
    if (task === undefined) return null;
    const old = task.process;
    for (const other of tasks.values()) {
      if (other.process === old && other !== task) tasks.delete(other.tid);
    }
    tasks.delete(task.tid);
    const { program, path, argv, privilege } = this.#programs.of(tid);
    const process = recorder.exec(old, program, argv, at);
    this.#processes.set(tid, process);
    const next = newTask(tid, process, newAddressSpace());
    next.syscallStops = task.syscallStops;
    tasks.set(tid, next);
    this.#warnPrivilege(path, privilege);
    return next;
  }

  /** A task ended. */
  ended(tid: number, status: Ended, at: number): void {
    const { tasks, recorder, host } = this.#context;
    const task = tasks.get(tid);
    if (task === undefined) {
      // Even if it was seen to stop: its parent may tell of it only now, and what has ended would be waited for.
      this.#strangers.delete(tid);
      this.#early.set(tid, { status, at });
      return;
    }
    tasks.delete(tid);
    if (task.cloning) this.#cutOff.push(task);
    if (tid !== task.process.pid) {
      recorder.endThread(task.process, tid, at);
      return;
    }
    const exit = toExit(status);
    // The end of a process's first thread is told last. What is not gone by then was killed in an execve, in which it had taken that thread's tid.
    for (const other of task.process.threads.keys()) tasks.delete(other);
    recorder.endProcess(task.process, exit, at);
    this.#remove(tid);
    if (tid === this.#root) {
      this.rootExit = exit;
      host.send({ kind: 'root-ended', exit });
    }
  }

  /** How a child ended of which its parent tells only now; what ended with this tid may have been another, of which nobody told. */
  #endOf(tid: number): { readonly status: Ended; readonly at: number } | undefined {
    const early = this.#early.get(tid);
    if (early === undefined || !isNewTracee(tid)) return early;
    this.#early.delete(tid);
    return undefined;
  }

  #remove(pid: number): void {
    this.#processes.delete(pid);
    this.#letGo.delete(pid);
  }

  #add(pid: number, process: ProcessRecord): void {
    this.#letGo.delete(pid);
    this.#processes.set(pid, process);
  }

  #newThread(parent: Task, tid: number, at: number): Task {
    const task = newTask(tid, parent.process, parent.space);
    this.#context.tasks.set(tid, task);
    this.#context.recorder.startThread(parent.process, tid, parent.tid, at);
    return task;
  }

  #newProcess(parent: Task, event: number, tid: number, at: number): Task {
    const vfork = event === PTRACE_EVENT_VFORK;
    const birth = vfork ? 'vfork' : event === PTRACE_EVENT_CLONE ? 'clone' : 'fork';
    const { program, phase } = parent.process;
    const process = this.#context.recorder.startProcess({
      pid: tid,
      birth,
      parent: parent.process,
      program,
      argv: null,
      at,
      phase,
    });
    this.#add(tid, process);
    const shares = vfork || (parent.cloneFlags !== -1 && (parent.cloneFlags & CLONE_VM) !== 0);
    const task = newTask(tid, process, shares ? parent.space : copyAddressSpace(parent.space));
    this.#context.tasks.set(tid, task);
    return task;
  }

  /** A child whose parent died before it could tell: /proc says what it is, but not how it was made. */
  #newOrphan(tid: number, parentPid: number, at: number): Task {
    const parent = this.#cutOff.pop();
    const known = parent?.process ?? this.#processes.get(parentPid) ?? null;
    const { program } = this.#programs.of(tid);
    const process = this.#context.recorder.startProcess({
      pid: tid,
      birth: 'fork',
      parent: known,
      program,
      argv: null,
      at,
      phase: known?.phase ?? 0,
    });
    this.#add(tid, process);
    const task = newTask(
      tid,
      process,
      parent === undefined ? newAddressSpace() : copyAddressSpace(parent.space),
    );
    const { request, inheritsFilter } = this.#context;
    task.syscallStops =
      request.method === 'adaptive' ||
      (parent?.syscallStops ?? (request.method === 'ptrace' || inheritsFilter));
    this.#context.tasks.set(tid, task);
    return task;
  }

  #correct(task: Task, parent: Task, event: number): void {
    if (task.process.pid !== task.tid) return;
    task.process.parent = parent.process;
    task.process.birth =
      event === PTRACE_EVENT_VFORK ? 'vfork' : event === PTRACE_EVENT_CLONE ? 'clone' : 'fork';
  }

  #isThread(parent: Task, tid: number, gone: boolean): boolean {
    const CLONE_THREAD = 0x10000;
    if (gone && parent.cloneFlags !== -1) return (parent.cloneFlags & CLONE_THREAD) !== 0;
    return isThreadOf(parent.process.pid, tid);
  }

  /** Whether a live task may be about to report this birth: one that is in a fork or clone call, and is its parent. */
  #mayStillBeTold(tid: number, pid: number, parentPid: number): boolean {
    for (const task of this.#context.tasks.values()) {
      const { cloneFlags, process } = task;
      // A thread is made by its own process; flags of -1, which could not be read, contain CLONE_PARENT: then it may be any child.
      const isRelative =
        pid === tid ? process.pid === parentPid || (cloneFlags & CLONE_PARENT) !== 0 : process.pid === pid;
      if (isRelative && this.#mayBeCloning(task)) return true;
    }
    return false;
  }

  /**
   * Whether a task may be in a fork or clone call. A filter that enforces lets those pass unseen: then it is every task that does not sleep. One
   * held for it wrongly waits for the next news; one adopted too early may have ended by the time its parent tells of it.
   */
  #mayBeCloning(task: Task): boolean {
    if (task.ending) return false;
    if (this.#context.request.enforcement === null) return task.cloning;
    // A kill between a stop and the word to go on takes it past its last stop, and its end is told only after those of its threads.
    if (task.cloning || task.syscallStops) return task.cloning && !hasEnded(task.tid);
    const state = readStatus(task.tid)?.get('State')?.[0];
    return state === 'R' || state === 'D' || state === 't';
  }

  #anyTask(process: ProcessRecord): Task | undefined {
    for (const task of this.#context.tasks.values()) if (task.process === process) return task;
    return undefined;
  }

  #warnPrivilege(path: string | null, privilege: Privilege | null): void {
    if (privilege === null || this.#context.request.privileged || path === null) return;
    this.#context.host.send({
      kind: 'warning',
      text: `${path} is ${privilege} and ran without its privileges, for it is traced by an unprivileged user; run callgate as root to trace it as it is`,
    });
  }
}

/** Whether a task lives and is traced, so that it is none that has ended or been let go of. */
function isNewTracee(tid: number): boolean {
  return !hasEnded(tid) && isTracedByUs(tid);
}

/** The process that a task belongs to, and the one that made that; 0 if it is gone. */
function relativesOf(tid: number): { readonly pid: number; readonly parentPid: number } {
  const status = readStatus(tid);
  return { pid: Number(status?.get('Tgid') ?? tid), parentPid: Number(status?.get('PPid') ?? 0) };
}

/** ExitStatus of a wait status. */
export function toExit(status: Ended): ExitStatus {
  return status.kind === 'exited'
    ? status
    : { kind: 'signaled', signal: signalName(status.signal) ?? `SIG${status.signal}`, core: status.core };
}
