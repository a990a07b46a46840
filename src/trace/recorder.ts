import { ARCHES, type Arch } from '../abi/arch.ts';
import { ARGUMENT_CAP, compareArguments, compareText, compareValues } from '../profile/call-union.ts';
import { markCanonical } from '../profile/canonical.ts';
import { errnoName } from '../abi/errno.ts';
import { selectingArguments, type SelectingArgument } from '../abi/selecting-arguments.ts';
import { syscallName } from '../abi/syscalls.ts';
import { isWaitingCall } from '../abi/waiting-calls.ts';
import type {
  ArgumentValues,
  Birth,
  Call,
  ExitStatus,
  Listen,
  Process,
  Program,
  StackFrame,
  Thread,
  Transition,
} from '../profile/model.ts';

/** Times of first uses that are kept of a waiting call. */
export const USES_CAP = 64;

/** Of calls without selecting arguments, which are most; nothing is ever put into it. */
const NO_VALUES: CallRecord['values'] = [];

/** What is known of one (process, arch, nr). */
export interface CallRecord {
  readonly arch: number;
  readonly nr: number;
  count: number;
  first: number;
  last: number;
  /** Bit k: used in phase k. */
  phases: number;
  launch: boolean;
  readonly selectors: readonly SelectingArgument[];
  /** One entry a selector: first and last use by value; null once there were more than ARGUMENT_CAP values. */
  readonly values: (Map<number | string, [first: number, last: number]> | null)[];
  /** Whether the times of first uses and the time spent waiting are kept. */
  readonly waits: boolean;
  readonly uses: number[];
  waited: number;
  /** How one of the later uses came about, the innermost function first; null if that was not looked at. */
  frames: readonly StackFrame[] | null;
  /** Uses by the first thread, where that is looked at. */
  firstThreadWaits: number;
  errnos: Map<number, number> | null;
}

/** All uses of one call by one process. */
export interface CountedCalls {
  readonly count: number;
  readonly first: number;
  readonly last: number;
  /** Bit k: used in phase k. */
  readonly phases: number;
  /** Nanoseconds; missing, as `uses`, where nobody looked. */
  readonly waited?: number;
  /** Times of the first uses of a waiting call, ascending. */
  readonly uses?: readonly number[];
}

/** First and last use of one value of a selecting argument. */
export interface NotedValue {
  readonly which: number;
  readonly value: number | string;
  readonly first: number;
  readonly last: number;
}

/** A process between birth or exec and exit or the next exec. */
export interface ProcessRecord {
  readonly index: number;
  readonly pid: number;
  birth: Birth;
  parent: ProcessRecord | null;
  program: number | null;
  readonly argv: readonly string[] | null;
  readonly start: number;
  end: number | null;
  exit: ExitStatus | null;
  readonly threads: Map<number, ThreadRecord>;
  readonly ended: ThreadRecord[];
  phase: number;
  readonly transitions: Transition[];
  readonly listens: Listen[];
  /** By `callId`. */
  readonly calls: Map<number, CallRecord>;
  /** What is not measured any more of this process, or null. */
  unmeasured: Unmeasured | null;
}

/** A filter lets calls pass unseen. */
export interface Unmeasured {
  /** Since then, nanoseconds. */
  readonly at: number;
  /** Ids (`callId`) of calls that pass, with some arguments at least. */
  readonly calls: ReadonlyMap<number, unknown>;
  /** Whether a call may pass that this process had not been seen to make before. */
  readonly partial: boolean;
}

/** Identity of a call as a number; `arch` indexes ARCHES. */
export function callId(arch: number, nr: number): number {
  return arch * 2 ** 33 + nr;
}

interface ThreadRecord {
  readonly tid: number;
  readonly creator: number | null;
  readonly start: number;
  end: number | null;
}

/** The part of a profile that one run fills. */
export interface Recording {
  readonly programs: readonly Program[];
  readonly processes: readonly Process[];
}

/** A process of a recording, and its place among the processes. */
export type PlacedProcess = readonly [index: number, process: Process];

/** What has been recorded since a time. */
export interface RecordedChanges {
  /** All programs that are known by now. */
  readonly programs: readonly Program[];
  /** What changed: each process with those of its calls that were made since. */
  readonly processes: readonly PlacedProcess[];
}

