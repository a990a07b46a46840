import { signalName } from '../../abi/signals.ts';
import type { ExitStatus } from '../../profile/model.ts';
import { decodeStatus, type WaitStatus } from '../../sys/wait.ts';
import { absoluteAddress, readArgv } from '../proc.ts';
import type { ProcessRecord, Recorder } from '../recorder.ts';
import type { Watches } from '../watches.ts';
import type { Attachment } from './attachment.ts';
import type { EbpfEvent } from './events.ts';
import type { Executables } from './executables.ts';
import { CALL, CALL_KEY, SELECTOR_CAP, VALUE, VALUE_KEY } from './layout.ts';

const CLONE_VFORK = 0x4000;
const SIGCHLD = 17;
/** SIGNAL_GROUP_EXIT of include/linux/sched/signal.h: the process ends as a whole, with one status. */
const SIGNAL_GROUP_EXIT = 4;

/** A process between its birth or exec and its exit or next exec, as the programs number them. */
interface Entry {
  readonly number: number;
  readonly process: ProcessRecord;
  /** By arch and number. */
  readonly calls: Map<string, KnownCall>;
  /** Keys in map `values`. */
  readonly values: Uint8Array[];
  /** How its first thread ended, if it has. */
  leaderExit: number | null;
}

/** A call in map `calls`. */
interface KnownCall {
  readonly key: Uint8Array;
  /** Times of first uses that are not in the recording yet. */
  readonly uses: number[];
  /** What is in the recording already. */
  count: number;
  waited: number;
}

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
  readonly #paths: Map<number, string | null> = new Map();
  /** Latest moment at which the tree entered a phase as a whole. */
  #treePhase: { phase: number; at: number } = { phase: 0, at: 0 };
  /** Things that were told of a process that is not known: what told of it was lost. */
  strays = 0;

  constructor(
    recorder: Recorder,
    attachment: Attachment,
    executables: Executables,
    watches: Watches,
    origin: () => bigint,
  ) {
    this.#recorder = recorder;
    this.#attachment = attachment;
    this.#executables = executables;
    this.#watches = watches;
    this.#origin = origin;
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
      calls: new Map(),
      values: [],
      leaderExit: null,
    });
    this.#live.set(process.pid, process);
  }

  process(number: number): ProcessRecord | null {
    return this.#entries.get(number)?.process ?? null;
  }

  enterTreePhase(phase: number, at: number): void {
    this.#treePhase = { phase, at };
  }

  called(event: EventOf<'call' | 'use' | 'value'>): void {
    const entry = this.#entries.get(event.entry) ?? this.#stray(event.entry, event.tgid, event.time);
    if (event.kind === 'value') {
      entry.values.push(valueKey(event));
      return;
    }
    const call = knownCall(entry, event.arch, event.nr);
    if (event.kind === 'use') call.uses.push(this.since(event.time));
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

  /** A process replaced its program; `birth` is `start` for the exec by which the launcher becomes the program. */
  executed(event: EventOf<'exec'>, birth: 'start' | 'exec'): ProcessRecord {
    const { tgid } = event;
    const at = this.since(event.time);
    const path = this.#paths.get(event.newEntry) ?? null;
    this.#paths.delete(event.newEntry);
    const program = this.#executables.identify(tgid, { ...event, path });
    const argv = event.argv ?? readArgv(tgid);
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
      this.#collect(former, true);
      this.#entries.delete(event.entry);
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
    this.#collect(entry, true);
    this.#entries.delete(event.entry);
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

  /** Brings the calls of the processes that live up to date. */
  refresh(): void {
    for (const entry of this.#entries.values()) this.#collect(entry, false);
  }

  /** Takes processes out that the programs do not know any more: their end was not told. */
  dropDead(at: number): void {
    for (const entry of this.#entries.values()) {
      if (this.#attachment.isLive(entry.process.pid) || entry.process.end !== null) continue;
      this.strays++;
      this.#collect(entry, true);
      this.#entries.delete(entry.number);
      this.#recorder.endProcess(entry.process, { kind: 'detached' }, at);
      this.#live.delete(entry.process.pid);
    }
  }

  /** The end of tracing: what lives is let go of. The programs must not run any more. */
  finish(at: number): void {
    for (const key of this.#attachment.keys('calls', CALL_KEY.size)) {
      const view = new DataView(key.buffer);
      const number = view.getUint32(CALL_KEY.entry, true);
      const value = new Uint8Array(CALL.size);
      if (!this.#attachment.look('calls', key, value)) continue;
      const counted = new DataView(value.buffer);
      const first = counted.getBigUint64(CALL.first, true);
      const entry =
        this.#entries.get(number) ?? this.#stray(number, counted.getUint32(CALL.tgid, true), first);
      knownCall(entry, view.getUint32(CALL_KEY.arch, true), view.getUint32(CALL_KEY.nr, true));
    }
    for (const entry of this.#entries.values()) entry.values.length = 0;
    for (const key of this.#attachment.keys('values', VALUE_KEY.size)) {
      this.#entries.get(new DataView(key.buffer).getUint32(VALUE_KEY.entry, true))?.values.push(key);
    }
    for (const entry of this.#entries.values()) {
      this.#collect(entry, true);
      if (entry.process.end === null) this.#recorder.endProcess(entry.process, { kind: 'detached' }, at);
    }
    this.#entries.clear();
    this.#live.clear();
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

  /** Brings the calls of a process up to date, for the last time or for now. */
  #collect(entry: Entry, isLast: boolean): void {
    const value = new Uint8Array(CALL.size);
    const view = new DataView(value.buffer);
    for (const known of entry.calls.values()) {
      const { key } = known;
      if (!this.#fetch('calls', key, value, isLast)) continue;
      const at = new DataView(key.buffer);
      const [arch, nr] = [at.getUint32(CALL_KEY.arch, true), at.getInt32(CALL_KEY.nr, true)];
      const times = [CALL.first, CALL.last].map((offset) => this.since(view.getBigUint64(offset, true)));
      const count = Number(view.getBigUint64(CALL.count, true));
      const waited = Number(view.getBigUint64(CALL.waited, true));
      const record = this.#recorder.addCounted(entry.process, arch, nr, {
        count: count - known.count,
        // Two threads may have read the clock in one order and written in the other.
        first: Math.min(...times),
        last: Math.max(...times),
        phases: phaseBits(entry.process, view.getUint32(CALL.phases, true), times),
        waited: waited - known.waited,
        uses: known.uses.splice(0).sort((a, b) => a - b),
      });
      known.count = count;
      known.waited = waited;
      const any = view.getUint32(CALL.any, true);
      for (let which = 0; which < SELECTOR_CAP; which++) {
        if ((any & (1 << which)) !== 0) record.values[which] = null;
      }
    }
    this.#collectValues(entry, isLast);
    if (!isLast) return;
    entry.calls.clear();
    entry.values.length = 0;
  }

  #collectValues(entry: Entry, isLast: boolean): void {
    const value = new Uint8Array(VALUE.size);
    const view = new DataView(value.buffer);
    for (const key of entry.values) {
      if (!this.#fetch('values', key, value, isLast)) continue;
      const at = new DataView(key.buffer);
      const [arch, nr] = [at.getUint32(VALUE_KEY.arch, true), at.getInt32(VALUE_KEY.nr, true)];
      const times = [VALUE.first, VALUE.last].map((offset) => this.since(view.getBigUint64(offset, true)));
      this.#recorder.addValue(entry.process, arch, nr, {
        which: at.getUint32(VALUE_KEY.which, true),
        value: exact(at.getBigUint64(VALUE_KEY.value, true)),
        first: Math.min(...times),
        last: Math.max(...times),
      });
    }
  }

  #fetch(map: 'calls' | 'values', key: Uint8Array, value: Uint8Array, isLast: boolean): boolean {
    return isLast ? this.#attachment.take(map, key, value) : this.#attachment.look(map, key, value);
  }
}

/**
 * Phases of a call that was made first and last at these times. The programs learn of a new phase of the whole tree a moment after it
 * has begun, so what they have noted is set right by the times, which are exact.
 */
function phaseBits({ transitions }: ProcessRecord, noted: number, times: readonly number[]): number {
  const [first = 0, last = 0] = times
    .toSorted((a, b) => a - b)
    .map((time) => (transitions.findLast(({ at }) => at <= time) ?? transitions[0])?.phase ?? 0);
  const between = (2 << last) - (1 << first);
  return (noted & between) | (1 << first) | (1 << last);
}

function birthOf({ cloneFlags, exitSignal }: EventOf<'fork'>): 'fork' | 'vfork' | 'clone' {
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

function knownCall(entry: Entry, arch: number, nr: number): KnownCall {
  const name = `${arch} ${nr}`;
  let call = entry.calls.get(name);
  if (call === undefined) {
    call = { key: callKey(entry.number, arch, nr), uses: [], count: 0, waited: 0 };
    entry.calls.set(name, call);
  }
  return call;
}

function callKey(entry: number, arch: number, nr: number): Uint8Array {
  const key = new Uint8Array(CALL_KEY.size);
  const view = new DataView(key.buffer);
  view.setUint32(CALL_KEY.entry, entry, true);
  view.setUint32(CALL_KEY.arch, arch, true);
  view.setUint32(CALL_KEY.nr, nr, true);
  return key;
}

function valueKey({ entry, arch, nr, which, value }: EventOf<'value'>): Uint8Array {
  const key = new Uint8Array(VALUE_KEY.size);
  const view = new DataView(key.buffer);
  view.setUint32(VALUE_KEY.entry, entry, true);
  view.setUint32(VALUE_KEY.arch, arch, true);
  view.setUint32(VALUE_KEY.nr, nr, true);
  view.setUint32(VALUE_KEY.which, which, true);
  view.setBigUint64(VALUE_KEY.value, value, true);
  return key;
}

/** A number where it is exact, else text. */
function exact(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `0x${value.toString(16)}`;
}
