import type { Host } from '../profile/model.ts';
import type { StudyData } from '../study/conduct.ts';
import type { MethodSpec } from '../study/experiment.ts';
import type { ComparisonResult, MethodResult, StudyResults } from '../study/results.ts';
import type { StudyFigure } from './study-figures.ts';
import { callNames, digits, markdownTable, oneCell, spreadText } from './study-markdown.ts';
import { formatOthers } from './study-others.ts';
import { phaseTable, setTable, summarizeComparisons, timeTable } from './study-summary.ts';

/** Missed calls that a cell lists by name. */
const LISTED = 12;

/** A study as a page of Markdown; figures are linked from `folder`, a path relative to the page. */
export function formatStudyPage(
  data: StudyData,
  summary: StudyResults,
  { figures, folder, host }: { figures: readonly StudyFigure[]; folder: string; host: Host },
): string {
  const { experiment, isComplete } = data;
  const { reference } = experiment;
  const picture = (name: string): string =>
    figures
      .filter(({ file }) => file === name)
      .map(({ file, caption }) => `![${caption}](${folder}/${file})\n\n*${caption}*`)
      .join('');
  const phases = phaseTable(data, summary);
  return `${[
    `# ${experiment.title}`,
    experiment.description.trim(),
    isComplete
      ? ''
      : '> This study was stopped before its end: what follows is what it had measured by then.',
    `${repetitionText(data)}, in turns; times are medians with the range, sets are the union over the repetitions. Measured on ${machineOf(host)}.`,
    ...(summary.comparisons.length === 0 ? [] : ['## In short', summarizeComparisons(summary)]),
    '## What each method finds',
    `Calls that each method allows. Needed is what all runs of ${titleOf(data, reference)} together used; a method misses what it leaves out of that.`,
    setTable(data, summary),
    picture('sets.svg'),
    '## How long it takes',
    'Seconds from start to end, with every start of the program and of the tool. They are to be compared with one another: what else the machine does counts.',
    timeTable(data, summary),
    picture('times.svg'),
    ...(phases === '' ? [] : ['## One phase against several', phases, picture('phases.svg')]),
    ...(summary.comparisons.length === 0
      ? []
      : [
          '## Published figures, and ours',
          comparisonTable(summary.comparisons),
          ...summary.comparisons.map(remarkOf),
        ]),
    ...formatOthers(data, summary),
    '## Program by program',
    programList(data),
    ...experiment.programs.flatMap(({ name }) => [`### ${name}`, programTable(name, data, summary)]),
    '## What the methods are, and what it takes to have them',
    methodTable(data),
  ]
    .filter((part) => part !== '')
    .join('\n\n')}\n`;
}

function repetitionText({ experiment: { repetitions, methods } }: StudyData): string {
  const often = repetitions === 1 ? 'One repetition' : `${repetitions} repetitions`;
  const fewer = methods.filter((method) => (method.repetitions ?? repetitions) < repetitions);
  const but = fewer.map((method) => `${method.repetitions} of ${method.title}`).join(', ');
  return `${often} of each method on each program${but === '' ? '' : `, ${but}`}`;
}

function machineOf({ kernel, arch, libc, distribution }: Host): string {
  return [distribution, `kernel ${kernel}`, arch, libc].filter((part) => part !== null).join(', ');
}

function comparisonTable(comparisons: readonly ComparisonResult[]): string {
  return markdownTable(
    ['what', 'published', 'ours', 'by program'],
    comparisons.map(({ comparison, ours, values }) => [
      comparison.claim,
      comparison.published === null ? 'a ranking' : `${digits(comparison.published)} ${comparison.unit}`,
      ours === null ? 'not measured' : `${digits(ours)} ${comparison.unit}`,
      byProgram(values),
    ]),
  );
}

/** One value if it is the same for all programs. */
function byProgram(values: ComparisonResult['values']): string {
  const distinct = new Set(values.map(({ value }) => digits(value)));
  if (distinct.size === 1 && values.length > 1) return `all ${[...distinct].join('')}`;
  return values.map(({ program, value }) => `${program} ${digits(value)}`).join(', ');
}

function remarkOf({ comparison }: ComparisonResult): string {
  return `**${comparison.claim}** (${comparison.source}). ${comparison.remark.trim()}`;
}

function programList({ programs }: StudyData): string {
  return markdownTable(
    ['program', 'file', 'version', 'cases (benchmark, all)', 'packages of the workload'],
    programs.map(({ name, path, version, packages, cases }) => [
      name,
      `\`${path}\``,
      version ?? 'of no package',
      `${cases.benchmark}, ${cases.all}`,
      packages.join(' '),
    ]),
  );
}

function programTable(program: string, data: StudyData, { results }: StudyResults): string {
  const own = results.filter((result) => result.program === program);
  const rows = own.map((result) => [
    titleOf(data, result.method),
    result.allowed === null ? '' : `${result.allowed}`,
    result.blocked === null ? '' : `${result.blocked}`,
    result.phases.map(({ name, allowed }) => `${name} ${allowed}`).join(', '),
    missedText(result),
    result.precision === null ? '' : result.precision.toFixed(2),
    result.unresolved === null ? '' : `${result.unresolved}`,
    spreadText(result.wall, 2),
    spreadText(result.cpu, 2),
    spreadText(result.peak, 0),
  ]);
  const failures = own.flatMap(({ method, failures: list }) =>
    list.map((failure) => `- ${titleOf(data, method)}: ${oneCell(failure)}`),
  );
  return [
    markdownTable(
      [
        'method',
        'allowed',
        'blocked',
        'by phase',
        'missed',
        'precision',
        'unresolved',
        'wall, s',
        'CPU, s',
        'peak, MB',
      ],
      rows,
    ),
    ...(failures.length === 0 ? [] : [`Went wrong:\n\n${failures.join('\n')}`]),
  ].join('\n\n');
}

function missedText({ allowed, missed }: MethodResult): string {
  if (allowed === null) return '';
  return missed.length === 0 ? '0' : `${missed.length}: ${callNames(missed, LISTED)}`;
}

function methodTable({ experiment, missing }: StudyData): string {
  return markdownTable(
    ['method', 'what is run', 'commands to set it up', ''],
    experiment.methods.map((method) => [
      method.title,
      `\`${commandOf(method)}\``,
      method.setup.length === 0
        ? '0'
        : `${method.setup.length}: ${method.setup.map((each) => `\`${each}\``).join(', ')}`,
      missing.has(method.name) ? `not run here: ${missing.get(method.name)}` : '',
    ]),
  );
}

function commandOf(method: MethodSpec): string {
  switch (method.kind) {
    case 'untraced':
      return `the ${method.cases} cases of the workload`;
    case 'trace':
      return ['callgate trace', ...method.options, `(${method.cases} cases)`].join(' ');
    case 'analyze':
      return ['callgate analyze', ...method.options].join(' ');
    case 'command':
      return method.command.trim();
    case 'wrapper':
      return `${method.wrapper.join(' ')} (${method.cases} cases)`;
  }
}

function titleOf({ experiment }: StudyData, name: string): string {
  return experiment.methods.find((method) => method.name === name)?.title ?? name;
}
