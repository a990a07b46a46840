import { ARCHES, type Arch } from '../abi/arch.ts';
import { compareLabels } from '../policy/call-label.ts';
import { DANGEROUS_CALLS, isDangerous } from '../policy/dangerous.ts';
import { callKey, uniteIndices } from '../profile/call-union.ts';
import type { Call, Chain, Profile, Program } from '../profile/model.ts';
import { findPrograms } from '../profile/program-names.ts';
import { callSet, type CallFilter } from '../profile/sets.ts';

/** What the code of one program may do and no run of it did. */
export interface ProgramSuspects {
  readonly path: string;
  readonly buildId: string | null;
  /** Runs in which the program ran; with 0 there is nothing to hold its code against, and `suspects` is empty. */
  readonly runs: number;
  /** Calls that the code may make and a run made. */
  readonly confirmed: number;
  /** Most suspicious first. */
  readonly suspects: readonly Suspect[];
}

/** A call that is possible by code and that no run made. */
export interface Suspect {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
  /** Paths of other programs of the profile that were seen to make it. */
  readonly seenIn: readonly string[];
  /** Steps of the chain that assumes least; null where the method gives no chains. */
  readonly steps: number | null;
  /** Steps of that chain that are only assumed: calls of functions whose address is taken. */
  readonly assumed: number | null;
  readonly chain: Chain | null;
  /** Why the call is dangerous in any form; null if it is not. */
  readonly danger: string | null;
}

/**
 * For each program whose code was read, the calls that the code may make and that no run of the program made.
 *
 * Most suspicious first, that is: most likely to be missing from the workload rather than from the program. Calls that
 * more of the other programs were seen to make come first; then those with fewer assumed steps on the way to them; then
 * those with shorter chains; then those that are not dangerous, since a dangerous one wants a workload that shows it before
 * anybody allows it; then by name.
 *
 * @throws UsageError as `callSet`
 */
export function findSuspects(profile: Profile, filter: CallFilter = {}): readonly ProgramSuspects[] {
  // For the error only, if there is no such phase or program.
  callSet(profile, filter);
  const phase = profile.phases.findIndex(({ name }) => name === filter.phase);
  const isIn = ({ phases }: Call): boolean => filter.phase === undefined || phases.includes(phase);
  const watched = watchedCalls(profile, isIn);
  const programs = filter.program === undefined ? null : findPrograms(profile, filter.program);
  return profile.programs
    .filter((_, index) => programs === null || programs.has(index))
    .filter(({ calls }) => calls.length > 0)
    .map((program) => {
      const own = watched.filter(({ program: other }) => isSame(program, other));
      const made = new Set(own.flatMap(({ keys }) => [...keys]));
      const others = watched.filter(({ program: other }) => !isSame(program, other));
      const runs = uniteIndices(own.map((each) => [...each.runs])).length;
      const possible = program.calls.filter(isIn);
      const missing = runs === 0 ? [] : possible.filter((call) => !made.has(callKey(call)));
      return {
        path: program.path,
        buildId: program.buildId,
        runs,
        confirmed: possible.filter((call) => made.has(callKey(call))).length,
        suspects: missing
          .map((call) => toSuspect(call, others, filter.phase === undefined ? null : phase))
          .sort(compareSuspects),
      };
    });
}

/** What the processes of one program were seen to do. */
interface Watched {
  readonly program: Program;
  readonly keys: Set<string>;
  readonly runs: Set<number>;
}

function watchedCalls(profile: Profile, isIn: (call: Call) => boolean): readonly Watched[] {
  const watched = new Map<number, Watched>();
  for (const { program: index, calls, run } of profile.processes) {
    if (index === null) continue;
    const known = watched.get(index) ?? {
      program: profile.programs[index]!,
      keys: new Set<string>(),
      runs: new Set<number>(),
    };
    watched.set(index, known);
    known.runs.add(run);
    for (const call of calls) if (call.launch !== true && isIn(call)) known.keys.add(callKey(call));
  }
  return [...watched.values()];
}

/** The same file, as far as is known: one file may have many names, and another tool's list has no build-id. */
function isSame(a: Program, b: Program): boolean {
  if (a.buildId !== null && b.buildId !== null) return a.buildId === b.buildId;
  return a.path === b.path;
}

function toSuspect(call: Call, others: readonly Watched[], phase: number | null): Suspect {
  const { arch, nr, name, chains = [] } = call;
  const key = callKey(call);
  const best = chains
    .filter((chain) => phase === null || chain.phase === phase)
    .toSorted((a, b) => countAssumed(a) - countAssumed(b) || a.steps.length - b.steps.length)[0];
  return {
    arch,
    nr,
    name,
    seenIn: [
      ...new Set(others.filter(({ keys }) => keys.has(key)).map(({ program }) => program.path)),
    ].sort(),
    steps: best?.steps.length ?? null,
    assumed: best === undefined ? null : countAssumed(best),
    chain: best ?? null,
    danger: isDangerous(name) ? (DANGEROUS_CALLS.find((row) => row.name === name)?.why ?? null) : null,
  };
}

function countAssumed({ steps }: Chain): number {
  return steps.filter(({ how }) => how === 'taken').length;
}

function compareSuspects(a: Suspect, b: Suspect): number {
  return (
    b.seenIn.length - a.seenIn.length ||
    (a.assumed ?? Infinity) - (b.assumed ?? Infinity) ||
    (a.steps ?? Infinity) - (b.steps ?? Infinity) ||
    Number(a.danger !== null) - Number(b.danger !== null) ||
    compareLabels(a, b, ARCHES)
  );
}
