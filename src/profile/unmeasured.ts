import { callKey, uniteArguments } from './call-union.ts';
import type { Call, Process, Profile } from './model.ts';

/** Whether calls of the process were let pass without being looked at, so that last uses are not known. */
export function isUnmeasured({ partial, calls }: Process): boolean {
  return partial === true || calls.some(({ count, origin }) => count === null && origin === 'observed');
}

/**
 * The same profile where each process of which only the new calls were seen (`partial`) has all calls of its run, and the
 * values of their arguments: the others at unknown times, in the last phase that it is in. It may be needed for no less, which is what cuts and
 * policies take; what was seen is `calls` alone. The profile itself if nothing is partial.
 */
export function completePartial(profile: Profile): Profile {
  if (!profile.processes.some(({ partial }) => partial === true)) return profile;
  const runs = new Map<number, ReadonlyMap<string, readonly Call[]>>();
  return {
    ...profile,
    processes: profile.processes.map((process) => {
      if (process.partial !== true) return process;
      const { run } = process;
      const calls = runs.get(run) ?? callsOfRun(profile, run);
      runs.set(run, calls);
      return complete(process, calls);
    }),
  };
}

function callsOfRun({ processes }: Profile, run: number): ReadonlyMap<string, readonly Call[]> {
  const calls = new Map<string, Call[]>();
  for (const call of processes.flatMap((process) => (process.run === run ? process.calls : []))) {
    if (call.launch === true) continue;
    const uses = calls.get(callKey(call));
    if (uses === undefined) calls.set(callKey(call), [call]);
    else uses.push(call);
  }
  return calls;
}

function complete(process: Process, ofRun: ReadonlyMap<string, readonly Call[]>): Process {
  const own = new Set(process.calls.filter(({ launch }) => launch !== true).map(callKey));
  const last = process.transitions.at(-1)?.phase ?? 0;
  const widened = process.calls.map((call): Call => {
    const uses = call.launch === true || call.count !== null ? undefined : ofRun.get(callKey(call));
    return uses === undefined ? call : { ...call, ...argumentsOf(uses) };
  });
  const others = [...ofRun].flatMap(([key, uses]): Call[] => {
    const [first] = uses;
    if (first === undefined || own.has(key)) return [];
    const { arch, nr, name, origin } = first;
    return [
      { arch, nr, name, origin, count: null, first: null, last: null, phases: [last], ...argumentsOf(uses) },
    ];
  });
  return { ...process, calls: [...widened, ...others] };
}

function argumentsOf(uses: readonly Call[]): Pick<Call, 'args'> {
  const args = uniteArguments(uses);
  return args === undefined ? {} : { args };
}
