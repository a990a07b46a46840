import type { StudyData } from '../study/conduct.ts';
import type { OtherGroup, OtherResult } from '../study/others.ts';
import type { StudyResults } from '../study/results.ts';
import { callNames, digits, markdownTable } from './study-markdown.ts';

/** Calls that a set lacks which are named. */
const LISTED = 30;

/** What other tools say of the same programs, a section each, with our methods below them. */
export function formatOthers(data: StudyData, summary: StudyResults): readonly string[] {
  return data.experiment.others.flatMap((group) => [
    `## ${group.title}`,
    group.note.trim(),
    groupTable(group, data, summary),
    lackingList(group, data, summary),
  ]);
}

function groupTable({ tools }: OtherGroup, data: StudyData, summary: StudyResults): string {
  const programs = data.experiment.programs.filter(({ name }) =>
    tools.some(({ results }) => results.has(name)),
  );
  const theirs = tools.map(({ name, results }) => [
    name,
    ...programs.map((program) => {
      const result = results.get(program.name);
      return result === undefined ? '' : otherCell(result, summary.references.get(program.name));
    }),
  ]);
  const ours = data.experiment.methods.flatMap((method) => {
    const cells = programs.map((program) => {
      const found = summary.results.find(
        (result) => result.program === program.name && result.method === method.name,
      );
      if (found?.allowed == null) return '';
      return cellOf({
        allowed: found.allowed,
        last: found.phases.at(-1)?.allowed ?? null,
        missed: method.name === data.experiment.reference ? null : found.missed.length,
        seconds: found.wall?.median ?? null,
        peak: found.peak?.median ?? null,
      });
    });
    return cells.every((cell) => cell === '') ? [] : [[`**here: ${method.title}**`, ...cells]];
  });
  return markdownTable(['', ...programs.map(({ name }) => name)], [...theirs, ...ours]);
}

function otherCell(result: OtherResult, needed: ReadonlySet<string> | undefined): string {
  const lacking = lackingOf(result, needed);
  return cellOf({ ...result, missed: lacking === null ? result.missed : lacking.length });
}

function cellOf({ allowed, last, missed, seconds, peak }: Omit<OtherResult, 'calls'>): string {
  return [
    last === null ? `${allowed}` : `${allowed}, last phase ${last}`,
    missed === null || missed === 0 ? '' : `misses ${missed}`,
    seconds === null ? '' : `${digits(seconds)} s`,
    peak === null ? '' : `${digits(peak)} MB`,
  ]
    .filter((part) => part !== '')
    .join('; ');
}

/** What our runs made and each set lacks, by name, where the set is known. */
function lackingList({ tools }: OtherGroup, data: StudyData, { references }: StudyResults): string {
  return tools
    .flatMap(({ name, results }) =>
      data.experiment.programs.flatMap((program) => {
        const result = results.get(program.name);
        const lacking = result === undefined ? null : lackingOf(result, references.get(program.name));
        return lacking === null || lacking.length === 0
          ? []
          : [`- ${name}, ${program.name}: without ${callNames(lacking, LISTED)}`];
      }),
    )
    .join('\n');
}

function lackingOf(
  { calls }: OtherResult,
  needed: ReadonlySet<string> | undefined,
): readonly string[] | null {
  if (calls === null || needed === undefined) return null;
  const known = new Set(calls);
  return [...needed].filter((call) => !known.has(call));
}
