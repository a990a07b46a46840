import type { TraceCommand, TraceEvent, TraceRequest } from './backend.ts';

/** Where a trace is done: on a thread of its own, or on the main one between the turns of its event loop. */
export interface TracingPlace {
  /** PROGRESS_FIELDS numbers, kept up to date while the trace goes on. */
  readonly progress: Float64Array;
  /** Does one trace. Whatever happens is an event; `done` or `failed` is the last. */
  begin(request: TraceRequest, onEvent: (event: TraceEvent) => void): void;
  /** Hands over a command, and has it heard at once; ignored when the trace is over. */
  command(command: TraceCommand): void;
}

/** What a place keeps up to date: tasks, processes, calls, distinct calls, phase, stops. */
export const PROGRESS_FIELDS = 6;
