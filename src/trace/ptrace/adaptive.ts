import { errnoText } from '../../abi/errno.ts';
import { syscallName } from '../../abi/syscalls.ts';
import { ARCHES, type Arch } from '../../abi/arch.ts';
import { callId, type CallRecord, type ProcessRecord } from '../recorder.ts';
import type { Context } from './context.ts';
import { injectFilter } from './inject.ts';
import { makerOf } from './maker.ts';
import { SeenCalls, type Passing, type SeenCall } from './seen-calls.ts';
import type { Task } from './task.ts';

/** Calls in a row without anything new, after which a filter is cheaper than going on stopping. */
const QUIET_CALLS = 256;

/** Time within which they have to come: a program that makes few calls is left as it is; nanoseconds. */
const QUIET_WINDOW = 500e6;

/** Errors from here to -516 are the kernel's own: the call is made again. */
const ERESTARTSYS = -512;

/** After these a task does not stand as after other calls: registers of a signal frame, a new program, a child. */
const UNFIT: ReadonlySet<string> = new Set([
  'rt_sigreturn',
  'sigreturn',
  'execve',
  'execveat',
  'clone',
  'clone3',
  'fork',
  'vfork',
  'restart_syscall',
]);

/** Calls of a process, and of children that have ended, since something new was last seen in the tree. */
interface Quiet {
  epoch: number;
  calls: number;
  since: number;
}

/**
 * Decides when stopping at every call is no longer worth it, and has the kernel let pass what was seen until then.
 *
 * A process whose tasks are resumed by PTRACE_SYSCALL is seen whole. It is given a filter once nothing new has come for a while:
 * from then on only what is new stops it, and all that is born of it. A filter cannot be widened, so what
 * comes too late stops for ever. In doubt whether a task has the filter, it is taken to have none.
 */
export class Adaptive {
  readonly #context: Context;
  readonly #lastPhase: number;
  readonly #seen: SeenCalls = new SeenCalls();
  readonly #quiet: WeakMap<ProcessRecord, Quiet> = new WeakMap();
  /** Processes that are not to get a filter: one of their own may deny calls unseen, or it was refused. */
  readonly #barred: WeakSet<ProcessRecord> = new WeakSet();
  /** Threads that ran while another one brought the filter to all: a child that one was making may lack it. */
  readonly #unsure: WeakSet<Task> = new WeakSet();
  /** Grows whenever something new is seen. */
  #epoch = 0;
  #latest: SeenCall | null = null;
  #warned = false;

  constructor(context: Context) {
    this.#context = context;
    this.#lastPhase = context.request.phases.length;
  }

