import type { Profile } from '../profile/model.ts';
import { mainTimes, sidesOf } from '../profile/recut.ts';
import type { CallUses } from './call-uses.ts';

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
  calls: readonly CallUses[],
): (times: ReadonlyMap<number, number>) => SplitOutcome {
  const uses = calls.map((call) => call.uses.filter((use) => use.call.launch !== true));
  return (times) => {
    const switches = mainTimes(profile, times);
    const inSetup = new Uint8Array(calls.length);
    const inMain = new Uint8Array(calls.length);
    for (const [id, ofCall] of uses.entries()) {
      for (const { call, process } of ofCall) {
        if (inSetup[id] === 1 && inMain[id] === 1) break;
        // What a program may do by its code is in both.
        const sides =
          process === null ? { setup: true, main: true } : sidesOf(call, switches[process] ?? Infinity);
        if (sides.setup) inSetup[id] = 1;
        if (sides.main) inMain[id] = 1;
      }
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

function sum(flags: Uint8Array): number {
  return flags.reduce((total, flag) => total + flag, 0);
}
