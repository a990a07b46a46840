import { callKey } from './call-union.ts';
import type { Profile } from './model.ts';
import { autoSplit } from './phase-proposals.ts';
import { mainTimes, sidesOf, type Split } from './recut.ts';
import { isChildWait, isEventWait, isReceive } from './serving.ts';
import { splitAt, timeOfUse, type SplitTrigger } from './splits.ts';

/** Rows that a table has at most, besides the proposal. */
export const ROW_CAP = 16;

/** A way to cut the profile, and what it would do. */
export interface SplitRow {
  readonly split: Split;
  /** Earliest switch, nanoseconds since the start of its run. */
  readonly at: number;
  /** Processes that switch. */
  readonly processes: number;
  /** Distinct calls in setup, and in main; the launch does not count. */
  readonly setup: number;
  readonly main: number;
  /** Calls of setup that main does not need: what a filter for main blocks in addition. */
  readonly blocked: number;
}

/**
 * Ways to cut the profile in two: first the proposal, if there is one, then others in order of time.
 *
 * Each is a use of a waiting call or a listening socket, and blocks more than every one before it. Late ones do so
 * because the program comes to its end. If there are many, those stay that block most in addition.
 */
export function splitTable(profile: Profile): readonly SplitRow[] {
  const auto = autoSplit(profile);
  const others = [...listenTriggers(profile), ...useTriggers(profile)]
    .map((trigger) => toRow(profile, splitAt(profile, trigger)))
    .sort((a, b) => a.at - b.at || b.blocked - a.blocked);
  const gains = new Map<SplitRow, number>();
  let most = 0;
  for (const row of others) {
    if (row.blocked <= most) continue;
    gains.set(row, row.blocked - most);
    most = row.blocked;
  }
  const kept = new Set(
    [...gains]
      .sort(([, a], [, b]) => b - a)
      .slice(0, ROW_CAP)
      .map(([row]) => row),
  );
  const rows = others.filter((row) => kept.has(row) && row.split.trigger !== auto?.trigger);
  return auto === null ? rows : [toRow(profile, auto), ...rows];
}

function listenTriggers(profile: Profile): readonly SplitTrigger[] {
  const addresses = profile.processes.flatMap(({ listens }) => listens.map(({ address }) => address));
  return [...new Set(addresses)].map((address) => ({ kind: 'listen', address }));
}

/** All uses of all waiting calls of which the profile has the time in every process that gets so far. */
function useTriggers(profile: Profile): readonly SplitTrigger[] {
  const names = profile.processes.flatMap(({ calls }) =>
    calls
      .filter((call) => isEventWait(call) || isChildWait(call) || isReceive(call))
      .flatMap(({ name }) => name ?? []),
  );
  return [...new Set(names)].flatMap((name) => {
    const triggers: SplitTrigger[] = [];
    for (let n = 1; ; n++) {
      const times = profile.processes.map((process) => timeOfUse(process, name, n));
      if (times.includes('unknown') || times.every((time) => time === 'fewer')) return triggers;
      triggers.push({ kind: 'syscall', name, n });
    }
  });
}

function toRow(profile: Profile, split: Split): SplitRow {
  const switches = mainTimes(profile, split.times);
  const setup = new Set<string>();
  const main = new Set<string>();
  for (const [index, { calls }] of profile.processes.entries()) {
    for (const call of calls) {
      if (call.launch === true) continue;
      const sides = sidesOf(call, switches[index] ?? Infinity);
      if (sides.setup) setup.add(callKey(call));
      if (sides.main) main.add(callKey(call));
    }
  }
  return {
    split,
    at: [...split.times.values()].reduce((earliest, time) => Math.min(earliest, time), Infinity),
    processes: switches.filter((time) => Number.isFinite(time)).length,
    setup: setup.size,
    main: main.size,
    blocked: [...setup].filter((key) => !main.has(key)).length,
  };
}
