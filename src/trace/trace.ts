import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { VERSION } from '../base/version.ts';
import { formatDuration, parseDuration } from '../base/duration.ts';
import { AbortError, UsageError } from '../base/errors.ts';
import {
  PROFILE_FORMAT,
  PROFILE_VERSION,
  type ExitStatus,
  type Phase,
  type Profile,
  type Run,
} from '../profile/model.ts';
import { applyAuto } from '../profile/phase-proposals.ts';
import { isUnmeasured } from '../profile/unmeasured.ts';
import {
  describeCutWorkload,
  describeMissingWorkload,
  describeWorkloadFailure,
} from '../profile/workload-failure.ts';
import type {
  AttachTarget,
  Enforcement,
  LaunchTarget,
  TraceEvent,
  TraceRequest,
  TracingMethod,
} from './backend.ts';
import { resolveCommand } from './command.ts';
import { describeHost, isPrivileged } from './host.ts';
import { inheritedState, LAUNCH_VARIABLE } from './inherited.ts';
import { chooseMethod, type MethodChoice } from './method.ts';
import { checkSignal, checkTraceOptions } from './option-checks.ts';
import { processOf, readStatus, requireProc } from './proc.ts';
import { findScope, type ScopeOptions } from './scope-target.ts';
import type { TracingPlace } from './place.ts';
import { TraceSession, toError, TracerError, type SessionEnd, type TraceProgress } from './session.ts';
import { TracingThread } from './tracing-thread.ts';
import {
  parsePhase,
  parseTrigger,
  type PhaseRequest,
  type Trigger,
  triggersOf,
  triggerText,
} from './trigger.ts';
import { startWorkload, type Workload } from './workload.ts';

/** What to trace and how. Exactly one of `command`, `pids` and `scope` is given. */
export interface TraceOptions {
  /** Program and arguments; the program is searched for in the PATH that it gets. Bytes where text cannot carry an argument. */
  readonly command?: readonly [string, ...(string | Uint8Array)[]];
  /** Processes to attach to; they go on when the trace ends. */
  readonly pids?: readonly number[];
  /** A part of the machine, whatever runs in it now and later; by eBPF only. */
  readonly scope?: ScopeOptions;
  /**
   * `ebpf` counts in the kernel and stops nothing; `seccomp` has one stop a call; `ptrace` has two and sees outcomes; `adaptive` stops only for what
   * is new once there is little of that, and neither counts nor times the rest. `auto`, the default, takes the best that works.
   */
  readonly method?: TracingMethod | 'auto';
  /** Count with which errors calls fail, by `ebpf` or `ptrace`; `ptrace` does so in any case. */
  readonly errors?: boolean;
  /** Phases after `setup`, each as `NAME@TRIGGER` or parsed, in the order in which they follow one another. */
  readonly phases?: readonly (string | PhaseRequest)[];
  /** Propose phases after the run if none are given; default true. */
  readonly autoPhases?: boolean;
  /** When the workload is to begin; default at once. */
  readonly ready?: string | Trigger;
  /** How long to wait for `ready`, as a duration; default `60s`. */
  readonly readyTimeout?: string;
  /** Shell command to run against the program, untraced; when it ends the program gets SIGTERM. */
  readonly workload?: string;
  /** How long to trace once ready, as a duration; then the program gets SIGTERM, or is detached from. */
  readonly duration?: string;
  /** Time between SIGTERM and SIGKILL, as a duration; default `10s`. */
  readonly grace?: string;
  /** Environment; default this process's. Entries are `NAME=value`. The program is searched for in the PATH of it. */
  readonly env?: readonly (string | Uint8Array)[];
  readonly cwd?: string;
  /** `null` gives the program /dev/null to read from. */
  readonly stdin?: 'inherit' | 'null';
  /**
   * Keep idle processors from halting while the program stops often, as root; default true. A stop is several times cheaper
   * then, and the machine takes more power meanwhile.
   */
  readonly keepAwake?: boolean;
  /** Gives what to write to stderr right before the program begins, or null. */
  readonly announce?: (choice: MethodChoice) => string | null;
  /** Called for everything that happens while tracing. If it throws, all that was started is killed and the outcome rejects with the error. */
  readonly onEvent?: (event: HappeningEvent) => void;
  /**
   * Ends the trace when it is aborted: the program gets SIGTERM, and after the grace time SIGKILL; what was attached to is let go of.
   * Once nothing is left of it the outcome rejects with an AbortError. `interrupt` ends it so that a profile is left.
   */
  readonly signal?: AbortSignal;
}

