import { ARCHES } from '../abi/arch.ts';
import type { Call, Host, Process, Profile, Program, Run, RunIdentity } from '../profile/model.ts';
import { programKey } from '../profile/program-names.ts';
import { Recorder, type CallRecord, type ProcessRecord } from '../trace/recorder.ts';

/** pids that a run names as attached to, reasons and warnings that it keeps, at most. */
const LIST_CAP = 16;

/** A warning by which a run says how many starts it stands for. */
const STARTS = /^stands for (\d+) starts of the target, one after another: /;

const STILL_RAN = 'it still ran when this was written';
const GAP = 'it was not watched between two watches';

/** Why a run is not complete of which a process is, or was to its end, a program that was started elsewhere. */
const MOVED_IN = 'a process was moved into it that had run elsewhere';

/** A warning of runs in which not every process has an entry. */
const FOLDED =
  'the processes of a program are one entry: that of the first, with the calls of all, without threads';

/** How a run of a target begins. */
export interface RunStart {
  readonly command: readonly string[];
  /** Wall-clock time in milliseconds. */
  readonly wall: number;
  /** Nanoseconds of the monotonic clock. */
  readonly origin: bigint;
  readonly host: Host;
}

/** What tells a run that may go on in a later watch. */
export interface Life {
  /** The boot id. */
  readonly boot: string;
  /** Id of the cgroup whose life it is, or 0. */
  readonly cgroup: bigint;
  /** In clock ticks after the boot; null if the process is gone. */
  readonly startTimeOf: (pid: number) => number | null;
}

/** One process that is folded into a run. */
export interface FoldedProcess {
  readonly path: string | null;
  readonly buildId: string | null;
  readonly pid: number;
  readonly birth: Process['birth'];
  /** Of this run already when an earlier watch wrote it. */
  readonly isResumed?: boolean;
  /** Moved in from elsewhere, and has executed nothing since. */
  readonly isForeign?: boolean;
  readonly argv: readonly string[] | null;
  /** Nanoseconds of the monotonic clock. */
  readonly time: bigint;
}

/** All processes of one program in one run: one process entry of the profile. */
export interface ProgramRecord {
  readonly record: ProcessRecord;
  processes: number;
  live: number;
}

/**
 * One run of a target's profile, of one start or of several that were folded into one; its size is bounded by the number
 * of programs and of distinct calls.
 */
export class RunRecord {
  readonly #recorder: Recorder = new Recorder();
  readonly #programs: Map<string, ProgramRecord> = new Map();
  readonly #files: Program[] = [];
  readonly #attached: Set<number> = new Set();
  /** pids of processes that live, and of those among them that were moved in and have executed nothing since. */
  readonly #living: Set<number> = new Set();
  readonly #foreign: Set<number> = new Set();
  readonly #incomplete: Set<string> = new Set();
  readonly #warnings: Set<string> = new Set();
  #start: RunStart;
  /** By what the run of an earlier watch is known, in this boot. */
  #identity: RunIdentity | null = null;
  /** The run into which this one was folded. */
  #target: RunRecord | null = null;
  #duration = 0;
  /** When a process of it ended or left in this watch, the latest of them. */
  #leftAt = -1n;
  #lost = 0;
  #starts = 1;

  constructor(start: RunStart) {
    this.#start = start;
  }

  /** Reads one run of a profile that was written before. `boot` is the boot id, if the run may go on. */
  static from(profile: Profile, index: number, boot: string | null = null): RunRecord {
    const run = profile.runs[index] as Run;
    const wall = Date.parse(run.start);
    const passed = BigInt(Math.max(0, Date.now() - wall)) * 1_000_000n;
    const origin = process.hrtime.bigint() - passed;
    const record = new RunRecord({ command: run.command, wall, origin, host: run.host });
    record.#duration = run.duration;
    record.#lost = run.lost;
    for (const text of run.incomplete) record.#incomplete.add(text);
    for (const text of run.warnings) {
      const starts = STARTS.exec(text)?.[1];
      if (starts === undefined && text !== FOLDED) record.#warnings.add(text);
      else if (starts !== undefined) record.#starts = Math.max(1, Number(starts));
    }
    for (const pid of run.attached ?? []) record.#attached.add(pid);
    if (run.identity?.boot === boot) record.#identity = run.identity ?? null;
    const isFolded = run.warnings.includes(FOLDED);
    for (const entry of profile.processes) {
      if (entry.run === index) record.#restore(entry, profile.programs, isFolded);
    }
    return record;
  }

