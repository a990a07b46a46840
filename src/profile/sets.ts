import { UsageError } from '../base/errors.ts';
import { checkOptions, requireOneOf, requireText, wrongType, type Checks } from '../base/option-checks.ts';
import {
  callKey,
  compareCalls,
  ORIGINS,
  uniteArguments,
  uniteCounts,
  uniteErrnos,
  uniteIndices,
  uniteTimes,
} from './call-union.ts';
import type { Arch } from '../abi/arch.ts';
import { requireProfile } from './given.ts';
import type { ArgumentValues, Call, Origin, Profile } from './model.ts';
import { findPrograms } from './program-names.ts';

/** What to look at; all that is given must hold. */
export interface CallFilter {
  /** Name of a phase in which the call was used. */
  readonly phase?: string;
  /** All entries of this pid, in every run. */
  readonly pid?: number;
  /** Path of a program, or the last part of one; also the name under which it was started. */
  readonly program?: string;
  /** Index into `runs`. */
  readonly run?: number;
  readonly origin?: Origin;
}

const FILTER_CHECKS: Checks = {
  phase: requireText,
  pid: requireNumber,
  program: requireText,
  run: requireNumber,
  origin: (who, name, value) => requireOneOf(who, name, value, ORIGINS),
};

/** A system call as the union of what the processes and programs in question did with it. */
export interface MergedCall {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
  /** How it is known, strongest first. */
  readonly origins: readonly Origin[];
  /** Uses in all phases together; null if one of the parts does not count. */
  readonly count: number | null;
  /** Earliest first and latest last use, each in the time of its own run; null if no part has times. */
  readonly first: number | null;
  readonly last: number | null;
  /** Indices into `phases`. */
  readonly phases: readonly number[];
  /** Indices of the runs in which it was seen; what a program may do belongs to every run of the method that says so. */
  readonly runs: readonly number[];
  /** True if every part is nothing but the launcher's execve. */
  readonly launch?: true;
  readonly errnos?: Readonly<Record<string, number>>;
  /** An argument that one part does not list has `any`: nobody looked at it there. */
  readonly args?: readonly ArgumentValues[];
}

/** In how many of the runs that could show a call it was seen. */
export interface CallIncidence {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
  /** Indices of the runs in which it was seen. */
  readonly runs: readonly number[];
  /** Runs that have anything that the filter asks for. */
  readonly total: number;
}

/**
 * The calls that the filter picks, one entry for each (arch, nr), in the order of documents.
 *
 * A filter by pid leaves out what programs may do, as that belongs to no process. Counts, times, errnos and
 * arguments are those of a part as a whole, also where only one of its phases was asked for.
 *
 * @throws UsageError if there is no such phase, pid, program or run; it names those that there are; or no such option
 */
export function callSet(profile: Profile, filter: CallFilter = {}): readonly MergedCall[] {
  checkQuestion('callSet', profile, filter);
  const groups = new Map<string, [Part, ...Part[]]>();
  for (const part of partsOf(profile, filter)) {
    const group = groups.get(callKey(part.call));
    if (group === undefined) groups.set(callKey(part.call), [part]);
    else group.push(part);
  }
  return [...groups.values()].map(uniteParts).sort(compareCalls);
}

/**
 * For each call of `callSet`, the runs in which it was seen: what only some runs show hints at missing workload.
 *
 * @throws UsageError as `callSet`
 */
export function runIncidence(profile: Profile, filter: CallFilter = {}): readonly CallIncidence[] {
  checkQuestion('runIncidence', profile, filter);
  const { phase: _phase, ...anyPhase } = filter;
  const total = uniteIndices(partsOf(profile, anyPhase).map(({ runs }) => runs)).length;
  return callSet(profile, filter).map(({ arch, nr, name, runs }) => ({ arch, nr, name, runs, total }));
}

/** Sizes of the sets of a profile. */
export interface CallTotals {
  /** Distinct (arch, nr). */
  readonly distinct: number;
  /** How often they were made, as far as that was counted. */
  readonly uses: number;
  /** Whether every one of them was counted. */
  readonly isCounted: boolean;
  /** Distinct (arch, nr) of each phase. */
  readonly inPhase: readonly number[];
}

/** How many processes there were: an exec goes on with the process that it was, and a pid may have been given out again. */
export function countProcesses({ processes }: Pick<Profile, 'processes'>): number {
  return processes.filter(({ birth, parent }) => birth !== 'exec' || parent === null).length;
}

