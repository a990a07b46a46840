import { compareArguments, compareCalls, compareText, compareValues } from './call-union.ts';
import { comparePlaces } from './analysis-union.ts';
import type {
  Analysis,
  ArgumentValues,
  Call,
  Chain,
  CodePlace,
  ExitStatus,
  Process,
  Profile,
  Program,
  Run,
  RunIdentity,
} from './model.ts';

/** Text of processes where somebody has it: to make it is most of the work of writing a profile of many. */
const texts = new WeakMap<Process, string>();

/** Remembers what `formatProcess` makes of a process. Nothing of it may be changed from then on. */
export function rememberText(process: Process, text: string): void {
  texts.set(process, text);
  canonical.add(process);
}

/** What was given to {@link rememberText} for this very object. */
export function rememberedText(process: Process): string | undefined {
  return texts.get(process);
}

/** Processes that are as documents have them already: to find that out takes as long as to put them in order. */
const canonical = new WeakSet<Process>();

/** Says of a process that {@link canonicalProcess} would make the same of it. Nothing of it may be changed from then on. */
export function markCanonical(process: Process): void {
  canonical.add(process);
}

/**
 * The same profile in the one order that documents have: fields in the order of the model and only those,
 * programs in order of first use, calls by (arch, nr), threads and listens by time, everything that is a set ascending.
 *
 * Runs, phases and processes keep their places. Nothing is checked: a profile that is not valid stays so.
 */
export function canonicalProfile(profile: Profile): Profile {
  const { places, programs } = orderPrograms(profile);
  return {
    format: profile.format,
    version: profile.version,
    generator: { name: profile.generator.name, version: profile.generator.version },
    runs: profile.runs.map((run) => canonicalRun(run, profile.phases.length)),
    phases: profile.phases.map(({ name, trigger, source, reason, entered }) => ({
      name,
      trigger,
      source,
      reason,
      entered,
    })),
    programs: programs.map(({ path, buildId, calls, analysis }) => ({
      path,
      buildId,
      calls: canonicalCalls(calls),
      ...(analysis === undefined ? {} : { analysis: canonicalAnalysis(analysis) }),
    })),
    processes: profile.processes.map((process) => canonicalProcess(process, places)),
  };
}

function orderPrograms(profile: Profile): {
  places: ReadonlyMap<number, number>;
  programs: readonly Program[];
} {
  const places = new Map<number, number>();
  const place = (index: number): void => {
    if (index < profile.programs.length && !places.has(index)) places.set(index, places.size);
  };
  for (const { program } of profile.processes) if (program !== null) place(program);
  for (const index of profile.programs.keys()) place(index);
  const programs = [...places.keys()].flatMap((index) => profile.programs[index] ?? []);
  return { places, programs };
}

function canonicalRun(run: Run, phaseCount: number): Run {
  const { method, command, attached, workload, start, duration, complete, incomplete, lost, warnings } = run;
  const { kernel, arch, libc, distribution } = run.host;
  const { identity, phases } = run;
  return {
    method,
    command: [...command],
    ...(attached === undefined ? {} : { attached: ascending(attached) }),
    ...(workload === undefined
      ? {}
      : { workload: { command: workload.command, exit: canonicalExit(workload.exit) } }),
    start,
    duration,
    complete,
    incomplete: [...incomplete],
    lost,
    warnings: [...warnings],
    host: { kernel, arch, libc, distribution },
    ...(identity === undefined ? {} : { identity: canonicalIdentity(identity) }),
    ...(phases === undefined || phases.length === phaseCount ? {} : { phases: ascending(phases) }),
  };
}

function canonicalIdentity({ boot, cgroup, processes }: RunIdentity): RunIdentity {
  return {
    boot,
    ...(cgroup === undefined ? {} : { cgroup }),
    processes: processes
      .map(({ pid, startTime }) => ({ pid, startTime }))
      .sort((a, b) => a.pid - b.pid || a.startTime - b.startTime),
  };
}

function canonicalExit(exit: ExitStatus | null): ExitStatus | null {
  switch (exit?.kind) {
    case undefined:
      return null;
    case 'exited':
      return { kind: 'exited', code: exit.code };
    case 'signaled':
      return { kind: 'signaled', signal: exit.signal, core: exit.core };
    case 'exec':
    case 'detached':
      return { kind: exit.kind };
  }
}

