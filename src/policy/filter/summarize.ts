import { AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import { decodeAction, encodeAction, formatAction, type Action } from './action.ts';
import type { Instruction } from './cbpf.ts';
import type { Condition } from './ir.ts';
import { expressConstraints } from './path-conditions.ts';
import { formatCondition } from './pfc.ts';
import { PolicyError } from './policy-error.ts';
import { runSymbolically, type NumberSpan, type Path } from './symbolic-run.ts';
import { validateProgram } from './validate.ts';

/** What to do if all conditions hold. */
export interface ConditionalAction {
  readonly conditions: readonly Condition[];
  readonly action: Action;
}

/** What a program does with a number. */
export type Outcome =
  | { readonly kind: 'action'; readonly action: Action }
  | {
      /** It depends on the arguments or on the instruction pointer. */
      readonly kind: 'depends';
      /** Every action that it may take, without repetition; if `rules` is null, some may never be taken. */
      readonly actions: readonly Action[];
      /**
       * The same as rules of a filter: the first whose conditions hold decides, the last has none. Null if the
       * program's tests have no such form or are too many.
       */
      readonly rules: readonly ConditionalAction[] | null;
      /** True if it may return a value that it computes from what it is given; `actions` may then lack some. */
      readonly computed: boolean;
    };

/** Numbers that a program treats alike, both ends included, without bit 30. */
export interface SummaryRange extends NumberSpan {
  readonly outcome: Outcome;
}

/** What a program does with the calls of one arch. */
export interface ArchSummary {
  readonly arch: Arch;
  /** Ascending and without gaps from 0: to 0x3fffffff for x86_64 and x32, to 0x7fffffff for others. */
  readonly ranges: readonly SummaryRange[];
  /** For the number -1. */
  readonly skipped: Outcome;
}

/** What a program does, found out by running it. */
export interface ProgramSummary {
  readonly arches: readonly ArchSummary[];
  /** For an AUDIT_ARCH that the program does not mention. */
  readonly mismatch: Outcome;
}

/** How thorough a summary is. */
export interface SummarizeOptions {
  /** Ways through the program that are told apart for one range of numbers; beyond, `rules` is null. Default 512. */
  readonly maxPaths?: number;
}

/**
 * Finds out what any cBPF filter does with every number of every arch, whoever compiled it.
 *
 * Exact where the program compares, adds to, or masks the number in the usual ways; a number that it treats
 * otherwise gets `depends` without rules.
 *
 * @throws {PolicyError} if the kernel would refuse the program.
 */
export function summarizeProgram(
  program: readonly Instruction[],
  options: SummarizeOptions = {},
): ProgramSummary {
  const refusal = validateProgram(program)[0];
  if (refusal !== undefined) {
    const where = refusal.index === null ? 'program' : `instruction ${refusal.index}`;
    throw new PolicyError(`cbpf: ${where} would be refused, ${refusal.reason}`, '');
  }
  const maxPaths = options.maxPaths ?? 512;
  const arches = SPANS.map(([arch, span]): ArchSummary => {
    const base = span.first;
    const audit = AUDIT_ARCH[arch];
    const ranges = summarizeSpan(program, audit, span, maxPaths).map((range) => ({
      ...range,
      first: range.first - base,
      last: range.last - base,
    }));
    return { arch, ranges, skipped: summarizeSpan(program, audit, SKIPPED, maxPaths)[0]!.outcome };
  });
  const foreign = unmentioned(program);
  const mismatches = summarizeSpan(program, foreign, { first: 0, last: 0xffffffff }, maxPaths);
  return { arches, mismatch: mismatches.length === 1 ? mismatches[0]!.outcome : merge(mismatches) };
}

/** What a summary says of one number, without bit 30; undefined beyond the arch's range. */
export function outcomeOf(summary: ArchSummary, nr: number): Outcome | undefined {
  return summary.ranges.find(({ first, last }) => nr >= first && nr <= last)?.outcome;
}

/** An outcome as text, such as `allow` or `allow if args[1] == 0x5401, else errno(1)`. */
export function formatOutcome(outcome: Outcome): string {
  if (outcome.kind === 'action') return formatAction(outcome.action);
  const { rules, actions, computed } = outcome;
  if (rules === null) {
    const all = [...actions.map(formatAction), ...(computed ? ['a computed value'] : [])];
    return `${all.join(' or ')}, depending on more than can be shown`;
  }
  return rules
    .map(({ conditions, action }) =>
      conditions.length === 0
        ? `else ${formatAction(action)}`
        : `${formatAction(action)} if ${conditions.map(formatCondition).join(' and ')}`,
    )
    .join(', ');
}

const SPANS: readonly (readonly [Arch, NumberSpan])[] = [
  ['x86_64', { first: 0, last: X32_SYSCALL_BIT - 1 }],
  ['i386', { first: 0, last: 0x7fffffff }],
  ['x32', { first: X32_SYSCALL_BIT, last: 0x7fffffff }],
  ['aarch64', { first: 0, last: 0x7fffffff }],
];

const SKIPPED: NumberSpan = { first: 0xffffffff, last: 0xffffffff };

function summarizeSpan(
  program: readonly Instruction[],
  arch: number,
  span: NumberSpan,
  maxPaths: number,
): SummaryRange[] {
  const ranges: SummaryRange[] = [];
  let previous = '';
  const waiting = [span];
  while (waiting.length > 0) {
    const part = waiting.pop()!;
    const result = runSymbolically(program, arch, part, maxPaths);
    if (result.kind === 'split') {
      const starts = [part.first, ...result.starts];
      const parts = starts.map((first, index) => ({ first, last: (starts[index + 1] ?? part.last + 1) - 1 }));
      waiting.push(...parts.toReversed());
      continue;
    }
    const outcome =
      result.kind === 'many' ? possibleOutcome(program, arch, part) : pathsOutcome(result.paths);
    const key = outcomeKey(outcome);
    const last = ranges.at(-1);
    if (last !== undefined && key === previous) ranges[ranges.length - 1] = { ...last, last: part.last };
    else ranges.push({ ...part, outcome });
    previous = key;
  }
  return ranges;
}

function pathsOutcome(paths: readonly Path[]): Outcome {
  const computed = paths.some(({ value }) => value === null);
  const values = [
    ...new Set(paths.flatMap(({ value }) => (value === null ? [] : [encodeAction(decodeAction(value))]))),
  ];
  const actions = values.map(decodeAction);
  if (!computed && actions.length === 1) return { kind: 'action', action: actions[0]! };
  return { kind: 'depends', actions, rules: computed ? null : rulesOfPaths(paths), computed };
}

/** Paths exclude each other, so one action needs no conditions: that of the paths that cannot be expressed. */
function rulesOfPaths(paths: readonly Path[]): ConditionalAction[] | null {
  if (paths.some(({ exact }) => !exact)) return null;
  const expressed = paths.map((path) => ({
    value: encodeAction(decodeAction(path.value!)),
    conditions: expressConstraints(path.constraints),
  }));
  const values = new Set(expressed.map(({ value }) => value));
  const inexpressible = new Set(
    expressed.filter((path) => path.conditions === null).map(({ value }) => value),
  );
  if (inexpressible.size > 1) return null;
  let best: ConditionalAction[] | undefined;
  for (const rest of inexpressible.size === 1 ? inexpressible : values) {
    const rules = expressed
      .filter(({ value }) => value !== rest)
      .map(({ value, conditions }): ConditionalAction => ({
        conditions: conditions!,
        action: decodeAction(value),
      }));
    rules.push({ conditions: [], action: decodeAction(rest) });
    if (best === undefined || isSimpler(rules, best)) best = rules;
  }
  return best!;
}

/** Many rules of few conditions are a list; few rules of many conditions are what such a list leaves over. */
function isSimpler(rules: readonly ConditionalAction[], others: readonly ConditionalAction[]): boolean {
  const longest = (some: readonly ConditionalAction[]): number =>
    Math.max(...some.map(({ conditions }) => conditions.length));
  return (longest(rules) - longest(others) || rules.length - others.length) < 0;
}

/** What can be said when there are too many ways to tell apart. */
function possibleOutcome(program: readonly Instruction[], arch: number, span: NumberSpan): Outcome {
  const result = runSymbolically(program, arch, span, Infinity, true);
  if (result.kind === 'paths') return pathsOutcome(result.paths);
  return { kind: 'depends', actions: [], rules: null, computed: true };
}

function merge(ranges: readonly SummaryRange[]): Outcome {
  const values = ranges.flatMap(({ outcome }) =>
    outcome.kind === 'action' ? [encodeAction(outcome.action)] : outcome.actions.map(encodeAction),
  );
  const computed = ranges.some(({ outcome }) => outcome.kind === 'depends' && outcome.computed);
  return { kind: 'depends', actions: [...new Set(values)].map(decodeAction), rules: null, computed };
}

function outcomeKey(outcome: Outcome): string {
  return JSON.stringify(outcome, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}

function unmentioned(program: readonly Instruction[]): number {
  const mentioned = new Set(program.map(({ k }) => k));
  let arch = 0x0badbeef;
  while (mentioned.has(arch)) arch++;
  return arch;
}
