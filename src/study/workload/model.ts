/** A workload: what makes one program show what it does, as cases. docs/workloads.md describes the document field by field. */
export interface Workload {
  /** What people call it; also the name of the file. */
  readonly name: string;
  /** Absolute path of the program that is studied. */
  readonly program: string;
  readonly description: string;
  /** Debian packages that the program and the cases need. */
  readonly packages: readonly string[];
  /** Absolute paths of libraries that the program loads in the cases because files of the workload name them: static analysis cannot know. */
  readonly libraries: readonly string[];
  /** Names of TCP ports on loopback, each a placeholder. */
  readonly ports: readonly string[];
  /** Added to the fixed environment of every command. */
  readonly environment: Readonly<Record<string, string>>;
  /** Shell script that fills the scratch directory; the program in it is the plain one. Empty if there is nothing to do. */
  readonly setup: string;
  readonly servers: readonly WorkloadServer[];
  readonly cases: readonly WorkloadCase[];
}

/** A way to run the program as a server, for the cases that name it. */
export interface WorkloadServer {
  readonly name: string;
  /** One shell command that stays in the foreground. */
  readonly command: string;
  readonly ready: ReadyTrigger;
  /** Shell command that makes it end. */
  readonly stop: string;
  /** How it ends then: an exit code, 128 and the number of a signal. */
  readonly exit: ExpectedExit;
}

/** `listen:PORT`, `listen:PATH` as for traces, or `file:PATH`; may hold placeholders. */
export type ReadyTrigger = `listen:${string}` | `file:${string}`;

/** Exit codes that a step may have, or any. */
export type ExpectedExit = readonly number[] | 'any';

/** `benchmark`: what everybody runs; `explore`: a state of the program that only its tests reach. */
export type CaseKind = 'benchmark' | 'explore';

/** What the machine must have for a case: root's rights, or user and mount namespaces of its own making. */
export type CaseNeed = 'root';

/** The sampling unit: a case is run as a whole or not at all. */
export interface WorkloadCase {
  readonly name: string;
  readonly kind: CaseKind;
  readonly needs: readonly CaseNeed[];
  /** Names of runners under which it cannot work. */
  readonly unfit: readonly RunnerName[];
  /** Name of the server that must run, or null. */
  readonly server: string | null;
  /** Shell script before the steps; the program in it is the plain one. */
  readonly setup: string;
  readonly steps: readonly WorkloadStep[];
}

/** One shell script with what it should do. */
export interface WorkloadStep {
  readonly run: string;
  readonly exit: ExpectedExit;
  /** Pattern that stdout and stderr together must match, or null. */
  readonly output: string | null;
}

/** How the program is started: as it is, or under a tool. */
export type RunnerName = 'plain' | 'trace' | 'run' | 'audit' | 'strace' | 'callgrind';

/** A way to start the program. */
export interface Runner {
  readonly name: RunnerName;
  /**
   * Words to put before the program's path and arguments, or null to start it as it is; `output` is a path without
   * extension that is different for every start.
   */
  wrap(output: string): readonly string[] | null;
  /** What a started program must have left behind, as extensions of `output`. */
  readonly leaves: readonly string[];
  /** The file that the started program itself writes at its end, by then perhaps as another user; `pid` is its own. */
  readonly dump?: (output: string, pid: string) => string;
  /** How many times longer than untraced a step may take. */
  readonly patience: number;
  /** What is wrong by the files that one start left, one line each, such as calls that a policy denied. */
  judge(output: string): readonly string[];
}

export interface StepResult {
  readonly run: string;
  /** Exit code; 128 and the number for a signal, as shells say; null if it was ended for taking too long. */
  readonly exit: number | null;
  readonly expected: ExpectedExit;
  /** Nanoseconds. */
  readonly duration: number;
  /** The last of what it printed, 2000 characters at most. */
  readonly printed: string;
}

export interface CaseResult {
  readonly name: string;
  readonly kind: CaseKind;
  /** Why it was not run, or null. */
  readonly skipped: string | null;
  readonly steps: readonly StepResult[];
  /** What went wrong, one line each; empty is success. */
  readonly failures: readonly string[];
  /** Nanoseconds, server and preparation included. */
  readonly duration: number;
  /** What the runner wrote, absolute paths; a shared server's are with the result of the workload. */
  readonly files: readonly string[];
}

export interface WorkloadResult {
  readonly name: string;
  readonly program: string;
  readonly runner: RunnerName;
  readonly cases: readonly CaseResult[];
  /** What went wrong with servers that several cases share. */
  readonly failures: readonly string[];
  /** What the runner wrote for servers that several cases share. */
  readonly files: readonly string[];
  /** Nanoseconds. */
  readonly duration: number;
}
