import type { Profile } from '../profile/model.ts';
import { mainTimes } from '../profile/recut.ts';
import type { CallUses } from './call-uses.ts';
import type { UseColumns } from './use-columns.ts';

/** What a split does to each call; the same sets as `compareSplit` gives. */
export interface SplitOutcome {
  /** Earliest switch, nanoseconds since the start of its run; `Infinity` if there is none. */
  readonly at: number;
  /** Processes that switch while they live. */
  readonly processes: number;
  /** Time from which each process is in main, as of `mainTimes`. */
  readonly switches: readonly number[];
  /** For each of the calls 1 if it is in the set, else 0. */
  readonly inSetup: Uint8Array;
  readonly inMain: Uint8Array;
  readonly setup: number;
  readonly main: number;
  /** Calls of setup that main does not need. */
  readonly blocked: number;
}

/**
 * Prepares for many splits of one profile: a handle that is dragged asks sixty times a second.
 *
 * @param calls of `collectUses`; the outcome has their order
 */
export function splitter(
  profile: Profile,
  { starts, process, first, last, launch }: UseColumns,
  calls: readonly CallUses[],
): (times: ReadonlyMap<number, number>) => SplitOutcome {
  const silent = silentUsers(profile, { starts, process, launch });
  return (times) => {
    const switches = mainTimes(profile, times);
    const inSetup = new Uint8Array(calls.length);
    const inMain = new Uint8Array(calls.length);
    for (const [place, { id }] of calls.entries()) {
      let [setup, main] = [0, 0];
      for (let use = starts[id] as number; use < (starts[id + 1] as number); use++) {
        if (launch[use] === 1) continue;
        const owner = process[use] as number;
        const time = switches[owner] ?? Infinity;
        // As `sidesOf` has it; what a program may do by its code is in both.
        if (owner < 0 || time > (first[use] as number)) setup = 1;
        if (owner < 0 || (time <= (last[use] as number) && time !== Infinity)) main = 1;
        if (setup === 1 && main === 1) break;
      }
      for (const index of silent?.[id] ?? []) {
        const time = switches[index] ?? Infinity;
        if (time > -Infinity) setup = 1;
        if (time !== Infinity) main = 1;
      }
      inSetup[place] = setup;
      inMain[place] = main;
    }
    return {
      at: [...times.values()].reduce((earliest, time) => Math.min(earliest, time), Infinity),
      processes: switches.filter(
        (time, index) => Number.isFinite(time) && time <= (profile.processes[index]?.end ?? Infinity),
      ).length,
      switches,
      inSetup,
      inMain,
      setup: sum(inSetup),
      main: sum(inMain),
      blocked: inSetup.reduce((total, flag, id) => total + (flag === 1 && inMain[id] === 0 ? 1 : 0), 0),
    };
  };
}

/**
 * For each call the processes that may have made it without being seen, as `completePartial` has it; null if there are none for any.
 */
function silentUsers(
  { processes }: Profile,
  { starts, process, launch }: Pick<UseColumns, 'starts' | 'process' | 'launch'>,
): readonly (readonly number[])[] | null {
  const partial = [...processes.keys()].filter((index) => processes[index]?.partial === true);
  if (partial.length === 0) return null;
  return Array.from({ length: starts.length - 1 }, (_, id) => {
    const owners = new Set<number>();
    for (let use = starts[id] as number; use < (starts[id + 1] as number); use++) {
      if (launch[use] !== 1) owners.add(process[use] as number);
    }
    const runs = new Set([...owners].map((owner) => processes[owner]?.run));
    return partial.filter((index) => !owners.has(index) && runs.has(processes[index]?.run));
  });
}

function sum(flags: Uint8Array): number {
  return flags.reduce((total, flag) => total + flag, 0);
}