export interface NewProcess {
  readonly pid: number;
  readonly birth: Birth;
  readonly parent: ProcessRecord | null;
  readonly program: number | null;
  readonly argv: readonly string[] | null;
  readonly at: number;
  readonly phase: number;
}

/**
 * Collects what a back end sees. Times are nanoseconds since the start of the run.
 *
 * Memory grows with distinct things (processes, threads, numbers, argument values), never with the number of calls.
 */
export class Recorder {
  readonly #programs: { path: string; buildId: string | null }[] = [];
  readonly #programIndex: Map<string, number> = new Map();
  readonly #processes: ProcessRecord[] = [];
  readonly #distinct: Set<number> = new Set();
  readonly #taken: Set<ProcessRecord> = new Set();
  /** Calls recorded so far. */
  calls = 0;

  /** Distinct (arch, nr) seen so far. */
  get distinct(): number {
    return this.#distinct.size;
  }

  get processCount(): number {
    return this.#processes.length;
  }

  program(path: string, buildId: string | null): number {
    const key = `${buildId ?? ''} ${path}`;
    let index = this.#programIndex.get(key);
    if (index === undefined) {
      index = this.#programs.push({ path, buildId }) - 1;
      this.#programIndex.set(key, index);
    }
    return index;
  }

  startProcess(born: NewProcess): ProcessRecord {
    const record: ProcessRecord = {
      index: this.#processes.length,
      pid: born.pid,
      birth: born.birth,
      parent: born.parent,
      program: born.program,
      argv: born.argv,
      start: born.at,
      end: null,
      exit: null,
      threads: new Map(),
      ended: [],
      phase: born.phase,
      transitions: [{ phase: born.phase, at: born.at }],
      listens: [],
      calls: new Map(),
      unmeasured: null,
    };
    this.#processes.push(record);
    return record;
  }

  /** `process` replaced its program: ends the record and returns the one that goes on. */
  exec(process: ProcessRecord, program: number | null, argv: readonly string[], at: number): ProcessRecord {
    this.endProcess(process, { kind: 'exec' }, at);
    const { pid, phase } = process;
    return this.startProcess({ pid, birth: 'exec', parent: process, program, argv, at, phase });
  }

  endProcess(process: ProcessRecord, exit: ExitStatus, at: number): void {
    for (const tid of process.threads.keys()) this.endThread(process, tid, at);
    process.end = at;
    process.exit = exit;
  }

  startThread(process: ProcessRecord, tid: number, creator: number | null, at: number): void {
    process.threads.set(tid, { tid, creator, start: at, end: null });
  }

  endThread(process: ProcessRecord, tid: number, at: number): void {
    const thread = process.threads.get(tid);
    if (thread === undefined) return;
    thread.end = at;
    process.threads.delete(tid);
    process.ended.push(thread);
  }

  enterPhase(process: ProcessRecord, phase: number, at: number): void {
    if (process.end !== null || process.phase >= phase) return;
    process.phase = phase;
    process.transitions.push({ phase, at });
  }

  /** Records one call; `arch` indexes ARCHES. */
  call(process: ProcessRecord, arch: number, nr: number, at: number): CallRecord {
    this.calls++;
    const record = this.#record(process, arch, nr, at);
    record.count++;
    record.last = at;
    record.phases |= 1 << process.phase;
    if (record.waits && record.uses.length < USES_CAP) record.uses.push(at);
    return record;
  }

  /** Adds calls that the kernel has counted; `arch` indexes ARCHES. */
  addCounted(process: ProcessRecord, arch: number, nr: number, counted: CountedCalls): CallRecord {
    this.calls += counted.count;
    const record = this.#record(process, arch, nr, counted.first);
    record.count += counted.count;
    record.first = Math.min(record.first, counted.first);
    record.last = Math.max(record.last, counted.last);
    // Of all uses, not of the new ones: a phase may have begun before what was counted earlier, and be known since only.
    record.phases = record.launch ? record.phases | counted.phases : counted.phases;
    record.waited += counted.waited ?? 0;
    for (const at of counted.uses ?? [])
      if (record.waits && record.uses.length < USES_CAP) record.uses.push(at);
    return record;
  }