/** Events that only who carries out the trace has to know of. */
const INTERNAL_EVENTS = ['doorbell', 'eventfd', 'settled', 'done', 'failed'] as const;

/** What happens in a trace, as far as it concerns who asked for it: how it ends is the outcome. */
export type HappeningEvent = Exclude<TraceEvent, { kind: (typeof INTERNAL_EVENTS)[number] }>;

/** What came of a trace. */
export interface TraceOutcome {
  readonly profile: Profile;
  /** How the started program ended; null if it was attached to. */
  readonly exit: ExitStatus | null;
  /** The error that ended the trace early, if one did; the profile holds what was seen until then. */
  readonly error: Error | null;
}

/** A trace that is going on. */
export interface RunningTrace {
  /** @throws LaunchError if the program cannot be started, UsageError, UnsupportedError; AbortError if the `signal` was aborted */
  readonly outcome: Promise<TraceOutcome>;
  readonly phases: readonly PhaseRequest[];
  /** How it is traced; an event `fallback` tells of a change. */
  readonly choice: MethodChoice;
  /** What tells that the program is ready; null if it is from the start. */
  readonly ready: Trigger | null;
  progress(): TraceProgress;
  /**
   * Enters a phase by name, whatever its trigger; `ready` makes the program ready, unless a phase is called so. Resolves once it has
   * begun; to false if all is over before that.
   *
   * @throws UsageError at once if there is no such phase
   */
  enterPhase(name: string): Promise<boolean>;
  /**
   * Tells the trace that callgate was asked to end by a signal. The program gets the signal too (unless the terminal has sent
   * it already), or is detached from, and then the profile says that it is incomplete: a program that the signal has ended was watched to its end.
   *
   * @throws UsageError for what is no signal
   */
  interrupt(signal: NodeJS.Signals): void;
  /** Ends everything that is traced by SIGKILL. */
  kill(): void;
  /** Asks for what has happened since a time, nanoseconds since the start: an event `snapshot` brings it. */
  snapshot(since: number): void;
}

/** Runs or attaches to a program and returns its profile. See TraceOptions. */
export async function trace(options: TraceOptions): Promise<TraceOutcome> {
  return await startTrace(options).outcome;
}

/**
 * Begins a trace that the caller can influence, on a thread of its own.
 *
 * @throws UsageError or LaunchError for what is wrong with the options, TracerError on a machine that it does not work on, AbortError if their `signal` is aborted already; nothing has been
 * started then
 */
export function startTrace(options: TraceOptions): RunningTrace {
  return beginTrace(options);
}

/** What callgate itself decides of a trace. */
export interface TraceSetting {
  /** Where it is done; default on a thread of its own. */
  readonly place?: TracingPlace | undefined;
  /** Filters to run the program under; the profile then holds only what the tracer had to look at. */
  readonly enforcement?: Enforcement;
}

/** As `startTrace`. */
export function beginTrace(options: TraceOptions, setting: TraceSetting = {}): RunningTrace {
  if (setting.enforcement === undefined) checkTraceOptions(options);
  if (options.signal?.aborted === true) throw new AbortError(options.signal);
  return new Trace(options, setting);
}

