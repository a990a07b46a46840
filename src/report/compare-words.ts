import { formatDuration } from '../base/duration.ts';
import type { Accuracy, CellState, ComparedRow, ComparedSet, Comparison } from '../compare/source.ts';

/** What one set of a comparison is called: `trace.json`, with its phase `trace.json: main`. */
export function setLabel({ sources }: Comparison, { source, phase }: ComparedSet): string {
  const label = sources[source]?.label ?? '';
  return phase === null ? label : `${label}: ${phase}`;
}

/** How the calls of a set are known, in a word. */
export function knownAs({ sources }: Comparison, { source }: ComparedSet): string {
  return sources[source]?.origin ?? 'policy';
}

/** What the set blocks of the native arch: `330 of 372`. */
export function blockedText({ native }: Comparison, { arches }: ComparedSet): string {
  const share = arches.find(({ arch }) => arch === native);
  return share === undefined ? '-' : `${share.blocked} of ${share.total}`;
}

/** The same as a percentage with one digit behind the point. */
export function blockedShare({ native }: Comparison, { arches }: ComparedSet): string {
  const share = arches.find(({ arch }) => arch === native);
  return share === undefined || share.total === 0 ? '-' : percent(share.blocked / share.total);
}

/** Time of the run in the middle; `-` where none is known. */
export function timeText({ sources }: Comparison, { source }: ComparedSet): string {
  const median = sources[source]?.cost?.median ?? null;
  return median === null ? '-' : formatDuration(median);
}

/** How many runs it took; `-` for a policy. */
export function runsText({ sources }: Comparison, { source }: ComparedSet): string {
  const cost = sources[source]?.cost ?? null;
  return cost === null ? '-' : `${cost.runs}`;
}

/** Whether the time of any source is known. */
export function hasTimes({ sources }: Comparison): boolean {
  return sources.some(({ cost }) => cost?.median !== null && cost !== null);
}

/** Precision, recall and F1 with three digits, the numbers of missed and extra calls; `-` for what has no value. */
export function accuracyTexts(accuracy: Accuracy | null): readonly string[] {
  if (accuracy === null) return ['-', '-', '-', '-', '-'];
  const { precision, recall, f1, missed, extra } = accuracy;
  return [...[precision, recall, f1].map(ratio), `${missed.length}`, `${extra.length}`];
}

/** What a cell says. */
export type CellWord = CellState | 'missed';

/** Titles of `accuracyTexts`. */
export const ACCURACY_TITLES: readonly string[] = ['Precision', 'Recall', 'F1', 'Missed', 'Extra'];

/** A cell, with what the reference says: `missed` is a call that the set lacks and the reference has. */
export function cellWord(row: ComparedRow, state: CellState): CellWord {
  return state === 'out' && row.inReference === true ? 'missed' : state;
}

/** `12.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function ratio(value: number | null): string {
  return value === null ? '-' : value.toFixed(3);
}
