import { UsageError } from '../base/errors.ts';
import type { Call, Profile } from '../profile/model.ts';

/** Profiles with the same phases. */
export interface AlignedProfiles {
  readonly profiles: readonly Profile[];
  /** Indices of the runs, after a merge, that say nothing about phases. */
  readonly unphased: ReadonlySet<number>;
}

/**
 * Gives profiles without phases those of the others: all that they show counts for every phase, as nothing says when
 * it happened.
 *
 * @throws UsageError if two profiles have different phases
 */
export function alignPhases(profiles: readonly Profile[]): AlignedProfiles {
  const [model, ...others] = profiles.filter(({ phases }) => phases.length > 1);
  const unphased = new Set<number>();
  if (model === undefined) return { profiles, unphased };
  for (const other of others) {
    const [left, right] = [phaseList(model), phaseList(other)];
    if (left !== right) {
      throw new UsageError(
        `policy: the profiles' phases differ, ${left} and ${right} (cut them alike, or give one of them)`,
      );
    }
  }
  let runCount = 0;
  const aligned = profiles.map((profile) => {
    const first = runCount;
    runCount += profile.runs.length;
    if (profile.phases.length > 1) return profile;
    for (let run = first; run < runCount; run++) unphased.add(run);
    return spread(profile, model);
  });
  return { profiles: aligned, unphased };
}

function phaseList({ phases }: Profile): string {
  return phases.map(({ name }) => name).join(', ');
}

function spread(profile: Profile, { phases }: Profile): Profile {
  const all = [...phases.keys()];
  const spreadCalls = (calls: readonly Call[]): readonly Call[] =>
    calls.map((call) => ({ ...call, phases: all }));
  return {
    ...profile,
    phases: phases.map((phase) => ({ ...phase, entered: phase.entered && profile.processes.length > 0 })),
    programs: profile.programs.map((program) => ({ ...program, calls: spreadCalls(program.calls) })),
    processes: profile.processes.map((process) => ({
      ...process,
      // Born in the last phase, so that no set leaves anything out.
      transitions: [{ phase: all.length - 1, at: process.start }],
      calls: spreadCalls(process.calls),
    })),
  };
}
