import type { StraceEntry } from './strace-line.ts';

/** A line of a known task. */
export interface LabelledEntry extends StraceEntry {
  readonly pid: number;
}

/** Calls whose result is the pid of whoever makes them, or its tid. */
const SELF_TELLING = ['set_tid_address', 'getpid', 'gettid'];

/**
 * Gives each line its task. On a terminal strace leaves the pid out while there is only one: at the beginning that is
 * the first process, at the end whoever is left.
 *
 * The pid of a single process is 0 if no line tells it.
 */
export function labelEntries(entries: readonly StraceEntry[]): readonly LabelledEntry[] {
  const root = findRoot(entries);
  const living = new Set<number>([root]);
  return entries.map((entry): LabelledEntry => {
    const pid = entry.pid ?? (living.has(root) || living.size === 0 ? root : Math.min(...living));
    const { line } = entry;
    if (line.kind === 'exited' || line.kind === 'killed') living.delete(pid);
    else if (line.kind === 'attached') living.add(line.pid);
    else if (entry.pid !== null) living.add(pid);
    return { ...entry, pid };
  });
}

/** The pid of the lines without one at the beginning. */
function findRoot(entries: readonly StraceEntry[]): number {
  const children = new Set<number>();
  for (const { line } of entries) {
    if (line.kind === 'attached') children.add(line.pid);
  }
  const candidates = entries.flatMap(({ pid, line }) => {
    if (pid !== null) return children.has(pid) ? [] : [pid];
    if (line.kind === 'mode') return [line.pid];
    const isTelling = line.kind === 'call' && SELF_TELLING.includes(line.name);
    return isTelling && (line.result?.value ?? 0n) > 0n ? [Number(line.result!.value)] : [];
  });
  return candidates[0] ?? 0;
}
