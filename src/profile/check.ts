import { syscallName, syscallNumber } from '../abi/syscalls.ts';
import type { Problem } from '../base/errors.ts';
import { callKey, compareValues } from './call-union.ts';
import type { Analysis, ArgumentValues, Call, Process, Profile, Run } from './model.ts';

/**
 * Finds what a profile that fits the schema can still have wrong: indices out of range, orders, contradictions.
 *
 * @returns every problem, in the order of the document; empty if the profile is sound
 */
export function checkProfile(profile: Profile): readonly Problem[] {
  return [
    ...profile.runs.flatMap((run, index) => checkRun(run, profile.phases.length, `/runs/${index}`)),
    ...checkPhases(profile),
    ...profile.programs.flatMap(({ calls, analysis }, index) => [
      ...checkCalls(calls, profile, `/programs/${index}/calls`),
      ...checkAnalysis(analysis, profile, `/programs/${index}/analysis`),
      ...calls.flatMap((call, at) =>
        found(
          call.origin === 'observed',
          `/programs/${index}/calls/${at}/origin`,
          'calls of a program cannot be observed, only those of a process',
        ),
      ),
    ]),
    ...profile.processes.flatMap((process, index) => checkProcess(process, index, profile)),
  ];
}

function checkRun(run: Run, phaseCount: number, path: string): readonly Problem[] {
  return [
    ...found(Number.isNaN(Date.parse(run.start)), `${path}/start`, `no such time, ${run.start}`),
    ...found(
      run.complete && run.incomplete.length > 0,
      `${path}/incomplete`,
      'must be empty as complete is true',
    ),
    ...found(
      !run.complete && run.incomplete.length === 0,
      `${path}/incomplete`,
      'must say why, as complete is false',
    ),
    ...found(
      run.complete && run.lost > 0,
      `${path}/complete`,
      `must be false, as events were lost, ${run.lost}`,
    ),
    ...(run.phases ?? []).flatMap((phase, k) => inRange(phase, phaseCount, `${path}/phases/${k}`, 'phase')),
    ...notAscending(run.phases ?? [], compareValues, true, `${path}/phases`),
    ...found(
      run.phases !== undefined && run.phases[0] !== 0,
      `${path}/phases`,
      `must begin with 0, as every run has setup, begins with ${run.phases?.[0]}`,
    ),
  ];
}

function checkPhases({ phases }: Profile): readonly Problem[] {
  return phases.flatMap(({ name, trigger, source, reason }, index) => [
    ...found(index === 0 && name !== 'setup', '/phases/0/name', `the first phase must be setup, is ${name}`),
    ...found(index === 0 && trigger !== null, '/phases/0/trigger', 'must be null for the first phase'),
    ...found(
      (index === 0) !== (source === 'start'),
      `/phases/${index}/source`,
      `must be ${index === 0 ? 'start' : 'given or auto, as only the first phase has start'}, is ${source}`,
    ),
    ...found(
      reason !== null && source !== 'auto',
      `/phases/${index}/reason`,
      'must be null unless the phase is automatic',
    ),
    ...found(
      phases.findIndex((other) => other.name === name) < index,
      `/phases/${index}/name`,
      `phase is there already, ${name}`,
    ),
  ]);
}

function checkProcess(process: Process, index: number, profile: Profile): readonly Problem[] {
  const path = `/processes/${index}`;
  const { runs, programs, phases, processes } = profile;
  const { run, program, start, end } = process;
  const parent = process.parent === null ? undefined : processes[process.parent];
  return [
    ...inRange(run, runs.length, `${path}/run`, 'run'),
    ...(program === null ? [] : inRange(program, programs.length, `${path}/program`, 'program')),
    ...checkParent(process, index, parent, path),
    ...found(end !== null && end < start, `${path}/end`, `ends before it starts, ${end} (${start})`),
    ...process.transitions.flatMap(({ phase, at }, k) => [
      ...inRange(phase, phases.length, `${path}/transitions/${k}/phase`, 'phase'),
      ...found(
        k > 0 && at < (process.transitions[k - 1]?.at ?? 0),
        `${path}/transitions/${k}/at`,
        `earlier than the transition before it, ${at}`,
      ),
    ]),
    ...process.threads.flatMap((thread, k) =>
      found(
        thread.end !== null && thread.end < thread.start,
        `${path}/threads/${k}/end`,
        `ends before it starts, ${thread.end} (${thread.start})`,
      ),
    ),
    ...checkCalls(process.calls, profile, `${path}/calls`),
  ];
}

function checkParent(
  process: Process,
  index: number,
  parent: Process | undefined,
  path: string,
): readonly Problem[] {
  if (process.parent === null) return [];
  if (parent === undefined || process.parent >= index) {
    return [
      { path: `${path}/parent`, message: `must be an earlier process, is ${process.parent} (${index})` },
    ];
  }
  return [
    ...found(
      parent.run !== process.run,
      `${path}/parent`,
      `must be of the same run, is of ${parent.run} (${process.run})`,
    ),
    ...found(
      process.birth === 'exec' && parent.pid !== process.pid,
      `${path}/parent`,
      `must have the same pid before an exec, has ${parent.pid} (${process.pid})`,
    ),
  ];
}

