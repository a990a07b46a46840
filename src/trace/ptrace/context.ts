import type { Libc } from '../../sys/libc.ts';
import type { TraceeMemory } from '../../sys/memory.ts';
import type { Ptrace } from '../../sys/ptrace.ts';
import type { Waiter, WaitStatus } from '../../sys/wait.ts';
import type { BackendHost, TraceRequest } from '../backend.ts';
import type { Recorder } from '../recorder.ts';
import type { Watches } from '../watches.ts';
import type { Task } from './task.ts';
import type { Tracebacks } from './tracebacks.ts';

/** What the parts of the ptrace back end share during one run. */
export interface Context {
  readonly request: TraceRequest;
  readonly host: BackendHost;
  readonly recorder: Recorder;
  readonly libc: Libc;
  readonly ptrace: Ptrace;
  readonly memory: TraceeMemory;
  readonly waiter: Waiter;
  readonly watches: Watches;
  readonly tasks: Map<number, Task>;
  /** Options that PTRACE_SEIZE sets on every tracee; children inherit them. */
  readonly options: number;
  /** Ends of tasks that were waited for in the middle of something else; the main loop takes them first. */
  readonly unhandled: { readonly tid: number; readonly status: WaitStatus }[];
  /**
   * What is watched inherits a seccomp filter. What that denies is seen at the entry of a call and nowhere else, whatever the filter of
   * a method says: the program stops there, always, and gets none.
   */
  readonly inheritsFilter: boolean;
  /** Tells from which code a stopped task came. */
  readonly tracebacks: Tracebacks;
}