/** Within this time a further signal is the same request to end, nanoseconds. */
const AGAIN = 500_000_000n;

/** Longest time that Node's timers take, in milliseconds; a longer one would fire at once. */
const TIMER_CAP = 2 ** 31 - 1;

class Trace implements RunningTrace {
  readonly outcome: Promise<TraceOutcome>;
  readonly phases: readonly PhaseRequest[];
  readonly choice: MethodChoice;
  readonly #options: TraceOptions;
  readonly #request: TraceRequest;
  readonly #session: TraceSession;
  readonly #warnings: string[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #grace: number;
  #method: TracingMethod;
  #workload: Workload | null = null;
  #workloadExit: ExitStatus | null = null;
  /** It was ended from here, so that how it ended says nothing. */
  #workloadStopped = false;
  #interrupted: { signal: string; at: bigint } | null = null;
  #killed = false;
  #rootEnded = false;
  #begun = false;
  #readySeen = false;
  /** That which the whole tree has entered last. */
  #treePhase = 0;
  #isOver = false;
  readonly #entering: Set<{ readonly isBegun: () => boolean; readonly tell: (isBegun: boolean) => void }> =
    new Set();
  #stopping = false;
  #failure: Error | null = null;
  #aborted = false;
  /** What the caller's `onEvent` threw, which may be anything. */
  #thrown: { readonly error: unknown } | null = null;

  constructor(options: TraceOptions, { place, enforcement }: TraceSetting) {
    this.#options = options;
    this.phases = (options.phases ?? []).map((phase) =>
      typeof phase === 'string' ? parsePhase(phase) : phase,
    );
    checkPhases(this.phases);
    this.#grace = parseDuration(options.grace ?? '10s', 'grace') / 1e6;
    const readyTimeout = parseDuration(options.readyTimeout ?? '60s', 'ready timeout');
    const duration = options.duration === undefined ? null : parseDuration(options.duration, 'duration');
    [this.#request, this.choice] = buildRequest(options, this.phases, enforcement ?? null);
    for (const pid of options.pids ?? []) {
      const whole = processOf(pid);
      if (whole !== pid)
        this.#warnings.push(`${pid} is a thread of process ${whole}, all of which is traced`);
    }
    this.#method = this.choice.method;
    this.#session = new TraceSession(this.#request, place ?? ownThread(), options.keepAwake !== false);
    this.#session.onEvent((event) => {
      this.#onEvent(event, duration, readyTimeout);
      this.#tellEntered();
      this.#tell(event);
    });
    options.signal?.addEventListener('abort', this.#onAbort);
    this.outcome = this.#session.end.then((end) => this.#finish(end));
  }

  get ready(): Trigger | null {
    return this.#request.ready;
  }

