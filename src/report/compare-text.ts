import type { ComparedRow, Comparison } from '../compare/source.ts';
import { callLabel } from './call-names.ts';
import {
  accuracyTexts,
  blockedShare,
  blockedText,
  cellWord,
  hasTimes,
  knownAs,
  runsText,
  setLabel,
  timeText,
  type CellWord,
} from './compare-words.ts';
import { escapeText, shorten } from './escape.ts';
import { formatTable, plural, wrapText, type Column } from './table.ts';

/** Columns that a label has at least, however narrow the terminal is. */
const LABEL_WIDTH = 12;

/** Columns of the name of a phase. */
const PHASE_WIDTH = 12;

const SYMBOLS: Readonly<Record<CellWord, string>> = {
  in: 'x',
  only: '*',
  out: '.',
  missed: '!',
  launch: 'l',
};

/** Select graphic rendition, ECMA-48: bold yellow, faint, bold red. */
const COLOURS: Readonly<Partial<Record<CellWord, string>>> = {
  only: '\u001b[1;33m',
  out: '\u001b[2m',
  missed: '\u001b[1;31m',
  launch: '\u001b[2m',
};

const PLAIN = '\u001b[0m';

/**
 * A comparison for people: the sets with their sizes, how well they agree with the reference, and the matrix.
 *
 * @param width columns that lines should have at most; a matrix that is wider comes in parts
 * @param isColoured whether cells may be coloured, for a terminal
 */
