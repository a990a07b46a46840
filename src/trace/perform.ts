import { writeSync } from 'node:fs';
import { milliseconds } from '../base/clock.ts';
import { LaunchError, SystemCallError, UnsupportedError } from '../base/errors.ts';
import type { Process } from '../profile/model.ts';
import type { EventLoop } from '../sys/event-loop.ts';
import type { Libc } from '../sys/libc.ts';
import type {
  BackendHost,
  BackendResult,
  FailureReport,
  ToldEvent,
  TraceCommand,
  TraceRequest,
} from './backend.ts';
import { traceEbpf } from './ebpf/tracer.ts';
import { tracePtrace } from './ptrace/tracer.ts';
import { Recorder, type ProcessRecord } from './recorder.ts';

/** What a trace has to do with where it is done. */
export interface Surroundings {
  /** The loop that is to be given a turn whenever it has something to do; null if the thread has none but the trace. */
  readonly eventLoop: EventLoop | null;
  /** PROGRESS_FIELDS numbers. */
  readonly progress: Float64Array;
  receive(): TraceCommand | null;
  send(event: ToldEvent): void;
  /** How many of the processes that are left at the end go to `settle` at a time; null: all are part of the result. */
  readonly batch: number | null;
  /** Takes processes that are over, with their places among all. */
  settle(places: readonly number[], processes: readonly Process[]): void;
}

/**
 * Does one trace on the calling thread, from request to result: whatever happens is an event. Yields to give the event loop a turn.
 */
export function* performTrace(
  libc: Libc,
  request: TraceRequest,
  surroundings: Surroundings,
): Generator<void, void> {
  const recorder = new Recorder();
  let origin = milliseconds();
  let startedAt = Date.now();
  let { announcement } = request;
  const { send } = surroundings;
  const host: BackendHost = {
    recorder,
    eventLoop: surroundings.eventLoop,
    now: () => Math.round((milliseconds() - origin) * 1e6),
    startClock: (ago = 0) => {
      origin = milliseconds() - ago / 1e6;
      startedAt = Date.now() - Math.round(ago / 1e6);
    },
    send: (event) => {
      send(event);
      if (event.kind === 'fallback') announcement = null;
      // Started: stopped before its first instruction. Nothing stops under eBPF, and a process that is attached to has begun already.
      const isBefore =
        event.kind === 'started' ||
        event.kind === 'eventfd' ||
        (event.kind === 'doorbell' && request.target.kind === 'attach');
      if (!isBefore || announcement === null) return;
      announce(announcement);
      announcement = null;
    },
    receive: () => {
      for (;;) {
        const command = surroundings.receive();
        if (command?.kind !== 'snapshot') return command;
        send({ kind: 'snapshot', at: host.now(), ...recorder.changes(command.since) });
      }
    },
    settled: (processes) => {
      const placed = processes.map((record) => recorder.take(record));
      surroundings.settle(
        placed.map(([index]) => index),
        placed.map(([, process]) => process),
      );
    },
    report: (tasks, phase) => {
      const { progress } = surroundings;
      progress[0] = tasks;
      progress[1] = recorder.processCount;
      progress[2] = recorder.calls;
      progress[3] = recorder.distinct;
      progress[4] = phase;
      progress[5] = (progress[5] as number) + 1;
    },
  };
  try {
    const result = yield* traceBy(request, host, libc);
    const duration = result.duration ?? host.now();
    const version = libc.glibcVersion();
    if (surroundings.batch !== null) settleInBatches(host, recorder.rest(), surroundings.batch);
    send({ kind: 'done', recording: recorder.finish(), result, libc: version, startedAt, duration });
  } catch (error) {
    const partial = recorder.processCount > 0 ? recorder.finish() : null;
    send({ kind: 'failed', error: report(error), recording: partial, startedAt, duration: host.now() });
  }
}

/** All but the last batch, which is part of the result. */
function settleInBatches(host: BackendHost, rest: readonly ProcessRecord[], batch: number): void {
  for (let from = 0; rest.length - from > batch; from += batch) host.settled(rest.slice(from, from + batch));
}

function announce(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // There is nobody to tell.
  }
}

/** Traces by the method asked for, or by its fallback if the machine cannot do that. */
function* traceBy(request: TraceRequest, host: BackendHost, libc: Libc): Generator<void, BackendResult> {
  if (request.method !== 'ebpf') return yield* tracePtrace(request, host, libc);
  const { fallback } = request;
  try {
    return yield* traceEbpf(request, host, libc);
  } catch (error) {
    // Once something has been recorded it is no longer a question of what the machine can do.
    if (fallback === null || !(error instanceof UnsupportedError) || host.recorder.processCount > 0)
      throw error;
    host.send({ kind: 'fallback', method: fallback, reason: error.message });
    return yield* tracePtrace({ ...request, method: fallback }, host, libc);
  }
}

function report(error: unknown): FailureReport {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return {
    name,
    message,
    errno: error instanceof SystemCallError ? error.errno : null,
    exitCode: error instanceof LaunchError ? error.exitCode : null,
  };
}
