/**
 * The policy: which system calls a program may make in each phase, and what happens to the others.
 *
 * docs/formats/policy.md describes the document, schemas/policy-v1.schema.json is its machine-readable form. Here it is
 * as the code has it: numbers beside names, argument values as bigint.
 */

import type { Arch } from '../abi/arch.ts';

/** Value of `format` in every policy. */
export const POLICY_FORMAT = 'callgate-policy';

/** Version of the document that this release writes; newer ones are refused. */
export const POLICY_VERSION = 1;

/** How much of a profile a policy takes: what was seen, also what code may do unless it is dangerous, or all of that. */
export type Strictness = 'observed' | 'balanced' | 'sound';

/** Every strictness, tightest first. */
export const STRICTNESSES: readonly Strictness[] = ['observed', 'balanced', 'sound'];

/** Container runtimes with a group of their own: what they call between loading the filter and starting the program. */
export const RUNTIMES = ['runc', 'crun'] as const;

/** One of the container runtimes. */
export type Runtime = (typeof RUNTIMES)[number];

export interface Policy {
  readonly format: typeof POLICY_FORMAT;
  readonly version: number;
  readonly generator: { readonly name: string; readonly version: string };
  /** What the policy was made from; empty if it was written by hand. */
  readonly sources: readonly PolicySource[];
  readonly strict: Strictness;
  /** Kernels for which equivalents were added, or null. */
  readonly kernels: KernelRange | null;
  /** What happens to a known call that is not allowed: `kill`, `trap`, `log` or `errno:NAME`; see violation.ts. */
  readonly onViolation: string;
  /** Arches whose calls are looked up, the machine's own first; calls of any other kill the process. Never empty. */
  readonly arches: readonly PolicyArch[];
  /**
   * Calls that fail with ENOSYS where a set does not list them, as on a kernel that has not got them: the C library
   * then takes the older way. They have no arguments.
   */
  readonly enosys: readonly PolicyCall[];
  /** Groups of calls that were added beside what the profile holds, for people. */
  readonly groups: readonly PolicyGroup[];
  /** In the order in which they are entered; never empty. */
  readonly phases: readonly PolicyPhase[];
}

/** Runs of a profile that differ in nothing but time. */
export interface PolicySource {
  readonly method: string;
  readonly command: readonly string[];
  readonly runs: number;
  /** Whether all of the runs were complete. */
  readonly complete: boolean;
  readonly host: { readonly kernel: string; readonly arch: string; readonly libc: string | null };
}

/** Kernel releases, both included, such as `4.14` and `6.12`. */
export interface KernelRange {
  readonly from: string;
  readonly to: string;
}

export interface PolicyArch {
  readonly arch: Arch;
  /** Highest number that was known when the policy was made: calls above fail with ENOSYS. */
  readonly newest: number;
}

export interface PolicyGroup {
  /** `always`, `vdso`, `switch`, `portable`, `runtime:runc` and so on. */
  readonly name: string;
  readonly reason: string;
}

export interface PolicyPhase {
  /** Unique; letters, digits, `-` and `_`, 64 at most. */
  readonly name: string;
  /** What begins the phase, as on the command line of `trace`; null for the first phase. */
  readonly trigger: string | null;
  /**
   * What any process of the tree may do in this phase and in all later ones, with all the children that it starts from
   * then on. It holds the set of the next phase.
   */
  readonly calls: readonly PolicyCall[];
  /** Narrower sets for single programs; the set of the tree holds each of them. */
  readonly programs: readonly ProgramSet[];
}

/** What one program may do in a phase, with all the children that it starts from then on. */
export interface ProgramSet {
  readonly path: string;
  /** GNU build-id in lower-case hex, or null. */
  readonly buildId: string | null;
  readonly calls: readonly PolicyCall[];
}

/** A call that is allowed; the key is (arch, nr). */
export interface PolicyCall {
  readonly arch: Arch;
  /** For x32 without bit 30; at most MAX_NR of the filter. */
  readonly nr: number;
  /** Name in the table of `arch`, or null for a number that the table does not have. */
  readonly name: string | null;
  /** All must hold; by index ascending, each index once. Empty: any arguments. */
  readonly args: readonly PolicyArgument[];
  /** Where the entry comes from, for people: printable, on one line, without `; `. */
  readonly why: readonly string[];
}

/** An argument that must have one of some constants, apart from bits that do not matter. */
export interface PolicyArgument {
  /** Position, 0 to 5. */
  readonly index: number;
  /** Name in the table of selecting arguments, or null for another argument. */
  readonly name: string | null;
  /** How many low bits are looked at. */
  readonly width: 32 | 64;
  /** Ascending, not empty, below 2^width, without bits of `free`. */
  readonly values: readonly bigint[];
  /** Bits that may be set or not, in any combination; 0n if every bit counts. */
  readonly free: bigint;
}

/** Number of values that an argument may list. */
export const ARGUMENT_VALUE_CAP = 256;
