import type { Process, Profile } from '../profile/model.ts';

/** Where the processes of a profile stand in regard to one phase. */
export interface PhaseLives {
  readonly phase: number;
  /**
   * For each process entry the time from which it is in this phase or a later one: `-Infinity` if it was born there,
   * `Infinity` if it never gets there.
   */
  readonly entersAt: readonly number[];
}

/**
 * When each process enters a phase.
 *
 * A child of a process that is in the phase is born there, whatever its own entry says: it inherits the filter.
 */
export function phaseLives(profile: Profile, phase: number): PhaseLives {
  const entersAt: number[] = [];
  for (const process of profile.processes) entersAt.push(entryTime(process, phase, entersAt));
  return { phase, entersAt };
}

function entryTime(process: Process, phase: number, before: readonly number[]): number {
  const { parent, start, transitions } = process;
  if (phase === 0) return -Infinity;
  if (parent !== null && start >= (before[parent] ?? Infinity)) return -Infinity;
  const first = transitions.findIndex((transition) => transition.phase >= phase);
  return first === 0 ? -Infinity : (transitions[first]?.at ?? Infinity);
}

/**
 * Whether the filter of `program` in this phase also holds this process entry: it is one of the program itself, or was
 * born, directly or not, of one that was in the phase by then.
 */
export function isUnderProgram(
  profile: Profile,
  { entersAt }: PhaseLives,
  index: number,
  program: number,
): boolean {
  let current: number | null = index;
  // A parent may have been left before the phase; what it was born into then does not count.
  let born = -Infinity;
  for (let isSelf = true; current !== null; isSelf = false) {
    const process: Process | undefined = profile.processes[current];
    if (process === undefined) return false;
    if (process.program === program && (isSelf || born >= (entersAt[current] ?? Infinity))) return true;
    born = process.start;
    current = process.parent;
  }
  return false;
}

/**
 * Process entries that were forked before their parent entered the phase, with all that these started: what the parent
 * may start again once it is in the phase.
 */
export function rebornProcesses(profile: Profile, { phase, entersAt }: PhaseLives): ReadonlySet<number> {
  const reborn = new Set<number>();
  if (phase === 0) return reborn;
  for (const [index, { parent, birth, start }] of profile.processes.entries()) {
    if (parent === null) continue;
    const switched = entersAt[parent] ?? Infinity;
    const isForked = birth === 'fork' || birth === 'vfork' || birth === 'clone';
    if (reborn.has(parent) || (isForked && Number.isFinite(switched) && start < switched)) reborn.add(index);
  }
  return reborn;
}