/** A process with its fields and lists in their order; `places` has the new place of each program that moves. */
export function canonicalProcess(process: Process, places: ReadonlyMap<number, number> = new Map()): Process {
  const { run, pid, birth, parent, program, argv, start, end, exit } = process;
  const place = program === null ? null : (places.get(program) ?? program);
  if (place === program && canonical.has(process)) return process;
  return {
    run,
    pid,
    birth,
    parent,
    program: place,
    argv: argv === null ? null : [...argv],
    start,
    end,
    exit: canonicalExit(exit),
    threads: process.threads
      .map((thread) => ({ tid: thread.tid, creator: thread.creator, start: thread.start, end: thread.end }))
      .sort((a, b) => a.start - b.start || a.tid - b.tid),
    transitions: process.transitions.map(({ phase, at }) => ({ phase, at })),
    listens: process.listens
      .map(({ at, address }) => ({ at, address }))
      .sort((a, b) => a.at - b.at || compareText(a.address, b.address)),
    calls: canonicalCalls(process.calls),
    ...(process.partial === undefined ? {} : { partial: process.partial }),
  };
}

function canonicalAnalysis({ objects, entries, unresolved, assumptions }: Analysis): Analysis {
  return {
    objects: objects.map(({ path, buildId, reason }) => ({ path, buildId, reason })),
    entries: entries
      .map((entry) => ({ ...canonicalPlace(entry), phase: entry.phase, reason: entry.reason }))
      .sort((a, b) => a.phase - b.phase || comparePlaces(a, b)),
    unresolved: unresolved
      .map((site) => ({
        ...canonicalPlace(site),
        kind: site.kind,
        reason: site.reason,
        phases: ascending(site.phases),
      }))
      .sort((a, b) => compareText(a.kind, b.kind) || comparePlaces(a, b) || compareText(a.reason, b.reason)),
    assumptions: [...assumptions],
  };
}

function canonicalPlace({ object, function: name, address }: CodePlace): CodePlace {
  return { object, function: name, address };
}

function canonicalChain({ phase, steps }: Chain): Chain {
  return {
    phase,
    steps: steps.map((step) => ({
      ...canonicalPlace(step),
      how: step.how,
      ...(step.note === undefined ? {} : { note: step.note }),
    })),
  };
}

function canonicalCalls(calls: readonly Call[]): readonly Call[] {
  return ordered(calls.map(canonicalCall), compareCalls);
}

function canonicalWaits({ uses, total, frames }: NonNullable<Call['waits']>): NonNullable<Call['waits']> {
  return {
    uses: ascending(uses),
    total,
    ...(frames === undefined ? {} : { frames: frames.map(({ object, address }) => ({ object, address })) }),
  };
}

/** There may be a hundred thousand of these: what most do not have costs them nothing. */
function canonicalCall(call: Call): Call {
  const { arch, nr, name, origin, count, first, last, phases, launch, errnos, args, waits, chains } = call;
  const result: { -readonly [K in keyof Call]: Call[K] } = {
    arch,
    nr,
    name,
    origin,
    count,
    first,
    last,
    phases: ascending(phases),
  };
  if (launch !== undefined) result.launch = launch;
  if (errnos !== undefined) result.errnos = canonicalErrnos(errnos);
  if (args !== undefined) result.args = ordered(args.map(canonicalArgument), compareArguments);
  if (waits !== undefined) result.waits = canonicalWaits(waits);
  if (chains !== undefined) {
    result.chains = ordered(chains.map(canonicalChain), (a, b) => a.phase - b.phase);
  }
  return result;
}

/** The list itself, sorted; one that is in order already, as nearly all are, is only looked through. */
function ordered<Item>(list: Item[], compare: (a: Item, b: Item) => number): readonly Item[] {
  for (let index = 1; index < list.length; index++) {
    if (compare(list[index - 1] as Item, list[index] as Item) > 0) return list.sort(compare);
  }
  return list;
}

function canonicalErrnos(errnos: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(errnos).sort(([a], [b]) => compareText(a, b)));
}

function canonicalArgument({ index, name, values, uses }: ArgumentValues): ArgumentValues {
  if (values === 'any') return { index, name, values };
  if (values.every((value, place) => place === 0 || compareValues(values[place - 1] ?? 0, value) <= 0)) {
    return uses === undefined
      ? { index, name, values }
      : { index, name, values, uses: uses.slice(0, values.length) };
  }
  const order = [...values.keys()].sort((a, b) => compareValues(values[a] ?? 0, values[b] ?? 0));
  return {
    index,
    name,
    values: order.flatMap((place) => values[place] ?? []),
    ...(uses === undefined
      ? {}
      : { uses: order.flatMap((place) => (uses[place] === undefined ? [] : [uses[place]])) }),
  };
}

function ascending(numbers: readonly number[]): readonly number[] {
  return numbers.length < 2 ? numbers : ordered([...numbers], (a, b) => a - b);
}
