import { callKey } from '../profile/call-union.ts';
import type { Profile } from '../profile/model.ts';
import { mainTimes, recut, type Split } from '../profile/recut.ts';
import { callSet, type MergedCall } from '../profile/sets.ts';
import { nativeArch, sortByLabel } from './call-names.ts';

/** What one split does to the calls of a profile; the execve that starts a program is left out, as main never needs it. */
export interface SplitSets {
  /** Earliest switch, nanoseconds since the start of its run. */
  readonly at: number;
  /** Processes that switch while they live; what is born in main, or has ended by then, does not count. */
  readonly processes: number;
  readonly setup: readonly MergedCall[];
  readonly main: readonly MergedCall[];
  /** Calls of setup that main does not need. */
  readonly blocked: readonly MergedCall[];
}

/** The sets before and after a split, each sorted by name. */
export function compareSplit(profile: Profile, split: Split): SplitSets {
  const cut = recut(profile, split);
  const native = nativeArch(profile);
  const setOf = (phase: string): readonly MergedCall[] =>
    sortByLabel(
      callSet(cut, { phase }).filter(({ launch }) => launch !== true),
      native,
    );
  const [setup, main] = [setOf('setup'), setOf('main')];
  const needed = new Set(main.map(callKey));
  return {
    at: [...split.times.values()].reduce((earliest, time) => Math.min(earliest, time), Infinity),
    processes: mainTimes(profile, split.times).filter(
      (time, index) => Number.isFinite(time) && time <= (profile.processes[index]?.end ?? Infinity),
    ).length,
    setup,
    main,
    blocked: setup.filter((call) => !needed.has(callKey(call))),
  };
}
