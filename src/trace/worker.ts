import { writeSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { LaunchError, SystemCallError, UnsupportedError } from '../base/errors.ts';
import { formatProcess } from '../profile/save.ts';
import { openLibc, type Libc } from '../sys/libc.ts';
import type {
  BackendHost,
  BackendResult,
  FailureReport,
  TraceCommand,
  TraceEvent,
  TraceRequest,
} from './backend.ts';
import { traceEbpf } from './ebpf/tracer.ts';
import { tracePtrace } from './ptrace/tracer.ts';
import { Recorder } from './recorder.ts';
import type { WorkerInput } from './worker-input.ts';

export { openLibc };

if (parentPort !== null && workerData !== null) {
  const port = parentPort;
  // Loading libc takes a while: it is done while the main thread still reads the command line.
  const libc = openLibc();
  (workerData as WorkerInput).commands.postMessage('loaded');
  port.once('message', (request: TraceRequest) => {
    runTrace(libc, request, workerData as WorkerInput, (event) => port.postMessage(event));
  });
}

/** Processes that cross as text at a time, at the end. */
const BATCH = 64;

/** Does one trace on the calling thread, from request to result: whatever happens is an event. */
export function runTrace(
  libc: Libc,
  request: TraceRequest,
  input: WorkerInput,
  send: (event: TraceEvent) => void,
): void {
  const recorder = new Recorder();
  let origin = performance.now();
  let startedAt = Date.now();
  let { announcement } = request;
  const host: BackendHost = {
    recorder,
    ownsProcess: input.ownsProcess,
    now: () => Math.round((performance.now() - origin) * 1e6),
    startClock: (ago = 0) => {
      origin = performance.now() - ago / 1e6;
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
        const command = receiveMessageOnPort(input.commands)?.message as TraceCommand | undefined;
        if (command?.kind !== 'snapshot') return command ?? null;
        send({ kind: 'snapshot', at: host.now(), ...recorder.changes(command.since) });
      }
    },
    settled: (processes) => {
      // While the program goes on there is time for what else would have to be done at the end.
      const placed = processes.map((record) => recorder.take(record));
      send({
        kind: 'settled',
        places: placed.map(([index]) => index),
        processes: placed.map(([, process]) => formatProcess(process)),
      });
    },
    report: (tasks, phase) => {
      const { progress } = input;
      progress[0] = tasks;
      progress[1] = recorder.processCount;
      progress[2] = recorder.calls;
      progress[3] = recorder.distinct;
      progress[4] = phase;
      progress[5] = (progress[5] as number) + 1;
    },
  };
  try {
    const result = traceBy(request, host, libc);
    const duration = result.duration ?? host.now();
    const version = libc.glibcVersion();
    // Text crosses faster than objects, and the main thread reads one part while this one makes the next.
    const rest = recorder.rest();
    for (let from = 0; rest.length - from > BATCH; from += BATCH)
      host.settled(rest.slice(from, from + BATCH));
    send({ kind: 'done', recording: recorder.finish(), result, libc: version, startedAt, duration });
  } catch (error) {
    const partial = recorder.processCount > 0 ? recorder.finish() : null;
    send({ kind: 'failed', error: report(error), recording: partial, startedAt, duration: host.now() });
  }
}

function announce(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // There is nobody to tell.
  }
}

/** Traces by the method asked for, or by its fallback if the machine cannot do that. */
function traceBy(request: TraceRequest, host: BackendHost, libc: Libc): BackendResult {
  if (request.method !== 'ebpf') return tracePtrace(request, host, libc);
  const { fallback } = request;
  try {
    return traceEbpf(request, host, libc);
  } catch (error) {
    // Once something has been recorded it is no longer a question of what the machine can do.
    if (fallback === null || !(error instanceof UnsupportedError) || host.recorder.processCount > 0)
      throw error;
    host.send({ kind: 'fallback', method: fallback, reason: error.message });
    return tracePtrace({ ...request, method: fallback }, host, libc);
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