  /** A call was recorded; the values of its arguments follow. */
  saw(process: ProcessRecord, call: CallRecord, at: number): void {
    this.#latest = null;
    // What is used before the last phase may not be used in it: it says nothing about what to expect.
    if (process.phase < this.#lastPhase) return;
    const { call: seen, isNew } = this.#seen.add(call.arch, call.nr);
    this.#latest = seen;
    if (isNew) this.#epoch++;
    this.#count(process, 1, at);
  }

  /** A value of the call that was recorded last; null if it could not be read. */
  sawValue(which: number, value: number | string | null): void {
    if (this.#latest !== null && this.#seen.addValue(this.#latest, which, value)) this.#epoch++;
  }

  /** The process, and all that it makes, is to be stopped at every call for good. */
  bar(process: ProcessRecord): void {
    this.#barred.add(process);
  }

  /** A task has stopped, and not because of a birth: what it makes from here on has the filter of its process. */
  stopped(task: Task): void {
    this.#unsure.delete(task);
  }

  /** A process was born of a task; the task that it begins with is not resumed yet. */
  born(child: Task, parent: Task): void {
    if (child.process === parent.process) return;
    if (this.#barred.has(parent.process)) this.#barred.add(child.process);
    const isSure = !this.#unsure.delete(parent);
    if (isSure && !parent.syscallStops) this.#inherit(child.process, parent.process);
    else child.syscallStops = true;
  }

  /** A process has replaced its program. */
  execed(process: ProcessRecord, before: ProcessRecord, at: number): void {
    if (this.#barred.has(before)) this.#barred.add(process);
    this.#inherit(process, before);
    this.#handOver(before, process, at);
  }

  /** A process has ended: what it did counts for the one that made it, and may do so again. */
  ended(process: ProcessRecord, at: number): void {
    const maker = makerOf(process);
    if (maker !== null) this.#handOver(process, maker, at);
  }

  /**
   * Gives the process of a task the filter if it is time, and the task stands well for it: at the exit-stop of a call
   * that is over.
   */
  settle(task: Task, { arch, nr }: CallRecord, result: number, at: number): void {
    const { process } = task;
    if (!this.#isDue(process, at) || task.execing || task.interrupted || task.onExit !== null) return;
    if (result <= ERESTARTSYS && result >= -4095) return;
    if (nr < 0 || UNFIT.has(syscallName(ARCHES[arch] as Arch, nr) ?? '') || this.#sharesMemory(task)) return;
    this.#inject(task, at);
  }

  #isDue(process: ProcessRecord, at: number): boolean {
    if (process.unmeasured !== null || process.phase < this.#lastPhase) return false;
    if (this.#context.inheritsFilter) return false;
    const quiet = this.#quiet.get(process);
    if (quiet === undefined || quiet.epoch !== this.#epoch || quiet.calls < QUIET_CALLS) return false;
    return at - quiet.since <= QUIET_WINDOW && !this.#barred.has(process) && this.#context.watches.isReady;
  }

  #inject(task: Task, at: number): void {
    const { request, tasks } = this.#context;
    const { process } = task;
    const passing = this.#seen.passing();
    const injection = injectFilter(this.#context, task, passing.program, { noNewPrivs: !request.privileged });
    switch (injection.kind) {
      case 'filtered':
        break;
      case 'later':
        return;
      case 'gone':
        // Perhaps an exec by another thread, with or without the filter: if it is there, it only stops more.
        return;
      case 'diverged':
        this.#barred.add(process);
        return;
      case 'refused':
        this.#barred.add(process);
        this.#warn(process, injection.step, injection.errno);
        return;
    }
    process.unmeasured = {
      at,
      calls: passing.calls,
      partial: !includesAll(process, passing, this.#lastPhase),
    };
    for (const other of tasks.values()) {
      if (other.process !== process) continue;
      other.syscallStops = false;
      if (other !== task) this.#unsure.add(other);
    }
  }

  #inherit(child: ProcessRecord, parent: ProcessRecord): void {
    if (parent.unmeasured === null) return;
    child.unmeasured = { at: child.start, calls: parent.unmeasured.calls, partial: true };
  }

  #count(process: ProcessRecord, calls: number, at: number): void {
    const quiet = this.#quiet.get(process);
    if (quiet === undefined) {
      this.#quiet.set(process, { epoch: this.#epoch, calls, since: at });
    } else if (quiet.epoch !== this.#epoch || at - quiet.since > QUIET_WINDOW) {
      quiet.epoch = this.#epoch;
      quiet.calls = calls;
      quiet.since = at;
    } else {
      quiet.calls += calls;
    }
  }

  #handOver(from: ProcessRecord, to: ProcessRecord, at: number): void {
    const quiet = this.#quiet.get(from);
    if (quiet !== undefined && quiet.epoch === this.#epoch) this.#count(to, quiet.calls, at);
  }

  /** A vfork child runs in the memory of its parent, which waits: it is about to exec. */
  #sharesMemory(task: Task): boolean {
    for (const other of this.#context.tasks.values()) {
      if (other.process !== task.process && other.space === task.space) return true;
    }
    return false;
  }

  #warn(process: ProcessRecord, step: string, errno: number): void {
    if (this.#warned) return;
    this.#warned = true;
    const name = errnoText(errno);
    const reason =
      name === 'EACCES' && step === 'seccomp'
        ? 'it has given up the privilege that a filter takes (CAP_SYS_ADMIN), and no_new_privs would change what it can do'
        : `${step} was refused, ${name}`;
    this.#context.host.send({
      kind: 'warning',
      text: `pid ${process.pid} is stopped at every call to the end, for ${reason}`,
    });
  }
}

/** Whether a process has itself made, in the phase it is in, every call that is going to pass, with every value. */
function includesAll(process: ProcessRecord, passing: Passing, phase: number): boolean {
  for (const { arch, nr, values } of passing.calls.values()) {
    const record = process.calls.get(callId(arch, nr));
    if (record === undefined || (record.phases & (1 << phase)) === 0) return false;
    for (const [which, passed] of values.entries()) {
      const own = record.values[which];
      if (own === null || own === undefined) continue;
      if (passed === null || [...passed].some((value) => !own.has(value))) return false;
    }
  }
  return true;
}
