import type { Process, Profile, Thread } from '../profile/model.ts';

/** One pid from birth to exit: its process entries, each of which but the first was begun by an exec. */
export interface Life {
  /** Index of the first entry: its identity. */
  readonly id: number;
  /** Indices into `processes`, in order of time. */
  readonly entries: readonly number[];
  readonly children: readonly Life[];
}

/** A line of the chart; `level` counts from 1. */
export type ProcessRow =
  | { readonly kind: 'run'; readonly key: string; readonly level: number; readonly run: number }
  | { readonly kind: 'life'; readonly key: string; readonly level: number; readonly life: Life }
  | { readonly kind: 'thread'; readonly key: string; readonly level: number; readonly thread: Thread };

/** The processes of a profile by run and parent, in order of birth. */
export function collectLives(profile: Profile): readonly (readonly Life[])[] {
  const runs: Life[][] = profile.runs.map(() => []);
  const lives = new Map<number, { id: number; entries: number[]; children: Life[] }>();
  for (const [index, { parent, birth, run }] of profile.processes.entries()) {
    const above = parent === null ? undefined : lives.get(parent);
    if (above !== undefined && birth === 'exec') {
      above.entries.push(index);
      lives.set(index, above);
      continue;
    }
    const life = { id: index, entries: [index], children: [] };
    lives.set(index, life);
    (above?.children ?? runs[run])?.push(life);
  }
  return runs;
}

/** The lines that are to be seen: all but those below what is closed. Runs have lines of their own if there are several. */
export function visibleRows(
  profile: Profile,
  runs: readonly (readonly Life[])[],
  closed: ReadonlySet<string>,
): readonly ProcessRow[] {
  const rows: ProcessRow[] = [];
  const isSeveral = runs.length > 1;
  for (const [run, roots] of runs.entries()) {
    const key = `run ${run}`;
    if (isSeveral) rows.push({ kind: 'run', key, level: 1, run });
    if (isSeveral && closed.has(key)) continue;
    // A stack and no recursion: a chain of forks may be deeper than the stack of JavaScript.
    const pending = roots.map((life) => ({ life, level: isSeveral ? 2 : 1 })).toReversed();
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { life, level } = next;
      const row: ProcessRow = { kind: 'life', key: `${life.id}`, level, life };
      rows.push(row);
      if (closed.has(row.key)) continue;
      for (const [place, thread] of threadsOf(profile, life).entries()) {
        rows.push({ kind: 'thread', key: `${life.id} ${place}`, level: level + 1, thread });
      }
      pending.push(...life.children.map((child) => ({ life: child, level: level + 1 })).toReversed());
    }
  }
  return rows;
}

/** Threads besides the first, of all entries of a pid. */
export function threadsOf(profile: Profile, life: Life): readonly Thread[] {
  return life.entries.flatMap((index) => profile.processes[index]?.threads ?? []);
}

/** Whether a line can be closed. */
export function hasRowsBelow(profile: Profile, row: ProcessRow): boolean {
  return (
    row.kind === 'run' ||
    (row.kind === 'life' && (row.life.children.length > 0 || threadsOf(profile, row.life).length > 0))
  );
}

/** Keys of all lines that can be closed. */
export function closableKeys(profile: Profile, runs: readonly (readonly Life[])[]): ReadonlySet<string> {
  return new Set(
    visibleRows(profile, runs, new Set())
      .filter((row) => hasRowsBelow(profile, row))
      .map(({ key }) => key),
  );
}

/** A stretch of a process in one phase. */
export interface Stretch {
  /** Index into `processes`. */
  readonly process: number;
  /** Index into `phases`. */
  readonly phase: number;
  readonly from: number;
  readonly to: number;
}

/**
 * The phases of a life one after the other; entries that follow one another in the same phase stay apart.
 *
 * @param switches times of main by process, of a split that is being tried; null for the phases of the profile
 */
export function stretchesOf(
  profile: Profile,
  life: Life,
  switches: readonly number[] | null,
): readonly Stretch[] {
  return life.entries.flatMap((index) => {
    const process = profile.processes[index] as Process;
    const end = endOf(profile, process);
    const begins = switches === null ? process.transitions : triedTransitions(process, switches[index]);
    return begins
      .filter(({ at }) => at <= end)
      .map(({ phase, at }, place) => ({
        process: index,
        phase,
        from: at,
        to: Math.min(end, begins[place + 1]?.at ?? end),
      }));
  });
}

/** End of a process, or of its run if the end was not seen. */
export function endOf(profile: Profile, { run, start, end }: Process): number {
  return end ?? Math.max(start, profile.runs[run]?.duration ?? 0);
}

function triedTransitions(
  { start }: Process,
  main = Infinity,
): readonly { readonly phase: number; readonly at: number }[] {
  if (main <= start) return [{ phase: 1, at: start }];
  return [{ phase: 0, at: start }, ...(main === Infinity ? [] : [{ phase: 1, at: main }])];
}
