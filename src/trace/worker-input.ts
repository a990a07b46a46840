import type { MessagePort } from 'node:worker_threads';
import type { ToldEvent } from './backend.ts';

/** What the tracing thread has from its start; the request follows as its first message. */
export interface WorkerInput {
  readonly commands: MessagePort;
  /** PROGRESS_FIELDS numbers, in shared memory. */
  readonly progress: Float64Array;
  /** The word of a SharedDoorbell. */
  readonly doorbell: Int32Array;
  /** Whether it was started by a worker, which may be terminated at any moment. */
  readonly isFromWorker: boolean;
}

/**
 * What the tracing thread sends: events as they are, but for processes that are over. These are the text that `formatProcess` makes of them: both threads
 * are done with it in half the time that copying the objects takes, and the profile has it as it is.
 */
export type WorkerMessage =
  | ToldEvent
  | { readonly kind: 'settled-text'; readonly places: readonly number[]; readonly texts: readonly string[] };
