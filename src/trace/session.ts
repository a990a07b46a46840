import { closeSync, writeSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { CallgateError, LaunchError, UnsupportedError, UsageError } from '../base/errors.ts';
import { rememberText } from '../profile/canonical.ts';
import type { ExitStatus, Process } from '../profile/model.ts';
import type { FailureReport, TraceCommand, TraceEvent, TraceRequest } from './backend.ts';
import { KeepAwake } from './keep-awake.ts';
import type { Recording } from './recorder.ts';
import type { TracingThread } from './tracing-thread.ts';

const SIGUSR1 = 'SIGUSR1';

/** How far a trace has come. */
export interface TraceProgress {
  readonly tasks: number;
  readonly processes: number;
  readonly calls: number;
  readonly distinct: number;
  /** Index of the phase that the tree has reached. */
  readonly phase: number;
}

type Done = Extract<TraceEvent, { kind: 'done' }>;
type Failed = Extract<TraceEvent, { kind: 'failed' }>;

/** How the tracing thread ended: normally, or by an error with what it had recorded until then. */
export type SessionEnd = Done | Failed;

/**
 * The main thread's side of one trace: starts the tracing thread, sends it commands and hands on its events.
 *
 * The thread is blocked in the kernel most of the time. A command is put into its port and the doorbell is rung, which ends the
 * wait: a process that it traces gets a signal, or an eventfd that it polls is written to.
 */
export class TraceSession {
  readonly #commands: MessagePort;
  readonly #progress: Float64Array;
  readonly #listeners: Set<(event: TraceEvent) => void> = new Set();
  /** Processes that came ahead of the result, by their places. */
  readonly #settled: Map<number, Process> = new Map();
  readonly #ownsProcess: boolean;
  /** Resolves when the last tracee is gone; never rejects. */
  readonly end: Promise<SessionEnd>;
  #doorbell: { readonly pid: number } | { readonly eventfd: number } | null = null;
  #keepAwake: KeepAwake | null = null;
  #over = false;
  /** How the first process ended, as soon as that is known. */
  rootExit: ExitStatus | null = null;

  /** `keepAwake`: idle processors are kept from halting while tracees stop often. */
  constructor(request: TraceRequest, thread: TracingThread, keepAwake: boolean) {
    const { worker } = thread;
    this.#commands = thread.commands;
    this.#progress = thread.progress;
    this.#ownsProcess = thread.ownsProcess;
    this.end = new Promise((resolve) => {
      const finish = (end: SessionEnd): void => {
        this.#over = true;
        this.#keepAwake?.end();
        if (this.#doorbell !== null && 'eventfd' in this.#doorbell) closeSync(this.#doorbell.eventfd);
        this.#commands.close();
        resolve(end);
      };
      worker.on('message', (event: TraceEvent) => {
        if (event.kind === 'settled') {
          this.#settle(event);
          return;
        }
        this.#note(event);
        if (event.kind === 'fallback' && keepAwake) this.#startKeepingAwake();
        for (const listener of this.#listeners) listener(event);
        if (event.kind === 'done') finish({ ...event, recording: this.#complete(event.recording) });
        if (event.kind === 'failed') {
          finish({ ...event, recording: event.recording === null ? null : this.#complete(event.recording) });
        }
      });
      worker.on('error', (error) => finish(crashed(error)));
      worker.on('exit', () => {
        if (!this.#over) finish(crashed(new Error('the tracing thread ended without a result')));
      });
    });
    thread.begin(request);
    if (request.method !== 'ebpf' && keepAwake) this.#startKeepingAwake();
  }

  get progress(): TraceProgress {
    const [tasks = 0, processes = 0, calls = 0, distinct = 0, phase = 0] = this.#progress;
    return { tasks, processes, calls, distinct, phase };
  }

  /** Calls `listener` for every event until the trace is over. */
  onEvent(listener: (event: TraceEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** Sends a command; after the end it does nothing. */
  command(command: TraceCommand): void {
    if (this.#over) return;
    this.#commands.postMessage(command);
    this.#ring();
  }

  #settle({ places, processes }: Extract<TraceEvent, { kind: 'settled' }>): void {
    for (const [at, text] of processes.entries()) {
      const process = JSON.parse(text) as Process;
      // Whoever uses the library may change what it gets.
      if (this.#ownsProcess) rememberText(process, text);
      this.#settled.set(places[at] as number, process);
    }
  }

  /** A recording with the processes that came ahead of it, each in its place. */
  #complete(recording: Recording): Recording {
    const settled = this.#settled;
    if (settled.size === 0) return recording;
    const rest = recording.processes[Symbol.iterator]();
    const processes = Array.from(
      { length: settled.size + recording.processes.length },
      (_, index) => settled.get(index) ?? (rest.next().value as Process),
    );
    return { ...recording, processes };
  }

  #startKeepingAwake(): void {
    this.#keepAwake ??= new KeepAwake(() => this.#progress[5] as number);
  }

  #note(event: TraceEvent): void {
    if (event.kind === 'doorbell') {
      this.#doorbell = { pid: event.pid };
      // Commands that came before there was a doorbell are in the port.
      this.#ring();
    } else if (event.kind === 'eventfd') {
      this.#doorbell = { eventfd: event.fd };
      this.#ring();
    } else if (event.kind === 'root-ended') {
      this.rootExit = event.exit;
    }
  }

  #ring(): void {
    if (this.#doorbell === null || this.#over) return;
    if ('eventfd' in this.#doorbell) {
      writeSync(this.#doorbell.eventfd, new Uint8Array(BigUint64Array.of(1n).buffer));
      return;
    }
    try {
      process.kill(this.#doorbell.pid, SIGUSR1);
    } catch {
      // The tracing thread has let go of the doorbell: its result is on the way.
    }
  }
}

/** The error that a failure report stands for. */
export function toError(report: FailureReport): Error {
  switch (report.name) {
    case 'LaunchError':
      return new LaunchError(report.message, report.exitCode === 127 ? 127 : 126);
    case 'UsageError':
      return new UsageError(report.message);
    case 'UnsupportedError':
      return new UnsupportedError(report.message, { feature: 'ptrace' });
    default:
      return new TracerError(`tracer: ${report.message}`);
  }
}

/** The tracer itself failed, by a fault of its own or of the machine. */
export class TracerError extends CallgateError {
  readonly code = 'ERR_TRACER';
}

function crashed(error: Error): Failed {
  const { name, message } = error;
  const report = { name, message, errno: null, exitCode: null };
  return { kind: 'failed', error: report, recording: null, startedAt: Date.now(), duration: 0 };
}