  progress(): TraceProgress {
    const { progress } = this.#session;
    // What has been told may be ahead of what is counted.
    return { ...progress, phase: Math.max(progress.phase, this.#treePhase) };
  }

  enterPhase(name: string): Promise<boolean> {
    const index = this.phases.findIndex((phase) => phase.name === name);
    if (index === -1 && name === 'ready' && this.ready !== null) return this.#enter(null);
    if (index === -1) {
      const known = this.phases.map((phase) => phase.name).join(', ') || 'none was given with --phase';
      throw new UsageError(`phase: there is no phase ${JSON.stringify(name)} (phases: ${known})`);
    }
    return this.#enter(index + 1);
  }

  /** `phase`: null for being ready. */
  async #enter(phase: number | null): Promise<boolean> {
    const isBegun = (): boolean => (phase === null ? this.#readySeen : this.#treePhase >= phase);
    if (isBegun() || this.#isOver) return isBegun();
    this.#session.command({ kind: 'fire', phase });
    return await new Promise((tell) => this.#entering.add({ isBegun, tell }));
  }

  /** Answers who waits for a phase that has begun, and when all is over everybody. */
  #tellEntered(): void {
    for (const one of this.#entering) {
      const isBegun = one.isBegun();
      if (!isBegun && !this.#isOver) continue;
      this.#entering.delete(one);
      one.tell(isBegun);
    }
  }

  interrupt(signal: NodeJS.Signals): void {
    checkSignal(signal);
    const now = process.hrtime.bigint();
    // timeout(1) sends its signal twice at once, to the process and to its group.
    const again = this.#interrupted !== null && now - this.#interrupted.at > AGAIN;
    if (this.#interrupted?.signal === signal && !again) return;
    this.#interrupted = { signal, at: now };
    this.#stopWorkload();
    if (this.#request.target.kind !== 'launch') {
      this.#session.command({ kind: 'detach' });
    } else if (again && signal === 'SIGTERM') {
      this.kill();
    } else if (this.#rootEnded) {
      // Only what the program left behind is there still, which a terminal does not reach.
      this.#stop();
    } else {
      const number = constants.signals[signal];
      // The terminal sends its signals to the program as well: give that a moment to arrive.
      this.#after(150, () => this.#session.command({ kind: 'forward', signal: number }));
    }
  }

  kill(): void {
    // Otherwise it has ended by itself, and its end is on the way.
    if (!this.#rootEnded || this.progress().tasks > 0) this.#killed = true;
    this.#session.command({ kind: 'kill' });
  }

  snapshot(since: number): void {
    this.#session.command({ kind: 'snapshot', since });
  }

  readonly #onAbort = (): void => {
    this.#aborted = true;
    this.#stopWorkload();
    this.#stop();
  };

  #onEvent(event: TraceEvent, duration: number | null, readyTimeout: number): void {
    switch (event.kind) {
      case 'doorbell':
      case 'eventfd':
        if (this.#request.target.kind !== 'launch') this.#begin(duration, readyTimeout);
        return;
      case 'fallback':
        this.#method = event.method;
        return;
      case 'started':
        this.#begin(duration, readyTimeout);
        return;
      case 'ready':
        this.#ready(duration);
        return;
      case 'warning':
        if (!this.#warnings.includes(event.text)) this.#warnings.push(event.text);
        return;
      case 'root-ended':
        this.#rootEnded = true;
        if (this.#stopping) {
          // What a shell that is gone has left behind is to end as gently as the shell was.
          this.#session.command({ kind: 'signal', signal: constants.signals.SIGTERM });
          this.#after(this.#grace, () => this.kill());
        }
        return;
      case 'phase':
        if (event.pid === null) this.#treePhase = event.phase;
        return;
      case 'notice':
      case 'filtered':
      case 'violation':
      case 'settled':
      case 'snapshot':
      case 'done':
      case 'failed':
        return;
    }
  }

  /** A caller that threw is told nothing more: the trace is over for it. */
  #tell(event: TraceEvent): void {
    if (this.#thrown !== null || isInternal(event)) return;
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      this.#thrown = { error };
      this.#stopWorkload();
      this.#session.command({ kind: this.#request.target.kind === 'launch' ? 'kill' : 'detach' });
    }
  }

  #begin(duration: number | null, readyTimeout: number): void {
    if (this.#begun) return;
    this.#begun = true;
    for (const [index, { trigger }] of this.phases.entries()) {
      if (trigger.kind !== 'after') continue;
      this.#after(trigger.delay / 1e6, () => this.#session.command({ kind: 'fire', phase: index + 1 }));
    }
    const ready = this.#request.ready;
    if (ready === null) {
      this.#ready(duration);
    } else if (ready.kind === 'after') {
      this.#after(ready.delay / 1e6, () => this.#session.command({ kind: 'fire', phase: null }));
    } else {
      this.#after(readyTimeout / 1e6, () => {
        if (this.#readySeen) return;
        this.#failure = new UsageError(
          `trace: the program was not ready within ${formatDuration(readyTimeout)}, for ${ready.text} did not fire; it has been ended (a longer --ready-timeout, or another --ready)`,
        );
        this.#stop();
      });
    }
  }

  #ready(duration: number | null): void {
    if (this.#readySeen || this.#thrown !== null || this.#aborted) return;
    this.#readySeen = true;
    if (duration !== null) this.#after(duration / 1e6, () => this.#expire(duration));
    if (this.#options.workload === undefined) return;
    const workload = startWorkload(this.#options.workload);
    this.#workload = workload;
    void workload.end.then((exit) => {
      this.#workloadExit = exit;
      const failure = this.#workloadStopped ? null : describeWorkloadFailure(exit);
      if (failure !== null) this.#warnings.push(failure);
      this.#stop();
    });
  }

  #expire(duration: number): void {
    if (this.#workload !== null && this.#workloadExit === null && !this.#workloadStopped) {
      this.#warnings.push(describeCutWorkload(formatDuration(duration)));
    }
    this.#stop();
  }

  /** The planned end: SIGTERM, and SIGKILL after the grace time; processes that were attached to go on. */
  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#request.target.kind !== 'launch') {
      this.#session.command({ kind: 'detach' });
      return;
    }
    this.#session.command({ kind: 'signal', signal: constants.signals.SIGTERM });
    this.#after(this.#grace, () => this.kill());
  }

  #stopWorkload(): void {
    this.#workloadStopped = true;
    this.#workload?.stop();
  }

  #endsByItself(end: SessionEnd): boolean {
    return end.kind === 'done' && this.#interrupted === null && this.#failure === null;
  }

