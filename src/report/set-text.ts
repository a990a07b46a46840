import type { Arch } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import { formatDuration } from '../base/duration.ts';
import { newestOfRuns } from '../policy/kernel-release.ts';
import type { Phase, Profile } from '../profile/model.ts';
import { callSet, runIncidence, type CallFilter, type MergedCall } from '../profile/sets.ts';
import { argumentWords, errnoWords } from './argument-text.ts';
import { callLabel, nativeArch, sortByLabel } from './call-names.ts';
import { describeCompleteness } from './completeness-text.ts';
import { escapeText } from './escape.ts';
import { describeRuns } from './run-text.ts';
import { formatTable, plural, wrapPieces, wrapText, type Column } from './table.ts';

/** Columns that the selecting arguments have at least, however narrow the terminal is. */
const DETAIL_WIDTH = 40;

/** Before the second and later lines of the values of an argument. */
const HANGING = '  ';

/** Columns for a reader whose terminal is not known. */
const DEFAULT_WIDTH = 120;

/**
 * The set of calls that fit the filter, for people: what was run, the phases with their sizes, and a table with
 * one call a row.
 *
 * @param width columns that lines should have at most; names and paths may be longer
 * @throws UsageError as `callSet`
 */
export function formatSet(profile: Profile, filter: CallFilter = {}, width: number = DEFAULT_WIDTH): string {
  const calls = callSet(profile, filter);
  const lines = [
    ...describeRuns(profile),
    '',
    ...describePhases(profile, filter, width),
    '',
    ...(calls.length === 0 ? [] : [...callTable(profile, filter, calls, width), '']),
    ...totals(profile, filter, calls),
    ...completeness(profile, filter, width),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A phase, what began it, and why: `main  21 calls  syscall:epoll_wait (proposed)`. */
function describePhases(profile: Profile, filter: CallFilter, width: number): readonly string[] {
  const sets = profile.phases.map(({ name }) => callSet(profile, { ...filter, phase: name }));
  const columns: readonly Column[] = [
    { title: 'PHASE' },
    { title: 'CALLS', align: 'right' },
    { title: 'BEGINS' },
  ];
  const rows = profile.phases.map((phase, index) => [
    phase.name,
    `${sets[index]?.length ?? 0}`,
    describeBeginning(phase),
  ]);
  const reasons = profile.phases.flatMap(({ name, reason }) =>
    reason === null ? [] : wrapText(escapeText(`${name}: ${reason}`), width),
  );
  return [...formatTable(columns, rows), ...reasons];
}

function describeBeginning({ trigger, source, entered }: Phase): string {
  if (source === 'start') return 'at the start';
  const origin = source === 'auto' ? ' (proposed)' : '';
  return `${escapeText(trigger ?? 'at a trigger that is not known')}${origin}${entered ? '' : ', never entered'}`;
}

function callTable(
  profile: Profile,
  filter: CallFilter,
  calls: readonly MergedCall[],
  width: number,
): readonly string[] {
  const native = nativeArch(profile);
  const total = runIncidence(profile, filter)[0]?.total ?? 0;
  const hasTimes = calls.some(({ first }) => first !== null);
  const shown: readonly (Column & { readonly cell: (call: MergedCall) => string })[] = [
    { title: 'CALL', cell: (call) => callLabel(call, native) },
    { title: 'COUNT', align: 'right', cell: ({ count }) => (count === null ? '-' : `${count}`) },
    ...(hasTimes
      ? ([
          { title: 'FIRST', align: 'right', cell: ({ first }: MergedCall) => formatTime(first) },
          { title: 'LAST', align: 'right', cell: ({ last }: MergedCall) => formatTime(last) },
        ] as const)
      : []),
    ...(profile.phases.length > 1
      ? [{ title: 'PHASES', cell: ({ phases }: MergedCall) => phaseNames(profile, phases) }]
      : []),
    ...(total > 1 ? [{ title: 'RUNS', cell: ({ runs }: MergedCall) => `${runs.length} of ${total}` }] : []),
    ...(calls.some(({ origins }) => origins.some((origin) => origin !== 'observed'))
      ? [{ title: 'KNOWN AS', cell: ({ origins }: MergedCall) => origins.join(',') }]
      : []),
  ];
  const rows = sortByLabel(calls, native).map((call) => ({
    call,
    cells: shown.map(({ cell }) => cell(call)),
  }));
  // As wide as the other columns are together: the details take what is left of the line.
  const taken =
    Math.max(
      ...formatTable(
        shown,
        rows.map(({ cells }) => cells),
      ).map((line) => line.length),
    ) + 2;
  const room = Math.max(DETAIL_WIDTH, width - taken);
  const blank = shown.map(() => '');
  return formatTable(
    [...shown, { title: 'DETAILS' }],
    rows.flatMap(({ call, cells }) => {
      const [head = '', ...rest] = details(call, room);
      return [[...cells, head], ...rest.map((line) => [...blank, line])];
    }),
  );
}

function formatTime(time: number | null): string {
  return time === null ? '-' : formatDuration(time);
}

function phaseNames({ phases }: Profile, indices: readonly number[]): string {
  return indices.map((index) => phases[index]?.name ?? `${index}`).join(',');
}

function details(call: MergedCall, width: number): readonly string[] {
  const { launch, errnos, args = [] } = call;
  const failures = errnos === undefined ? [] : errnoWords(errnos);
  return [
    ...(launch === true ? ['only to start the program'] : []),
    ...(failures.length === 0 ? [] : labelled('errors', failures, width)),
    ...args.flatMap((argument) => labelled(escapeText(argument.name), argumentWords(call, argument), width)),
  ];
}

function labelled(label: string, words: readonly string[], width: number): readonly string[] {
  const last = words.length - 1;
  const pieces = words.flatMap((word, index) => {
    const text = index === last ? word : `${word}, `;
    // A set of flags is kept together unless it is longer than a line.
    return text.length > width - HANGING.length ? text.split(/(?<=\|)/) : [text];
  });
  return wrapPieces([`${label}: `, ...pieces], width, HANGING);
}

function totals(profile: Profile, filter: CallFilter, calls: readonly MergedCall[]): readonly string[] {
  const native = nativeArch(profile);
  const others = new Set(calls.map(({ arch }) => arch).filter((arch) => arch !== native));
  const isSeen = calls.every(({ origins }) => origins.includes('observed'));
  const used = `${isSeen ? 'used' : 'used or possible'}${describeFilter(filter)}`;
  return [native, ...others].map((arch) => totalOf(arch, calls, used, newestOfRuns(arch, profile.runs)));
}

/** A pid belongs to one run, which has nothing to be compared with. */
function completeness(profile: Profile, filter: CallFilter, width: number): readonly string[] {
  const text = filter.pid === undefined ? describeCompleteness(profile, filter) : null;
  return text === null ? [] : wrapText(text, width);
}

/** Of the calls that policies count as well: those that the newest kernel of the runs has, and what was used nevertheless. */
function totalOf(arch: Arch, calls: readonly MergedCall[], used: string, newest: number): string {
  const ofArch = calls.filter((call) => call.arch === arch);
  const named = ofArch.filter(({ name }) => name !== null).length;
  const numbers = new Set(ofArch.map(({ nr }) => nr));
  const total = syscalls(arch).filter(
    ({ nr, since }) => numbers.has(nr) || (since !== null && nr <= newest),
  ).length;
  const unknown = ofArch.length - named;
  const strange = unknown === 0 ? '' : `, and ${plural(unknown, 'number')} without a name`;
  const [verb, rest] = [named === 1 ? 'is' : 'are', total - named];
  return `${named} of ${total} system calls of ${arch} ${verb} ${used}${strange}; ${rest} are not`;
}

function describeFilter({ phase, pid, program }: CallFilter): string {
  return [
    phase === undefined ? '' : ` in phase ${escapeText(phase)}`,
    pid === undefined ? '' : ` by process ${pid}`,
    program === undefined ? '' : ` by program ${escapeText(program)}`,
  ].join('');
}
