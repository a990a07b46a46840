import type { Process, Profile } from '../profile/model.ts';
import { findPrograms } from '../profile/program-names.ts';
import type { CallFilter } from '../profile/sets.ts';

/** A phase that a process entered, and how many calls it used there. */
export interface PhaseVisit {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

/** Indices of the processes that fit the filter: by pid, by program, and for a phase those that were in it. */
export function selectProcesses(profile: Profile, filter: CallFilter): readonly number[] {
  const { pid, run } = filter;
  const programs = filter.program === undefined ? null : findPrograms(profile, filter.program);
  const phase = profile.phases.findIndex(({ name }) => name === filter.phase);
  return profile.processes.flatMap((process, index) => {
    if (pid !== undefined && process.pid !== pid) return [];
    if (run !== undefined && process.run !== run) return [];
    if (programs !== null && (process.program === null || !programs.has(process.program))) return [];
    if (filter.phase !== undefined && !wasIn(process, phase)) return [];
    return [index];
  });
}

/** Path of the program of a process, null where it is not known. */
export function programPath({ programs }: Profile, { program }: Process): string | null {
  return program === null ? null : (programs[program]?.path ?? null);
}

/** The phases of a process in the order in which it entered them. */
export function phaseVisits({ phases }: Profile, { transitions, calls }: Process): readonly PhaseVisit[] {
  return transitions.map(({ phase, at }) => ({
    name: phases[phase]?.name ?? `${phase}`,
    at,
    size: calls.filter((call) => call.phases.includes(phase)).length,
  }));
}

function wasIn({ transitions, calls }: Process, phase: number): boolean {
  return (
    transitions.some((transition) => transition.phase === phase) ||
    calls.some((call) => call.phases.includes(phase))
  );
}