  #after(milliseconds: number, action: () => void): void {
    const rest = milliseconds - TIMER_CAP;
    const next = rest > 0 ? (): void => this.#after(rest, action) : action;
    this.#timers.push(setTimeout(next, Math.min(milliseconds, TIMER_CAP)));
  }

  async #finish(end: SessionEnd): Promise<TraceOutcome> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    // There is nothing left to stop: the end of the workload must not begin another grace time.
    this.#stopping = true;
    this.#isOver = true;
    this.#tellEntered();
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#workload !== null) {
      this.#stopWorkload();
      await this.#workload.end;
    } else if (this.#options.workload !== undefined && this.ready !== null && this.#endsByItself(end)) {
      this.#warnings.push(describeMissingWorkload(this.ready.text));
    }
    if (this.#thrown !== null) throw this.#thrown.error;
    if (this.#aborted) throw new AbortError(this.#options.signal as AbortSignal);
    if (end.kind === 'failed' && end.recording === null) throw toError(end.error);
    const profile = this.#profile(end);
    const exit = end.kind === 'done' ? end.result.exit : this.#session.rootExit;
    const error = end.kind === 'failed' ? toError(end.error) : this.#failure;
    return { profile, exit, error };
  }

  #profile(end: SessionEnd): Profile {
    const entered = end.kind === 'done' ? end.result.entered : [];
    const missed = this.phases.filter((_, index) => entered[index + 1] !== true);
    for (const request of missed) {
      this.#warnings.push(`phase ${request.name} never began: ${triggerText(request)} did not fire`);
    }
    const profile: Profile = {
      format: PROFILE_FORMAT,
      version: PROFILE_VERSION,
      generator: { name: 'callgate', version: VERSION },
      runs: [this.#run(end)],
      phases: [
        { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
        ...this.phases.map((request, index): Phase => ({
          name: request.name,
          trigger: triggerText(request),
          source: 'given',
          reason: null,
          entered: entered[index + 1] === true,
        })),
      ],
      programs: end.recording?.programs ?? [],
      processes: end.recording?.processes ?? [],
    };
    const auto = this.phases.length === 0 && this.#options.autoPhases !== false;
    if (!auto) return profile;
    if (profile.processes.some(isUnmeasured)) {
      this.#warnings.push(
        'no phases can be proposed, for --method adaptive does not see when calls are used last (--method seccomp does)',
      );
      return profile;
    }
    return applyAuto(profile);
  }

  #run(end: SessionEnd): Run {
    const { target } = this.#request;
    const incomplete = this.#incompleteness(end);
    const run: { -readonly [K in keyof Run]: Run[K] } = {
      method: this.#method,
      command: end.kind === 'done' ? end.result.command : [],
      start: new Date(end.startedAt).toISOString(),
      duration: end.duration,
      complete: incomplete.length === 0,
      incomplete,
      lost: end.kind === 'done' ? end.result.lost : 0,
      warnings: this.#warnings,
      host: describeHost(end.kind === 'done' ? end.libc : null),
    };
    if (target.kind === 'attach') run.attached = target.pids;
    if (target.kind === 'scope') {
      const found = end.recording?.processes.filter(({ birth }) => birth === 'attach') ?? [];
      run.attached = [...new Set(found.map(({ pid }) => pid))];
    }
    const command = this.#options.workload;
    if (command !== undefined) run.workload = { command, exit: this.#workloadExit };
    return run;
  }

  #incompleteness(end: SessionEnd): string[] {
    const reasons: string[] = [];
    if (end.kind === 'failed') reasons.push(`the tracer failed: ${end.error.message}`);
    if (this.#request.target.kind === 'attach') {
      reasons.push('attached to a running process: what it did before was not seen');
    }
    if (this.#request.target.kind === 'scope') {
      reasons.push(`recorded ${this.#request.target.text}: what ran there before was not seen`);
    }
    if (end.kind === 'done') reasons.push(...(end.result.missed ?? []));
    const detached = end.kind === 'done' && end.result.detached;
    if (detached) reasons.push('detached while the program was running');
    // A program that the signal itself has ended, or that lived on as a shell or an editor does, was watched to its end. Nor could
    // it be told: the program may be gone before the signal of the terminal has reached callgate.
    if (this.#interrupted !== null && (detached || this.#killed)) {
      reasons.push(`interrupted by ${this.#interrupted.signal}`);
    }
    if (this.#failure !== null) reasons.push(this.#failure.message);
    return reasons;
  }
}