  /** How often a call has failed with an error so far, as the kernel has counted; nothing of a call that was not recorded. */
  setErrors(process: ProcessRecord, arch: number, nr: number, errno: number, count: number): void {
    const record = process.calls.get(callId(arch, nr));
    if (record === undefined) return;
    record.errnos ??= new Map();
    record.errnos.set(errno, count);
  }

  /** Adds uses of a value of selector `which` that the kernel has noted; `arch` indexes ARCHES. */
  addValue(process: ProcessRecord, arch: number, nr: number, noted: NotedValue): void {
    const record = this.#record(process, arch, nr, noted.first);
    const values = record.values[noted.which];
    if (values === null || values === undefined) return;
    const known = values.get(noted.value);
    if (known !== undefined) {
      known[0] = Math.min(known[0], noted.first);
      known[1] = Math.max(known[1], noted.last);
    } else if (values.size < ARGUMENT_CAP) values.set(noted.value, [noted.first, noted.last]);
    else record.values[noted.which] = null;
  }

  /** Adds a value of selector `which` to the latest use of the call. */
  value(record: CallRecord, which: number, value: number | string): void {
    const values = record.values[which];
    if (values === null || values === undefined) return;
    const known = values.get(value);
    if (known !== undefined) known[1] = record.last;
    else if (values.size < ARGUMENT_CAP) values.set(value, [record.last, record.last]);
    else record.values[which] = null;
  }

  errno(record: CallRecord, errno: number): void {
    record.errnos ??= new Map();
    record.errnos.set(errno, (record.errnos.get(errno) ?? 0) + 1);
  }

  /** A process to which nothing can come any more, ahead of the end: {@link finish} is without it then. */
  take(record: ProcessRecord): PlacedProcess {
    this.#taken.add(record);
    return [record.index, toProcess(record)];
  }

  /** Processes that were not taken. */
  rest(): readonly ProcessRecord[] {
    return this.#taken.size === 0 ? this.#processes : this.#processes.filter((one) => !this.#taken.has(one));
  }

  /** What was recorded, without the processes that were taken. */
  finish(): Recording {
    return {
      programs: this.#programs.map(({ path, buildId }) => ({ path, buildId, calls: [] })),
      processes: this.rest().map((record) => toProcess(record)),
    };
  }

  /**
   * What has happened from `since` on, without looking at each call as it is made: uses keep their time. Outcomes and waits
   * of a call that was made before, and ended later, come with its next use.
   */
  changes(since: number): RecordedChanges {
    return {
      programs: this.#programs.map(({ path, buildId }) => ({ path, buildId, calls: [] })),
      processes: this.#processes.flatMap((record): [number, Process][] => {
        const process = toProcess(record, since);
        return process.calls.length > 0 || hasChanged(record, since) ? [[record.index, process]] : [];
      }),
    };
  }

  #record(process: ProcessRecord, arch: number, nr: number, at: number): CallRecord {
    const id = callId(arch, nr);
    let found = process.calls.get(id);
    if (found === undefined) {
      found = this.#create(id, arch, nr, at);
      process.calls.set(id, found);
    }
    return found;
  }

  #create(id: number, arch: number, nr: number, at: number): CallRecord {
    this.#distinct.add(id);
    const name = ARCHES[arch] as Arch;
    const selectors = selectingArguments(name, nr);
    return {
      arch,
      nr,
      count: 0,
      first: at,
      last: at,
      phases: 0,
      launch: false,
      selectors,
      values: selectors.length === 0 ? NO_VALUES : selectors.map(() => new Map()),
      waits: isWaitingCall(name, nr),
      frames: null,
      firstThreadWaits: 0,
      uses: [],
      waited: 0,
      errnos: null,
    };
  }
}

/** Whether anything but calls has happened to the process from `since` on. */
function hasChanged(record: ProcessRecord, since: number): boolean {
  const { start, end, transitions, listens, threads, ended, unmeasured } = record;
  const latest = [start, end, transitions.at(-1)?.at, listens.at(-1)?.at, unmeasured?.at];
  return (
    latest.some((at) => (at ?? -Infinity) >= since) ||
    [...threads.values()].some((thread) => thread.start >= since) ||
    ended.some((thread) => (thread.end ?? -Infinity) >= since)
  );
}

