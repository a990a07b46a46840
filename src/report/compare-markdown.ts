import type { Comparison } from '../compare/source.ts';
import { callLabel } from './call-names.ts';
import {
  ACCURACY_TITLES,
  accuracyTexts,
  blockedShare,
  blockedText,
  cellWord,
  hasTimes,
  knownAs,
  runsText,
  setLabel,
  timeText,
} from './compare-words.ts';
import { escapeText } from './escape.ts';

const SYMBOLS = { in: 'x', only: '**only**', out: '', missed: '**missed**', launch: 'launch' } as const;

/** A comparison as two tables of GitHub's Markdown, with the missed calls in between. */
export function formatComparisonMarkdown(comparison: Comparison): string {
  const { sets, rows, native, reference } = comparison;
  const isTimed = hasTimes(comparison);
  const summary = [
    [
      'Source',
      'Known as',
      'Calls',
      'Blocked',
      'Share',
      'Only here',
      ...(reference === null ? [] : ACCURACY_TITLES),
      ...(isTimed ? ['Runs', 'Time'] : []),
    ],
    ...sets.map((set) => [
      escapeMarkdown(setLabel(comparison, set)),
      knownAs(comparison, set),
      `${set.size}`,
      blockedText(comparison, set),
      blockedShare(comparison, set),
      `${set.only}`,
      ...(reference === null ? [] : accuracyTexts(set.accuracy)),
      ...(isTimed ? [runsText(comparison, set), timeText(comparison, set)] : []),
    ]),
  ];
  const missed = sets.flatMap((set) =>
    set.accuracy === null || set.accuracy.missed.length === 0
      ? []
      : [
          `- ${escapeMarkdown(setLabel(comparison, set))} misses ${set.accuracy.missed.map((call) => `\`${callLabel(call, native)}\``).join(', ')}`,
        ],
  );
  const matrix = [
    [
      'Call',
      ...(reference === null ? [] : ['Reference']),
      ...sets.map((set) => escapeMarkdown(setLabel(comparison, set))),
    ],
    ...rows.map((row) => [
      `\`${callLabel(row, native)}\``,
      ...(reference === null ? [] : [row.inReference === null ? 'launch' : row.inReference ? 'x' : '']),
      ...row.cells.map((cell) => SYMBOLS[cellWord(row, cell)]),
    ]),
  ];
  const parts = [
    ...(reference === null
      ? []
      : [`Reference: ${reference.labels.map(escapeMarkdown).join(', ')} (${reference.size} calls)`]),
    table(summary),
    ...(missed.length === 0 ? [] : [missed.join('\n')]),
    ...(rows.length === 0 ? [] : [table(matrix)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Text that no Markdown reader takes for markup, a link or HTML, on one line. */
function escapeMarkdown(text: string): string {
  return escapeText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]()#+!|~:@-]/g, '\\$&');
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
