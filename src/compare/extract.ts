import { ARCHES, type Arch } from '../abi/arch.ts';
import { UsageError } from '../base/errors.ts';
import type { Policy, PolicyCall, PolicyPhase } from '../policy/model.ts';
import { findProgram } from '../policy/policy-sets.ts';
import { callKey, ORIGINS } from '../profile/call-union.ts';
import type { Profile } from '../profile/model.ts';
import { isNamed } from '../profile/program-names.ts';
import { isWatching } from '../profile/watching.ts';
import { callSet, type CallFilter, type MergedCall } from '../profile/sets.ts';
import type { ComparedCall, ComparedSource, ComparisonInput, SourceCost } from './source.ts';

/** Calls by arch and number, with whether a call is there for the launch only. */
export type CallTable = ReadonlyMap<string, ComparedCall & { readonly isLaunch: boolean }>;

/** One source with its sets. */
export interface ExtractedSource {
  readonly source: ComparedSource;
  readonly native: Arch;
  /** The set as a whole. */
  readonly whole: CallTable;
  /** Phase by phase, in order; a single phase for a source that has none. */
  readonly phases: readonly { readonly name: string; readonly calls: CallTable }[];
  /** Highest number of an arch that a policy knows; empty for a profile. */
  readonly newest: ReadonlyMap<Arch, number>;
}

/**
 * The sources of a document: one for a policy, one for each origin of a profile, as what was seen and what is possible are
 * different claims; at least one.
 *
 * @param program path or last part of the path of a program: only its sets
 * @throws UsageError if a profile has no such program
 */
export function extractSources(
  input: ComparisonInput,
  program: string | undefined,
): readonly ExtractedSource[] {
  const { document } = input;
  return document.kind === 'policy'
    ? [extractPolicy(input, document.policy, program)]
    : extractProfile(input, document.profile, program);
}

/** The union of tables; a call is a launch only if it is one everywhere. */
export function uniteTables(tables: readonly CallTable[]): CallTable {
  const united = new Map<string, ComparedCall & { readonly isLaunch: boolean }>();
  for (const [key, call] of tables.flatMap((table) => [...table])) {
    const known = united.get(key);
    if (known === undefined || (known.isLaunch && !call.isLaunch)) united.set(key, call);
  }
  return united;
}

function extractProfile(
  input: ComparisonInput,
  profile: Profile,
  program: string | undefined,
): readonly ExtractedSource[] {
  const base: CallFilter = program === undefined ? {} : { program };
  const all = ask(input.label, () => callSet(profile, base));
  const origins = ORIGINS.filter((origin) => all.some((call) => call.origins.includes(origin)));
  return (origins.length === 0 ? [guessOrigin(profile)] : origins).map((origin) => {
    const filter: CallFilter = { ...base, origin };
    return {
      source: {
        label: origins.length > 1 ? `${input.label} (${origin})` : input.label,
        format: input.format,
        kind: 'profile',
        origin,
        onViolation: null,
        cost: costOf(profile, origin),
        remarks: input.remarks,
      },
      native: machineArch(profile),
      whole: toTable(callSet(profile, filter)),
      phases: profile.phases.map(({ name }) => ({
        name,
        calls: toTable(callSet(profile, { ...filter, phase: name })),
      })),
      newest: new Map(),
    };
  });
}

/** Of a profile without a call: by what its runs are. */
function guessOrigin({ runs }: Profile): (typeof ORIGINS)[number] {
  const methods = new Set(runs.map(({ method }) => method));
  return methods.has('analyze') ? 'possible' : methods.has('import') ? 'imported' : 'observed';
}

/** Errors name the document. */
function ask<Answer>(label: string, question: () => Answer): Answer {
  try {
    return question();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${label}: ${error.message}`, { cause: error });
    throw error;
  }
}

function extractPolicy(input: ComparisonInput, policy: Policy, program: string | undefined): ExtractedSource {
  const phases = policy.phases.map((phase) => ({
    name: phase.name,
    calls: policyTable(callsFor(phase, program)),
  }));
  return {
    source: {
      label: input.label,
      format: input.format,
      kind: 'policy',
      origin: null,
      onViolation: policy.onViolation,
      cost: null,
      remarks: input.remarks,
    },
    native: policy.arches[0]?.arch ?? 'x86_64',
    whole: uniteTables(phases.map(({ calls }) => calls)),
    phases,
    newest: new Map(policy.arches.map(({ arch, newest }) => [arch, newest])),
  };
}

/** A program without a set of its own is held by that of the tree. */
function callsFor({ calls, programs }: PolicyPhase, program: string | undefined): readonly PolicyCall[] {
  if (program === undefined) return calls;
  const named = programs.find(({ path }) => isNamed(path, program));
  return (named === undefined ? undefined : findProgram(programs, named))?.calls ?? calls;
}

function policyTable(calls: readonly PolicyCall[]): CallTable {
  return new Map(
    calls.map(({ arch, nr, name }) => [callKey({ arch, nr }), { arch, nr, name, isLaunch: false }]),
  );
}

function toTable(calls: readonly MergedCall[]): CallTable {
  return new Map(
    calls.map(({ arch, nr, name, launch }) => [
      callKey({ arch, nr }),
      { arch, nr, name, isLaunch: launch === true },
    ]),
  );
}

/** Runs of the kind of method that can say such calls. */
function costOf({ runs }: Profile, origin: ComparedSource['origin']): SourceCost {
  const own = runs.filter((run) =>
    origin === 'possible'
      ? run.method === 'analyze'
      : origin === 'imported'
        ? run.method === 'import'
        : isWatching(run),
  );
  const durations = own.map(({ duration }) => duration).filter((duration) => duration > 0);
  return {
    methods: [...new Set(own.map(({ method }) => method))],
    runs: own.length,
    total: durations.length === 0 ? null : durations.reduce((sum, duration) => sum + duration, 0),
    median: medianOf(durations),
  };
}

function medianOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : Math.round((sorted[middle - 1]! + sorted[middle]!) / 2);
}

function machineArch({ runs }: Profile): Arch {
  const machine = runs[0]?.host.arch ?? '';
  if (/^i[3-6]86$/.test(machine)) return 'i386';
  return ARCHES.find((arch) => arch === machine) ?? 'x86_64';
}
