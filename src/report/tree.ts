import { formatDuration } from '../base/duration.ts';
import type { Process, Profile, Thread } from '../profile/model.ts';
import { callSet, type CallFilter } from '../profile/sets.ts';
import { escapeText, quoteCommand, shorten } from './escape.ts';
import { phaseVisits, programPath, selectProcesses } from './process-selection.ts';
import { describeCommand, describeExit } from './run-text.ts';
import { plural } from './table.ts';

/** Characters of argv that are shown. */
const ARGV_WIDTH = 80;

/** Ranges of tids that are listed. */
const RANGE_CAP = 8;

/**
 * The processes that fit the filter as a tree: for each its birth, program, arguments, life, threads, phases with the
 * sizes of their sets, and sockets.
 *
 * What happens to one pid stands below it in order of time: children, and the programs that replace its own.
 * Ancestors of what fits are there without their facts, so that its place can be seen.
 *
 * @throws UsageError as `callSet`
 */
export function formatTree(profile: Profile, filter: CallFilter = {}): string {
  // For its complaints about names and pids that are not there.
  callSet(profile, filter);
  const chosen = new Set(selectProcesses(profile, filter));
  const shown = withAncestors(profile, chosen);
  const events = eventsOf(profile, shown);
  const lines: string[] = [];
  for (const [run, description] of profile.runs.entries()) {
    const roots = [...shown].filter(
      (index) => profile.processes[index]?.run === run && profile.processes[index]?.parent === null,
    );
    if (roots.length === 0) continue;
    if (profile.runs.length > 1) lines.push(`run ${run + 1}: ${describeCommand(description)}`);
    drawRoots(profile, roots, events, chosen, lines);
  }
  if (lines.length === 0) lines.push('no processes');
  return lines.map((line) => `${line}\n`).join('');
}

/** For each process that is the first of its pid: what happens to the pid later, in order of time. */
type Events = ReadonlyMap<number, readonly number[]>;

function withAncestors({ processes }: Profile, chosen: ReadonlySet<number>): ReadonlySet<number> {
  const shown = new Set(chosen);
  for (const index of chosen) {
    let parent = processes[index]?.parent ?? null;
    while (parent !== null && !shown.has(parent)) {
      shown.add(parent);
      parent = processes[parent]?.parent ?? null;
    }
  }
  return new Set([...shown].sort((a, b) => a - b));
}

function eventsOf({ processes }: Profile, shown: ReadonlySet<number>): Events {
  const events = new Map<number, number[]>();
  /** The first entry of the pid that an entry belongs to; parents stand before their children. */
  const owners = new Map<number, number>();
  for (const index of shown) {
    const { parent = null, birth } = processes[index] ?? {};
    const owner = parent === null ? index : (owners.get(parent) ?? parent);
    owners.set(index, birth === 'exec' ? owner : index);
    if (parent !== null) events.set(owner, [...(events.get(owner) ?? []), index]);
  }
  return events;
}

function drawRoots(
  profile: Profile,
  roots: readonly number[],
  events: Events,
  chosen: ReadonlySet<number>,
  lines: string[],
): void {
  // A stack and no recursion: a chain of forks may be deeper than the stack of JavaScript.
  const pending = roots.map((index) => ({ index, head: '', rest: '' })).toReversed();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { index, head, rest } = next;
    const process = profile.processes[index];
    if (process === undefined) continue;
    const below = process.birth === 'exec' && process.parent !== null ? [] : (events.get(index) ?? []);
    lines.push(`${head}${describeHead(profile, process)}`);
    if (chosen.has(index)) {
      const indent = below.length > 0 ? `${rest}│    ` : `${rest}     `;
      lines.push(...describeFacts(profile, process).map((line) => `${indent}${line}`));
    }
    const children = below.map((child, place) => {
      const isLast = place === below.length - 1;
      return {
        index: child,
        head: `${rest}${isLast ? '└─ ' : '├─ '}`,
        rest: `${rest}${isLast ? '   ' : '│  '}`,
      };
    });
    pending.push(...children.toReversed());
  }
}

/** `1234 fork  /usr/bin/make: make -j2`. */
function describeHead(profile: Profile, process: Process): string {
  const { pid, birth, argv } = process;
  const path = programPath(profile, process);
  const program = path === null ? '(program not known)' : escapeText(path);
  return `${pid} ${birth}  ${program}${argv === null ? '' : `: ${shorten(quoteCommand(argv), ARGV_WIDTH)}`}`;
}

function describeFacts(profile: Profile, process: Process): readonly string[] {
  const { threads, listens } = process;
  // Most servers listen by IPv4 and by IPv6.
  const sockets = new Map(listens.toReversed().map(({ at, address }) => [address, at]));
  return [
    `${describeLife(process)}; ${describeSets(profile, process)}${process.partial === true ? ' (only what was new to the run)' : ''}`,
    ...(threads.length === 0
      ? []
      : [`${plural(threads.length, 'further thread')}: ${describeTids(threads)}`]),
    ...[...sockets]
      .toReversed()
      .map(([address, at]) => `listens on ${escapeText(address)} from ${formatDuration(at)}`),
  ];
}

/** `31 calls`, or `setup: 42 calls, main from 68.6 ms: 19 calls` if the profile has phases. */
function describeSets(profile: Profile, process: Process): string {
  if (profile.phases.length === 1) return plural(process.calls.length, 'call');
  const phases = phaseVisits(profile, process).map(({ name, at, size }, place) => {
    const since = place === 0 ? '' : ` from ${formatDuration(at)}`;
    return `${escapeText(name)}${since}: ${plural(size, 'call')}`;
  });
  return phases.join(', ');
}

function describeLife({ start, end, exit }: Process): string {
  const ending = describeExit(exit);
  if (end === null) return `from ${formatDuration(start)}, end not seen`;
  return `${formatDuration(start)} to ${formatDuration(end)}${ending === '' ? '' : `, ${ending}`}`;
}

/** Tids in ascending order, neighbours joined: `1235-1238, 1240`. */
function describeTids(threads: readonly Thread[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const tid of threads.map((thread) => thread.tid).sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && tid <= range.last + 1) range.last = tid;
    else ranges.push({ first: tid, last: tid });
  }
  const shown = ranges
    .slice(0, RANGE_CAP)
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  const more = ranges.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more ranges` : ''}`;
}
