import { signalName } from '../../abi/signals.ts';
import type { ExitStatus } from '../../profile/model.ts';
import { decodeStatus, type WaitStatus } from '../../sys/wait.ts';
import { absoluteAddress } from '../proc.ts';
import { callId, type ProcessRecord, type Recorder } from '../recorder.ts';
import { asksForSeccomp } from '../seccomp-filters.ts';
import type { Watches } from '../watches.ts';
import type { Attachment } from './attachment.ts';
import type { EbpfEvent } from './events.ts';
import type { Executables } from './executables.ts';
import { CALL, CALL_KEY, ERROR_KEY, SELECTOR_CAP, TASK, VALUE, VALUE_KEY } from './layout.ts';
import {
  CALL_WORDS,
  ERROR_WORDS,
  readBigInt,
  readExact,
  readNumber,
  VALUE_WORDS,
  WordClock,
} from './map-words.ts';

const CLONE_VFORK = 0x4000;
const SIGCHLD = 17;
/** SIGNAL_GROUP_EXIT of include/linux/sched/signal.h: the process ends as a whole, with one status. */
const SIGNAL_GROUP_EXIT = 4;

/** A process between its birth or exec and its exit or next exec, as the programs number them. */
interface Entry {
  readonly number: number;
  readonly process: ProcessRecord;
  /** Times of first uses that are not in the recording yet, by `callId`. */
  readonly uses: Map<number, number[]>;
  /** What is in the recording already, by `callId`. */
  readonly recorded: Map<number, Recorded>;
  /** How its first thread ended, if it has. */
  leaderExit: number | null;
  /** It ended or executed another program: nothing can come to what the maps have of it. */
  isOver: boolean;
}

interface Recorded {
  readonly count: number;
  readonly waited: number;
}

/** Entries that are over, after which the maps are to be gone through: it is cheaper for many at once. */
const CROWD = 256;

type EventOf<Kind extends EbpfEvent['kind']> = Extract<EbpfEvent, { kind: Kind }>;

/** Processes and their calls, from what the programs tell and count. */
export class Family {
  readonly #recorder: Recorder;
  readonly #attachment: Attachment;
  readonly #executables: Executables;
  readonly #watches: Watches;
  readonly #entries: Map<number, Entry> = new Map();
  readonly #live: Map<number, ProcessRecord> = new Map();
  readonly #origin: () => bigint;
  readonly #onSeccomp: (process: ProcessRecord) => void;
  readonly #paths: Map<number, string | null> = new Map();
  /** Numbers of entries that are over and still in the maps. */
  readonly #over: number[] = [];
  readonly #settled: ProcessRecord[] = [];
  readonly #clock: WordClock = new WordClock();
  /** Latest moment at which the tree entered a phase as a whole. */
  #treePhase: { phase: number; at: number } = { phase: 0, at: 0 };
  /** Things that were told of a process that is not known: what told of it was lost. */
  strays = 0;
  /** A process asked for seccomp, which has been told. */
  #askedForSeccomp = false;

  constructor(
    recorder: Recorder,
    attachment: Attachment,
    executables: Executables,
    watches: Watches,
    origin: () => bigint,
    onSeccomp: (process: ProcessRecord) => void,
  ) {
    this.#recorder = recorder;
    this.#attachment = attachment;
    this.#executables = executables;
    this.#watches = watches;
    this.#origin = origin;
    this.#onSeccomp = onSeccomp;
  }

  /** Live processes by pid. */
  get live(): ReadonlyMap<number, ProcessRecord> {
    return this.#live;
  }

  /** Nanoseconds since the start of the run. */
  since(time: bigint): number {
    return Math.max(0, Number(time - this.#origin()));
  }

  /** A process that the programs know by this number from now on. */
  add(number: number, process: ProcessRecord): void {
    this.#entries.set(number, {
      number,
      process,
      uses: new Map(),
      recorded: new Map(),
      leaderExit: null,
      isOver: false,
    });
    this.#live.set(process.pid, process);
  }

  process(number: number): ProcessRecord | null {
    return this.#entries.get(number)?.process ?? null;
  }

  enterTreePhase(phase: number, at: number): void {
    this.#treePhase = { phase, at };
  }

  /** One of the first uses of a call that waits. */
  used(event: EventOf<'call' | 'use'>): void {
    const entry = this.#entries.get(event.entry) ?? this.#stray(event.entry, event.tgid, event.time);
    const id = callId(event.arch, event.nr);
    const uses = entry.uses.get(id);
    if (uses === undefined) entry.uses.set(id, [this.since(event.time)]);
    else uses.push(this.since(event.time));
  }

