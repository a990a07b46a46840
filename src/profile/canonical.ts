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
} from './model.ts';

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
    runs: profile.runs.map(canonicalRun),
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

function canonicalRun(run: Run): Run {
  const { method, command, attached, workload, start, duration, complete, incomplete, lost, warnings } = run;
  const { kernel, arch, libc, distribution } = run.host;
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

function canonicalProcess(process: Process, places: ReadonlyMap<number, number>): Process {
  const { run, pid, birth, parent, program, argv, start, end, exit } = process;
  return {
    run,
    pid,
    birth,
    parent,
    program: program === null ? null : (places.get(program) ?? program),
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
  return calls.map(canonicalCall).sort(compareCalls);
}

function canonicalWaits({ uses, total, frames }: NonNullable<Call['waits']>): NonNullable<Call['waits']> {
  return {
    uses: ascending(uses),
    total,
    ...(frames === undefined ? {} : { frames: frames.map(({ object, address }) => ({ object, address })) }),
  };
}

function canonicalCall(call: Call): Call {
  const { arch, nr, name, origin, count, first, last, phases, launch, errnos, args, waits, chains } = call;
  return {
    arch,
    nr,
    name,
    origin,
    count,
    first,
    last,
    phases: ascending(phases),
    ...(launch === undefined ? {} : { launch }),
    ...(errnos === undefined ? {} : { errnos: canonicalErrnos(errnos) }),
    ...(args === undefined ? {} : { args: args.map(canonicalArgument).sort(compareArguments) }),
    ...(waits === undefined ? {} : { waits: canonicalWaits(waits) }),
    ...(chains === undefined ? {} : { chains: chains.map(canonicalChain).sort((a, b) => a.phase - b.phase) }),
  };
}

function canonicalErrnos(errnos: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(errnos).sort(([a], [b]) => compareText(a, b)));
}

function canonicalArgument({ index, name, values, uses }: ArgumentValues): ArgumentValues {
  if (values === 'any') return { index, name, values };
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
  return [...numbers].sort((a, b) => a - b);
}
