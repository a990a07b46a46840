import { callKey } from '../../profile/call-union.ts';
import type { Process, Profile } from '../../profile/model.ts';
import { packProfile, unpackProfile, type PackedProfile } from './packed-profile.ts';

/** What a trace has brought since the last time: processes that changed, each with those of its calls that did. */
export interface LiveChanges {
  /** Nanoseconds since the start of the run. */
  readonly at: number;
  /** All programs that are known by now. */
  readonly programs: Profile['programs'];
  /** Index into `processes`, and the process with the calls that were made since. */
  readonly processes: readonly (readonly [index: number, process: Process])[];
}

/** Changes as they are sent to the page. */
export interface PackedChanges {
  readonly at: number;
  readonly indices: readonly number[];
  readonly part: PackedProfile;
}

/** Changes to the profile of a trace, ready to be sent; runs and phases stay as they are. */
export function packChanges(profile: Profile, { at, programs, processes }: LiveChanges): PackedChanges {
  const part = {
    ...profile,
    runs: [],
    phases: [],
    programs,
    processes: processes.map(([, process]) => process),
  };
  return { at, indices: processes.map(([index]) => index), part: packProfile(part) };
}

/** The changes that were packed. */
export function unpackChanges({ at, indices, part }: PackedChanges): LiveChanges {
  const { programs, processes } = unpackProfile(part);
  return { at, programs, processes: processes.map((process, place) => [indices[place] ?? 0, process]) };
}

/** The profile of the one run with what has happened since; what did not change stays the same object. */
export function applyChanges(profile: Profile, { at, programs, processes }: LiveChanges): Profile {
  const next = [...profile.processes];
  for (const [index, process] of processes) {
    const before = next[index];
    next[index] = before === undefined ? process : { ...process, calls: uniteCalls(before, process) };
  }
  return {
    ...profile,
    runs: profile.runs.map((run) => ({ ...run, duration: at })),
    programs,
    processes: next,
  };
}

function uniteCalls(before: Process, after: Process): Process['calls'] {
  const changed = new Map(after.calls.map((call) => [callKey(call), call]));
  const kept = before.calls.map((call) => {
    const key = callKey(call);
    const newer = changed.get(key);
    changed.delete(key);
    return newer ?? call;
  });
  return [...kept, ...changed.values()];
}
