import type { Profile } from '../profile/model.ts';
import { measureCompleteness, RUNS_NEEDED, type Completeness } from '../profile/completeness.ts';
import type { CallFilter } from '../profile/sets.ts';
import { findSuspects, type ProgramSuspects, type Suspect } from '../compare/suspects.ts';
import { callLabel, nativeArch } from './call-names.ts';
import { percent } from './compare-words.ts';
import { escapeText, shorten } from './escape.ts';
import { describeCommand } from './run-text.ts';
import { formatTable, plural, wrapText } from './table.ts';

/** Suspects of a program that are listed. */
const SUSPECT_CAP = 40;

/** Columns of the bars of the growth chart. */
const BAR_WIDTH = 40;

/** Rows of the growth chart. */
const CHART_ROWS = 16;

/**
 * How much the runs may have missed, in one line without line feed; null if nothing was watched.
 *
 * @throws UsageError as `callSet`
 */
export function describeCompleteness(profile: Profile, filter: CallFilter = {}): string | null {
  const measured = measureCompleteness(profile, filter);
  const { runs, estimate } = measured;
  if (runs === 0) return null;
  if (estimate === null) {
    return `completeness: cannot be estimated from ${plural(runs, 'run')} (${RUNS_NEEDED} or more of different inputs)`;
  }
  const next = estimate.more[0]?.calls ?? 0;
  return [
    `completeness: sample coverage ${percent(estimate.coverage)} over ${runs} runs`,
    totalText(measured),
    `${decimal(next)} new in the next run${measured.commands === 1 ? ' of the same command' : ''}`,
  ].join(', ');
}

/**
 * How much the runs may have missed, in full: the estimate with its interval, how the set grows, which calls a single run
 * showed, and what code may do that no run did.
 *
 * @param width columns that lines should have at most
 * @throws UsageError as `callSet`
 */