/**
 * A thread of its own, of which the code is a file beside this one.
 *
 * @throws TracerError if that is not there, because this module has been taken into a bundle
 */
function ownThread(): TracingThread {
  // Some bundlers leave no address.
  const here: string | undefined = import.meta.url;
  if (here === undefined || !existsSync(new URL('../bundle/worker.cjs', here))) {
    throw new TracerError(
      'tracer: the code of the tracing thread is not beside the library, which must not be bundled (keep the package callgate external)',
    );
  }
  return new TracingThread();
}

function isInternal(
  event: TraceEvent,
): event is Extract<TraceEvent, { kind: (typeof INTERNAL_EVENTS)[number] }> {
  return (INTERNAL_EVENTS as readonly string[]).includes(event.kind);
}

function buildRequest(
  options: TraceOptions,
  phases: readonly PhaseRequest[],
  enforcement: Enforcement | null,
): [TraceRequest, MethodChoice] {
  const { command, pids, scope } = options;
  if ([command, pids, scope].filter((one) => one !== undefined).length !== 1) {
    throw new UsageError('trace: give either a program to start or processes to attach to');
  }
  if (pids !== undefined && (options.method === 'seccomp' || options.method === 'adaptive')) {
    throw new UsageError(
      'trace: a running process cannot be given a filter, so --pid needs --method ptrace or ebpf',
    );
  }
  if (options.errors === true && (options.method === 'seccomp' || options.method === 'adaptive')) {
    throw new UsageError(
      `trace: --method ${options.method} does not see how calls end, so --errors needs --method ebpf or ptrace`,
    );
  }
  if (process.arch !== 'x64') {
    throw new TracerError(`tracer: this machine is ${process.arch}; tracing works on x86-64 only`);
  }
  const who = enforcement === null ? 'trace' : 'run';
  requireProc(who);
  const ready = typeof options.ready === 'string' ? parseTrigger(options.ready) : (options.ready ?? null);
  const triggers = phases.flatMap(triggersOf);
  const target =
    scope !== undefined
      ? findScope(scope)
      : command === undefined
        ? attachTarget(pids ?? [])
        : launchTarget(who, command, options);
  const output = [...triggers, ready].find((trigger) => trigger?.kind === 'output');
  if (target.kind === 'scope' && output !== undefined) {
    throw new UsageError(
      `trace: ${output.text} cannot fire in ${target.text}, for where its processes write is not known (use syscall, symbol, listen, after or key, or --pid PID)`,
    );
  }
  const choice = chooseMethod({
    method: options.method ?? 'auto',
    target,
    hasSymbolTrigger: [...triggers, ready].some((trigger) => trigger?.kind === 'symbol'),
    wantsPhases: phases.length > 0 || options.autoPhases !== false,
    isEnforced: enforcement !== null,
    wantsErrors: options.errors === true,
  });
  if (target.kind === 'scope' && choice.method !== 'ebpf') {
    throw new UsageError(`trace: --method ${choice.method} cannot trace ${target.text}; only ebpf can`);
  }
  const { method, fallback } = choice;
  const announcement = options.announce?.(choice) ?? null;
  const privileged = isPrivileged();
  const request = {
    method,
    fallback,
    target,
    phases,
    ready,
    announcement,
    privileged,
    enforcement,
    errors: options.errors === true,
  };
  return [request, choice];
}

