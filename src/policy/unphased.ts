import { UsageError } from '../base/errors.ts';
import type { Call, Phase, Process, Profile } from '../profile/model.ts';
import { cutOf } from '../profile/phase-order.ts';
import { isWatching } from '../profile/watching.ts';

/** Profiles with the same phases. */
export interface AlignedProfiles {
  readonly profiles: readonly Profile[];
  /** Indices of the runs, after a merge, that say nothing about phases. */
  readonly unphased: ReadonlySet<number>;
}

/**
 * Gives runs without phases those of the others, in another profile or in the same one: all that they show counts for every phase,
 * as nothing says when it happened.
 *
 * @throws UsageError if two runs were cut by different phases: what one does in a phase that it lacks is in another one
 */
export function alignPhases(profiles: readonly Profile[]): AlignedProfiles {
  const model = profiles.find((profile) => cutsOf(profile).some(isCut));
  const unphased = new Set<number>();
  if (model === undefined) return { profiles, unphased };
  requireOneCut(profiles);
  let runCount = 0;
  const aligned = profiles.map((profile) => {
    const first = runCount;
    runCount += profile.runs.length;
    const bare = new Set(profile.runs.flatMap((run, index) => (isCut(cutOf(profile, run)) ? [] : [index])));
    for (const run of bare) unphased.add(first + run);
    if (profile.phases.length === 1) return spreadRuns(withPhases(profile, model), bare);
    return bare.size === 0 ? profile : spreadRuns(profile, bare);
  });
  return { profiles: aligned, unphased };
}

/** By what each run was cut; a profile without runs was by all of its phases. */
function cutsOf(profile: Profile): readonly (readonly string[])[] {
  return profile.runs.length === 0 ? [cutOf(profile, {})] : profile.runs.map((run) => cutOf(profile, run));
}

function isCut(names: readonly string[]): boolean {
  return names.length > 1;
}

function requireOneCut(profiles: readonly Profile[]): void {
  const cuts = new Set(
    profiles.flatMap((profile) =>
      cutsOf(profile)
        .filter(isCut)
        .map((names) => names.join(', ')),
    ),
  );
  const [left, right] = cuts;
  if (right === undefined) return;
  throw new UsageError(
    profiles.length === 1
      ? `policy: the phases of the profile's runs differ, ${left} and ${right} (cut them alike, or take --one-phase)`
      : `policy: the profiles' phases differ, ${left} and ${right} (cut them alike, or give one of them)`,
  );
}

function withPhases(profile: Profile, { phases }: Profile): Profile {
  const hasProcesses = profile.processes.length > 0;
  return {
    ...profile,
    phases: phases.map((phase): Phase => ({ ...phase, entered: phase.entered && hasProcesses })),
    programs: spreadPrograms(profile, phases.length),
  };
}

/** The profile with all that these runs show in every one of its phases. */
function spreadRuns(profile: Profile, bare: ReadonlySet<number>): Profile {
  const count = profile.phases.length;
  const seen = new Set(profile.processes.map(({ run }) => run));
  // What another method than a trace says of a program is not told apart by runs any more.
  const isOfPrograms = [...bare].some((run) => !seen.has(run) && !isWatching(profile.runs[run]));
  return {
    ...profile,
    runs: profile.runs.map(({ phases: _phases, ...run }) => run),
    programs: isOfPrograms ? spreadPrograms(profile, count) : profile.programs,
    processes: profile.processes.map((process) =>
      bare.has(process.run) ? spreadProcess(process, count) : process,
    ),
  };
}

function spreadPrograms({ programs }: Profile, phaseCount: number): Profile['programs'] {
  return programs.map((program) => ({ ...program, calls: spreadCalls(program.calls, phaseCount) }));
}

function spreadProcess(process: Process, phaseCount: number): Process {
  return {
    ...process,
    // Born in the last phase, so that no set leaves anything out.
    transitions: [{ phase: phaseCount - 1, at: process.start }],
    calls: spreadCalls(process.calls, phaseCount),
  };
}

function spreadCalls(calls: readonly Call[], phaseCount: number): readonly Call[] {
  const phases = [...Array(phaseCount).keys()];
  return calls.map((call) => ({ ...call, phases }));
}
