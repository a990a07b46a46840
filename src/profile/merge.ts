import { UsageError } from '../base/errors.ts';
import { uniteAnalyses, uniteChains } from './analysis-union.ts';
import {
  callKey,
  compareCalls,
  ORIGINS,
  uniteArguments,
  uniteCounts,
  uniteErrnos,
  uniteIndices,
  uniteTimes,
} from './call-union.ts';
import { canonicalProfile } from './canonical.ts';
import { requireProfiles } from './given.ts';
import { orderPhases } from './phase-order.ts';
import { programKey } from './program-names.ts';
import {
  PROFILE_FORMAT,
  PROFILE_VERSION,
  type Analysis,
  type Call,
  type Phase,
  type Process,
  type Profile,
  type Program,
  type Run,
} from './model.ts';

/**
 * One profile with everything that the given ones hold.
 *
 * Runs and processes are kept one by one, in the order of the profiles; programs with the same build-id, or with the same path
 * and none, become one, phases with the same name become one. Where triggers of a phase differ, both stay, joined by ` | `.
 * Phases stand in an order that is that of every run; a run that lacks some of them says which it has.
 * Of several paths a program has the first by which a process ran it, for an analysis may have been told another.
 * It does not matter how profiles are grouped: a merge of merges is the merge of all. The generator is that of the first.
 *
 * @throws UsageError if there is no profile, for what is no profile, or if the orders of the phases contradict each other
 */
export function mergeProfiles(profiles: readonly Profile[]): Profile {
  requireProfiles('mergeProfiles', profiles);
  const [head] = profiles;
  if (head === undefined) throw new UsageError('merge: needs a profile, got none');
  const order = orderPhases(profiles);
  const phases = profiles.flatMap((profile) => profile.phases);
  const programs = new Slots<SourceProgram>(programKey);
  const processes: Process[] = [];
  const runs: Run[] = [];
  for (const profile of profiles) {
    const phaseMap = profile.phases.map(({ name }) => order.indexOf(name));
    const movePhases = (call: Call): Call => ({
      ...call,
      phases: uniteIndices([moveAll(call.phases, phaseMap)]),
      ...(call.chains === undefined
        ? {}
        : { chains: call.chains.map((chain) => ({ ...chain, phase: move(chain.phase, phaseMap) })) }),
    });
    const ran = new Set(profile.processes.map(({ program }) => program));
    const programMap = profile.programs.map((program, index) =>
      programs.add({
        ...program,
        ran: ran.has(index),
        calls: program.calls.map(movePhases),
        ...(program.analysis === undefined ? {} : { analysis: moveAnalysis(program.analysis, phaseMap) }),
      }),
    );
    const offset = processes.length;
    const runCount = runs.length;
    for (const process of profile.processes) {
      processes.push({
        ...process,
        run: process.run + runCount,
        parent: process.parent === null ? null : process.parent + offset,
        program: process.program === null ? null : move(process.program, programMap),
        transitions: process.transitions.map(({ phase, at }) => ({ phase: move(phase, phaseMap), at })),
        calls: process.calls.map(movePhases),
      });
    }
    const all = [...phaseMap.keys()];
    // One that has all phases of the merge will have the field dropped again.
    runs.push(...profile.runs.map((run) => ({ ...run, phases: moveAll(run.phases ?? all, phaseMap) })));
  }
  return canonicalProfile({
    format: PROFILE_FORMAT,
    version: PROFILE_VERSION,
    generator: head.generator,
    runs,
    phases: order.map((name) => unitePhases(name, phases)),
    programs: programs.values().map(unitePrograms),
    processes,
  });
}

/** A program of one of the profiles, and whether a process of that profile ran it. */
interface SourceProgram extends Program {
  readonly ran: boolean;
}

/** Things grouped by identity, in order of first appearance. */
class Slots<Item> {
  readonly #key: (item: Item) => string;
  readonly #places: Map<string, number> = new Map();
  readonly #groups: [Item, ...Item[]][] = [];

  constructor(key: (item: Item) => string) {
    this.#key = key;
  }

  /** Returns the index of the group that the item is in now. */
  add(item: Item): number {
    const key = this.#key(item);
    const place = this.#places.get(key);
    if (place !== undefined) {
      this.#groups[place]?.push(item);
      return place;
    }
    this.#places.set(key, this.#groups.length);
    return this.#groups.push([item]) - 1;
  }

  values(): readonly (readonly [Item, ...Item[]])[] {
    return this.#groups;
  }
}

function move(index: number, map: readonly number[]): number {
  return map[index] ?? index;
}

function moveAll(indices: readonly number[], map: readonly number[]): number[] {
  return indices.map((index) => move(index, map));
}

function moveAnalysis(analysis: Analysis, map: readonly number[]): Analysis {
  return {
    ...analysis,
    entries: analysis.entries.map((entry) => ({ ...entry, phase: move(entry.phase, map) })),
    unresolved: analysis.unresolved.map((site) => ({
      ...site,
      phases: uniteIndices([moveAll(site.phases, map)]),
    })),
  };
}

/** One phase of those with this name, of which there is one at least. */
function unitePhases(name: string, all: readonly Phase[]): Phase {
  const phases = all.filter((phase) => phase.name === name);
  const sources = phases.map(({ source }) => source);
  // A phase that somebody asked for somewhere is not callgate's own idea any more.
  const source = sources.includes('start') ? 'start' : sources.includes('given') ? 'given' : 'auto';
  return {
    name,
    trigger: joinDistinct(
      phases.map(({ trigger }) => trigger),
      ' | ',
    ),
    source,
    reason:
      source === 'auto'
        ? joinDistinct(
            phases.map(({ reason }) => reason),
            '; ',
          )
        : null,
    entered: phases.some(({ entered }) => entered),
  };
}

/** Splits first, so that texts which are joined already keep each part once. */
function joinDistinct(texts: readonly (string | null)[], separator: string): string | null {
  const parts = new Set(texts.flatMap((text) => (text === null ? [] : text.split(separator))));
  return parts.size === 0 ? null : [...parts].join(separator);
}

function unitePrograms(programs: readonly [SourceProgram, ...SourceProgram[]]): Program {
  const groups = new Map<string, [Call, ...Call[]]>();
  for (const call of programs.flatMap(({ calls }) => calls)) {
    const group = groups.get(callKey(call));
    if (group === undefined) groups.set(callKey(call), [call]);
    else group.push(call);
  }
  const { path, buildId } = programs.find(({ ran }) => ran) ?? programs[0];
  const analysis = uniteAnalyses(programs.flatMap((program) => program.analysis ?? []));
  return {
    path,
    buildId,
    calls: [...groups.values()].map(uniteCalls).sort(compareCalls),
    ...(analysis === undefined ? {} : { analysis }),
  };
}

function uniteCalls(calls: readonly [Call, ...Call[]]): Call {
  const { arch, nr } = calls[0];
  const errnos = uniteErrnos(calls);
  const args = uniteArguments(calls);
  const chains = uniteChains(calls);
  return {
    arch,
    nr,
    name: calls.find(({ name }) => name !== null)?.name ?? null,
    origin: ORIGINS.find((origin) => calls.some((call) => call.origin === origin)) ?? 'imported',
    count: uniteCounts(calls),
    ...uniteTimes(calls),
    phases: uniteIndices(calls.map(({ phases }) => phases)),
    ...(errnos === undefined ? {} : { errnos }),
    ...(args === undefined ? {} : { args }),
    ...(chains === undefined ? {} : { chains }),
  };
}
