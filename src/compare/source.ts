import type { Arch } from '../abi/arch.ts';
import type { Policy } from '../policy/model.ts';
import type { Origin, Profile } from '../profile/model.ts';

/** A document to compare, as it was read. */
export type ComparedDocument =
  | { readonly kind: 'profile'; readonly profile: Profile }
  | { readonly kind: 'policy'; readonly policy: Policy };

/** A document with what is to be said of it. */
export interface ComparisonInput {
  /** What its columns are called; unique. */
  readonly label: string;
  /** The format that it was read as: `callgate`, or the name of an importer. */
  readonly format: string;
  readonly document: ComparedDocument;
  /** What could not be carried over, one line each. */
  readonly remarks: readonly string[];
}

/** Where a set of calls comes from: one origin of a profile, or a policy. */
export interface ComparedSource {
  readonly label: string;
  readonly format: string;
  readonly kind: 'profile' | 'policy';
  /** How the calls of a profile are known; null for a policy. A profile with several origins is several sources. */
  readonly origin: Origin | null;
  /** What denied calls end in; null for a profile. */
  readonly onViolation: string | null;
  /** What it took to find the set out; null for a policy. */
  readonly cost: SourceCost | null;
  readonly remarks: readonly string[];
}

/** Time that a method took. */
export interface SourceCost {
  /** Names of the methods, such as `seccomp` or `analyze`. */
  readonly methods: readonly string[];
  readonly runs: number;
  /** Nanoseconds of all runs together, and of the run in the middle; null where no run has a duration. */
  readonly total: number | null;
  readonly median: number | null;
}

/**
 * How a set stands to a call: in it, in it as the only one of all sources, not in it, or there for nothing but the execve by
 * which a tracer starts the program, which does not count as in.
 */
export type CellState = 'in' | 'only' | 'out' | 'launch';

/** A set of calls: that of a source as a whole, or of one of its phases. */
export interface ComparedSet {
  /** Index into `sources`. */
  readonly source: number;
  /** Name of the phase; null for all phases together. */
  readonly phase: string | null;
  /** Calls in the set, of every arch; numbers without a name count. */
  readonly size: number;
  /** Of each arch of the comparison, how much of it the set leaves. */
  readonly arches: readonly SetShare[];
  /** Calls that no other source has. */
  readonly only: number;
  /** Null without a reference. */
  readonly accuracy: Accuracy | null;
}

export interface SetShare {
  readonly arch: Arch;
  /** Calls that kernels implement, up to the newest that a policy knows. */
  readonly total: number;
  readonly allowed: number;
  /** What the set as an allowlist blocks; 0 for a policy that only logs. */
  readonly blocked: number;
}

/** How well a set agrees with the reference. */
export interface Accuracy {
  /** Calls of the reference set that it is measured by. */
  readonly reference: number;
  readonly hits: number;
  /** Share of the set that the reference has too, 0 to 1; null for an empty set. */
  readonly precision: number | null;
  /** Share of the reference that the set has; null for an empty reference. */
  readonly recall: number | null;
  /** Harmonic mean of both; null where one of them is. */
  readonly f1: number | null;
  /** Calls of the reference that the set lacks: a filter made of it would break the program. */
  readonly missed: readonly ComparedCall[];
  /** Calls of the set that the reference lacks. */
  readonly extra: readonly ComparedCall[];
}

export interface ComparedCall {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
}

/** A call and how every set stands to it. */
export interface ComparedRow extends ComparedCall {
  /** One for each of `sets`. */
  readonly cells: readonly CellState[];
  /** Sources that have it. */
  readonly count: number;
  /** Whether the reference has it; null without a reference, and where the reference has it as a launch only. */
  readonly inReference: boolean | null;
}

/** Sets of calls side by side. */
export interface Comparison {
  /** Arch whose calls need no prefix: that of the first source. */
  readonly native: Arch;
  /** Arches that any set has calls of; the native one is always there and first. */
  readonly arches: readonly Arch[];
  readonly sources: readonly ComparedSource[];
  /** What accuracy is measured by; null if nothing. */
  readonly reference: { readonly labels: readonly string[]; readonly size: number } | null;
  readonly sets: readonly ComparedSet[];
  /** Every call that any set or the reference has, sorted as asked for. */
  readonly rows: readonly ComparedRow[];
}
