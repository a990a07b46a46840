import type { Profile } from '../profile/model.ts';
import type { Split } from '../profile/recut.ts';
import type { MergedCall } from '../profile/sets.ts';
import type { SplitRow } from '../profile/split-table.ts';
import type { NamedCall } from './call-names.ts';
import { escapeJson } from './escape.ts';
import { compareSplit } from './split-sets.ts';

/** How a profile can be cut. Times are nanoseconds since the start of the run. */
export interface SplitSummary {
  readonly trigger: string;
  readonly source: 'given' | 'auto';
  /** Why it is proposed; null unless `source` is `auto`. */
  readonly reason: string | null;
  /** Earliest switch. */
  readonly at: number;
  /** Processes that switch. */
  readonly processes: number;
}

/** What `callgate phases --json` prints: sizes of sets; the proposal is the one with the source `auto`. */
export interface SplitsDocument {
  readonly format: 'callgate-splits';
  readonly version: 1;
  readonly splits: readonly (SplitSummary & {
    readonly setup: number;
    readonly main: number;
    readonly blocked: number;
  })[];
}

/** What `callgate phases --at TRIGGER --json` prints: the sets themselves, sorted by name. */
export interface SplitDocument {
  readonly format: 'callgate-split';
  readonly version: 1;
  readonly split: SplitSummary;
  readonly setup: readonly NamedCall[];
  readonly main: readonly NamedCall[];
  readonly blocked: readonly NamedCall[];
}

/** The ways to cut a profile as a `SplitsDocument`. */
export function formatSplitsJson(rows: readonly SplitRow[]): string {
  const document: SplitsDocument = {
    format: 'callgate-splits',
    version: 1,
    splits: rows.map(({ split, at, processes, setup, main, blocked }) => ({
      ...summarize(split, at, processes),
      setup,
      main,
      blocked,
    })),
  };
  return formatJson(document);
}

/** One split of a profile as a `SplitDocument`. */
export function formatRecutJson(profile: Profile, split: Split): string {
  const { at, processes, setup, main, blocked } = compareSplit(profile, split);
  const document: SplitDocument = {
    format: 'callgate-split',
    version: 1,
    split: summarize(split, at, processes),
    setup: setup.map(identify),
    main: main.map(identify),
    blocked: blocked.map(identify),
  };
  return formatJson(document);
}

function summarize({ trigger, source, reason }: Split, at: number, processes: number): SplitSummary {
  return { trigger, source, reason, at, processes };
}

function identify({ arch, nr, name }: MergedCall): NamedCall {
  return { arch, nr, name };
}

function formatJson(document: SplitsDocument | SplitDocument): string {
  return `${escapeJson(JSON.stringify(document, null, 2))}\n`;
}
