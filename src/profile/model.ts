/**
 * The profile: the one document that every method produces and everything after it reads.
 *
 * docs/formats/profile.md describes it field by field, schemas/profile-v1.schema.json is its
 * machine-readable form. Times inside a run are integers in nanoseconds since that run's start.
 */

import type { Arch } from '../abi/arch.ts';

/** Value of `format` in every profile. */
export const PROFILE_FORMAT = 'callgate-profile';

/** Version of the document that this release writes; newer ones are refused. */
export const PROFILE_VERSION = 1;

/** How it is known: seen in a run, reachable in code, or read from another tool's output. */
export type Origin = 'observed' | 'possible' | 'imported';

export interface Profile {
  readonly format: typeof PROFILE_FORMAT;
  readonly version: number;
  readonly generator: { readonly name: string; readonly version: string };
  readonly runs: readonly Run[];
  readonly phases: readonly Phase[];
  readonly programs: readonly Program[];
  readonly processes: readonly Process[];
}

/** Name of a way to produce a profile: `seccomp` and `ptrace` are the two modes of the ptrace tracer. */
export type MethodName = 'seccomp' | 'ptrace' | 'adaptive' | 'ebpf' | 'analyze' | 'import';

/** One execution of one method. */
export interface Run {
  readonly method: MethodName;
  /** argv of the program that was started, or of the one attached to. */
  readonly command: readonly string[];
  /** pids that were attached to; absent if the program was started. */
  readonly attached?: readonly number[];
  readonly workload?: { readonly command: string; readonly exit: ExitStatus | null };
  /** Wall-clock time of the start, ISO 8601 with milliseconds, UTC. */
  readonly start: string;
  /** Nanoseconds from start to end. */
  readonly duration: number;
  /** True only if the tree was watched from its first instruction to its last and nothing was lost. */
  readonly complete: boolean;
  /** Why `complete` is false, one sentence each; empty if it is true. */
  readonly incomplete: readonly string[];
  /** Events known to be lost; always 0 for ptrace. */
  readonly lost: number;
  readonly warnings: readonly string[];
  readonly host: Host;
  /** By what a later recording knows that the same start goes on; absent where none can follow. */
  readonly identity?: RunIdentity;
  /**
   * Indices into `phases` by which the run was cut, ascending, from 0 on; absent if by all of them. After a merge of profiles
   * that were not cut alike, for what such a run does in a phase that it does not have is in another one.
   */
  readonly phases?: readonly number[];
}

/** What a run is of, on the machine and from one boot of it to the next. */
export interface RunIdentity {
  /** Boot id of the kernel (/proc/sys/kernel/random/boot_id). */
  readonly boot: string;
  /** Id of the cgroup in the v2 hierarchy whose life the run is, a decimal number of up to 64 bits; absent if it is of none. */
  readonly cgroup?: string;
  /** Processes that ran when it was written, 16 at most; start times are clock ticks after the boot, as in /proc/PID/stat. */
  readonly processes: readonly { readonly pid: number; readonly startTime: number }[];
}

export interface Host {
  /** Kernel release, as `uname -r`. */
  readonly kernel: string;
  /** Machine, as `uname -m`. */
  readonly arch: string;
  /** C library of the tracing host, such as `glibc 2.36`, or null where unknown. */
  readonly libc: string | null;
  /** PRETTY_NAME of os-release, or null. */
  readonly distribution: string | null;
}

/** A phase of the program's life; index 0 is always `setup`. */
export interface Phase {
  /** Unique; letters, digits, `-` and `_`, 64 at most. */
  readonly name: string;
  /** The trigger as written on the command line; null for the first phase. */
  readonly trigger: string | null;
  /** `auto` if callgate proposed it after the run. */
  readonly source: 'start' | 'given' | 'auto';
  /** Why an automatic phase was proposed, for people; null otherwise. */
  readonly reason: string | null;
  /** Whether the phase was ever entered in any run. */
  readonly entered: boolean;
}

/** An executable file. Identity is path plus build-id. */
export interface Program {
  readonly path: string;
  /** GNU build-id in lower-case hex, or null. */
  readonly buildId: string | null;
  /** Calls that the program may make by its code (`possible`) or another tool's word (`imported`); empty for traces. */
  readonly calls: readonly Call[];
  /** What the `possible` calls rest on; absent unless code was read. */
  readonly analysis?: Analysis;
}

/** What static analysis read, where it cut the program, and what it could not bound. */
export interface Analysis {
  /** Files whose code was read, in load order. */
  readonly objects: readonly AnalyzedObject[];
  /** Where each phase after set-up begins. */
  readonly entries: readonly PhaseEntry[];
  /** Places that could not be bounded: each may do more than the calls say. */
  readonly unresolved: readonly UnresolvedSite[];
  /** What the result takes for granted, one sentence each. */
  readonly assumptions: readonly string[];
}

export interface AnalyzedObject {
  readonly path: string;
  readonly buildId: string | null;
  /** Why it belongs to the program, for people: `program`, `needed by redis-server`, `nsswitch.conf: hosts`. */
  readonly reason: string;
}

/** A place in code. */
export interface CodePlace {
  /** Path of the object, one of `objects`. */
  readonly object: string;
  /** Function that holds it, or null where no symbol names it. */
  readonly function: string | null;
  /** vaddr in the object. */
  readonly address: number;
}

export interface PhaseEntry extends CodePlace {
  /** Index into `phases`. */
  readonly phase: number;
  /** Why the phase begins there, for people. */
  readonly reason: string;
}

/**
 * What is not known of a site: the number of its system call, the value of a selecting argument is no such case (it is `any`);
 * the target of an indirect call or jump; the file or symbol that is loaded at run time; or code that is not in any file.
 */
