import { UsageError } from '../base/errors.ts';
import { formatDuration } from '../base/duration.ts';
import {
  requireCount,
  requireOrdinal,
  requireObject,
  requireOneOf,
  requireText,
  type Checks,
} from '../base/option-checks.ts';
import { uniteCounts, uniteTimes } from './call-union.ts';
import { requireProfile } from './given.ts';
import type { Process, Profile } from './model.ts';
import { mainTimes, type Split } from './recut.ts';

/** A trigger that can be found in a profile after the run; `text` is how it was written, if it was. */
export type SplitTrigger = { readonly text?: string } & (
  | { readonly kind: 'syscall'; readonly name: string; readonly n: number }
  /** `tcp:PORT` or `unix:PATH`, as in `listens`. */
  | { readonly kind: 'listen'; readonly address: string }
  /** Nanoseconds from the start of the run. */
  | { readonly kind: 'after'; readonly delay: number }
);

/** The fields of each kind of trigger. */
const TRIGGER_CHECKS: Readonly<Record<SplitTrigger['kind'], Checks>> = {
  syscall: { name: requireText, n: requireOrdinal },
  listen: { address: requireText },
  after: { delay: requireCount },
};

/**
 * Finds the times at which a trigger would have fired: a system call for each process that makes it n times, a
 * listening socket and a delay for all processes of a run at once.
 *
 * @throws UsageError if it is none of these triggers, if it fires nowhere, or if the profile does not hold the time of that use; it says what there is
 */
export function splitAt(profile: Profile, trigger: SplitTrigger): Split {
  requireProfile('splitAt', 'profile', profile);
  requireTrigger('splitAt', trigger);
  const times = timesOf(profile, trigger);
  return { trigger: trigger.text ?? formatTrigger(trigger), source: 'given', reason: null, times };
}

/**
 * The trigger as it is written on the command line.
 *
 * @throws UsageError if it is none of these triggers
 */
export function formatTrigger(trigger: SplitTrigger): string {
  requireTrigger('formatTrigger', trigger);
  switch (trigger.kind) {
    case 'syscall':
      return trigger.n === 1 ? `syscall:${trigger.name}` : `syscall:${trigger.name}#${trigger.n}`;
    case 'listen':
      return `listen:${trigger.address.replace(/^(?:tcp|unix):/, '')}`;
    case 'after':
      return `after:${trigger.delay}ns`;
  }
}

function requireTrigger(who: string, trigger: SplitTrigger): void {
  requireObject(who, 'trigger', trigger);
  requireOneOf(who, 'trigger.kind', trigger.kind, Object.keys(TRIGGER_CHECKS));
  for (const [field, check] of Object.entries(TRIGGER_CHECKS[trigger.kind]))
    check(who, `trigger.${field}`, trigger[field as keyof SplitTrigger]);
}

/** What a profile keeps of the uses of one call in one process, all arches and threads together, without the launch. */
export interface Uses {
  /** Null where the method does not count. */
  readonly count: number | null;
  readonly first: number | null;
  /** Times of the first uses, ascending; null if only that of the very first is kept. */
  readonly times: readonly number[] | null;
}

/** Collects the uses of the call with this name; null if there are none. */
export function usesOf(process: Process, name: string): Uses | null {
  const calls = process.calls.filter((call) => call.name === name && call.launch !== true);
  if (calls.length === 0) return null;
  const areTimed = calls.every(({ waits }) => waits !== undefined);
  const times = areTimed ? calls.flatMap(({ waits }) => waits?.uses ?? []).sort((a, b) => a - b) : null;
  return { count: uniteCounts(calls), first: uniteTimes(calls).first, times };
}

/**
 * Time of use n, from 1.
 *
 * @returns nanoseconds, `fewer` if there are not so many uses, `unknown` if the profile does not keep that time
 */
export function timeOfUse(uses: Uses | null, n: number): number | 'fewer' | 'unknown' {
  if (uses === null || (uses.count !== null && uses.count < n)) return 'fewer';
  return (n === 1 ? uses.first : uses.times?.[n - 1]) ?? 'unknown';
}

function timesOf(profile: Profile, trigger: SplitTrigger): ReadonlyMap<number, number> {
  switch (trigger.kind) {
    case 'syscall':
      return timesOfSyscall(profile, trigger.name, trigger.n);
    case 'listen':
      return timesOfListen(profile, trigger.address);
    case 'after':
      return timesAfter(profile, trigger.delay);
  }
}

function timesOfSyscall(profile: Profile, name: string, n: number): ReadonlyMap<number, number> {
  const uses = profile.processes.map((process) => usesOf(process, name));
  const found = uses.map((use) => timeOfUse(use, n));
  const times = new Map(found.flatMap((time, index) => (typeof time === 'number' ? [[index, time]] : [])));
  // A process that is born in main needs no time of its own.
  const switches = mainTimes(profile, times);
  if (found.some((time, index) => time === 'unknown' && switches[index] !== -Infinity)) {
    throw new UsageError(
      `syscall: the profile does not hold the time of use ${n} of ${name} (it keeps the first uses of calls that wait, 64 at most)`,
    );
  }
  if (times.size > 0) return times;
  const most = largest(uses.map((use) => use?.count ?? 0));
  if (most > 0) {
    throw new UsageError(`syscall: no process uses ${name} ${n} times (${most} times at most)`);
  }
  const waiting = profile.processes.flatMap(({ calls }) =>
    calls.flatMap((call) => (call.waits !== undefined && call.name !== null ? [call.name] : [])),
  );
  throw new UsageError(
    `syscall: no process uses ${name} (calls that wait in this profile: ${listed(waiting)})`,
  );
}

function timesOfListen(profile: Profile, address: string): ReadonlyMap<number, number> {
  const ofRuns = new Map<number, number>();
  for (const { run, listens } of profile.processes) {
    for (const listen of listens) {
      if (listen.address === address) ofRuns.set(run, Math.min(listen.at, ofRuns.get(run) ?? Infinity));
    }
  }
  if (ofRuns.size > 0) return spread(profile, ofRuns);
  const addresses = profile.processes.flatMap(({ listens }) => listens.map((listen) => listen.address));
  throw new UsageError(
    `listen: no process listens on ${address} (addresses in this profile: ${listed(addresses)})`,
  );
}

function timesAfter(profile: Profile, delay: number): ReadonlyMap<number, number> {
  const ofRuns = new Map(
    profile.runs.flatMap(({ duration }, index) => (duration > delay ? [[index, delay] as const] : [])),
  );
  const times = spread(profile, ofRuns);
  if (times.size > 0) return times;
  const longest = largest(profile.processes.map(({ run }) => profile.runs[run]?.duration ?? 0));
  throw new UsageError(
    `after: no run lasts longer than ${formatDuration(delay)} (the longest takes ${formatDuration(longest)})`,
  );
}

/** The time of its run for each process. */
function spread(profile: Profile, ofRuns: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  return new Map(
    profile.processes.flatMap(({ run }, index) => {
      const time = ofRuns.get(run);
      return time === undefined ? [] : [[index, time] as const];
    }),
  );
}

/** Not Math.max: a build has more processes than a call may have arguments. */
function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => (number > most ? number : most), 0);
}

/** At most 20 names for a message. */
function listed(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  if (distinct.length === 0) return 'none';
  const more = distinct.length > 20 ? ` and ${distinct.length - 20} more` : '';
  return `${distinct.slice(0, 20).join(', ')}${more}`;
}
