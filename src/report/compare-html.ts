import { createHash } from 'node:crypto';
import type { ComparedRow, Comparison } from '../compare/source.ts';
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

const STYLE = `
:root { color-scheme: light dark; --line: #c8ccd0; --faint: #6a737d; --only: #b35900; --missed: #b3001b; --in: #1a7f37; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444c56; --faint: #909dab; --only: #f0a45d; --missed: #ff8182; --in: #57c26b; }
}
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: 0.2rem 0.6rem; text-align: left; }
.summary th[scope=row] { min-width: 8rem; overflow-wrap: anywhere; } .summary td { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th { vertical-align: bottom; }
.matrix thead th + th { max-width: 9rem; overflow-wrap: anywhere; text-align: center; }
.matrix td { text-align: center; }
.matrix th[scope=row] { font: 0.9rem ui-monospace, monospace; text-align: left; white-space: nowrap; }
.in { color: var(--in); } .only { color: var(--only); font-weight: 600; } .missed { color: var(--missed); font-weight: 600; }
.out, .launch { color: var(--faint); }
code { font: 0.9rem ui-monospace, monospace; }
@media print { body { max-width: none; margin: 0; } .wide { overflow: visible; } }
`;

const WORDS = { in: 'in', only: 'only here', out: '', missed: 'missed', launch: 'launch' } as const;

/**
 * A comparison as one self-contained page: no script, nothing loaded, every text escaped.
 *
 * Its content security policy allows nothing but its own style sheet, by hash.
 */
export function formatComparisonHtml(comparison: Comparison): string {
  const { reference, rows, sources, sets } = comparison;
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const title = `callgate: ${sources.map(({ label }) => label).join(', ')}`;
  const about =
    reference === null
      ? ''
      : `<p>Reference: ${reference.labels.map(escapeHtml).join(', ')}, ${reference.size} calls.</p>\n`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Which calls are in which set</h1>
<p>${sources.length} sources, ${sets.length} sets, ${rows.length} calls.</p>
${about}<h2>Sets</h2>
${summaryTable(comparison)}
${missedList(comparison)}<h2>Matrix</h2>
${rows.length === 0 ? '<p>No calls.</p>' : matrixTable(comparison)}
</body>
</html>
`;
}

/** Text for HTML, in elements and in quoted attributes; control characters are written out. */
function escapeHtml(text: string): string {
  return escapeText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function summaryTable(comparison: Comparison): string {
  const { sets, reference } = comparison;
  const isTimed = hasTimes(comparison);
  const numbers = [
    'Calls',
    'Blocked',
    'Share',
    'Only here',
    ...(reference === null ? [] : ACCURACY_TITLES),
    ...(isTimed ? ['Runs', 'Time'] : []),
  ];
  const head = [
    '<th scope="col">Source</th><th scope="col">Known as</th>',
    ...numbers.map((name) => `<th scope="col" class="number">${name}</th>`),
  ];
  const rows = sets.map((set) => {
    const cells = [
      `${set.size}`,
      blockedText(comparison, set),
      blockedShare(comparison, set),
      `${set.only}`,
      ...(reference === null ? [] : accuracyTexts(set.accuracy)),
      ...(isTimed ? [runsText(comparison, set), timeText(comparison, set)] : []),
    ];
    return `<tr><th scope="row">${escapeHtml(setLabel(comparison, set))}</th><td>${knownAs(comparison, set)}</td>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
  });
  return table('summary', head.join(''), rows);
}

function missedList(comparison: Comparison): string {
  const { sets, native } = comparison;
  const items = sets.flatMap((set) => {
    const missed = set.accuracy?.missed ?? [];
    if (missed.length === 0) return [];
    const names = missed.map((call) => `<code>${escapeHtml(callLabel(call, native))}</code>`).join(', ');
    return [`<li>${escapeHtml(setLabel(comparison, set))}: ${names}</li>`];
  });
  return items.length === 0 ? '' : `<h2>Missed calls</h2>\n<ul>\n${items.join('\n')}\n</ul>\n`;
}

function matrixTable(comparison: Comparison): string {
  const { sets, rows, native, reference } = comparison;
  const head = [
    '<th scope="col">Call</th>',
    ...(reference === null ? [] : ['<th scope="col">Reference</th>']),
    ...sets.map((set) => `<th scope="col">${escapeHtml(setLabel(comparison, set))}</th>`),
  ];
  const body = rows.map(
    (row) =>
      `<tr><th scope="row">${escapeHtml(callLabel(row, native))}</th>${reference === null ? '' : referenceCell(row)}${row.cells
        .map((state) => {
          const word = cellWord(row, state);
          return `<td class="${word}">${WORDS[word]}</td>`;
        })
        .join('')}</tr>`,
  );
  return table('matrix', head.join(''), body);
}

function referenceCell({ inReference }: ComparedRow): string {
  const word = inReference === null ? 'launch' : inReference ? 'in' : 'out';
  return `<td class="${word}">${WORDS[word]}</td>`;
}

function table(name: string, head: string, rows: readonly string[]): string {
  return `<div class="wide"><table class="${name}">\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table></div>`;
}
