import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { LaunchError, SystemCallError } from '../base/errors.ts';
import { openLibc } from '../sys/libc.ts';
import type { BackendHost, FailureReport, TraceCommand, TraceEvent, TraceRequest } from './backend.ts';
import { tracePtrace } from './ptrace/tracer.ts';
import { Recorder } from './recorder.ts';

/** What the main thread gives the tracing thread. */
export interface WorkerInput {
  readonly request: TraceRequest;
  readonly commands: MessagePort;
  /** PROGRESS_FIELDS numbers. */
  readonly progress: Float64Array;
}

/** What the tracing thread keeps up to date in shared memory: tasks, processes, calls, distinct calls, phase. */
export const PROGRESS_FIELDS = 5;

if (parentPort !== null && workerData !== null) {
  run(workerData as WorkerInput, (event) => parentPort?.postMessage(event));
}

function run(input: WorkerInput, send: (event: TraceEvent) => void): void {
  const recorder = new Recorder();
  let origin = performance.now();
  let startedAt = Date.now();
  const host: BackendHost = {
    recorder,
    now: () => Math.round((performance.now() - origin) * 1e6),
    startClock: () => {
      origin = performance.now();
      startedAt = Date.now();
    },
    send,
    receive: () => (receiveMessageOnPort(input.commands)?.message as TraceCommand | undefined) ?? null,
    report: (tasks, phase) => {
      const { progress } = input;
      progress[0] = tasks;
      progress[1] = recorder.processCount;
      progress[2] = recorder.calls;
      progress[3] = recorder.distinct;
      progress[4] = phase;
    },
  };
  try {
    const result = tracePtrace(input.request, host);
    const libc = openLibc().glibcVersion();
    send({ kind: 'done', recording: recorder.finish(), result, libc, startedAt, duration: host.now() });
  } catch (error) {
    const partial = recorder.processCount > 0 ? recorder.finish() : null;
    send({ kind: 'failed', error: report(error), recording: partial, startedAt, duration: host.now() });
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
