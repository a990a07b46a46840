import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { StudyData } from '../study/conduct.ts';
import type { MethodSpec } from '../study/experiment.ts';
import type { MethodResult, StudyResults } from '../study/results.ts';
import { digits } from './study-markdown.ts';

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
const FAINT = '#9aa5b1';

/** One colour for all that watches, one for all that reads. */
const COLOURS: Readonly<Record<MethodSpec['kind'], string>> = {
  untraced: FAINT,
  trace: '#0b6e99',
  wrapper: '#6b93a6',
  analyze: '#d9822b',
  command: '#8a6fb3',
};

/** Draws what tables do not show at a glance: sets, times and phases of all methods side by side. */
export function drawStudyFigures(data: StudyData, summary: StudyResults): readonly StudyFigure[] {
  return [drawSets(data, summary), drawTimes(data, summary), drawPhases(data, summary)].filter(
    (figure) => figure !== null,
  );
}

/** What each mark of a figure is about. */
interface Row {
  readonly program: string;
  readonly method: string;
  readonly colour: string;
}

function drawSets(data: StudyData, { results, references }: StudyResults): StudyFigure | null {
  const rows = results.flatMap((result) =>
    result.allowed === null ? [] : [{ ...rowOf(data, result), allowed: result.allowed }],
  );
  if (rows.length === 0) return null;
  const needed = [...references].map(([program, calls]) => ({ program, needed: calls.size }));
  return {
    file: 'sets.svg',
    caption:
      'System calls that each method allows, by watching (blue) and by reading (orange); the line is what all traced runs together used.',
    svg: draw(data, rows, {
      x: { label: 'system calls allowed', grid: true, zero: true },
      marks: [
        Plot.barX(rows, { ...PLACE, x: 'allowed', fill: 'colour', insetTop: 2, insetBottom: 2 }),
        Plot.text(rows, { ...PLACE, x: 'allowed', text: 'allowed', dx: 6, textAnchor: 'start', fill: INK }),
        Plot.ruleX(needed, { x: 'needed', fy: 'program', stroke: INK, strokeWidth: 1.5 }),
      ],
    }),
  };
}

function drawTimes(data: StudyData, { results }: StudyResults): StudyFigure | null {
  const rows = results.flatMap((result) =>
    result.wall === null
      ? []
      : [{ ...rowOf(data, result), ...result.wall, seconds: digits(result.wall.median) }],
  );
  if (rows.length === 0) return null;
  return {
    file: 'times.svg',
    caption:
      'Seconds that each method takes: median, and the range over all repetitions; the scale is logarithmic.',
    svg: draw(data, rows, {
      x: { label: 'seconds', type: 'log', grid: true, insetLeft: 8, ticks: 4, tickFormat: digits },
      marks: [
        Plot.ruleY(rows, {
          ...PLACE,
          x1: 'min',
          x2: 'max',
          stroke: 'colour',
          strokeWidth: 4,
          strokeOpacity: 0.4,
        }),
        Plot.dot(rows, { ...PLACE, x: 'median', fill: 'colour', r: 4 }),
        Plot.text(rows, { ...PLACE, x: 'max', text: 'seconds', dx: 8, textAnchor: 'start', fill: INK }),
      ],
    }),
  };
}

function drawPhases(data: StudyData, { results }: StudyResults): StudyFigure | null {
  const rows = results.flatMap((result) => {
    const last = result.phases.at(-1);
    if (last === undefined || result.allowed === null) return [];
    return [{ ...rowOf(data, result), whole: result.allowed, last: last.allowed }];
  });
  if (rows.length === 0) return null;
  return {
    file: 'phases.svg',
    caption: 'System calls allowed for the whole life (hollow) and in the last phase (full).',
    svg: draw(data, rows, {
      x: { label: 'system calls allowed', grid: true, zero: true },
      marks: [
        Plot.ruleY(rows, { ...PLACE, x1: 'last', x2: 'whole', stroke: 'colour', strokeWidth: 2 }),
        Plot.dot(rows, { ...PLACE, x: 'whole', stroke: 'colour', fill: 'white', r: 4, strokeWidth: 2 }),
        Plot.dot(rows, { ...PLACE, x: 'last', fill: 'colour', r: 4.5 }),
        Plot.text(rows, { ...PLACE, x: 'last', text: 'last', dx: -8, textAnchor: 'end', fill: INK }),
        Plot.text(rows, { ...PLACE, x: 'whole', text: 'whole', dx: 8, textAnchor: 'start', fill: INK }),
      ],
    }),
  };
}

const PLACE = { y: 'method', fy: 'program' } as const;

/** A row for each method below a heading for each program; white behind it, so that it can be read on a dark page as well. */
function draw(data: StudyData, rows: readonly Row[], options: Plot.PlotOptions): string {
  const { experiment } = data;
  const has = (key: 'program' | 'method', name: string): boolean => rows.some((row) => row[key] === name);
  const programs = experiment.programs.map(({ name }) => name).filter((name) => has('program', name));
  const methods = experiment.methods.map(({ title }) => title).filter((title) => has('method', title));
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const figure = Plot.plot({
    document,
    width: WIDTH,
    height: 70 + programs.length * (methods.length * 19 + 12),
    marginLeft: 190,
    marginRight: 110,
    marginBottom: 46,
    style: { background: 'white', color: INK, fontSize: '12px' },
    ...options,
    x: { labelAnchor: 'center', labelOffset: 40, insetRight: 36, labelArrow: 'none', ...options.x },
    y: { label: null, domain: methods, tickSize: 0 },
    fy: { label: null, domain: programs, padding: 0.12 },
  } as Plot.PlotOptions);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${figure.outerHTML.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')}\n`;
}

function rowOf({ experiment }: StudyData, { program, method }: MethodResult): Row {
  const spec = experiment.methods.find(({ name }) => name === method);
  return { program, method: spec?.title ?? method, colour: COLOURS[spec?.kind ?? 'command'] };
}