  forked(event: EventOf<'fork'>): ProcessRecord {
    const at = this.since(event.time);
    const parent = this.#entries.get(event.entry) ?? this.#stray(event.entry, event.parentTgid, event.time);
    if (event.childTgid === event.parentTgid) {
      this.#recorder.startThread(parent.process, event.childTid, event.parentTid, at);
      return parent.process;
    }
    const process = this.#recorder.startProcess({
      pid: event.childTgid,
      birth: birthOf(event),
      parent: parent.process,
      program: parent.process.program,
      argv: null,
      at,
      phase: event.phase,
    });
    this.#catchUp(process);
    this.add(event.childEntry, process);
    return process;
  }

  pathTold(event: EventOf<'path'>): void {
    // Two processors may exec at once: their events stand one between the other's.
    this.#paths.set(event.entry, event.path);
  }

  /** Path of the exec by which this entry begins, once it has been told of and until the exec is. */
  pathOf(entry: number): string | null {
    return this.#paths.get(entry) ?? null;
  }

  /** A process replaced its program; `birth` is `start` for the exec by which the launcher becomes the program. */
  executed(event: EventOf<'exec'>, birth: 'start' | 'exec'): ProcessRecord {
    const { tgid } = event;
    const at = this.since(event.time);
    const path = this.#paths.get(event.newEntry) ?? null;
    this.#paths.delete(event.newEntry);
    const program = this.#executables.identify(tgid, { ...event, path });
    const argv = this.#executables.argvOf(tgid, event) ?? [];
    let process: ProcessRecord;
    if (birth === 'start') {
      process = this.#recorder.startProcess({
        pid: tgid,
        birth,
        parent: null,
        program,
        argv,
        at: 0,
        phase: 0,
      });
      this.#entries.delete(event.entry);
    } else {
      const former = this.#entries.get(event.entry) ?? this.#stray(event.entry, tgid, event.time);
      this.#endEntry(former);
      process = this.#recorder.exec(former.process, program, argv, at);
    }
    this.add(event.newEntry, process);
    return process;
  }

  threadEnded(event: EventOf<'threadEnd'>): void {
    const entry = this.#entries.get(event.entry);
    if (entry === undefined) return;
    if (event.tid === event.tgid) entry.leaderExit = event.exitCode;
    else this.#recorder.endThread(entry.process, event.tid, this.since(event.time));
  }

  /** Returns the process, or null if it is not known. */
  ended(event: EventOf<'processEnd'>): ProcessRecord | null {
    const entry = this.#entries.get(event.entry);
    if (entry === undefined) return null;
    const isGroup = (event.signalFlags & SIGNAL_GROUP_EXIT) !== 0;
    const code = isGroup ? event.exitCode : (entry.leaderExit ?? event.exitCode);
    this.#endEntry(entry);
    this.#recorder.endProcess(entry.process, exitOf(code), this.since(event.time));
    this.#live.delete(entry.process.pid);
    return entry.process;
  }

  listens(event: EventOf<'listen'>): void {
    const entry = this.#entries.get(event.entry);
    if (entry === undefined || event.address === null) return;
    const address = absoluteAddress(entry.process.pid, event.address);
    entry.process.listens.push({ at: this.since(event.at), address });
    this.#watches.onListen(address, this.since(event.time));
  }

  /** A task that nobody had told of was in the scope of the trace when it made a call. */
  adopted(
    event: EventOf<'adopt'>,
    describe: (pid: number) => { program: number | null; argv: readonly string[] },
  ): void {
    const at = this.since(event.time);
    if (event.isProcess) {
      const parent = null;
      const { program, argv } = describe(event.tgid);
      const phase = 0;
      const process = this.#recorder.startProcess({
        pid: event.tgid,
        birth: 'attach',
        parent,
        program,
        argv,
        at,
        phase,
      });
      this.#catchUp(process);
      this.add(event.entry, process);
    }
    const entry = this.#entries.get(event.entry);
    if (entry !== undefined && event.tid !== event.tgid)
      this.#recorder.startThread(entry.process, event.tid, null, at);
  }

  /** Whether the maps hold much of processes that are over. */
  get isCrowded(): boolean {
    return this.#over.length >= CROWD;
  }

  /** Brings the calls of all processes up to date, and makes room in the maps. */
  refresh(): void {
    const over = this.#over.splice(0);
    this.#sweep(false);
    for (const number of over) {
      const entry = this.#entries.get(number);
      if (entry !== undefined) this.#settled.push(entry.process);
      this.#entries.delete(number);
    }
  }

  /** Processes that are over and wholly recorded, each once; none as long as they are few. */
  takeSettled(): readonly ProcessRecord[] {
    return this.#settled.length < CROWD ? [] : this.#settled.splice(0);
  }

  /** Takes processes out that the programs do not know any more: their end was not told. `known` gives how one ended if that is known. */
  dropDead(at: number, known: (pid: number) => ExitStatus | null): void {
    for (const entry of this.#entries.values()) {
      if (entry.isOver || this.#attachment.isLive(entry.process.pid)) continue;
      this.strays++;
      this.#endEntry(entry);
      this.#recorder.endProcess(entry.process, known(entry.process.pid) ?? { kind: 'detached' }, at);
      this.#live.delete(entry.process.pid);
    }
  }

  /** The end of tracing: what lives is let go of. The programs must not run any more. */
  finish(at: number): void {
    // The maps are gone in a moment: nothing is taken out of them any more.
    this.#sweep(true);
    this.#endWaits(at);
    for (const { process } of this.#entries.values()) {
      if (process.end === null) this.#recorder.endProcess(process, { kind: 'detached' }, at);
    }
    this.#entries.clear();
    this.#live.clear();
  }

  /** Adds the waits that go on when tracing ends. */
  #endWaits(at: number): void {
    const value = new Uint8Array(TASK.size);
    const view = new DataView(value.buffer);
    for (const tid of this.#attachment.keys('tasks', 4)) {
      if (!this.#attachment.look('tasks', tid, value)) continue;
      const since = view.getBigUint64(TASK.waitSince, true);
      const calls = this.#entries.get(view.getUint32(TASK.entry, true))?.process.calls;
      const call = calls?.get(callId(view.getUint32(TASK.waitArch, true), view.getInt32(TASK.waitNr, true)));
      if (since !== 0n && call !== undefined) call.waited += Math.max(0, at - this.since(since));
    }
  }

  #endEntry(entry: Entry): void {
    entry.isOver = true;
    this.#over.push(entry.number);
  }

  /** A process whose birth was not told: only its pid is known. */
  #stray(number: number, pid: number, time: bigint): Entry {
    this.strays++;
    const at = this.since(time);
    const process = this.#recorder.startProcess({
      pid,
      birth: 'attach',
      parent: null,
      program: null,
      argv: [],
      at,
      phase: 0,
    });
    this.add(number, process);
    return this.#entries.get(number) as Entry;
  }

  /** A process was born into an earlier phase than that which the tree had entered when its birth was read. */
  #catchUp(process: ProcessRecord): void {
    const { phase, at } = this.#treePhase;
    if (process.phase < phase) this.#recorder.enterPhase(process, phase, Math.max(at, process.start));
  }

  /** Goes through the maps; what belongs to a process that nobody has told of is taken at the end only, for that may be on the way. */
  #sweep(isLast: boolean): void {
    this.#clock.origin = this.#origin();
    this.#attachment.sweep('calls', (keys, values, count) => {
      const over: number[] = [];
      for (let place = 0; place < count; place++) {
        const number = keys[place * CALL_WORDS.key + CALL_KEY.entry / 4] as number;
        const at = place * CALL_WORDS.value;
        let entry = this.#entries.get(number);
        if (entry === undefined) {
          if (!isLast) continue;
          entry = this.#stray(
            number,
            values[at + CALL.tgid / 4] as number,
            readBigInt(values, at + CALL.first / 4),
          );
        }
        const key = place * CALL_WORDS.key;
        this.#addCall(
          entry,
          keys[key + CALL_KEY.arch / 4] as number,
          (keys[key + CALL_KEY.nr / 4] as number) | 0,
          values,
          at,
        );
        if (entry.isOver && !isLast) over.push(place);
      }
      return over;
    });
    this.#attachment.sweep('values', (keys, values, count) => {
      const over: number[] = [];
      for (let place = 0; place < count; place++) {
        const key = place * VALUE_WORDS.key;
        const entry = this.#entries.get(keys[key + VALUE_KEY.entry / 4] as number);
        if (entry === undefined) continue;
        const at = place * VALUE_WORDS.value;
        const first = this.#clock.read(values, at + VALUE.first / 4);
        const last = this.#clock.read(values, at + VALUE.last / 4);
        const arch = keys[key + VALUE_KEY.arch / 4] as number;
        const nr = (keys[key + VALUE_KEY.nr / 4] as number) | 0;
        const which = keys[key + VALUE_KEY.which / 4] as number;
        const value = readExact(keys, key + VALUE_KEY.value / 4);
        if (!this.#askedForSeccomp && which === 0 && asksForSeccomp(arch, nr, value)) {
          this.#askedForSeccomp = true;
          this.#onSeccomp(entry.process);
        }
        this.#recorder.addValue(entry.process, arch, nr, {
          which,
          value,
          first: Math.min(first, last),
          last: Math.max(first, last),
        });
        if (entry.isOver && !isLast) over.push(place);
      }
      return over;
    });
    if (this.#attachment.countsErrors) this.#sweepErrors(isLast);
  }

  #sweepErrors(isLast: boolean): void {
    this.#attachment.sweep('errors', (keys, values, count) => {
      const over: number[] = [];
      for (let place = 0; place < count; place++) {
        const key = place * ERROR_WORDS.key;
        const entry = this.#entries.get(keys[key + ERROR_KEY.entry / 4] as number);
        if (entry === undefined) continue;
        const arch = keys[key + ERROR_KEY.arch / 4] as number;
        const nr = (keys[key + ERROR_KEY.nr / 4] as number) | 0;
        const errno = keys[key + ERROR_KEY.errno / 4] as number;
        this.#recorder.setErrors(
          entry.process,
          arch,
          nr,
          errno,
          readNumber(values, place * ERROR_WORDS.value),
        );
        if (entry.isOver && !isLast) over.push(place);
      }
      return over;
    });
  }

  #addCall(entry: Entry, arch: number, nr: number, values: Uint32Array, at: number): void {
    const id = callId(arch, nr);
    const before = entry.recorded.get(id);
    const count = readNumber(values, at + CALL.count / 4);
    const waited = readNumber(values, at + CALL.waited / 4);
    const a = this.#clock.read(values, at + CALL.first / 4);
    const b = this.#clock.read(values, at + CALL.last / 4);
    // Two threads may have read the clock in one order and written in the other.
    const first = Math.min(a, b);
    const last = Math.max(a, b);
    const uses = entry.uses.get(id);
    if (uses !== undefined) entry.uses.delete(id);
    const record = this.#recorder.addCounted(entry.process, arch, nr, {
      count: count - (before?.count ?? 0),
      first,
      last,
      phases: phaseBits(entry.process, values[at + CALL.phases / 4] as number, first, last),
      waited: waited - (before?.waited ?? 0),
      uses: uses?.sort((one, other) => one - other) ?? [],
    });
    if (!entry.isOver) entry.recorded.set(id, { count, waited });
    const any = values[at + CALL.any / 4] as number;
    if (any === 0) return;
    for (let which = 0; which < SELECTOR_CAP; which++) {
      if ((any & (1 << which)) !== 0) record.values[which] = null;
    }
  }
}

