import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { StudyData } from '../study/conduct.ts';
import type { MethodResult, StudyResults } from '../study/results.ts';

/** One picture of a study. */
export interface StudyFigure {
  /** Name of the file, without folder. */
  readonly file: string;
  /** What it shows, in a sentence: its caption and its text for those who cannot see it. */
  readonly caption: string;
  /** A whole SVG document. */
  readonly svg: string;
}

const WIDTH = 760;
const INK = '#1f2933';
const ACCENT = '#0b6e99';
const SECOND = '#d9822b';

/** Draws what tables do not show at a glance: sets, times and phases of all methods side by side. */
export function drawStudyFigures(data: StudyData, summary: StudyResults): readonly StudyFigure[] {
  return [drawSets(data, summary), drawTimes(data, summary), drawPhases(data, summary)].filter(
    (figure) => figure !== null,
  );
}

function drawSets(data: StudyData, { results, references }: StudyResults): StudyFigure | null {
  const rows = results.flatMap((result) =>
    result.allowed === null
      ? []
      : [
          {
            program: result.program,
            method: titleOf(data, result),
            allowed: result.allowed,
            needed: references.get(result.program)?.size ?? 0,
          },
        ],
  );
  if (rows.length === 0) return null;
  return {
    file: 'sets.svg',
    caption: 'System calls that each method allows; the line is what all traced runs together used.',
    svg: draw(rows.length, {
      x: {
        label: 'system calls allowed',
        grid: true,
        domain: [0, Math.max(...rows.map(({ allowed }) => allowed))],
      },
      y: { label: null, domain: titles(data) },
      fy: { label: null, domain: programs(data) },
      marks: [
        Plot.barX(rows, {
          x: 'allowed',
          y: 'method',
          fy: 'program',
          fill: ACCENT,
          fillOpacity: 0.85,
          insetTop: 2,
          insetBottom: 2,
        }),
        Plot.text(rows, {
          x: 'allowed',
          y: 'method',
          fy: 'program',
          text: 'allowed',
          dx: 6,
          textAnchor: 'start',
          fill: INK,
        }),
        Plot.ruleX(
          [...references].map(([program, needed]) => ({ program, needed: needed.size })),
          { x: 'needed', fy: 'program', stroke: SECOND, strokeWidth: 2 },
        ),
      ],
    }),
  };
}

function drawTimes(data: StudyData, { results }: StudyResults): StudyFigure | null {
  const rows = results.flatMap((result) =>
    result.wall === null ? [] : [{ program: result.program, method: titleOf(data, result), ...result.wall }],
  );
  if (rows.length === 0) return null;
  return {
    file: 'times.svg',
    caption:
      'Seconds that each method takes: median, and the range over all repetitions; the scale is logarithmic.',
    svg: draw(rows.length, {
      x: { label: 'seconds', type: 'log', grid: true },
      y: { label: null, domain: titles(data) },
      fy: { label: null, domain: programs(data) },
      marks: [
        Plot.ruleY(rows, {
          x1: 'min',
          x2: 'max',
          y: 'method',
          fy: 'program',
          stroke: ACCENT,
          strokeWidth: 3,
          strokeOpacity: 0.4,
        }),
        Plot.dot(rows, { x: 'median', y: 'method', fy: 'program', fill: ACCENT, r: 4 }),
      ],
    }),
  };
}

function drawPhases(data: StudyData, { results }: StudyResults): StudyFigure | null {
  const rows = results.flatMap((result) => {
    const last = result.phases.at(-1);
    if (last === undefined || result.allowed === null) return [];
    return [
      { program: result.program, method: titleOf(data, result), whole: result.allowed, last: last.allowed },
    ];
  });
  if (rows.length === 0) return null;
  return {
    file: 'phases.svg',
    caption: 'System calls allowed for the whole life (hollow) and in the last phase (full).',
    svg: draw(rows.length, {
      x: { label: 'system calls allowed', grid: true, zero: true },
      y: { label: null, domain: [...new Set(rows.map(({ method }) => method))] },
      fy: {
        label: null,
        domain: programs(data).filter((name) => rows.some(({ program }) => program === name)),
      },
      marks: [
        Plot.ruleY(rows, {
          x1: 'last',
          x2: 'whole',
          y: 'method',
          fy: 'program',
          stroke: INK,
          strokeOpacity: 0.4,
        }),
        Plot.dot(rows, { x: 'whole', y: 'method', fy: 'program', stroke: ACCENT, fill: 'white', r: 4 }),
        Plot.dot(rows, { x: 'last', y: 'method', fy: 'program', fill: ACCENT, r: 4 }),
      ],
    }),
  };
}

/** White behind it, so that it can be read on a dark page as well. */
function draw(rowCount: number, options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const figure = Plot.plot({
    document,
    width: WIDTH,
    height: 60 + rowCount * 22,
    marginLeft: 190,
    marginRight: 90,
    style: { background: 'white', color: INK, fontSize: '12px' },
    ...options,
  } as Plot.PlotOptions);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${figure.outerHTML.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')}\n`;
}

function titleOf({ experiment }: StudyData, { method }: MethodResult): string {
  return experiment.methods.find(({ name }) => name === method)?.title ?? method;
}

function titles({ experiment, missing }: StudyData): string[] {
  return experiment.methods.filter(({ name }) => !missing.has(name)).map(({ title }) => title);
}

function programs({ experiment }: StudyData): string[] {
  return experiment.programs.map(({ name }) => name);
}