/** The process as documents have it, with the calls that were used from `since` on, or of which it is not known any more. */
function toProcess(record: ProcessRecord, since: number = -Infinity): Process {
  const { unmeasured } = record;
  const threads = [...record.ended, ...record.threads.values()].sort(
    (a, b) => a.start - b.start || a.tid - b.tid,
  );
  let calls = [...record.calls.values()];
  if (since > (unmeasured?.at ?? -Infinity)) calls = calls.filter(({ last }) => last >= since);
  const process: Process = {
    run: 0,
    pid: record.pid,
    birth: record.birth,
    parent: record.parent?.index ?? null,
    program: record.program,
    argv: record.argv,
    start: record.start,
    end: record.end,
    exit: record.exit,
    threads: threads.map((thread): Thread => ({ ...thread })),
    transitions: record.transitions.map(({ phase, at }) => ({ phase, at })),
    listens: record.listens
      .map(({ at, address }) => ({ at, address }))
      .sort((a, b) => a.at - b.at || compareText(a.address, b.address)),
    calls: calls.sort(compareRecords).map((call) => toCall(call, unmeasured)),
    ...(unmeasured?.partial === true ? { partial: true } : {}),
  };
  markCanonical(process);
  return process;
}

/** Order of documents, in which numbers have no sign. */
function compareRecords(a: CallRecord, b: CallRecord): number {
  return a.arch - b.arch || (a.nr >>> 0) - (b.nr >>> 0);
}

function toCall(record: CallRecord, unmeasured: Unmeasured | null): Call {
  const arch = ARCHES[record.arch] as Arch;
  const passes = unmeasured?.calls.has(callId(record.arch, record.nr)) === true;
  const call: { -readonly [K in keyof Call]: Call[K] } = {
    arch,
    // syscall(-1): documents have the 32 bits as an unsigned number.
    nr: record.nr >>> 0,
    name: syscallName(arch, record.nr),
    origin: 'observed',
    count: passes ? null : record.count,
    // A use that was seen later need not have been the first.
    first: passes && record.first >= (unmeasured?.at ?? Infinity) ? null : record.first,
    last: passes ? null : record.last,
    phases: bits(record.phases),
  };
  if (record.launch && call.count === 1) call.launch = true;
  if (record.errnos !== null) {
    const named = [...record.errnos].map(
      ([errno, count]) => [errnoName(errno) ?? `${errno}`, count] as const,
    );
    call.errnos = Object.fromEntries(named.sort(([a], [b]) => compareText(a, b)));
  }
  if (record.selectors.length > 0) {
    const args = record.selectors.flatMap((selector, which) =>
      toValues(selector, record.values[which], !passes),
    );
    if (args.length > 0) call.args = args.sort(compareArguments);
  }
  // Every use is noted until there are enough: where there is none, nobody looked.
  if (record.waits && record.uses.length > 0 && unmeasured === null) {
    const frames = record.frames === null ? {} : { frames: record.frames };
    call.waits = { uses: [...record.uses].sort((a, b) => a - b), total: record.waited, ...frames };
  }
  return call;
}

/** Nothing for a selector of which no value was seen: a structure that could not be read, for instance. */
function toValues(
  selector: SelectingArgument,
  values: Map<number | string, [first: number, last: number]> | null | undefined,
  isTimed: boolean,
): ArgumentValues[] {
  const { index, name } = selector;
  if (values === null) return [{ index, name, values: 'any' }];
  if (values === undefined || values.size === 0) return [];
  const sorted = [...values].sort(([a], [b]) => compareValues(a, b));
  return [
    {
      index,
      name,
      values: sorted.map(([value]) => value),
      ...(isTimed ? { uses: sorted.map(([, use]) => use) } : {}),
    },
  ];
}

function bits(mask: number): number[] {
  const result: number[] = [];
  for (let bit = 0; bit < 31 && mask >>> bit !== 0; bit++) if ((mask & (1 << bit)) !== 0) result.push(bit);
  return result;
}
