import type { Arch } from '../abi/arch.ts';
import type { ProgramKey } from '../policy/policy-sets.ts';
import type { EventLoop } from '../sys/event-loop.ts';
import type { Libc } from '../sys/libc.ts';
import type { ProcessRecord, RecordedChanges, Recorder, Recording } from './recorder.ts';
import type { PhaseRequest, Trigger } from './trigger.ts';
import type { ExitStatus, MethodName, Process } from '../profile/model.ts';

/**
 * What every back end is: a function that watches until there is nothing left to watch, on the thread of its caller.
 *
 * It records into `host.recorder`, tells what happens through `host.send`, and looks for commands with
 * `host.receive` whenever `doorbell` woke it. It keeps its thread, but yields when `host.eventLoop` has something to do.
 */
export type Backend = (
  request: TraceRequest,
  host: BackendHost,
  libc: Libc,
) => Generator<void, BackendResult>;

/** The methods that watch. */
export type TracingMethod = Extract<MethodName, 'seccomp' | 'ptrace' | 'adaptive' | 'ebpf'>;

/** The program to start or the processes to attach to, and what to look out for. All plain data. */
export interface TraceRequest {
  readonly method: TracingMethod;
  /** What to do instead if the machine cannot do `method`, or null: that is an error then. */
  readonly fallback: TracingMethod | null;
  readonly target: LaunchTarget | AttachTarget | ScopeTarget;
  readonly phases: readonly PhaseRequest[];
  readonly ready: Trigger | null;
  /** What to write to stderr right before the program begins, or null: later it could come in the middle of what that shows. */
  readonly announcement: string | null;
  /** Whether no_new_privs can be left unset: root, or CAP_SYS_ADMIN. */
  readonly privileged: boolean;
  /** Filters to run the program under, or null to watch only. */
  readonly enforcement: Enforcement | null;
  /** Whether it is wanted with which errors calls fail; `ptrace` tells in any case. */
  readonly errors: boolean;
}

/** Filters for a program and its phases, compiled: plain data. */
export interface Enforcement {
  /** struct sock_filter[] by phase, and by program where it has narrower ones; phase 0 of the tree is installed before the exec. */
  readonly filters: readonly PhaseFilter[];
  /**
   * Nothing is denied: the filters stop what they do not allow (SECCOMP_RET_TRACE), and each such call is
   * told of and goes on. Tracing lasts to the end then.
   */
  readonly audit: boolean;
  /** What happens to a process that cannot be given its tighter filter. */
  readonly ifStuck: 'keep' | 'kill';
}

export interface PhaseFilter {
  /** Index of the phase. */
  readonly phase: number;
  /** Null for the whole tree; without a build-id it is for every build of the program. */
  readonly program: ProgramKey | null;
  readonly filter: Uint8Array;
}

export interface LaunchTarget {
  readonly kind: 'launch';
  readonly path: string;
  readonly argv: readonly (string | Uint8Array)[];
  readonly env: readonly (string | Uint8Array)[];
  readonly cwd: string | null;
  /** `null`: the program reads from /dev/null, because callgate itself reads the terminal. */
  readonly stdin: 'inherit' | 'null';
  readonly inherited: InheritedState;
}

export interface AttachTarget {
  readonly kind: 'attach';
  readonly pids: readonly number[];
}

/** Whatever runs in a part of the machine, now and later; by eBPF only. */
export interface ScopeTarget {
  readonly kind: 'scope';
  readonly scope:
    | { readonly kind: 'all' }
    /** Path of a directory of the cgroup v2 hierarchy. */
    | { readonly kind: 'cgroup'; readonly path: string }
    /** By its number, which `readlink /proc/PID/ns/mnt` shows, and a process in it. */
    | { readonly kind: 'mount-namespace'; readonly number: number; readonly pid: number };
  /** For messages: `cgroup /system.slice/redis.service`. */
  readonly text: string;
}

/** What a program inherits from whoever started callgate and Node has changed since. */
export interface InheritedState {
  /** Bit n-1 set: signal n is to be ignored. */
  readonly ignoredSignals: bigint;
  /** Bit n-1 set: signal n is to be blocked. */
  readonly blockedSignals: bigint;
  /** Soft limit of open files, or null to leave Node's. */
  readonly openFiles: number | null;
  /** Descriptors besides 0, 1 and 2 that it is to have. */
  readonly descriptors: readonly number[];
  /** Those of 0, 1 and 2 that were closed: Node opens /dev/null in their place. */
  readonly closed: readonly number[];
  /** Whether 0, 1 and 2 are to block those who read and write, for Node may have made a pipe non-blocking. */
  readonly blocks: boolean;
}