export function formatCompleteness(profile: Profile, filter: CallFilter, width: number): string {
  const measured = measureCompleteness(profile, filter);
  const lines = [
    ...describeRuns(measured, width),
    ...(measured.estimate === null ? [] : ['', ...describeEstimate(measured, width)]),
    ...(measured.curve.length < 2 ? [] : ['', ...growthChart(measured)]),
    ...describeRare(profile, measured, width),
    ...findSuspects(profile, filter).flatMap((program) => describeProgram(program, profile, width)),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function describeRuns(measured: Completeness, width: number): readonly string[] {
  const { runs, commands, calls, uniques, duplicates, always, complete, estimate } = measured;
  if (runs === 0) return ['no run was watched: there is nothing to estimate from'];
  const text = [
    `${plural(calls, 'call')} in ${plural(runs, 'run')} of ${plural(commands, 'command')}`,
    ...(runs > 1 ? [`${always} in every run, ${duplicates} in just two, ${uniques} in just one`] : []),
  ].join(': ');
  const notes = [
    ...(estimate === null
      ? [
          `cannot be estimated: ${plural(runs, 'run')}, and ${RUNS_NEEDED} or more of different inputs are needed`,
        ]
      : []),
    ...(commands === 1 && estimate !== null
      ? [
          'all runs are of the same command: what follows is about repeating it, and says nothing of other inputs',
        ]
      : []),
    ...(complete ? [] : ['not every run was watched in full: what a run did unwatched counts as not done']),
  ];
  return [text, ...notes.map((note) => `note: ${note}`)].flatMap((line) => wrapText(line, width));
}

function describeEstimate(measured: Completeness, width: number): readonly string[] {
  const { estimate, uniques, calls } = measured;
  if (estimate === null) return [];
  const { coverage, interval, more } = estimate;
  return [
    `sample coverage   ${percent(coverage)} (Good-Turing): share of what further runs do that is in the set`,
    `calls in all      ${totalText(measured)} (Chao2, bias-corrected)`,
    `unseen            ${decimal(estimate.unseen)}, 95 % interval ${decimal(interval[0] - calls)} to ${decimal(interval[1] - calls)}`,
    ...more.map(
      ({ runs, calls: fresh }, index) =>
        `${index === 0 ? 'new calls         ' : '                  '}${decimal(fresh)} expected in ${plural(runs, 'more run')}`,
    ),
    ...(uniques === 0
      ? ['every call was seen in two runs or more: further runs like these are unlikely to show a new one']
      : []),
    'A lower bound: calls that only rare inputs lead to leave no trace in any estimate.',
  ].flatMap((line) => wrapText(line, width));
}

function totalText({ calls, estimate }: Completeness): string {
  const [low, high] = estimate?.interval ?? [calls, calls];
  return `${calls} calls of about ${decimal(estimate?.total ?? calls)} (95 %: ${decimal(low)} to ${decimal(high)})`;
}

function growthChart({ curve, runs }: Completeness): readonly string[] {
  const most = curve.reduce((high, { calls }) => Math.max(high, calls), 1);
  const step = Math.ceil(curve.length / CHART_ROWS);
  const shown = curve.filter(
    (point, index) => index % step === 0 || point.runs === runs || index === curve.length - 1,
  );
  const rows = shown.map((point) => [
    `${point.runs}`,
    decimal(point.calls),
    (point.isForecast ? '-' : '#').repeat(Math.round((BAR_WIDTH * point.calls) / most)),
  ]);
  const columns = [
    { title: 'RUNS', align: 'right' as const },
    { title: 'CALLS', align: 'right' as const },
    { title: '# mean over all orders of the runs, - forecast' },
  ];
  return formatTable(columns, rows);
}

function describeRare(profile: Profile, { rare, runs }: Completeness, width: number): readonly string[] {
  if (runs < 2 || rare.length === 0) return [];
  const native = nativeArch(profile);
  const byRun = new Map<number, string[]>();
  for (const call of rare) byRun.set(call.run, [...(byRun.get(call.run) ?? []), callLabel(call, native)]);
  const lines = [...byRun]
    .sort(([a], [b]) => a - b)
    .flatMap(([run, names]) => {
      const source = profile.runs[run];
      const command = source === undefined ? '' : shorten(describeCommand(source), 48);
      return wrapText(`run ${run + 1} (${command}): ${names.join(' ')}`, width - 4).map((line, index) =>
        index === 0 ? `  ${line}` : `    ${line}`,
      );
    });
  return ['', 'seen in one run only:', ...lines];
}

function describeProgram(program: ProgramSuspects, profile: Profile, width: number): readonly string[] {
  const { path, runs, confirmed, suspects } = program;
  const name = escapeText(path);
  if (runs === 0) return ['', ...wrapText(`${name}: code was read, but no run of it was watched`, width)];
  const seen = `${plural(confirmed, 'call that is', 'calls that are')} possible by code ${confirmed === 1 ? 'was' : 'were'} seen`;
  const head = `${name}: ${seen}, ${suspects.length} ${suspects.length === 1 ? 'was' : 'were'} not${suspects.length === 0 ? '' : '; the most suspicious first:'}`;
  const native = nativeArch(profile);
  const rows = suspects
    .slice(0, SUSPECT_CAP)
    .map((suspect) => [callLabel(suspect, native), chainText(suspect), whyText(suspect)]);
  const more = suspects.length > SUSPECT_CAP ? [`and ${suspects.length - SUSPECT_CAP} more`] : [];
  return [
    '',
    ...wrapText(head, width),
    ...(rows.length === 0
      ? []
      : formatTable([{ title: 'CALL' }, { title: 'WAY THERE' }, { title: 'REMARK' }], rows, '  ').map(
          (line) => shorten(line, Math.max(width, 60)),
        )),
    ...more,
  ];
}

function chainText({ steps, assumed }: Suspect): string {
  if (steps === null) return '-';
  return `${plural(steps, 'step')}${assumed === null || assumed === 0 ? '' : `, ${assumed} assumed`}`;
}

function whyText({ seenIn, danger }: Suspect): string {
  return [
    ...(seenIn.length === 0 ? [] : [`made by ${seenIn.map(escapeText).join(', ')}`]),
    ...(danger === null ? [] : [`dangerous: ${danger}`]),
  ].join('; ');
}

/** One digit behind the point unless it is 0. */
function decimal(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}