  /** Starts that it stands for. */
  get starts(): number {
    return this.#starts;
  }

  /** Whether a process of it lives. */
  get isLive(): boolean {
    return this.#living.size > 0;
  }

  /** Whether a process of it lives, or did at this time or later (nanoseconds of the monotonic clock). */
  hasLivedSince(time: bigint): boolean {
    return this.isLive || this.#leftAt >= time;
  }

  /** This run, or that into which it was folded. */
  get current(): RunRecord {
    return this.#target === null ? this : this.#target.current;
  }

  /** Id of the cgroup whose life the run of an earlier watch was, in this boot; else 0. */
  get cgroup(): bigint {
    return BigInt(this.#identity?.cgroup ?? 0);
  }

  /** Whether a process was of it when an earlier watch wrote it. */
  hasLeft(pid: number, startTime: number): boolean {
    return (
      this.#identity?.processes.some((known) => known.pid === pid && known.startTime === startTime) === true
    );
  }

  /** Goes on with the run of an earlier watch. `now` is nanoseconds of the monotonic clock. */
  resume(now: bigint): void {
    // Whatever has become of the wall clock: what comes now comes after what was.
    const latest = now - BigInt(this.#duration);
    if (this.#start.origin > latest) this.#start = { ...this.#start, origin: latest };
    this.#incomplete.delete(STILL_RAN);
    this.markIncomplete(GAP);
  }

  /** Another start of the target, which this run will stand for as well. */
  addStart(): void {
    this.#starts++;
  }

  /** A process begins, or is found. */
  join(process: FoldedProcess): void {
    const at = this.#since(process.time);
    const isCounted = process.isResumed === true && this.#programs.has(keyOf(process.path, process.buildId));
    const program = this.#program(process.path, process.buildId, process, at);
    if (!isCounted) program.processes++;
    program.live++;
    program.record.end = null;
    program.record.exit = null;
    this.#living.add(process.pid);
    this.#extend(at);
    if (process.isForeign === true) this.#foreign.add(process.pid);
    else if (process.isResumed === true) return;
    else if (process.birth === 'attach' && this.#attached.size < LIST_CAP) this.#attached.add(process.pid);
  }

  /** A process has ended, or belongs to the target no more. */
  leave(
    { path, buildId, pid }: Pick<FoldedProcess, 'path' | 'buildId' | 'pid'>,
    exit: Process['exit'],
    time: bigint,
  ): void {
    // What a service manager does in the unit before it becomes the service is none of the service.
    if (this.#foreign.delete(pid) && exit?.kind !== 'exec') this.markIncomplete(MOVED_IN);
    this.#living.delete(pid);
    if (time > this.#leftAt) this.#leftAt = time;
    const program = this.#programs.get(keyOf(path, buildId));
    if (program === undefined) return;
    const at = this.#since(time);
    program.live--;
    this.#extend(at);
    if (program.live > 0) return;
    program.record.end = Math.max(at, program.record.start);
    // How one of several ended says nothing of the others.
    program.record.exit = program.processes === 1 ? exit : null;
  }

  /** Adds what a process has done; times are nanoseconds of the monotonic clock. */
  addCalls(
    path: string | null,
    buildId: string | null,
    call: {
      arch: number;
      nr: number;
      count: number;
      first: bigint;
      last: bigint;
    },
  ): CallRecord | null {
    const program = this.#programs.get(keyOf(path, buildId));
    if (program === undefined) return null;
    const times = [this.#since(call.first), this.#since(call.last)];
    this.#extend(Math.max(...times));
    return this.#recorder.addCounted(program.record, call.arch, call.nr, {
      count: call.count,
      first: Math.min(...times),
      last: Math.max(...times),
      phases: 1,
    });
  }

  /** Adds a value of a selecting argument. */
  addValue(
    path: string | null,
    buildId: string | null,
    noted: { arch: number; nr: number; which: number; value: number | string; first: bigint; last: bigint },
  ): void {
    const program = this.#programs.get(keyOf(path, buildId));
    if (program === undefined) return;
    const times = [this.#since(noted.first), this.#since(noted.last)];
    this.#recorder.addValue(program.record, noted.arch, noted.nr, {
      which: noted.which,
      value: noted.value,
      first: Math.min(...times),
      last: Math.max(...times),
    });
  }

  addListen(path: string | null, buildId: string | null, time: bigint, address: string): void {
    const record = this.#programs.get(keyOf(path, buildId))?.record;
    if (record !== undefined) noteListen(record, this.#since(time), address);
  }

  /** Says why the run does not show everything. */
  markIncomplete(reason: string): void {
    if (this.#incomplete.size < LIST_CAP) this.#incomplete.add(reason);
  }

  /** Something was lost on the machine while the run went on. */
  addLost(count: number): void {
    this.#lost += count;
  }

  /** Takes in a later run, whose starts follow those of this one. */
  fold(later: RunRecord): void {
    later.#target = this;
    this.#starts += later.#starts;
    this.#lost += later.#lost;
    if (later.#leftAt > this.#leftAt) this.#leftAt = later.#leftAt;
    for (const pid of later.#living) this.#living.add(pid);
    for (const pid of later.#foreign) this.#foreign.add(pid);
    this.#identity = uniteIdentities(later.#identity, this.#identity);
    const apart = Math.max(0, later.#start.wall - this.#start.wall) * 1e6;
    // A document's times end after 104 days; the order is what matters.
    const shift = Math.min(apart, Number.MAX_SAFE_INTEGER - later.#duration);
    this.#extend(shift + later.#duration);
    for (const text of later.#incomplete) this.markIncomplete(text);
    for (const text of later.#warnings) if (this.#warnings.size < LIST_CAP) this.#warnings.add(text);
    for (const pid of later.#attached) if (this.#attached.size < LIST_CAP) this.#attached.add(pid);
    for (const { record, processes, live } of later.#programs.values()) {
      const file = record.program === null ? null : (later.#files[record.program] as Program);
      const program = this.#program(file?.path ?? null, file?.buildId ?? null, record, shift + record.start);
      program.processes += processes;
      program.live += live;
      const isEnded = program.live === 0 && record.end !== null;
      program.record.end = isEnded ? shift + (record.end as number) : null;
      program.record.exit = null;
      for (const { at, address } of record.listens) noteListen(program.record, at + shift, address);
      for (const call of record.calls.values()) this.#addRecord(program.record, call, shift);
    }
  }

  /**
   * The run as a profile of its own, but for what such a document has besides. `now` is nanoseconds of the monotonic clock,
   * `life` what tells the run if it goes on.
   */
  toParts(
    now: bigint,
    life: Life | null = null,
  ): Pick<Profile, 'programs' | 'processes'> & { readonly run: Run } {
    const { command, wall, host } = this.#start;
    if (this.isLive) this.#extend(this.#since(now));
    const incomplete = [...this.#incomplete];
    if (this.#foreign.size > 0 && !this.#incomplete.has(MOVED_IN)) incomplete.push(MOVED_IN);
    if (this.isLive) incomplete.push(STILL_RAN);
    if (this.#lost > 0) incomplete.push('events or calls were lost on this machine while it ran');
    const warnings = [...this.#warnings];
    if ([...this.#programs.values()].some(({ processes }) => processes > 1)) warnings.push(FOLDED);
    if (this.#starts > 1) {
      warnings.push(
        `stands for ${this.#starts} starts of the target, one after another: counts are sums, times are on one clock`,
      );
    }
    const { programs, processes } = this.#recorder.finish();
    const identity = life === null ? null : this.#identify(life);
    return {
      run: {
        method: 'ebpf',
        command,
        ...(this.#attached.size === 0 ? {} : { attached: [...this.#attached] }),
        start: new Date(wall).toISOString(),
        duration: this.#duration,
        complete: incomplete.length === 0,
        incomplete,
        lost: this.#lost,
        warnings,
        host,
        ...(identity === null ? {} : { identity }),
      },
      programs,
      processes,
    };
  }

  #identify({ boot, cgroup, startTimeOf }: Life): RunIdentity | null {
    const living: RunIdentity = {
      boot,
      ...(cgroup === 0n ? {} : { cgroup: `${cgroup}` }),
      processes: [...this.#living].slice(0, LIST_CAP).flatMap((pid) => {
        const startTime = startTimeOf(pid);
        return startTime === null ? [] : [{ pid, startTime }];
      }),
    };
    // What has done nothing yet in this watch may still be there.
    const earlier =
      this.#identity === null
        ? null
        : {
            ...this.#identity,
            processes: this.#identity.processes.filter(
              ({ pid, startTime }) => startTimeOf(pid) === startTime,
            ),
          };
    const { processes, ...rest } = uniteIdentities(living, earlier) as RunIdentity;
    return processes.length === 0 && rest.cgroup === undefined ? null : { ...rest, processes };
  }

  #program(
    path: string | null,
    buildId: string | null,
    first: Pick<FoldedProcess, 'pid' | 'birth' | 'argv'>,
    at: number,
  ): ProgramRecord {
    const key = keyOf(path, buildId);
    let program = this.#programs.get(key);
    if (program === undefined) {
      const place = path === null ? null : this.#recorder.program(path, buildId);
      if (place !== null) this.#files[place] ??= { path: path as string, buildId, calls: [] };
      const { pid, birth, argv } = first;
      // Its parent may be in another run, or be folded away: an entry of this kind has none.
      const record = this.#recorder.startProcess({
        pid,
        birth: birth === 'exec' ? 'start' : birth,
        parent: null,
        program: place,
        argv: argv ?? (birth === 'exec' || birth === 'start' || birth === 'attach' ? [] : null),
        at,
        phase: 0,
      });
      program = { record, processes: 0, live: 0 };
      this.#programs.set(key, program);
    }
    return program;
  }

  #addRecord(process: ProcessRecord, call: CallRecord, shift: number): void {
    const { arch, nr, count, first, last } = call;
    const added = this.#recorder.addCounted(process, arch, nr, {
      count,
      first: first + shift,
      last: last + shift,
      phases: 1,
    });
    for (const [which, values] of call.values.entries()) {
      if (values === null) added.values[which] = null;
      for (const [value, use] of values ?? []) {
        this.#recorder.addValue(process, arch, nr, {
          which,
          value,
          first: use[0] + shift,
          last: use[1] + shift,
        });
      }
    }
  }

  #restore(process: Process, programs: readonly Program[], isFolded: boolean): void {
    const file = process.program === null ? null : (programs[process.program] as Program);
    const program = this.#program(file?.path ?? null, file?.buildId ?? null, process, process.start);
    // Whether it was one process or several is not in the document if others were: taken for several, none of them is said to be alone.
    const { record } = program;
    const isFirst = program.processes === 0;
    program.processes += isFolded && !profileSays(process) ? 2 : 1;
    // A program that ran under two paths may have two entries: together they end when the later does.
    const isEnded = isFirst || record.end !== null;
    record.end = isEnded && process.end !== null ? Math.max(record.end ?? 0, process.end) : null;
    record.exit = isFirst ? process.exit : null;
    for (const { at, address } of process.listens) noteListen(record, at, address);
    for (const call of process.calls) this.#restoreCall(record, call);
  }

  #restoreCall(process: ProcessRecord, call: Call): void {
    const arch = ARCHES.indexOf(call.arch);
    // Numbers are signed in a recording, as the kernel's are.
    const nr = call.nr | 0;
    const added = this.#recorder.addCounted(process, arch, nr, {
      count: call.count ?? 0,
      first: call.first ?? 0,
      last: call.last ?? 0,
      phases: 1,
    });
    for (const { index, name, values, uses } of call.args ?? []) {
      const which = added.selectors.findIndex(
        (selector) => selector.index === index && selector.name === name,
      );
      if (which === -1) continue;
      if (values === 'any') added.values[which] = null;
      else {
        for (const [place, value] of values.entries()) {
          const [first, last] = uses?.[place] ?? [0, 0];
          this.#recorder.addValue(process, arch, nr, { which, value, first, last });
        }
      }
    }
  }

  #since(time: bigint): number {
    // A run that several watches have seen may be longer than a document's times, which end after 104 days.
    return Math.min(Math.max(0, Number(time - this.#start.origin)), Number.MAX_SAFE_INTEGER);
  }

  #extend(at: number): void {
    this.#duration = Math.max(this.#duration, at);
  }
}

/** The cgroup of the first, if it has one, and the processes of both. */
function uniteIdentities(one: RunIdentity | null, other: RunIdentity | null): RunIdentity | null {
  if (one === null || other === null) return one ?? other;
  const isNew = ({ pid, startTime }: RunIdentity['processes'][number]): boolean =>
    one.processes.every((known) => known.pid !== pid || known.startTime !== startTime);
  return {
    ...other,
    ...one,
    processes: [...one.processes, ...other.processes.filter(isNew)].slice(0, LIST_CAP),
  };
}

/** How one of several ended is not kept, so that an entry which has it is of one process. */
function profileSays(process: Process): boolean {
  return process.exit !== null;
}

/** Notes where a process listens, each address once. */
function noteListen({ listens }: ProcessRecord, at: number, address: string): void {
  if (listens.length >= LIST_CAP || listens.some((listen) => listen.address === address)) return;
  listens.push({ at, address });
}

function keyOf(path: string | null, buildId: string | null): string {
  return path === null && buildId === null ? '' : programKey({ path: path ?? '', buildId });
}
