import type { LiveFrame } from '../analyze/phases/live-loop.ts';
import type { PhaseSplit } from '../analyze/phases/find-phases.ts';
import { waitCategory } from '../abi/waiting-calls.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { UsageError } from '../base/errors.ts';
import type { Profile, Program } from '../profile/model.ts';
import { escapeText } from '../report/escape.ts';
import { parseTriggers } from '../trace/trigger.ts';
import type { AnalyzeArguments } from './analyze-command.ts';
import { readProfile } from './profile-input.ts';

/** How phases are to be found. */
export interface PhaseChoice {
  /** Null for one phase. */
  readonly phases: PhaseSplit | null;
  /** The trace that says so; null if the options do. */
  readonly trace: Profile | null;
}

/**
 * How the options want the phases to be found.
 *
 * @throws UsageError if they contradict each other, or a trace does not say where its main phase begins
 */
export async function phaseSplit(
  args: Pick<AnalyzeArguments, 'phases' | 'mainFunction' | 'phasesFrom' | 'fromMain'>,
): Promise<PhaseChoice> {
  if (args.mainFunction !== undefined && args.phasesFrom !== undefined)
    throw new UsageError('analyze: --main-function and --phases-from both say where the main phase begins');
  const place =
    args.mainFunction !== undefined
      ? '--main-function'
      : args.phasesFrom !== undefined
        ? '--phases-from'
        : args.phases === 'main'
          ? '--phases main'
          : null;
  if (place !== null && place !== '--phases main' && args.phases !== 'auto')
    throw new UsageError(`analyze: --phases ${args.phases} and ${place} contradict each other`);
  if (place !== null && args.fromMain)
    throw new UsageError(`analyze: --from-main has one phase, ${place} asks for two`);
  if (args.phasesFrom !== undefined) {
    const trace = await readProfile(args.phasesFrom);
    return { phases: splitOf(trace, args.phasesFrom), trace };
  }
  if (args.mainFunction !== undefined)
    return { phases: { kind: 'function', name: args.mainFunction }, trace: null };
  return { phases: args.phases === 'none' || args.fromMain ? null : { kind: args.phases }, trace: null };
}

/** The programs that were executed in a trace; null if that is not known of every process. */
export function tracedPrograms({ processes, programs }: Profile): readonly Program[] | null {
  const used = new Set(processes.map(({ program }) => program));
  return used.has(null) ? null : programs.filter((_, index) => used.has(index));
}

/** Where a trace says that the last phase begins: its function, or else the call in which the steady state waits longest. */
function splitOf(profile: Profile, file: string): PhaseSplit {
  const { phases } = profile;
  const last = phases.length - 1;
  const trigger = phases[last]?.trigger ?? null;
  const parsed = trigger === null ? [] : parseTriggers(trigger);
  const symbol = parsed.find(({ kind }) => kind === 'symbol');
  if (symbol?.kind === 'symbol') return { kind: 'function', name: symbol.name };
  const named = parsed.flatMap((one) => {
    const nr = one.kind === 'syscall' ? syscallNumber('x86_64', one.name) : null;
    return nr !== null && waitCategory('x86_64', nr) === 'event' ? [nr] : [];
  });
  if (named.length > 0) return { kind: 'waits', numbers: named, stacks: stacksOf(profile, named) };
  let longest = { nr: -1, total: 0 };
  for (const { calls } of profile.processes) {
    for (const { arch, nr, phases: used, waits } of calls) {
      const isEvent = arch === 'x86_64' && waitCategory(arch, nr) === 'event' && used.includes(last);
      if (isEvent && waits !== undefined && waits.total > longest.total) longest = { nr, total: waits.total };
    }
  }
  if (longest.nr >= 0)
    return { kind: 'waits', numbers: [longest.nr], stacks: stacksOf(profile, [longest.nr]) };
  throw new UsageError(
    `analyze: ${escapeText(file)} has no phase that begins at a function, and no call in which the program waits`,
  );
}

/** How the processes of the program that waits longest came to wait by some calls, each way once. */
function stacksOf(
  { processes, phases, programs }: Profile,
  numbers: readonly number[],
): readonly (readonly LiveFrame[])[] {
  const found = processes.flatMap(({ program, calls }) =>
    calls.flatMap(({ arch, nr, phases: used, waits }) =>
      arch === 'x86_64' && numbers.includes(nr) && used.includes(phases.length - 1) && waits !== undefined
        ? [{ program, waits }]
        : [],
    ),
  );
  const [longest] = [...found].sort((a, b) => b.waits.total - a.waits.total);
  // The name of the program may be a link: what is analysed is it in any case.
  const path = longest?.program == null ? null : programs[longest.program]?.path;
  const stacks = new Map<string, LiveFrame[]>();
  for (const { program, waits } of found) {
    if (program !== longest?.program || waits.frames === undefined) continue;
    const frames = waits.frames.map(({ object, address }) => ({
      object: object === path ? null : object,
      address,
    }));
    stacks.set(JSON.stringify(frames), frames);
  }
  return [...stacks.values()];
}
