import type { StudyData } from '../study/conduct.ts';
import type { MethodSpec } from '../study/experiment.ts';
import type { ComparisonResult, MethodResult, Spread, StudyResults } from '../study/results.ts';
import type { Host } from '../profile/model.ts';
import { syscallName } from '../abi/syscalls.ts';
import type { Arch } from '../abi/arch.ts';
import type { StudyFigure } from './study-figures.ts';

/** Missed calls that a cell lists by name. */
const LISTED = 12;

/** A study as a page of Markdown; figures are linked from `folder`, a path relative to the page. */
export function formatStudyPage(
  data: StudyData,
  summary: StudyResults,
  { figures, folder, host }: { figures: readonly StudyFigure[]; folder: string; host: Host },
): string {
  const { experiment, isComplete } = data;
  return `${[
    `# ${experiment.title}`,
    experiment.description.trim(),
    isComplete
      ? ''
      : '> This study was stopped before its end: what follows is what it had measured by then.',
    `${experiment.repetitions} repetitions of each method on each program, in turns; times are medians with the range, sets are the union over the repetitions. Measured on ${machineOf(host)}.`,
    ...figures.map(({ file, caption }) => `![${caption}](${folder}/${file})\n\n*${caption}*`),
    '## Published figures, and ours',
    comparisonTable(summary.comparisons),
    ...summary.comparisons.map(remarkOf),
    ...experiment.programs.flatMap(({ name }) => [`## ${name}`, programTable(name, data, summary)]),
    '## What the methods are, and what it takes to have them',
    methodTable(data),
  ]
    .filter((part) => part !== '')
    .join('\n\n')}\n`;
}

function machineOf({ kernel, arch, libc, distribution }: Host): string {
  return [distribution, `kernel ${kernel}`, arch, libc].filter((part) => part !== null).join(', ');
}

function comparisonTable(comparisons: readonly ComparisonResult[]): string {
  if (comparisons.length === 0) return 'None was asked for.';
  return table(
    ['what', 'published', 'ours', 'by program'],
    comparisons.map(({ comparison, ours, values }) => [
      comparison.claim,
      `${number(comparison.published)} ${comparison.unit}`,
      ours === null ? 'not measured' : `${number(ours)} ${comparison.unit}`,
      values.map(({ program, value }) => `${program} ${number(value)}`).join(', '),
    ]),
  );
}

function remarkOf({ comparison }: ComparisonResult): string {
  return `**${comparison.claim}** (${comparison.source}). ${comparison.remark}`;
}

function programTable(program: string, data: StudyData, { results, references }: StudyResults): string {
  const own = results.filter((result) => result.program === program);
  const rows = own.map((result) => [
    titleOf(data, result.method),
    result.allowed === null ? '' : `${result.allowed}`,
    result.blocked === null ? '' : `${result.blocked}`,
    result.phases.map(({ name, allowed }) => `${name} ${allowed}`).join(', '),
    missedText(result),
    result.precision === null ? '' : result.precision.toFixed(2),
    result.unresolved === null ? '' : `${result.unresolved}`,
    spread(result.wall, 2),
    spread(result.cpu, 2),
    spread(result.peak, 0),
  ]);
  const failures = own.flatMap(({ method, failures: list }) =>
    list.map((failure) => `- ${titleOf(data, method)}: ${cell(failure)}`),
  );
  return [
    `${references.get(program) ?? 0} calls were seen in all runs of ${titleOf(data, data.experiment.reference)} together: what is missed is missed of these.`,
    table(
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
  if (missed.length === 0) return '0';
  const names = missed.slice(0, LISTED).map(nameOf);
  const more = missed.length > LISTED ? ', ...' : '';
  return `${missed.length}: ${names.join(', ')}${more}`;
}

function methodTable({ experiment, missing }: StudyData): string {
  return table(
    ['method', 'what is run', 'commands to set it up', ''],
    experiment.methods.map((method) => [
      method.title,
      `\`${commandOf(method)}\``,
      method.setup.length === 0
        ? '0'
        : `${method.setup.length}: ${method.setup.map((each) => `\`${each}\``).join(', ')}`,
      missing.get(method.name) ?? '',
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

function nameOf(key: string): string {
  const [arch = '', nr = ''] = key.split(' ');
  return syscallName(arch as Arch, Number(nr)) ?? key;
}

function spread(value: Spread | null, digits: number): string {
  if (value === null) return '';
  const { median, min, max } = value;
  return min === max
    ? median.toFixed(digits)
    : `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

function number(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text that stays in its cell. */
function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replace(/\s+/g, ' ');
}
