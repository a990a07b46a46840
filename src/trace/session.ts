import { CallgateError, LaunchError, UnsupportedError, UsageError } from '../base/errors.ts';
import type { ExitStatus, Process } from '../profile/model.ts';
import type { FailureReport, TraceCommand, TraceEvent, TraceRequest } from './backend.ts';
import { KeepAwake } from './keep-awake.ts';
import type { Recording } from './recorder.ts';
import type { TracingPlace } from './place.ts';

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

/** How the trace ended: normally, or by an error with what it had recorded until then. */
export type SessionEnd = Done | Failed;

/** One trace as whoever asked for it sees it: begins it where it is done, sends it commands and hands on its events. */
export class TraceSession {
  readonly #place: TracingPlace;
  readonly #listeners: Set<(event: TraceEvent) => void> = new Set();
  /** Processes that came ahead of the result, by their places. */
  readonly #settled: Map<number, Process> = new Map();
  /** Resolves when the last tracee is gone; never rejects. */
  readonly end: Promise<SessionEnd>;
  #keepAwake: KeepAwake | null = null;
  /** How the first process ended, as soon as that is known. */
  rootExit: ExitStatus | null = null;

  /** `keepAwake`: idle processors are kept from halting while tracees stop often. */
  constructor(request: TraceRequest, place: TracingPlace, keepAwake: boolean) {
    this.#place = place;
    let resolve!: (end: SessionEnd) => void;
    this.end = new Promise((whenOver) => {
      resolve = whenOver;
    });
    place.begin(request, (event) => {
      if (event.kind === 'settled') {
        for (const [at, process] of event.processes.entries())
          this.#settled.set(event.places[at] as number, process);
        return;
      }
      if (event.kind === 'root-ended') this.rootExit = event.exit;
      if (event.kind === 'fallback' && keepAwake) this.#startKeepingAwake();
      for (const listener of this.#listeners) listener(event);
      if (event.kind !== 'done' && event.kind !== 'failed') return;
      this.#keepAwake?.end();
      resolve(this.#complete(event));
    });
    if (request.method !== 'ebpf' && keepAwake) this.#startKeepingAwake();
  }

  get progress(): TraceProgress {
    const [tasks = 0, processes = 0, calls = 0, distinct = 0, phase = 0] = this.#place.progress;
    return { tasks, processes, calls, distinct, phase };
  }

  /** Calls `listener` for every event until the trace is over. */
  onEvent(listener: (event: TraceEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** Sends a command; after the end it does nothing. */
  command(command: TraceCommand): void {
    this.#place.command(command);
  }

  /** The end with the processes that came ahead of it, each in its place. */
  #complete(end: SessionEnd): SessionEnd {
    if (end.kind === 'done') return { ...end, recording: this.#fill(end.recording) };
    return { ...end, recording: end.recording === null ? null : this.#fill(end.recording) };
  }

  #fill(recording: Recording): Recording {
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
    this.#keepAwake ??= new KeepAwake(() => this.#place.progress[5] as number);
  }
}

/** Errors of JavaScript itself. */
const MISTAKES: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);

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
      // The name tells a mistake of callgate's own from what the machine refused.
      return new TracerError(
        `tracer: ${MISTAKES.has(report.name) ? `${report.name}: ` : ''}${report.message}`,
      );
  }
}

/** The tracer itself failed, by a fault of its own or of the machine. */
export class TracerError extends CallgateError {
  readonly code = 'ERR_TRACER';
}
