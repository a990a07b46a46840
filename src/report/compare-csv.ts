import { stringify } from 'csv-stringify/sync';
import type { Comparison } from '../compare/source.ts';
import { callLabel } from './call-names.ts';
import { knownAs, setLabel } from './compare-words.ts';
import { escapeText } from './escape.ts';

const SUMMARY_HEAD: readonly string[] =
  'source phase known_as format calls allowed blocked total only precision recall f1 missed extra runs median_ns total_ns missed_calls'.split(
    ' ',
  );

/**
 * The matrix as CSV (RFC 4180, with line feeds): a row for each call, a column for each set with `in`, `only`, `out` or `launch`.
 *
 * What a spreadsheet would take for a formula is made text.
 */
export function formatComparisonCsv(comparison: Comparison): string {
  const { native, reference, sets, rows } = comparison;
  const head = [
    'call',
    'arch',
    'nr',
    'sources',
    ...(reference === null ? [] : ['reference']),
    ...sets.map((set) => escapeText(setLabel(comparison, set))),
  ];
  const body = rows.map((row) => [
    callLabel(row, native),
    row.arch,
    `${row.nr}`,
    `${row.count}`,
    ...(reference === null ? [] : [row.inReference === null ? 'launch' : row.inReference ? 'in' : 'out']),
    ...row.cells,
  ]);
  return toCsv([head, ...body]);
}

/** The sets as CSV: sizes, what they block, accuracy and time; nothing stands in a cell that has no value. */
export function formatComparisonSummaryCsv(comparison: Comparison): string {
  const { native, sources, sets } = comparison;
  const body = sets.map((set) => {
    const source = sources[set.source]!;
    const share = set.arches.find(({ arch }) => arch === native);
    const accuracy = set.accuracy;
    return [
      escapeText(source.label),
      escapeText(set.phase ?? ''),
      knownAs(comparison, set),
      source.format,
      ...[set.size, share?.allowed, share?.blocked, share?.total, set.only].map(cell),
      ...[accuracy?.precision, accuracy?.recall, accuracy?.f1].map(cell),
      ...[accuracy?.missed.length, accuracy?.extra.length].map(cell),
      ...[source.cost?.runs, source.cost?.median, source.cost?.total].map(cell),
      (accuracy?.missed ?? []).map((call) => callLabel(call, native)).join(' '),
    ];
  });
  return toCsv([SUMMARY_HEAD, ...body]);
}

function cell(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : `${value}`;
}

function toCsv(records: readonly (readonly string[])[]): string {
  return stringify(
    records.map((record) => [...record]),
    { escape_formulas: true },
  );
}
