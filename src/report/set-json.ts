import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import type { Birth, ExitStatus, Origin, Phase, Profile, Run } from '../profile/model.ts';
import { callSet, runIncidence, type CallFilter, type MergedCall } from '../profile/sets.ts';
import { valueName } from './argument-text.ts';
import { nativeArch, sortByLabel } from './call-names.ts';
import { escapeJson } from './escape.ts';
import { phaseVisits, programPath, selectProcesses } from './process-selection.ts';

/** Value of `format` in every set. */
export const SET_FORMAT = 'callgate-set';

/** Version of the shape: fields may be added to it, none is taken away or changes its meaning. */
export const SET_VERSION = 1;

/** What `callgate show --format json` prints. Times are nanoseconds since the start of the run. */
export interface SetDocument {
  readonly format: typeof SET_FORMAT;
  readonly version: typeof SET_VERSION;
  /** What was asked for; null where nothing was. */
  readonly filter: {
    readonly phase: string | null;
    readonly process: number | null;
    readonly program: string | null;
  };
  /** As in the profile; `calls[].runs` counts them from 0. */
  readonly runs: readonly Run[];
  /** As in the profile, each with the number of calls that fit the rest of the filter. */
  readonly phases: readonly (Phase & { readonly size: number })[];
  readonly programs: readonly { readonly path: string; readonly buildId: string | null }[];
  /** Processes that fit the filter. */
  readonly processes: readonly SetProcess[];
  /** Arches of the calls, the native one in any case: calls with a name, and how many names there are. */
  readonly arches: readonly {
    readonly arch: Arch;
    readonly native: boolean;
    readonly used: number;
    readonly total: number;
  }[];
  /** Sorted by name, the native arch first. */
  readonly calls: readonly SetCall[];
}

export interface SetProcess {
  /** Index into `runs`. */
  readonly run: number;
  readonly pid: number;
  readonly birth: Birth;
  /** pid of the one that forked it; null for roots; its own for `exec`. */
  readonly parent: number | null;
  readonly program: string | null;
  readonly argv: readonly string[] | null;
  readonly start: number;
  readonly end: number | null;
  readonly exit: ExitStatus | null;
  /** Threads besides the first. */
  readonly threads: number;
  /** Phases in the order in which it entered them. */
  readonly phases: readonly { readonly name: string; readonly at: number; readonly size: number }[];
  readonly listens: readonly { readonly at: number; readonly address: string }[];
}

export interface SetCall {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
  readonly origins: readonly Origin[];
  /** Uses by the processes that fit, in all phases together; null where the method does not count. */
  readonly count: number | null;
  readonly first: number | null;
  readonly last: number | null;
  /** Names of the phases in which it was used. */
  readonly phases: readonly string[];
  /** The runs in which it was seen, out of `total` that have anything that fits. */
  readonly runs: { readonly seen: readonly number[]; readonly total: number };
  /** True if its only use is the execve that starts the program. */
  readonly launch: boolean;
  /** Null where the method does not see outcomes or the call never failed. */
  readonly errnos: Readonly<Record<string, number>> | null;
  readonly args: readonly SetArgument[];
}

export interface SetArgument {
  readonly index: number;
  readonly name: string;
  /** Values with the words of the kernel's headers, null where there are none; `any` past the profile's cap. */
  readonly values: readonly { readonly value: number | string; readonly name: string | null }[] | 'any';
}

/**
 * The set of calls that fit the filter as a document for other programs.
 *
 * @throws UsageError as `callSet`
 */
export function toSetDocument(profile: Profile, filter: CallFilter = {}): SetDocument {
  const native = nativeArch(profile);
  const calls = sortByLabel(callSet(profile, filter), native);
  const total = runIncidence(profile, filter)[0]?.total ?? 0;
  const arches = ARCHES.filter((arch) => arch === native || calls.some((call) => call.arch === arch));
  return {
    format: SET_FORMAT,
    version: SET_VERSION,
    filter: { phase: filter.phase ?? null, process: filter.pid ?? null, program: filter.program ?? null },
    runs: profile.runs,
    phases: profile.phases.map((phase) => ({
      ...phase,
      size: callSet(profile, { ...filter, phase: phase.name }).length,
    })),
    programs: profile.programs.map(({ path, buildId }) => ({ path, buildId })),
    processes: toProcesses(profile, filter),
    arches: arches.map((arch) => ({
      arch,
      native: arch === native,
      used: calls.filter((call) => call.arch === arch && call.name !== null).length,
      total: syscalls(arch).length,
    })),
    calls: calls.map((call) => toCall(profile, call, total)),
  };
}

/** `toSetDocument` as text. */
export function formatSetJson(profile: Profile, filter: CallFilter = {}): string {
  return `${escapeJson(JSON.stringify(toSetDocument(profile, filter), null, 2))}\n`;
}

function toProcesses(profile: Profile, filter: CallFilter): readonly SetProcess[] {
  return selectProcesses(profile, filter).flatMap((index) => {
    const process = profile.processes[index];
    if (process === undefined) return [];
    const { run, pid, birth, parent, argv, start, end, exit, threads, listens } = process;
    return [
      {
        run,
        pid,
        birth,
        parent: parent === null ? null : (profile.processes[parent]?.pid ?? null),
        program: programPath(profile, process),
        argv,
        start,
        end,
        exit,
        threads: threads.length,
        phases: phaseVisits(profile, process),
        listens,
      },
    ];
  });
}

function toCall({ phases }: Profile, call: MergedCall, total: number): SetCall {
  const { arch, nr, name, origins, count, first, last, runs, launch, errnos, args = [] } = call;
  return {
    arch,
    nr,
    name,
    origins,
    count,
    first,
    last,
    phases: call.phases.map((index) => phases[index]?.name ?? `${index}`),
    runs: { seen: runs, total },
    launch: launch === true,
    errnos: errnos ?? null,
    args: args.map((argument) => ({
      index: argument.index,
      name: argument.name,
      values:
        argument.values === 'any'
          ? ('any' as const)
          : argument.values.map((value) => ({ value, name: valueName(call, argument, value) })),
    })),
  };
}
