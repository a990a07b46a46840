import { formatDuration } from '../base/duration.ts';
import type { Profile } from '../profile/model.ts';
import type { SplitRow } from '../profile/split-table.ts';
import { callLabel, nativeArch } from './call-names.ts';
import { escapeText } from './escape.ts';
import { compareSplit, type SplitSets } from './split-sets.ts';
import { formatTable, plural, wrapText, type Column } from './table.ts';
import type { Split } from '../profile/recut.ts';

const COLUMNS: readonly Column[] = [
  { title: ' ' },
  { title: 'TRIGGER' },
  { title: 'AT', align: 'right' },
  { title: 'PROCESSES', align: 'right' },
  { title: 'SETUP', align: 'right' },
  { title: 'MAIN', align: 'right' },
  { title: 'BLOCKED', align: 'right' },
];

/** Why nothing is proposed for what `--method adaptive` has traced. */
export const UNMEASURED =
  'when calls were used last was not measured, as --method adaptive does not (trace again with --method seccomp); a call is in main wherever it may be';

/**
 * The ways to cut a profile as a table, the proposal marked with `*` and explained below.
 *
 * @param width columns that a line of the explanation should have at most
 * @param isMeasured whether last uses are known, without which nothing is proposed
 */
export function formatSplits(rows: readonly SplitRow[], width: number, isMeasured = true): string {
  const cells = rows.map(({ split, at, processes, setup, main, blocked }) => [
    split.source === 'auto' ? '*' : '',
    escapeText(split.trigger),
    formatDuration(at),
    `${processes}`,
    `${setup}`,
    `${main}`,
    `${blocked}`,
  ]);
  const lines = [
    ...(rows.length === 0 ? [] : [...formatTable(COLUMNS, cells), '']),
    ...explain(rows, width, isMeasured),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * Both sets of one split and what a filter for main would block, as names.
 *
 * @param width columns that a line should have at most
 */
export function formatRecut(profile: Profile, split: Split, width: number): string {
  const sets = compareSplit(profile, split);
  const lines = [
    `${escapeText(split.trigger)}: ${plural(sets.processes, 'process switches', 'processes switch')} to main, the first at ${formatDuration(sets.at)}`,
    ...(split.reason === null ? [] : wrapText(escapeText(split.reason), width)),
    ...section('setup', sets.setup, profile, width),
    ...section('main', sets.main, profile, width),
    ...section('blocked in main', sets.blocked, profile, width),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function explain(rows: readonly SplitRow[], width: number, isMeasured: boolean): readonly string[] {
  const proposal = rows.find(({ split }) => split.source === 'auto');
  const verdict =
    proposal === undefined
      ? isMeasured
        ? 'no proposal: no process was seen to set itself up and then serve others'
        : `no proposal: ${UNMEASURED}`
      : `* proposed: ${escapeText(proposal.split.reason ?? '')}`;
  const hint =
    rows.length === 0
      ? []
      : [
          'Sets leave out the execve by which a program was started; BLOCKED is what main does not need of setup.',
        ];
  return [verdict, ...hint].flatMap((text) => wrapText(text, width));
}

function section(
  title: string,
  calls: SplitSets['setup'],
  profile: Profile,
  width: number,
): readonly string[] {
  const native = nativeArch(profile);
  const names = calls.map((call) => callLabel(call, native));
  const lines = wrapText(names.join(' '), width - 2).map((line) => `  ${line}`);
  return ['', `${title}, ${plural(calls.length, 'call')}${calls.length === 0 ? '' : ':'}`, ...lines];
}
