import type { Process, Profile } from './model.ts';

/** Profiles without the runs that others before hold already. */
export interface DistinctRuns {
  readonly profiles: readonly Profile[];
  /** How many runs were left out. */
  readonly repeated: number;
}

/**
 * Leaves out runs that are there already: of the same method, command, host, start and duration, with the same pids.
 *
 * A file that is given twice, also inside of a merge, would count as two runs that agree in everything. Runs without processes, of
 * which nothing else is known than a time, are all kept.
 */
export function takeRunsOnce(profiles: readonly Profile[]): DistinctRuns {
  const seen = new Set<string>();
  let repeated = 0;
  const distinct = profiles.flatMap((profile) => {
    const kept = profile.runs.map((_, run) => {
      const key = identityOf(profile, run);
      if (key === null) return true;
      const isNew = !seen.has(key);
      seen.add(key);
      return isNew;
    });
    const gone = kept.filter((isKept) => !isKept).length;
    repeated += gone;
    if (gone === 0) return [profile];
    // With a run goes what its profile knows of programs and phases: the one that is kept has it.
    return gone === kept.length ? [] : [keepRuns(profile, kept)];
  });
  return { profiles: distinct, repeated };
}

function identityOf({ runs, processes }: Profile, index: number): string | null {
  const run = runs[index];
  const pids = processes.filter((process) => process.run === index).map(({ pid }) => pid);
  if (run === undefined || pids.length === 0) return null;
  const { method, command, attached, host, start, duration } = run;
  const { kernel, arch, libc } = host;
  return JSON.stringify([method, command, attached, kernel, arch, libc, start, duration, pids]);
}

function keepRuns(profile: Profile, kept: readonly boolean[]): Profile {
  const numberOf = (run: number): number => kept.slice(0, run).filter(Boolean).length;
  const places = new Map<number, number>();
  const processes: Process[] = [];
  for (const [index, process] of profile.processes.entries()) {
    if (kept[process.run] !== true) continue;
    places.set(index, processes.length);
    // A parent is of the same run, so it is kept as well.
    const parent = process.parent === null ? null : (places.get(process.parent) ?? null);
    processes.push({ ...process, run: numberOf(process.run), parent });
  }
  return { ...profile, runs: profile.runs.filter((_, run) => kept[run]), processes };
}