function checkAnalysis(analysis: Analysis | undefined, profile: Profile, path: string): readonly Problem[] {
  if (analysis === undefined) return [];
  const count = profile.phases.length;
  return [
    ...analysis.entries.flatMap(({ phase }, k) =>
      inRange(phase, count, `${path}/entries/${k}/phase`, 'phase'),
    ),
    ...analysis.unresolved.flatMap(({ phases }, k) => [
      ...phases.flatMap((phase, i) => inRange(phase, count, `${path}/unresolved/${k}/phases/${i}`, 'phase')),
      ...notAscending(phases, compareValues, true, `${path}/unresolved/${k}/phases`),
    ]),
  ];
}

function checkCalls(calls: readonly Call[], profile: Profile, path: string): readonly Problem[] {
  const seen = new Set<string>();
  return calls.flatMap((call, index) => {
    const key = callKey(call);
    const isRepeated = seen.has(key);
    seen.add(key);
    return [
      ...found(isRepeated, `${path}/${index}`, `call is there already, ${call.arch} number ${call.nr}`),
      ...checkCall(call, profile, `${path}/${index}`),
    ];
  });
}

function checkCall(call: Call, profile: Profile, path: string): readonly Problem[] {
  const { first, last, phases, args, waits, chains } = call;
  return [
    ...checkName(call, `${path}/name`),
    ...found(first === null && last !== null, `${path}/last`, 'must be null, as first is'),
    ...found(
      first !== null && last !== null && first > last,
      `${path}/last`,
      `last use is before the first, ${last} (${first})`,
    ),
    ...phases.flatMap((phase, k) => inRange(phase, profile.phases.length, `${path}/phases/${k}`, 'phase')),
    ...notAscending(phases, compareValues, true, `${path}/phases`),
    ...(args ?? []).flatMap((arg, k) => checkArgument(arg, args ?? [], k, `${path}/args/${k}`)),
    ...notAscending(waits?.uses ?? [], compareValues, false, `${path}/waits/uses`),
    ...(chains ?? []).flatMap(({ phase }, k) =>
      inRange(phase, profile.phases.length, `${path}/chains/${k}/phase`, 'phase'),
    ),
  ];
}

/**
 * The number decides, so the name must not say something else. Tables grow: a name or a number that this release does not
 * know yet may be right.
 */
function checkName({ arch, nr, name }: Call, path: string): readonly Problem[] {
  if (name === null || name === syscallName(arch, nr)) return [];
  const known = syscallNumber(arch, name);
  return found(
    known !== null && known !== nr,
    path,
    `name and number disagree, ${JSON.stringify(name)} is ${known} on ${arch} (${nr})`,
  );
}

function checkArgument(
  arg: ArgumentValues,
  all: readonly ArgumentValues[],
  place: number,
  path: string,
): readonly Problem[] {
  const { index, name, values, uses } = arg;
  return [
    ...found(
      all.findIndex((other) => other.index === index && other.name === name) < place,
      path,
      `argument is there already, ${index} ${JSON.stringify(name)}`,
    ),
    ...(values === 'any' ? [] : notAscending(values, compareValues, true, `${path}/values`)),
    ...found(
      uses !== undefined && uses.length !== (values === 'any' ? 0 : values.length),
      `${path}/uses`,
      `must have one entry for each value, has ${uses?.length ?? 0}`,
    ),
    ...(uses ?? []).flatMap(([first, last], k) =>
      found(first > last, `${path}/uses/${k}`, `last use is before the first, ${last} (${first})`),
    ),
    ...(values === 'any' ? [] : values).flatMap((value, k) =>
      found(
        typeof value === 'string' && BigInt(value) <= BigInt(Number.MAX_SAFE_INTEGER),
        `${path}/values/${k}`,
        `must be a number, is ${value} (strings are for values above 2^53 - 1)`,
      ),
    ),
  ];
}

function inRange(index: number, length: number, path: string, what: string): readonly Problem[] {
  return found(index >= length, path, `no such ${what}, ${index} (there are ${length})`);
}

function notAscending<Value extends number | string>(
  values: readonly Value[],
  compare: (a: Value, b: Value) => number,
  isStrict: boolean,
  path: string,
): readonly Problem[] {
  return values.flatMap((value, k) => {
    const before = values[k - 1];
    if (before === undefined) return [];
    const order = compare(before, value);
    return found(order > 0 || (isStrict && order === 0), `${path}/${k}`, `not ascending, ${value}`);
  });
}

function found(isWrong: boolean, path: string, message: string): readonly Problem[] {
  return isWrong ? [{ path, message }] : [];
}