/** What {@link callSet} would have in all and in each phase; without arguments and errors, which take long to unite. */
export function callTotals({ phases, processes, programs }: Profile): CallTotals {
  const all = new Map<string, Set<number>>();
  let uses = 0;
  let isCounted = true;
  for (const { calls } of [...processes, ...programs]) {
    for (const call of calls) {
      const key = callKey(call);
      let seenIn = all.get(key);
      if (seenIn === undefined) {
        seenIn = new Set();
        all.set(key, seenIn);
      }
      for (const phase of call.phases) seenIn.add(phase);
      if (call.count === null) isCounted = false;
      else uses += call.count;
    }
  }
  const sets = [...all.values()];
  return {
    distinct: all.size,
    uses,
    isCounted,
    inPhase: phases.map((_, phase) => sets.filter((seenIn) => seenIn.has(phase)).length),
  };
}

function checkQuestion(who: string, profile: unknown, filter: unknown): void {
  requireProfile(who, 'profile', profile);
  checkOptions(who, filter, FILTER_CHECKS);
}

function requireNumber(who: string, name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(who, name, 'a number', value);
}

/** One call of one process or program. */
interface Part {
  readonly call: Call;
  readonly runs: readonly number[];
}

function partsOf(profile: Profile, filter: CallFilter): readonly Part[] {
  const { pid, run, origin } = filter;
  const phase = filter.phase === undefined ? undefined : findPhase(profile, filter.phase);
  const programs = filter.program === undefined ? undefined : requirePrograms(profile, filter.program);
  if (pid !== undefined) requirePid(profile, pid);
  if (run !== undefined) requireRun(profile, run);

  const ofProcesses = profile.processes
    .filter((process) => pid === undefined || process.pid === pid)
    .filter(
      (process) => programs === undefined || (process.program !== null && programs.has(process.program)),
    )
    .flatMap((process) => process.calls.map((call) => ({ call, runs: [process.run] })));
  const ofPrograms = profile.programs
    .filter((_, index) => pid === undefined && (programs === undefined || programs.has(index)))
    .flatMap(({ calls }) => calls.map((call) => ({ call, runs: runsThatSay(profile, call.origin) })));
  return [...ofProcesses, ...ofPrograms]
    .filter(({ runs }) => run === undefined || runs.includes(run))
    .filter(({ call }) => phase === undefined || call.phases.includes(phase))
    .filter(({ call }) => origin === undefined || call.origin === origin);
}

/** A document does not keep which of its runs a program's calls come from, but only one kind of method can say them. */
function runsThatSay(profile: Profile, origin: Origin): readonly number[] {
  const method = origin === 'possible' ? 'analyze' : 'import';
  return profile.runs.flatMap((run, index) => (run.method === method ? [index] : []));
}

function uniteParts(parts: readonly [Part, ...Part[]]): MergedCall {
  const calls = parts.map(({ call }) => call);
  const { arch, nr } = parts[0].call;
  const errnos = uniteErrnos(calls);
  const args = uniteArguments(calls);
  return {
    arch,
    nr,
    name: calls.find(({ name }) => name !== null)?.name ?? null,
    origins: ORIGINS.filter((origin) => calls.some((call) => call.origin === origin)),
    count: uniteCounts(calls),
    ...uniteTimes(calls),
    phases: uniteIndices(calls.map(({ phases }) => phases)),
    runs: uniteIndices(parts.map(({ runs }) => runs)),
    ...(calls.every(({ launch }) => launch === true) ? { launch: true as const } : {}),
    ...(errnos === undefined ? {} : { errnos }),
    ...(args === undefined ? {} : { args }),
  };
}

function findPhase(profile: Profile, name: string): number {
  const index = profile.phases.findIndex((phase) => phase.name === name);
  if (index !== -1) return index;
  throw new UsageError(
    `phase: no such phase, ${JSON.stringify(name)} (the profile has ${listed(profile.phases.map((phase) => phase.name))})`,
  );
}

function requirePrograms(profile: Profile, wanted: string): ReadonlySet<number> {
  const found = findPrograms(profile, wanted);
  if (found.size > 0) return found;
  throw new UsageError(
    `program: no such program, ${JSON.stringify(wanted)} (the profile has ${listed(profile.programs.map(({ path }) => path))})`,
  );
}

function requirePid(profile: Profile, pid: number): void {
  if (profile.processes.some((process) => process.pid === pid)) return;
  const pids = profile.processes.map((process) => `${process.pid}`);
  throw new UsageError(`pid: no such process, ${pid} (the profile has ${listed(pids)})`);
}

function requireRun(profile: Profile, run: number): void {
  if (profile.runs[run] !== undefined) return;
  const runs = profile.runs.map((_, index) => `${index}`);
  throw new UsageError(`run: no such run, ${run} (the profile has ${listed(runs)})`);
}

/** At most 20 names for a message. */
function listed(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  if (distinct.length === 0) return 'none';
  const more = distinct.length > 20 ? ` and ${distinct.length - 20} more` : '';
  return `${distinct.slice(0, 20).join(', ')}${more}`;
}