/** What happens in a trace, for whoever asked for it. */
export type TraceEvent =
  | { readonly kind: 'doorbell'; readonly pid: number }
  /** The doorbell is an eventfd, which the main thread closes at the end. */
  | { readonly kind: 'eventfd'; readonly fd: number }
  /** The method that was asked for cannot be used, and another is. */
  | { readonly kind: 'fallback'; readonly method: TracingMethod; readonly reason: string }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'ready'; readonly at: number }
  | { readonly kind: 'phase'; readonly phase: number; readonly pid: number | null; readonly at: number }
  | { readonly kind: 'warning'; readonly text: string }
  /** What is worth knowing at once, and may still turn out to be as it should. */
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'root-ended'; readonly exit: ExitStatus }
  /** A process got its filter for a phase, or could not. `problem` is null if it has it. */
  | {
      readonly kind: 'filtered';
      readonly pid: number;
      readonly phase: number;
      /** As the filter names it; null for that of the tree. */
      readonly program: ProgramKey | null;
      readonly problem: string | null;
      readonly at: number;
    }
  /** A call that the filter denies, or would deny in an audit. */
  | { readonly kind: 'violation'; readonly violation: Violation }
  /** Processes that are over, ahead of the result, which is without them: the session puts them back in their places. */
  | { readonly kind: 'settled'; readonly places: readonly number[]; readonly processes: readonly Process[] }
  /** The answer to the command `snapshot`. */
  | ({ readonly kind: 'snapshot'; readonly at: number } & RecordedChanges)
  | {
      readonly kind: 'done';
      readonly recording: Recording;
      readonly result: BackendResult;
      readonly libc: string | null;
      /** Start of the run, milliseconds since the epoch. */
      readonly startedAt: number;
      /** Nanoseconds. */
      readonly duration: number;
    }
  | {
      readonly kind: 'failed';
      readonly error: FailureReport;
      /** What had been seen by then, or null if the program never ran. */
      readonly recording: Recording | null;
      readonly startedAt: number;
      readonly duration: number;
    };

/** What a back end tells by itself: processes that are over go through `settled`. */
export type ToldEvent = Exclude<TraceEvent, { kind: 'settled' }>;

/** One call outside of what the filter allows. */
export interface Violation {
  readonly pid: number;
  readonly tid: number;
  readonly program: string | null;
  /** Programs with sets of their own that hold the process: its own program, and those that it has them from. */
  readonly sets: readonly ProgramKey[];
  /** Index of the phase that the process was in. */
  readonly phase: number;
  readonly arch: Arch;
  readonly nr: number;
  readonly args: readonly bigint[];
  readonly at: number;
  /** What came of it: it went on (audit), the process was killed, or got SIGSYS. */
  readonly outcome: 'allowed' | 'killed' | 'trapped';
  /** Innermost first: `object+offset` or `function+offset (object)`; empty if it could not be told. */
  readonly backtrace: readonly string[];
}

/** An error that crossed a thread: its class is lost on the way, so what matters is kept by name. */
export interface FailureReport {
  readonly name: string;
  readonly message: string;
  readonly errno: number | null;
  readonly exitCode: number | null;
}

/** To the back end; each is followed by a ring of the doorbell. */
export type TraceCommand =
  /** The whole tree enters a phase, or the program is ready if `phase` is null. */
  | { readonly kind: 'fire'; readonly phase: number | null }
  /** A signal for the program: its first process, or once that is gone the processes it left behind. */
  | { readonly kind: 'signal'; readonly signal: number }
  /** The same, but only if the terminal has not sent that signal to the program already. */
  | { readonly kind: 'forward'; readonly signal: number }
  | { readonly kind: 'kill' }
  | { readonly kind: 'detach' }
  | SnapshotCommand;

/** Asks for what has been recorded since a time, nanoseconds since the start of the run; back ends never see it. */
export interface SnapshotCommand {
  readonly kind: 'snapshot';
  readonly since: number;
}

export interface BackendHost {
  /** What else is to be done on this thread, between events; null or absent if that is nothing. */
  readonly eventLoop?: EventLoop | null;
  readonly recorder: Recorder;
  /** Nanoseconds since the start of the run. */
  now(): number;
  /** Makes this moment the start of the run, or one that many nanoseconds ago. */
  startClock(ago?: number): void;
  send(event: ToldEvent): void;
  receive(): Exclude<TraceCommand, SnapshotCommand> | null;
  /** Nothing more will be recorded of these processes. */
  settled(processes: readonly ProcessRecord[]): void;
  /** Numbers for a progress display, cheap enough for every stop. */
  report(tasks: number, phase: number): void;
}

export interface BackendResult {
  /** How the program that was started ended; null when attached. */
  readonly exit: ExitStatus | null;
  readonly lost: number;
  /** Nanoseconds until nothing was left to trace, if that was before the back end had cleaned up. */
  readonly duration?: number;
  /** What else the back end did not see, one sentence each. */
  readonly missed?: readonly string[];
  readonly detached: boolean;
  /** Phases that were entered by any process; index 0 is set-up. */
  readonly entered: readonly boolean[];
  readonly command: readonly string[];
}
