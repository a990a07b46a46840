import { callKey } from './call-union.ts';
import type { Call, Profile } from './model.ts';
import { autoSplit } from './phase-proposals.ts';
import { mainTimes, sidesOf, type Split } from './recut.ts';
import { isChildWait, isEventWait, isReceive } from './serving.ts';
import { completePartial } from './unmeasured.ts';
import { formatTrigger, splitAt, timeOfUse, usesOf } from './splits.ts';

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
export function splitTable(given: Profile): readonly SplitRow[] {
  const profile = completePartial(given);
  const auto = autoSplit(profile);
  const toRow = rowMaker(profile);
  const others = [...listenSplits(profile), ...useSplits(profile)]
    .map(toRow)
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
  return auto === null ? rows : [toRow(auto), ...rows];
}

function listenSplits(profile: Profile): readonly Split[] {
  const addresses = profile.processes.flatMap(({ listens }) => listens.map(({ address }) => address));
  return [...new Set(addresses)].map((address) => splitAt(profile, { kind: 'listen', address }));
}

/** All uses of all waiting calls of which the profile has the time in every process that gets so far. */
function useSplits(profile: Profile): readonly Split[] {
  const names = profile.processes.flatMap(({ calls }) =>
    calls
      .filter((call) => isEventWait(call) || isChildWait(call) || isReceive(call))
      .flatMap(({ name }) => name ?? []),
  );
  return [...new Set(names)].flatMap((name) => {
    const users = [...profile.processes.entries()].flatMap(([index, process]) => {
      const uses = usesOf(process, name);
      return uses === null ? [] : [[index, uses] as const];
    });
    const splits: Split[] = [];
    for (let n = 1; ; n++) {
      const found = users.map(([index, uses]) => [index, timeOfUse(uses, n)] as const);
      const times = new Map(found.flatMap(([index, at]) => (typeof at === 'number' ? [[index, at]] : [])));
      if (times.size === 0 || found.some(([, at]) => at === 'unknown')) return splits;
      const trigger = formatTrigger({ kind: 'syscall', name, n });
      splits.push({ trigger, source: 'given', reason: null, times });
    }
  });
}

/** What sizes need of a process: its calls by a dense number. */
interface CallIds {
  readonly ids: readonly number[];
  readonly calls: readonly Call[];
}

/** Counts for many splits of one profile; there may be hundreds, of thousands of processes. */
function rowMaker(profile: Profile): (split: Split) => SplitRow {
  const ids = new Map<string, number>();
  const idOf = (call: Call): number => {
    const key = callKey(call);
    const id = ids.get(key) ?? ids.size;
    ids.set(key, id);
    return id;
  };
  const uses = profile.processes.map((process): CallIds => {
    const calls = process.calls.filter(({ launch }) => launch !== true);
    return { calls, ids: calls.map(idOf) };
  });
  return (split) => {
    const switches = mainTimes(profile, split.times);
    return {
      split,
      at: [...split.times.values()].reduce((earliest, time) => Math.min(earliest, time), Infinity),
      // A process that has ended by then does not switch.
      processes: switches.filter(
        (time, index) => Number.isFinite(time) && time <= (profile.processes[index]?.end ?? Infinity),
      ).length,
      ...sizesOf(uses, switches, ids.size),
    };
  };
}

function sizesOf(
  uses: readonly CallIds[],
  switches: readonly number[],
  size: number,
): { setup: number; main: number; blocked: number } {
  const inSetup = new Uint8Array(size);
  const inMain = new Uint8Array(size);
  for (const [index, process] of uses.entries()) {
    const time = switches[index] ?? Infinity;
    for (const [place, call] of process.calls.entries()) {
      const id = process.ids[place] ?? 0;
      const sides = sidesOf(call, time);
      if (sides.setup) inSetup[id] = 1;
      if (sides.main) inMain[id] = 1;
    }
  }
  const sum = (flags: Uint8Array): number => flags.reduce((total, flag) => total + flag, 0);
  return {
    setup: sum(inSetup),
    main: sum(inMain),
    blocked: sum(inSetup.map((flag, id) => flag & ((inMain[id] ?? 0) ^ 1))),
  };
}
