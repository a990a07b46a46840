import type { MessagePort } from 'node:worker_threads';

/** What the tracing thread has from its start; the request follows as its first message. */
export interface WorkerInput {
  readonly commands: MessagePort;
  /** PROGRESS_FIELDS numbers. */
  readonly progress: Float64Array;
  /** Whether nothing but callgate runs in this process. */
  readonly ownsProcess: boolean;
}

/** What the tracing thread keeps up to date in shared memory: tasks, processes, calls, distinct calls, phase, stops. */
export const PROGRESS_FIELDS = 6;
