import { syscalls } from '../abi/syscalls.ts';
import type { StudyData } from './conduct.ts';
import type { ComparedSide, Measure, PublishedComparison } from './experiment.ts';
import type { StudyRun } from './ledger.ts';

/** Median with the range around it. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What one method came to on one program, over all repetitions. */
export interface MethodResult {
  readonly program: string;
  readonly method: string;
  /** Repetitions that succeeded. */
  readonly runs: number;
  /** What went wrong, each once. */
  readonly failures: readonly string[];
  readonly wall: Spread | null;
  readonly cpu: Spread | null;
  readonly peak: Spread | null;
  /** Calls that any repetition found: how many are allowed, and how many of all that the arch has are blocked. */
  readonly allowed: number | null;
  readonly blocked: number | null;
  /** The same for every phase. */
  readonly phases: readonly { readonly name: string; readonly allowed: number; readonly blocked: number }[];
  /** Share of the reference that was found, and of what was found that is in the reference; null without a set. */
  readonly recall: number | null;
  readonly precision: number | null;
  /** Calls of the reference that were not found, as `arch nr`. */
  readonly missed: readonly string[];
  readonly unresolved: number | null;
}

/** A published figure beside ours. */
export interface ComparisonResult {
  readonly comparison: PublishedComparison;
  /** Mean over the programs; null if no program has both sides. */
  readonly ours: number | null;
  /** By program. */
  readonly values: readonly { readonly program: string; readonly value: number }[];
}

/** All that tables and figures show. */
export interface StudyResults {
  readonly results: readonly MethodResult[];
  /** The reference by program, `arch nr`. */
  readonly references: ReadonlyMap<string, ReadonlySet<string>>;
  readonly comparisons: readonly ComparisonResult[];
}

/** Calls that x86-64 has: what a set is a share of. */
const TOTAL = syscalls('x86_64').filter(({ since }) => since !== null).length;

/** Sums up the raw data of a study. */
export function summarizeStudy({ experiment, runs }: StudyData): StudyResults {
  const references = new Map<string, ReadonlySet<string>>();
  for (const { name } of experiment.programs) {
    references.set(
      name,
      wholeSet(runs.filter((run) => run.program === name && run.method === experiment.reference)),
    );
  }
  const results = experiment.programs.flatMap(({ name }) =>
    experiment.methods.flatMap((method) => {
      const own = runs.filter((run) => run.program === name && run.method === method.name);
      return own.length === 0 ? [] : [summarize(own, references.get(name) ?? new Set())];
    }),
  );
  const setup = new Map(experiment.methods.map((method) => [method.name, method.setup.length]));
  return {
    results,
    references,
    comparisons: experiment.comparisons.map((comparison) => {
      const over =
        comparison.programs.length > 0 ? comparison.programs : experiment.programs.map(({ name }) => name);
      const values = over.flatMap((program) => {
        const value = compareSides(comparison, program, results, setup);
        return value === null ? [] : [{ program, value }];
      });
      return { comparison, ours: meanOf(values.map(({ value }) => value)), values };
    }),
  };
}

/** Median, least and greatest; null of nothing. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

function summarize(runs: readonly StudyRun[], reference: ReadonlySet<string>): MethodResult {
  const [{ program, method }] = runs as readonly [StudyRun, ...StudyRun[]];
  const withSets = runs.filter(({ sets }) => sets.length > 0);
  const found = withSets.length === 0 ? null : wholeSet(withSets);
  const hits = found === null ? 0 : [...found].filter((call) => reference.has(call)).length;
  const names = [...new Set(withSets.flatMap(({ sets }) => sets.flatMap(({ phase }) => phase ?? [])))];
  const costs = runs.flatMap(({ cost }) => cost ?? []);
  const unresolved = runs.flatMap((run) => run.unresolved ?? []);
  return {
    program,
    method,
    runs: runs.filter(({ failures }) => failures.length === 0).length,
    failures: [...new Set(runs.flatMap(({ failures }) => failures))],
    wall: spreadOf(runs.map(({ wall }) => wall)),
    cpu: spreadOf(costs.map(({ cpu }) => cpu)),
    peak: spreadOf(costs.map(({ peak }) => peak)),
    allowed: found?.size ?? null,
    blocked: found === null ? null : blockedBy(found),
    phases: names.map((name) => {
      const calls = phaseSet(withSets, name);
      return { name, allowed: calls.size, blocked: blockedBy(calls) };
    }),
    recall: found === null || reference.size === 0 ? null : hits / reference.size,
    precision: found === null || found.size === 0 ? null : hits / found.size,
    missed: found === null ? [] : [...reference].filter((call) => !found.has(call)),
    unresolved: unresolved.length === 0 ? null : Math.max(...unresolved),
  };
}

/** Calls of x86-64 that a set leaves out. */
function blockedBy(calls: ReadonlySet<string>): number {
  return TOTAL - [...calls].filter((call) => call.startsWith('x86_64 ')).length;
}

function wholeSet(runs: readonly StudyRun[]): ReadonlySet<string> {
  return new Set(
    runs.flatMap(({ sets }) => sets.filter(({ phase }) => phase === null).flatMap(({ calls }) => calls)),
  );
}

function phaseSet(runs: readonly StudyRun[], name: string): ReadonlySet<string> {
  return new Set(
    runs.flatMap(({ sets }) => sets.filter(({ phase }) => phase === name).flatMap(({ calls }) => calls)),
  );
}

function compareSides(
  { measure, left, right, as }: PublishedComparison,
  program: string,
  results: readonly MethodResult[],
  setup: ReadonlyMap<string, number>,
): number | null {
  const [a, b] = [left, right].map((side) => valueOf(side, measure, program, results, setup));
  if (a === null || a === undefined || b === null || b === undefined) return null;
  switch (as) {
    case 'difference':
      return a - b;
    case 'ratio':
      return b === 0 ? null : a / b;
    case 'percent':
      return b === 0 ? null : (100 * (a - b)) / b;
  }
}

function valueOf(
  { method, phase }: ComparedSide,
  measure: Measure,
  program: string,
  results: readonly MethodResult[],
  setup: ReadonlyMap<string, number>,
): number | null {
  // What it takes to have a method is known of those too that were left out.
  if (measure === 'setup') return setup.get(method) ?? null;
  const result = results.find((each) => each.program === program && each.method === method);
  if (result === undefined) return null;
  switch (measure) {
    case 'allowed':
    case 'blocked': {
      // A program without phases has one set for its whole life.
      const last = phase === 'last' ? result.phases.at(-1) : undefined;
      return last?.[measure] ?? result[measure];
    }
    case 'wall':
    case 'cpu':
    case 'peak':
      return result[measure]?.median ?? null;
    case 'recall':
    case 'precision':
      return result[measure];
  }
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
