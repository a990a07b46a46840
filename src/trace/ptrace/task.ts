import type { CallRecord, ProcessRecord } from '../recorder.ts';
import type { AddressSpace } from './address-space.ts';

/** What the tracer knows of one traced thread. */
export interface Task {
  readonly tid: number;
  process: ProcessRecord;
  space: AddressSpace;
  /** Resumed with PTRACE_SYSCALL always: entry and exit stops for every call. */
  syscallStops: boolean;
  /** The call between its entry stop and its exit stop; only with syscall stops. */
  call: CallRecord | null;
  /** Between the entry stop of a call and its exit stop: a filter's stop in between is for a call that is known. */
  entered: boolean;
  /** Wants the exit stop of the current call, for its return value. */
  onExit: ((returnValue: number) => void) | null;
  /** The waiting call that this thread made last, until its next stop. */
  wait: CallRecord | null;
  waitSince: number;
  /** Flags of the last clone or clone3 of this thread; -1 if they could not be read. */
  cloneFlags: number;
  /** In a fork or clone call whose outcome has not been told yet. */
  cloning: boolean;
  /**
   * Gives back what was changed of the arguments of the clone call that it is making, or by which it was made, to a task
   * that is stopped.
   */
  restore: ((tid: number) => void) | null;
  /** In a group-stop, left there with PTRACE_LISTEN. */
  stopped: boolean;
  /** Seized but not yet seen to stop: attached a moment ago. */
  attaching: boolean;
  /** PTRACE_INTERRUPT was sent and its stop has not come yet. */
  interrupted: boolean;
  /** Number of the call that such a stop makes the task enter again, which is no further call of the program's. */
  again: number | null;
  /** Address of the instruction that it steps over so that a breakpoint can be put back, or null. */
  stepping: number | null;
  /** Between an exec and the first call of the new program. */
  execing: boolean;
  /** It has been seen to end, where that is asked for, and its end is all that is still to come. */
  ending: boolean;
  /** The next restart_syscall was caused by attaching: the call it resumes has been recorded. */
  skipRestart: boolean;
}

/** A task with nothing going on. */
export function newTask(tid: number, process: ProcessRecord, space: AddressSpace): Task {
  return {
    tid,
    process,
    space,
    syscallStops: false,
    call: null,
    entered: false,
    onExit: null,
    wait: null,
    waitSince: 0,
    cloneFlags: 0,
    cloning: false,
    restore: null,
    stopped: false,
    attaching: false,
    interrupted: false,
    again: null,
    stepping: null,
    execing: false,
    ending: false,
    skipRestart: false,
  };
}