/**
 * Phases of a call that was made first and last at these times. The programs learn of a new phase of the whole tree a moment after it
 * has begun, so what they have noted is set right by the times, which are exact. Of a phase of the process itself they know first,
 * and their word for it may still be on the way.
 */
function phaseBits({ transitions }: ProcessRecord, noted: number, first: number, last: number): number {
  const latest = transitions.at(-1)?.phase ?? 0;
  const known = (2 << latest) - 1;
  const ahead = noted & ~known;
  if (ahead === 0 && transitions.length === 1) return 1 << latest;
  if (ahead !== 0 && (noted & known) === 0) return ahead;
  const phaseAt = (time: number): number =>
    (transitions.findLast(({ at }) => at <= time) ?? transitions[0])?.phase ?? 0;
  const [from, to] = [phaseAt(first), phaseAt(last)];
  const between = (2 << to) - (1 << from);
  return (noted & between) | (1 << from) | (ahead === 0 ? 1 << to : ahead);
}

/** How a process was made, by what its maker's call says. */
export function birthOf({ cloneFlags, exitSignal }: EventOf<'fork'>): 'fork' | 'vfork' | 'clone' {
  if ((cloneFlags & CLONE_VFORK) !== 0) return 'vfork';
  return exitSignal === SIGCHLD ? 'fork' : 'clone';
}

/** ExitStatus of a wait status. */
export function toExit(status: Exclude<WaitStatus, { kind: 'stopped' }>): ExitStatus {
  if (status.kind === 'exited') return status;
  return { kind: 'signaled', signal: signalName(status.signal) ?? `SIG${status.signal}`, core: status.core };
}

/** ExitStatus of what the kernel keeps, which has the form of a wait status. */
function exitOf(code: number): ExitStatus {
  const status = decodeStatus(code & 0xffff);
  if (status.kind === 'stopped') return { kind: 'signaled', signal: `SIG${code & 0x7f}`, core: false };
  return toExit(status);
}
