import type { StudyData } from '../study/conduct.ts';
import type { MethodSpec } from '../study/experiment.ts';
import type { ComparisonResult, MethodResult, StudyResults } from '../study/results.ts';
import { digits, markdownTable, spreadText } from './study-markdown.ts';

/** Whether each published finding is found here too, in a sentence each. */
export function summarizeComparisons({ comparisons }: StudyResults): string {
  return comparisons.map((result) => `- ${sentenceOf(result)}`).join('\n');
}

/** What each method finds, by program: how many calls it allows, and how many of those that are needed it misses. */
export function setTable(data: StudyData, summary: StudyResults): string {
  const methods = methodsWith(data, summary, ({ allowed }) => allowed !== null);
  return markdownTable(
    ['program', 'needed', ...methods.map(({ title }) => title)],
    data.experiment.programs.map(({ name }) => [
      name,
      `${summary.references.get(name)?.size ?? 0}`,
      ...methods.map((method) => {
        const result = resultOf(summary, name, method);
        if (result?.allowed == null) return '–';
        return result.missed.length === 0
          ? `${result.allowed}`
          : `${result.allowed}, misses ${result.missed.length}`;
      }),
    ]),
    true,
  );
}

/** How long each method takes, by program: seconds, median and range. */
export function timeTable(data: StudyData, summary: StudyResults): string {
  const methods = methodsWith(data, summary, ({ wall }) => wall !== null);
  return markdownTable(
    ['program', ...methods.map(({ title }) => title)],
    data.experiment.programs.map(({ name }) => [
      name,
      ...methods.map((method) => spreadText(resultOf(summary, name, method)?.wall ?? null, 2)),
    ]),
    true,
  );
}

/** What phases change, for every method and program with more than one; empty if there is none. */
export function phaseTable(data: StudyData, { results }: StudyResults): string {
  const rows = results.flatMap((result) => {
    const last = result.phases.at(-1);
    if (last === undefined || result.allowed === null) return [];
    const method = data.experiment.methods.find(({ name }) => name === result.method);
    return [
      [
        result.program,
        method?.title ?? result.method,
        `${result.allowed}`,
        result.phases.map(({ name, allowed }) => `${name} ${allowed}`).join(', '),
        `${last.blocked - (result.blocked ?? 0)}`,
      ],
    ];
  });
  return rows.length === 0
    ? ''
    : markdownTable(['program', 'method', 'in one phase', 'by phase', 'the last blocks more'], rows);
}

/** The claim, what was published, ours with its range over the programs, and whether both point the same way. */
function sentenceOf({ comparison, ours, values }: ComparisonResult): string {
  const { claim, published, unit, as } = comparison;
  const theirs = published === null ? 'published without a figure' : `published ${digits(published)} ${unit}`;
  if (ours === null) return `**${claim}**: ${theirs}; not measured here.`;
  const all = values.map(({ value }) => value);
  const [low, high] = [Math.min(...all), Math.max(...all)].map(digits);
  const range = low === high ? '' : ` (${low} to ${high} by program)`;
  const directionOf = (value: number): number => Math.sign(as === 'ratio' ? Math.log(value) : value);
  const agreeing = all.filter((value) => directionOf(value) === directionOf(ours)).length;
  const verdict = verdictOf(
    directionOf(ours),
    agreeing === all.length ? '' : ` for ${agreeing} of ${all.length} programs`,
  );
  return `**${claim}**: ${theirs}; here ${digits(ours)} ${unit}${range}. ${verdict}`;
}

function verdictOf(direction: number, where: string): string {
  if (direction > 0) return `Found here too${where}.`;
  return direction === 0 ? 'No difference here.' : `Not found here: it is the other way round${where}.`;
}

function methodsWith(
  { experiment }: StudyData,
  { results }: StudyResults,
  has: (result: MethodResult) => boolean,
): readonly MethodSpec[] {
  return experiment.methods.filter(({ name }) =>
    results.some((result) => result.method === name && has(result)),
  );
}

function resultOf(
  { results }: StudyResults,
  program: string,
  { name }: MethodSpec,
): MethodResult | undefined {
  return results.find((result) => result.program === program && result.method === name);
}
