import { requireObject, requireText, wrongType } from '../base/option-checks.ts';
import { requireProfile } from './given.ts';
import { completePartial } from './unmeasured.ts';
import type { Call, Phase, Process, Profile, Program, Run, Transition } from './model.ts';

/** Where processes go over from setup to main. */
export interface Split {
  /** As on the command line, such as `syscall:epoll_wait`; several are joined by ` | `. */
  readonly trigger: string;
  readonly source: 'given' | 'auto';
  /** Why callgate proposes it, for people; null unless `source` is `auto`. */
  readonly reason: string | null;
  /** Index of a process to the time of its switch, in nanoseconds since the start of its run. */
  readonly times: ReadonlyMap<number, number>;
}

/**
 * The same profile with the phases `setup` and `main`, cut at the split; earlier phases are forgotten.
 *
 * A call is in setup if its first use is before the time of its process, in main if its last use is not.
 * What begins while its parent is in main, by fork or exec, is in main as a whole; what has no time and no such
 * parent is in setup. A call without times, and whatever a program may do by its code, is in both; so is what a `partial` process may
 * have done: it gets all calls of its run.
 *
 * @throws UsageError for what is no profile or no split
 */
export function recut(given: Profile, split: Split): Profile {
  requireProfile('recut', 'profile', given);
  requireSplit(split);
  const profile = completePartial(given);
  const switches = mainTimes(profile, split.times);
  const processes = profile.processes.map((process, index) =>
    recutProcess(process, switches[index] ?? Infinity),
  );
  const main: Phase = {
    name: 'main',
    trigger: split.trigger,
    source: split.source,
    reason: split.reason,
    entered: processes.some(({ transitions }) => transitions.some(({ phase }) => phase === 1)),
  };
  return {
    ...profile,
    runs: profile.runs.map(withAllPhases),
    phases: [setupPhase(profile), main],
    programs: profile.programs.map((program) => recutProgram(program, [0, 1])),
    processes,
  };
}

function requireSplit(split: unknown): void {
  requireObject('recut', 'split', split);
  const { trigger, times } = split as Record<string, unknown>;
  requireText('recut', 'split.trigger', trigger);
  if (!(times instanceof Map)) throw wrongType('recut', 'split.times', 'a Map, as splitAt gives', times);
}

/** The same profile with no phase but `setup`. */
export function uncut(profile: Profile): Profile {
  if (profile.phases.length === 1) return profile;
  return {
    ...profile,
    runs: profile.runs.map(withAllPhases),
    phases: [setupPhase(profile)],
    programs: profile.programs.map((program) => recutProgram(program, [0])),
    processes: profile.processes.map((process) => recutProcess(process, Infinity)),
  };
}

/**
 * For each process the time from which it is in main: its own time of the split, `-Infinity` if it was born there,
 * `Infinity` if it never gets there.
 */
export function mainTimes(profile: Profile, times: ReadonlyMap<number, number>): readonly number[] {
  const result: number[] = [];
  for (const [index, { parent, start }] of profile.processes.entries()) {
    const isBornInMain = parent !== null && start >= (result[parent] ?? Infinity);
    result.push(isBornInMain ? -Infinity : (times.get(index) ?? Infinity));
  }
  return result;
}

/** Whether the call is used before `time` and from `time` on; both if it has no times. */
export function sidesOf(call: Call, time: number): { readonly setup: boolean; readonly main: boolean } {
  return {
    setup: time > (call.first ?? -Infinity),
    main: time <= (call.last ?? Infinity) && time !== Infinity,
  };
}

/** What code may do has no time: it is in all of the new phases, and where old ones began does not matter. */
function recutProgram(program: Program, phases: readonly number[]): Program {
  const { analysis } = program;
  return {
    ...program,
    calls: program.calls.map(({ chains, ...call }) => {
      const whole = chains?.filter(({ phase }) => phase === 0) ?? [];
      return { ...call, phases, ...(whole.length === 0 ? {} : { chains: whole }) };
    }),
    ...(analysis === undefined
      ? {}
      : {
          analysis: {
            ...analysis,
            entries: [],
            unresolved: analysis.unresolved.map((site) => ({ ...site, phases })),
          },
        }),
  };
}

/** What says by which of the old phases it was cut is gone with them. */
function withAllPhases({ phases: _phases, ...run }: Run): Run {
  return run;
}

function setupPhase(profile: Profile): Phase {
  const entered = profile.phases[0]?.entered ?? profile.processes.length > 0;
  return { name: 'setup', trigger: null, source: 'start', reason: null, entered };
}

function recutProcess(process: Process, time: number): Process {
  return {
    ...process,
    transitions: transitionsOf(process, time),
    calls: process.calls.map((call) => {
      const { setup, main } = sidesOf(call, time);
      return { ...call, phases: [...(setup ? [0] : []), ...(main ? [1] : [])] };
    }),
  };
}

function transitionsOf({ start, end }: Process, time: number): readonly Transition[] {
  if (time <= start) return [{ phase: 1, at: start }];
  const born = { phase: 0, at: start };
  return time <= (end ?? Number.MAX_SAFE_INTEGER) ? [born, { phase: 1, at: time }] : [born];
}
