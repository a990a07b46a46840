import type { Evidence, Scope, ScopeEvidence } from './evidence.ts';
import { baseName } from '../base/base-name.ts';

/** Programs that a comment names; the others are counted. */
const NAMED = 3;

/** Functions of a chain that a comment names. */
const SHOWN = 4;

/** Control characters, lone surrogates, line separators, and what a terminal does not show or reorders by. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** Text as a comment may have it: on one line, printable, without the `; ` that stands between two of them. */
export function plainWhy(text: string): string {
  return text
    .replace(UNSAFE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
    .replaceAll(/;(?=\s|$)/g, ',')
    .trim();
}

/** Why an entry is there, one sentence each: seen in which runs, by whom, possible through which code. */
export function describeEvidence(
  evidence: Evidence,
  { runs }: ScopeEvidence,
  scope: Pick<Scope, 'phase'>,
  phaseNames: readonly string[],
): readonly string[] {
  const phase = phaseNames[scope.phase] ?? 'it';
  const why: string[] = [];
  if (evidence.runs.size > 0) {
    const later =
      evidence.own !== null && evidence.own > scope.phase
        ? `, from ${phaseNames[evidence.own] ?? 'a later phase'} on`
        : '';
    const launch = evidence.uses.every(({ launch: isLaunch }) => isLaunch === true)
      ? ', starts the program'
      : '';
    why.push(`observed in ${evidence.runs.size} of ${counted(runs.size, 'run')}${later}${launch}`);
  }
  if (evidence.own === null && evidence.children.size > 0) {
    why.push(`needed by children born in ${phase}: ${programs(evidence.children)}`);
  }
  if (evidence.own === null && evidence.reborn.size > 0) {
    why.push(`needed by children that may be started again in ${phase}: ${programs(evidence.reborn)}`);
  }
  if (evidence.own === null && evidence.pending) {
    why.push(`may be in progress when ${phase} begins, and is made again then`);
  }
  if (evidence.possible.size > 0)
    why.push(`possible in ${programs(evidence.possible)}${codePath(evidence, scope.phase)}`);
  if (evidence.imported) why.push('imported');
  return why;
}

/** The shortest chain of this phase or a later one, from the system call outwards, shortened; empty if there is none. */
function codePath({ uses }: Evidence, phase: number): string {
  const chains = uses.flatMap((use) => (use.origin === 'possible' ? (use.chains ?? []) : []));
  const [chain] = chains
    .filter((each) => each.phase >= phase)
    .sort((a, b) => a.phase - b.phase || a.steps.length - b.steps.length);
  if (chain === undefined) return '';
  const places = chain.steps.map(
    (step) => step.function ?? `${baseName(step.object)}+0x${step.address.toString(16)}`,
  );
  const distinct = places.filter((place, at) => place !== places[at - 1]).toReversed();
  const shown =
    distinct.length <= SHOWN + 1 ? distinct : [...distinct.slice(0, SHOWN - 1), '...', ...distinct.slice(-1)];
  return `: ${shown.join(' < ')}`;
}

function programs(paths: ReadonlySet<string>): string {
  const names = [...new Set([...paths].map((path) => baseName(path)))].sort();
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).join(', ')}${more}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
