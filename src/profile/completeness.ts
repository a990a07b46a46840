import type { Arch } from '../abi/arch.ts';
import { compareCalls, uniteIndices } from './call-union.ts';
import {
  countSeenIn,
  estimateCoverage,
  estimateTotal,
  expectedKinds,
  type IncidenceCounts,
  type TotalEstimate,
} from './completeness-estimate.ts';
import type { Profile } from './model.ts';
import { callSet, type CallFilter } from './sets.ts';

/** Runs below which nothing is estimated: two cannot tell what is rare from what is common. */
export const RUNS_NEEDED = 3;

/** Points of the growth curve on each side of what was run, at most. */
const KNOT_CAP = 20;

/** Steps for how many calls further runs may bring. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** How much the runs of a profile may have missed. */
export interface Completeness {
  /** Runs that were watched and made any call that fits: the sampling units. */
  readonly runs: number;
  /** How many different commands with their workloads these runs were of; 1 means that one and the same was repeated. */
  readonly commands: number;
  /** Whether all of these runs were watched from first to last instruction. */
  readonly complete: boolean;
  /** Distinct calls that were seen; not the execve by which a program was started. */
  readonly calls: number;
  /** Calls that just one run showed, just two, and all of them. */
  readonly uniques: number;
  readonly duplicates: number;
  readonly always: number;
  /** Calls that just one run showed. */
  readonly rare: readonly RareCall[];
  /** Null with fewer than three runs. */
  readonly estimate: CompletenessEstimate | null;
  /** How the set grows: the mean over all orders of the runs up to their number, extrapolated up to twice as many. */
  readonly curve: readonly CurvePoint[];
}

/** A call that a single run showed. */
export interface RareCall {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
  /** Index into `runs`. */
  readonly run: number;
}

export interface CompletenessEstimate extends TotalEstimate {
  /** Share of all (run, call) incidences to be expected that falls to calls which were seen: 0 to 1. */
  readonly coverage: number;
  /** Calls not yet seen that further runs of the same kind are expected to show; up to as many runs again. */
  readonly more: readonly { readonly runs: number; readonly calls: number }[];
}

export interface CurvePoint {
  readonly runs: number;
  readonly calls: number;
  /** `false` up to what was run; beyond, the point is a forecast. */
  readonly isForecast: boolean;
}

/**
 * How much the runs of a profile may have missed, from how many of them showed each call.
 *
 * Holds for more runs of the same kind: inputs that no run resembles are beyond any estimate. What programs may do by their code
 * plays no part.
 *
 * @throws UsageError as `callSet`
 */
export function measureCompleteness(profile: Profile, filter: CallFilter = {}): Completeness {
  const seen = callSet(watchedPart(profile), filter);
  const runs = uniteIndices(seen.map((call) => call.runs));
  const counts: IncidenceCounts = {
    units: runs.length,
    frequencies: seen.map((call) => call.runs.length),
  };
  const estimate = runs.length < RUNS_NEEDED ? null : estimateCompleteness(counts);
  return {
    runs: runs.length,
    commands: new Set(runs.map((run) => describeInput(profile, run))).size,
    complete: runs.every((run) => profile.runs[run]?.complete === true),
    calls: seen.length,
    uniques: countSeenIn(counts, 1),
    duplicates: countSeenIn(counts, 2),
    always: countSeenIn(counts, runs.length),
    rare: [...seen]
      .sort(compareCalls)
      .flatMap(({ arch, nr, name, runs: of }) => (of.length === 1 ? [{ arch, nr, name, run: of[0]! }] : [])),
    estimate,
    curve: growthCurve(counts, estimate),
  };
}

function estimateCompleteness(counts: IncidenceCounts): CompletenessEstimate {
  const total = estimateTotal(counts);
  const { units, frequencies } = counts;
  const steps = [...new Set([...STEPS.filter((step) => step < units), units])];
  return {
    coverage: estimateCoverage(counts),
    ...total,
    more: steps.map((runs) => ({
      runs,
      calls: expectedKinds(counts, units + runs, total.unseen) - frequencies.length,
    })),
  };
}

function growthCurve(counts: IncidenceCounts, estimate: TotalEstimate | null): readonly CurvePoint[] {
  const { units } = counts;
  const unseen = estimate?.unseen ?? 0;
  const until = estimate === null ? units : 2 * units;
  const step = Math.max(1, Math.ceil(units / KNOT_CAP));
  const knots = new Set<number>();
  for (let at = step; at < until; at += step) knots.add(at);
  if (units > 0) knots.add(1).add(units).add(until);
  return [...knots]
    .sort((a, b) => a - b)
    .map((runs) => ({
      runs,
      calls: expectedKinds(counts, runs, unseen),
      isForecast: runs > units,
    }));
}

/** The profile without what code may do and without launches. */
function watchedPart(profile: Profile): Profile {
  return {
    ...profile,
    programs: profile.programs.map((program) => ({ ...program, calls: [] })),
    processes: profile.processes.map((process) => ({
      ...process,
      calls: process.calls.filter(({ launch }) => launch !== true),
    })),
  };
}

/** What a run was of: the same text for repetitions. */
function describeInput({ runs }: Profile, index: number): string {
  const { command, workload } = runs[index]!;
  return JSON.stringify([command, workload?.command ?? null]);
}