function attachTarget(pids: readonly number[]): AttachTarget {
  for (const pid of pids) {
    if (!Number.isSafeInteger(pid) || pid < 1) throw new UsageError(`trace: ${pid} is not a process id`);
  }
  // What a thread does, and how its process ends, is told of by the whole process.
  const whole = [...new Set(pids.map(processOf))];
  for (const pid of whole) {
    if (pid === process.pid) throw new UsageError('trace: callgate cannot trace itself');
    if (Number(readStatus(pid)?.get('PPid') ?? 0) === process.pid) {
      // The kernel gives the stops of a child to whichever thread of its parent waits first: Node, which takes them for its end.
      throw new UsageError(
        `trace: process ${pid} is a child of this process, which cannot attach to it (give its command, or attach from another process)`,
      );
    }
  }
  return { kind: 'attach', pids: whole };
}

function launchTarget(
  who: 'trace' | 'run',
  command: readonly [string, ...(string | Uint8Array)[]],
  options: TraceOptions,
): LaunchTarget {
  const env = options.env ?? Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  const clean = env.filter(
    (entry) => !Buffer.from(entry).toString('latin1').startsWith(`${LAUNCH_VARIABLE}=`),
  );
  return {
    kind: 'launch',
    path: resolveCommand(who, command[0], searchPath(clean), options.cwd ?? process.cwd()),
    argv: command,
    env: clean,
    cwd: options.cwd ?? null,
    stdin: options.stdin ?? 'inherit',
    inherited: inheritedState(process.env[LAUNCH_VARIABLE]),
  };
}

/** The PATH of an environment, the first as for getenv. */
function searchPath(env: readonly (string | Uint8Array)[]): string | undefined {
  for (const entry of env) {
    const text = typeof entry === 'string' ? entry : Buffer.from(entry).toString();
    if (text.startsWith('PATH=')) return text.slice(5);
  }
  return undefined;
}

function checkPhases(phases: readonly PhaseRequest[]): void {
  if (phases.length > 30) throw new UsageError(`phase: ${phases.length} phases were given (30 at most)`);
  const names = new Set<string>();
  for (const { name } of phases) {
    if (names.has(name)) throw new UsageError(`phase: ${name} is given twice`);
    names.add(name);
  }
}