export function formatComparison(comparison: Comparison, width: number, isColoured: boolean): string {
  const { sets, rows, reference, sources } = comparison;
  const lines = [
    ...setTable(comparison, width),
    ...(reference === null ? [] : ['', ...accuracyTable(comparison, width)]),
    ...otherArches(comparison, width),
    '',
    ...(rows.length === 0 ? ['no calls'] : matrix(comparison, width, isColoured)),
    '',
    `${plural(rows.length, 'call')} in ${plural(sources.length, 'source')} and ${plural(sets.length, 'set')}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function setTable(comparison: Comparison, width: number): readonly string[] {
  const { sets, sources, reference } = comparison;
  const isOnly = sources.length > 1;
  const isTimed = reference === null && hasTimes(comparison);
  const columns: readonly Column[] = [
    { title: '#', align: 'right' },
    { title: 'SOURCE' },
    { title: 'KNOWN AS' },
    { title: 'PHASE' },
    { title: 'CALLS', align: 'right' },
    { title: 'BLOCKED', align: 'right' },
    { title: 'SHARE', align: 'right' },
    ...(isOnly ? [{ title: 'ONLY', align: 'right' } as const] : []),
    ...(isTimed
      ? ([
          { title: 'RUNS', align: 'right' },
          { title: 'TIME', align: 'right' },
        ] as const)
      : []),
  ];
  const rows = sets.map((set, index) => [
    `${index + 1}`,
    set.phase === null || sets[index - 1]?.source !== set.source ? labelOf(comparison, set.source) : '',
    set.phase === null || sets[index - 1]?.source !== set.source ? knownAs(comparison, set) : '',
    shorten(escapeText(set.phase ?? 'all'), PHASE_WIDTH),
    `${set.size}`,
    blockedText(comparison, set),
    blockedShare(comparison, set),
    ...(isOnly ? [`${set.only}`] : []),
    ...(isTimed ? [runsText(comparison, set), timeText(comparison, set)] : []),
  ]);
  return fitLabels(columns, rows, width);
}

function accuracyTable(comparison: Comparison, width: number): readonly string[] {
  const { sets, reference } = comparison;
  const isTimed = hasTimes(comparison);
  const columns: readonly Column[] = [
    { title: '#', align: 'right' },
    { title: 'SOURCE' },
    { title: 'PRECISION', align: 'right' },
    { title: 'RECALL', align: 'right' },
    { title: 'F1', align: 'right' },
    { title: 'MISSED', align: 'right' },
    { title: 'EXTRA', align: 'right' },
    ...(isTimed
      ? ([
          { title: 'RUNS', align: 'right' },
          { title: 'TIME', align: 'right' },
        ] as const)
      : []),
  ];
  const rows = sets.map((set, index) => [
    `${index + 1}`,
    escapeText(setLabel(comparison, set)),
    ...accuracyTexts(set.accuracy),
    ...(isTimed ? [runsText(comparison, set), timeText(comparison, set)] : []),
  ]);
  const labels = (reference?.labels ?? []).map(escapeText).join(', ');
  return [
    ...wrapText(`against ${labels}, ${plural(reference?.size ?? 0, 'call')}:`, width),
    ...fitLabels(columns, rows, width),
    ...sets.flatMap(({ accuracy }, index) =>
      describeMissed(comparison, accuracy?.missed ?? [], index, width),
    ),
  ];
}

function describeMissed(
  { native }: Comparison,
  missed: readonly Pick<ComparedRow, 'arch' | 'nr' | 'name'>[],
  index: number,
  width: number,
): readonly string[] {
  if (missed.length === 0) return [];
  const names = missed.map((call) => callLabel(call, native)).join(' ');
  return wrapText(`${index + 1} misses ${names}`, width - 4).map((line, at) =>
    at === 0 ? line : `    ${line}`,
  );
}

/** The second column takes what the others leave. */
function fitLabels(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly string[] {
  const without = rows.map((row) => row.map((cell, at) => (at === 1 ? '' : cell)));
  const others = Math.max(...formatTable(columns, without).map((line) => line.length)) - 'SOURCE'.length;
  const room = Math.max(LABEL_WIDTH, width - others);
  return formatTable(
    columns,
    rows.map((row) => row.map((cell, at) => (at === 1 ? shorten(cell, room) : cell))),
  );
}

function labelOf({ sources }: Comparison, source: number): string {
  return escapeText(sources[source]?.label ?? '');
}

function otherArches({ arches, sets }: Comparison, width: number): readonly string[] {
  return arches.slice(1).flatMap((arch) => {
    const allowed = sets.map((set) => set.arches.find((share) => share.arch === arch)?.allowed ?? 0);
    const some = allowed.flatMap((count, index) => (count === 0 ? [] : [`${count} in set ${index + 1}`]));
    return wrapText(`calls of ${arch}: ${some.join(', ')}`, width);
  });
}

function matrix(comparison: Comparison, width: number, isColoured: boolean): readonly string[] {
  const { sets, rows, native, reference } = comparison;
  const names = rows.map((row) => callLabel(row, native));
  const nameWidth = names.reduce((most, name) => Math.max(most, name.length), 'CALL'.length);
  const digits = `${sets.length}`.length;
  const block = Math.max(1, Math.floor((width - nameWidth - 3) / (digits + 2)));
  const hasReference = reference !== null;
  const lines: string[] = [...wrapText(legend(comparison), width)];
  for (let from = 0; from < sets.length; from += block) {
    const columns = [...sets.keys()].slice(from, from + block);
    if (from > 0) lines.push('');
    lines.push(
      `${'CALL'.padEnd(nameWidth)}${hasReference ? '  R' : ''}${columns.map((at) => `  ${`${at + 1}`.padStart(digits)}`).join('')}`,
    );
    for (const [index, row] of rows.entries()) {
      const cells = columns.map((at) => {
        const word = cellWord(row, row.cells[at] ?? 'out');
        return `  ${' '.repeat(digits - 1)}${paint(word, isColoured)}`;
      });
      const mark = hasReference
        ? `  ${row.inReference === true ? 'x' : row.inReference === null ? 'l' : '.'}`
        : '';
      lines.push(`${(names[index] ?? '').padEnd(nameWidth)}${mark}${cells.join('')}`);
    }
  }
  return lines;
}

function legend({ sources, reference, rows }: Comparison): string {
  const hasLaunch = rows.some(({ cells }) => cells.includes('launch'));
  return [
    'x in',
    ...(sources.length > 1 ? ['* only in this source'] : []),
    '. not in',
    ...(reference === null ? [] : ['! not in, but in the reference (R)']),
    ...(hasLaunch ? ['l only to start the program, not counted'] : []),
  ].join(', ');
}

function paint(word: CellWord, isColoured: boolean): string {
  const colour = isColoured ? COLOURS[word] : undefined;
  return colour === undefined ? SYMBOLS[word] : `${colour}${SYMBOLS[word]}${PLAIN}`;
}