export type UnresolvedKind = 'number' | 'call' | 'jump' | 'dlopen' | 'dlsym' | 'object' | 'runtime';

export interface UnresolvedSite extends CodePlace {
  readonly kind: UnresolvedKind;
  /** What is not known, and what was assumed instead, for people. */
  readonly reason: string;
  /** Indices into `phases` in which it can be reached, ascending, never empty. */
  readonly phases: readonly number[];
}

export type Birth = 'start' | 'attach' | 'fork' | 'vfork' | 'clone' | 'exec';

export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: string; readonly core: boolean }
  /** Its program was replaced by execve: the next process entry with birth `exec` goes on. */
  | { readonly kind: 'exec' }
  /** Still alive when the tracer let go of it. */
  | { readonly kind: 'detached' };

/**
 * One process between birth or exec and exit or the next exec: a pid that execs twice has three entries.
 * Entries stand in the order in which they began.
 */
export interface Process {
  /** Index into `runs`. */
  readonly run: number;
  readonly pid: number;
  readonly birth: Birth;
  /** Index into `processes` of the one that forked it, or for `exec` of what it was before; null for roots. */
  readonly parent: number | null;
  /** Index into `programs`; null where the file could not be read. */
  readonly program: number | null;
  /** argv for births `start`, `attach` and `exec`; null for a fork, which keeps its parent's. */
  readonly argv: readonly string[] | null;
  readonly start: number;
  /** Null if its end was not seen. */
  readonly end: number | null;
  readonly exit: ExitStatus | null;
  readonly threads: readonly Thread[];
  /** Phases that it entered, in order of time: the first is the one it was born into, so there is always one. */
  readonly transitions: readonly Transition[];
  /** Sockets on which it began to listen. */
  readonly listens: readonly Listen[];
  readonly calls: readonly Call[];
  /**
   * Present if `calls` lacks those that a process of the run had made before: the method saw only what was new.
   * What such a process may be needed for is the union of the calls of its run; a profile that was cut afterwards has them, without times.
   */
  readonly partial?: true;
}

/** A thread other than the one whose tid is the pid. */
export interface Thread {
  readonly tid: number;
  /** tid of the thread that made it; null if it was there when tracing began. */
  readonly creator: number | null;
  readonly start: number;
  readonly end: number | null;
}

export interface Transition {
  /** Index into `phases`. */
  readonly phase: number;
  readonly at: number;
}

export interface Listen {
  readonly at: number;
  /** `tcp:PORT`, `unix:PATH` (abstract names begin with `@`). */
  readonly address: string;
}

/** One system call of one process or program: the key is (arch, nr). */
export interface Call {
  readonly arch: Arch;
  /** As unsigned 32 bits; for x32 without bit 30. */
  readonly nr: number;
  /** Name in the table of `arch`, or null for a number that the table does not have. */
  readonly name: string | null;
  readonly origin: Origin;
  /** How often; null where the method does not count. */
  readonly count: number | null;
  /** First use; null where the method has no time of it. */
  readonly first: number | null;
  /** Last use; null where the method has no time of it: then later uses are possible up to the end. Null if `first` is. */
  readonly last: number | null;
  /** Indices into `phases` in which it was used, or may be, ascending; never empty. */
  readonly phases: readonly number[];
  /** True if the only use is the execve by which the launcher starts the program. */
  readonly launch?: true;
  /**
   * Outcomes, errno name to count, a decimal number where it has no name; present only for methods that see them.
   * Success is not listed.
   */
  readonly errnos?: Readonly<Record<string, number>>;
  /** Selecting arguments; present only for calls that have one. */
  readonly args?: readonly ArgumentValues[];
  /**
   * For calls that wait for an event: the times of the first uses (at most 64) and the nanoseconds spent
   * between such a call and the next stop of the same thread; with methods that stop there, how the first thread came to one of the
   * later ones. Material for finding phases.
   */
  readonly waits?: {
    readonly uses: readonly number[];
    readonly total: number;
    readonly frames?: readonly StackFrame[];
  };
  /** How code gets there: shortest chains, one or more a phase, for calls with origin `possible`. */
  readonly chains?: readonly Chain[];
}

/** A function that is running: where it goes on once what it called has returned. */
export interface StackFrame {
  /** Path of the file. */
  readonly object: string;
  /** vaddr in it. */
  readonly address: number;
}

/** A way from where the program, or a phase of it, begins to a system call. */
export interface Chain {
  /** Index into `phases`. */
  readonly phase: number;
  /** From the root to the site; the last one is the instruction that enters the kernel. */
  readonly steps: readonly ChainStep[];
}

export interface ChainStep extends CodePlace {
  /**
   * How control gets to this place from the one before: the first step is a root, the last the site itself.
   * `taken`: called through a pointer, assumed because reachable code or data takes the address of the function.
   */
  readonly how: 'root' | 'call' | 'jump' | 'import' | 'pointer' | 'taken' | 'site';
  /** For a root what it is (`entry`, `init array`, `signal handler`), for an assumed edge where the address is taken; else absent. */
  readonly note?: string;
}

/**
 * Distinct values of one selecting argument, as unsigned integers in ascending order, or `any` past the cap.
 * A value above 2^53 - 1 is a string of the form `0x...`.
 */
export interface ArgumentValues {
  /** Argument position, 0 to 5. */
  readonly index: number;
  /** Name of the argument, or of the field of the structure that it points to. */
  readonly name: string;
  readonly values: readonly (number | string)[] | 'any';
  /** First and last use of each of `values`, in its order; absent where the method has no time or the values are `any`. */
  readonly uses?: readonly (readonly [first: number, last: number])[];
}
