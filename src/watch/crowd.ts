import { ARCHES } from '../abi/arch.ts';
import { signalName } from '../abi/signals.ts';
import type { ExitStatus, Host, Process } from '../profile/model.ts';
import type { Libc } from '../sys/libc.ts';
import { decodeStatus } from '../sys/wait.ts';
import type { Attachment } from '../trace/ebpf/attachment.ts';
import type { EbpfEvent } from '../trace/ebpf/events.ts';
import { Executables } from '../trace/ebpf/executables.ts';
import { birthOf } from '../trace/ebpf/family.ts';
import { CALL, CALL_KEY, SELECTOR_CAP, VALUE, VALUE_KEY } from '../trace/ebpf/layout.ts';
import { readStatus } from '../trace/proc.ts';
import { Programs } from '../trace/programs.ts';
import { callId, Recorder } from '../trace/recorder.ts';
import type { RunRecord, RunStart } from './run-record.ts';
import type { TargetRecord } from './target-record.ts';
import { withMove } from './target.ts';

/** SIGNAL_GROUP_EXIT of include/linux/sched/signal.h: the process ends as a whole, with one status. */
const SIGNAL_GROUP_EXIT = 4;

const X86_64 = ARCHES.indexOf('x86_64');

const RAN_ALREADY = 'it ran already when it was found: what it did before was not seen';
const STRAY = 'a process of it was found late, for what told of it was lost';

/** Where processes belong. */
export interface Places {
  /** Null if the process is of no target that is wanted, undefined if it cannot be told any more. */
  targetOf(file: string | null, cgroups: string | null): TargetRecord | null | undefined;
  /**
   * Cgroups of a process as the text of /proc/PID/cgroup, by what the kernel said of it if it is gone; null if they cannot be told,
   * or do not matter.
   */
  cgroupsOf(pid: number, id: bigint): string | null;
  /** Id of the cgroup in which a process is now; 0 if it cannot be told, or does not matter. */
  cgroupIdOf(pid: number): bigint;
  /** Whether an exec begins a start of its own, even where the target runs already. */
  readonly isStartByExec: boolean;
}

interface File {
  readonly path: string | null;
  readonly buildId: string | null;
}

/** A process between its birth or exec and its exit or next exec, as the programs number them. */
interface Member {
  readonly entry: number;
  readonly pid: number;
  file: File;
  argv: readonly string[] | null;
  /** Text of /proc/PID/cgroup as far as is known, and the id of the cgroup in the v2 hierarchy when that was learned or 0. */
  cgroups: string | null;
  cgroupId: bigint;
  /** Whether it was moved into its target from elsewhere, as the program that it is. */
  isForeign: boolean;
  /** Why it was not known, if it was found when its pid was another entry already: nobody can tell what it was, or where it belonged. */
  readonly lost: string | null;
  target: TargetRecord | null;
  run: RunRecord | null;
  /** By `callId`. */
  readonly calls: Map<number, KnownCall>;
  /** Keys in map `values`, by their bytes: one may be told of twice. */
  readonly values: Map<string, Uint8Array>;
  leaderExit: number | null;
}

/** A key in map `values`, and what is there; null if nothing is. */
interface CollectedValue {
  readonly key: Uint8Array;
  readonly value: DataView | null;
}

interface KnownCall {
  readonly key: Uint8Array;
  /** What is in the run already. */
  count: number;
}

type EventOf<Kind extends EbpfEvent['kind']> = Extract<EbpfEvent, { kind: Kind }>;

/** All processes of the machine, each with the target to which it belongs; it grows only with what lives. */
export class Crowd {
  readonly #attachment: Attachment;
  readonly #places: Places;
  readonly #host: Host;
  readonly #files: FileTable = new FileTable();
  readonly #executables: Executables;
  readonly #programs: Programs;
  readonly #members: Map<number, Member> = new Map();
  readonly #byPid: Map<number, Member> = new Map();
  /** Paths of execs that are told of next, by the number of the new entry: events of two processors come mixed. */
  readonly #paths: Map<number, string | null> = new Map();
  /** Processes of which nobody can tell any more where they belonged. */
  unattributed = 0;

  constructor(attachment: Attachment, libc: Libc, places: Places, host: Host) {
    this.#attachment = attachment;
    this.#places = places;
    this.#host = host;
    this.#executables = new Executables(this.#files);
    this.#programs = new Programs(this.#files, libc);
  }

  /** Processes that live. */
  get size(): number {
    return this.#members.size;
  }

  /** One event, in the order in which the programs have sent them. */
  take(event: EbpfEvent): void {
    switch (event.kind) {
      case 'call':
      case 'use':
        this.#called(event);
        return;
      case 'value':
        this.#valueSeen(event);
        return;
      case 'fork':
        this.#forked(event);
        return;
      case 'path':
        this.#paths.set(event.entry, event.path);
        return;
      case 'exec':
        this.#executed(event);
        return;
      case 'cgroup':
        this.#moved(event);
        return;
      case 'adopt':
        if (event.isProcess) this.#found(event.entry, event.tgid, event.time, RAN_ALREADY);
        return;
      case 'listen': {
        const member = this.#members.get(event.entry);
        if (member === undefined || event.address === null) return;
        member.run?.current.addListen(member.file.path, member.file.buildId, event.at, event.address);
        return;
      }
      case 'threadEnd': {
        const member = this.#members.get(event.entry);
        if (member !== undefined && event.tid === event.tgid) member.leaderExit = event.exitCode;
        return;
      }
      case 'processEnd':
        this.#ended(event);
        return;
      case 'trigger':
      case 'output':
      case 'hiddenOutput':
      case 'signal':
        return;
    }
  }

  /** Brings the runs of the processes that live up to date; those that were moved to another cgroup change their target. */
  refresh(now: bigint): void {
    for (const member of this.#members.values()) {
      if (member.lost !== null) continue;
      member.cgroups = this.#places.cgroupsOf(member.pid, 0n) ?? member.cgroups;
      if (!this.#isElsewhere(member)) {
        this.#collect(member, false, now);
        continue;
      }
      member.cgroupId = this.#places.cgroupIdOf(member.pid);
      this.#bring(member, now, now);
    }
  }

  /**
   * After a loss: finds keys and ends that were not told of. `drain` takes in what has been told by then: of an entry that had made a
   * call before it, or was over, everything has been told, or is lost.
   */
  sweep(drain: () => void): void {
    const calls = this.#unknownKeys('calls', CALL_KEY.size, ({ calls: known }, key) => known.has(idOf(key)));
    const values = this.#unknownKeys('values', VALUE_KEY.size, ({ values: known }, key) =>
      known.has(textOfKey(key)),
    );
    const over = [...this.#members.values()].filter(({ entry, pid }) => !this.#isCurrent(entry, pid));
    drain();
    for (const key of calls) {
      const member = this.#ownerOf(key, over);
      if (member === null) continue;
      const view = new DataView(key.buffer);
      noteCall(member, view.getUint32(CALL_KEY.arch, true), view.getUint32(CALL_KEY.nr, true));
    }
    for (const key of values) {
      const member = this.#members.get(entryOf(key));
      if (member !== undefined) noteValue(member, key);
    }
    const now = process.hrtime.bigint();
    for (const member of over) {
      if (this.#members.get(member.entry) === member) this.#remove(member, null, now);
    }
  }

  /** Keys of a map that nobody has told of: of entries that are not known, or such as `isKnown` has not. */
  #unknownKeys(
    map: 'calls' | 'values',
    size: number,
    isKnown: (member: Member, key: Uint8Array) => boolean,
  ): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (const key of this.#attachment.keys(map, size)) {
      const member = this.#members.get(entryOf(key));
      if (member === undefined || !isKnown(member, key)) keys.push(key);
    }
    return keys;
  }

  /** The owner of a key in map `calls`, among `lost` as well if it is; null if the key has been taken out since. */
  #ownerOf(key: Uint8Array, lost: Member[]): Member | null {
    const value = new Uint8Array(CALL.size);
    if (!this.#attachment.look('calls', key, value)) return null;
    const number = entryOf(key);
    const known = this.#members.get(number);
    if (known !== undefined) return known;
    const counted = new DataView(value.buffer);
    const [pid, first] = [counted.getUint32(CALL.tgid, true), counted.getBigUint64(CALL.first, true)];
    const member = this.#found(number, pid, first, STRAY);
    if (member.lost !== null) lost.push(member);
    return member;
  }

  /** Whether an entry is what its pid is now. */
  #isCurrent(entry: number, pid: number): boolean {
    return this.#attachment.entryOf(pid) === entry;
  }

  #valueSeen(event: EventOf<'value'>): void {
    const member = this.#member(event.entry, event.tgid, event.time);
    noteValue(member, valueKey(event));
    // Its call was told of, but may have been taken out of its map since.
    noteCall(member, event.arch, event.nr);
  }

  #called(event: EventOf<'call' | 'use'>): void {
    const member = this.#member(event.entry, event.tgid, event.time);
    noteCall(member, event.arch, event.nr);
    member.target?.sawCall(keyOfCall(event.arch, event.nr), event.time);
  }

  #forked(event: EventOf<'fork'>): void {
    if (event.childTgid === event.parentTgid) return;
    const parent = this.#member(event.entry, event.parentTgid, event.time);
    if (parent.lost !== null) {
      // What the parent was would say what the child is: it has to be looked at itself.
      this.#found(event.childEntry, event.childTgid, event.time, STRAY);
      return;
    }
    const child = this.#add(event.childEntry, event.childTgid, parent.file, null);
    const birth = birthOf(event);
    const isElsewhere = parent.cgroupId !== 0n && event.cgroup !== 0n && parent.cgroupId !== event.cgroup;
    // Where an exec is what begins a start, cgroups say nothing.
    if (isElsewhere && !this.#places.isStartByExec) {
      this.#bornElsewhere(child, event.cgroup, birth, event.time);
      return;
    }
    child.cgroups = parent.cgroups;
    child.cgroupId = parent.cgroupId;
    child.isForeign = parent.isForeign;
    if (parent.target === null || parent.run === null) return;
    child.target = parent.target;
    child.run = parent.run;
    this.#enter(child, birth, event.time);
  }

  /** A process was born into another cgroup than its parent's (CLONE_INTO_CGROUP): it has never been of the parent's target. */
  #bornElsewhere(child: Member, cgroup: bigint, birth: Process['birth'], time: bigint): void {
    child.cgroups = this.#places.cgroupsOf(child.pid, cgroup);
    child.cgroupId = cgroup;
    const target = this.#places.targetOf(child.file.path, child.cgroups);
    if (target === undefined) this.unattributed++;
    if (target === null || target === undefined) return;
    this.#join(child, target, target.live === 0 && !target.isInLife(cgroup), birth, time);
    target.life = cgroup;
  }

  #executed(event: EventOf<'exec'>): void {
    const { tgid: pid, newEntry, time } = event;
    const path = this.#paths.get(newEntry) ?? null;
    this.#paths.delete(newEntry);
    const former = this.#members.get(event.entry);
    const file = this.#files.at(this.#executables.identify(pid, { ...event, path }));
    const argv = this.#executables.argvOf(pid, event);
    // It may have come into another cgroup of which the telling was lost: what it was in says nothing then.
    const isInherited = former !== undefined && (former.cgroupId === 0n || former.cgroupId === event.cgroup);
    const cgroups = this.#places.cgroupsOf(pid, event.cgroup) ?? (isInherited ? former.cgroups : null);
    const target = this.#places.targetOf(file.path, cgroups);
    if (target === undefined) this.unattributed++;
    const before = former?.target ?? null;
    if (former !== undefined) this.#remove(former, { kind: 'exec' }, time);
    const member = this.#add(newEntry, pid, file, argv);
    member.cgroups = cgroups;
    member.cgroupId = event.cgroup;
    if (target === null || target === undefined) return;
    const isInside = target === before && !this.#places.isStartByExec;
    if (isInside && former?.run !== null && former?.run !== undefined) {
      member.target = target;
      member.run = former.run;
      this.#enter(member, 'exec', time);
    } else {
      const isStart = this.#places.isStartByExec || (target.live === 0 && !target.isInLife(event.cgroup));
      this.#join(member, target, isStart, 'exec', time);
      const reason = former?.lost ?? null;
      if (reason !== null && !this.#places.isStartByExec) member.run?.current.markIncomplete(reason);
    }
    if (!this.#places.isStartByExec) target.life = event.cgroup;
  }

  /** A process was moved to another cgroup. */
  #moved({ tgid, hierarchy, id, path, time }: EventOf<'cgroup'>): void {
    const member = this.#byPid.get(tgid);
    if (member === undefined) return;
    // The root of one hierarchy says nothing if the others are not known.
    if (member.cgroups === null && path === '/') return;
    member.cgroups = withMove(member.cgroups, hierarchy, path);
    if (hierarchy === 0) member.cgroupId = id;
    if (this.#isElsewhere(member)) this.#bring(member, time, process.hrtime.bigint());
  }

  /** Whether a process is not in the target of its cgroup. */
  #isElsewhere({ file, cgroups, target }: Member): boolean {
    const place = this.#places.targetOf(file.path, cgroups);
    return place !== undefined && place !== target;
  }

  /**
   * Brings a process that was moved at `time` into its new target. What it did before is of the old one; a call that it made
   * before and, until this is read, after the move as well cannot be told apart, and is so too.
   */
  #bring(member: Member, time: bigint, now: bigint): void {
    const target = this.#places.targetOf(member.file.path, member.cgroups) ?? null;
    this.#collect(member, true, now);
    this.#leave(member, null, now);
    member.isForeign = true;
    const isStart = target !== null && target.live === 0 && !target.isInLife(member.cgroupId);
    this.#join(member, target, isStart, 'attach', time);
    if (target !== null && member.cgroupId !== 0n) target.life = member.cgroupId;
  }

  #ended(event: EventOf<'processEnd'>): void {
    const member = this.#members.get(event.entry);
    if (member === undefined) return;
    const isGroup = (event.signalFlags & SIGNAL_GROUP_EXIT) !== 0;
    const code = isGroup ? event.exitCode : (member.leaderExit ?? event.exitCode);
    this.#remove(member, exitOf(code), event.time);
  }

  #member(number: number, pid: number, time: bigint): Member {
    return this.#members.get(number) ?? this.#found(number, pid, time, STRAY);
  }

  /** A process that nobody has told of before. */
  #found(number: number, pid: number, time: bigint, reason: string): Member {
    if (!this.#isCurrent(number, pid)) {
      // What /proc shows is of another program, or process.
      this.unattributed++;
      return this.#add(number, pid, { path: null, buildId: null }, null, reason);
    }
    const seen = this.#programs.of(pid);
    const file = this.#files.at(seen.program);
    const member = this.#add(number, pid, file, seen.argv);
    member.cgroups = this.#places.cgroupsOf(pid, 0n);
    const target = this.#places.targetOf(file.path, member.cgroups);
    if (target === undefined) this.unattributed++;
    if (target === null || target === undefined) return member;
    member.cgroupId = this.#places.cgroupIdOf(pid);
    const earlier = target.resume(pid, time);
    if (earlier !== null) {
      member.target = target;
      member.run = earlier;
      this.#enter(member, 'attach', time, true);
    } else {
      const parent = this.#byPid.get(Number(readStatus(pid)?.get('PPid') ?? 0));
      const isChild = parent !== undefined && parent.target === target;
      const isStart = this.#places.isStartByExec
        ? !isChild
        : target.live === 0 && !target.isInLife(member.cgroupId);
      this.#join(member, target, isStart, 'attach', time);
      member.run?.current.markIncomplete(reason);
    }
    if (member.cgroupId !== 0n) target.life = member.cgroupId;
    return member;
  }

  #add(
    entry: number,
    pid: number,
    file: File,
    argv: readonly string[] | null,
    lost: string | null = null,
  ): Member {
    const member: Member = {
      entry,
      pid,
      file,
      argv,
      cgroups: null,
      cgroupId: 0n,
      isForeign: false,
      lost,
      target: null,
      run: null,
      calls: new Map(),
      values: new Map(),
      leaderExit: null,
    };
    this.#members.set(entry, member);
    if (lost === null) this.#byPid.set(pid, member);
    return member;
  }

  #join(
    member: Member,
    target: TargetRecord | null,
    isStart: boolean,
    birth: Process['birth'],
    time: bigint,
  ): void {
    member.target = target;
    if (target === null) return;
    const start = (): RunStart => ({
      command: member.argv ?? [],
      wall: Date.now() - Number((process.hrtime.bigint() - time) / 1_000_000n),
      origin: time,
      host: this.#host,
    });
    member.run = target.runOf(isStart, start);
    this.#enter(member, birth, time);
  }

  #enter(member: Member, birth: Process['birth'], time: bigint, isResumed = false): void {
    const { pid, argv, file, isForeign } = member;
    member.run?.current.join({ ...file, pid, birth, isForeign, isResumed, argv, time });
    member.target?.joined();
  }

  #leave(member: Member, exit: ExitStatus | null, time: bigint): void {
    if (member.target === null) return;
    member.run?.current.leave({ ...member.file, pid: member.pid }, exit, time);
    member.target.left();
    member.run = null;
    member.target = null;
  }

  #remove(member: Member, exit: ExitStatus | null, time: bigint): void {
    const { run, target } = member;
    this.#collect(member, true, time);
    this.#leave(member, exit, time);
    // An exec goes on in the run in which the process was.
    member.run = run;
    member.target = target;
    this.#members.delete(member.entry);
    if (this.#byPid.get(member.pid) === member) this.#byPid.delete(member.pid);
  }

  /** Brings the calls of a process up to date, for the last time or for now. */
  #collect(member: Member, isLast: boolean, now: bigint): void {
    const run = member.run?.current ?? null;
    if (run === null && !isLast) return;
    const { path, buildId } = member.file;
    const calls = [...member.calls.values()].map((known) => ({
      known,
      value: this.#fetch('calls', known.key, CALL.size, isLast),
    }));
    const taken = isLast ? this.#valuesOf(member, true) : null;
    // Only now: a call that is in no map any more gets no slot again.
    const short = this.#shortUses(member, isLast);
    /** Numbers of uses of calls that there were more of since. */
    const changed = new Map<number, number>();
    for (const { known, value } of run === null ? [] : calls) {
      const key = new DataView(known.key.buffer);
      const [arch, nr] = [key.getUint32(CALL_KEY.arch, true), key.getInt32(CALL_KEY.nr, true)];
      const shortly = short.get(callId(arch, nr)) ?? 0;
      const count = (value === null ? 0 : Number(value.getBigUint64(CALL.count, true))) + shortly;
      if (count === 0 || count === known.count) continue;
      changed.set(callId(arch, nr), count);
      // Of one that was found that has not been said.
      member.target?.sawCall(keyOfCall(arch, nr), now);
      const first = value?.getBigUint64(CALL.first, true) ?? now;
      const noted = value?.getBigUint64(CALL.last, true) ?? now;
      // The kernel notes the time of the first use only; the last was no later than now.
      const last = count > 1 ? now : noted;
      const record = run?.addCalls(path, buildId, {
        arch,
        nr,
        count: count - known.count,
        first: first < last ? first : last,
        last: first < last ? last : first,
      });
      known.count = count;
      const any = value?.getUint32(CALL.any, true) ?? 0;
      for (let which = 0; which < SELECTOR_CAP; which++) {
        if (record !== null && record !== undefined && (any & (1 << which)) !== 0)
          record.values[which] = null;
      }
    }
    // Values are used only by calls that were counted.
    if (run !== null && changed.size > 0)
      addValues(run, member.file, taken ?? this.#valuesOf(member, false), changed, now);
    if (changed.size > 0 && member.target !== null) member.target.isChanged = true;
    if (!isLast) return;
    member.calls.clear();
    member.values.clear();
  }

  /** Uses of calls that are counted beside their map, by `callId`; for the last time or for now. */
  #shortUses({ entry, calls, values }: Member, isLast: boolean): ReadonlyMap<number, number> {
    const uses = new Map<number, number>();
    const { shortcuts } = this.#attachment;
    if (shortcuts === null) return uses;
    const add = (nr: number, value: number | null): void => {
      const count = isLast ? shortcuts.release(entry, nr, value) : shortcuts.count(entry, nr, value);
      const id = callId(X86_64, nr);
      if (count > 0) uses.set(id, (uses.get(id) ?? 0) + count);
    };
    for (const { key } of calls.values()) {
      const view = new DataView(key.buffer);
      if (view.getUint32(CALL_KEY.arch, true) === X86_64) add(view.getInt32(CALL_KEY.nr, true), null);
    }
    for (const { buffer } of values.values()) {
      const view = new DataView(buffer);
      const isFirst = view.getUint32(VALUE_KEY.which, true) === 0;
      if (!isFirst || view.getUint32(VALUE_KEY.arch, true) !== X86_64) continue;
      add(view.getInt32(VALUE_KEY.nr, true), Number(view.getBigUint64(VALUE_KEY.value, true)));
    }
    return uses;
  }

  #valuesOf({ values }: Member, isLast: boolean): readonly CollectedValue[] {
    return [...values.values()].map((key) => ({
      key,
      value: this.#fetch('values', key, VALUE.size, isLast),
    }));
  }

  /** What a map has for a key, which is taken out for the last time; null if there is nothing. */
  #fetch(map: 'calls' | 'values', key: Uint8Array, size: number, isLast: boolean): DataView | null {
    const value = new Uint8Array(size);
    const isThere = isLast ? this.#attachment.take(map, key, value) : this.#attachment.look(map, key, value);
    return isThere ? new DataView(value.buffer) : null;
  }
}

/** Adds the values of arguments of calls that were used since the last time; `changed` has the uses of each by `callId`. */
function addValues(
  run: RunRecord,
  { path, buildId }: File,
  values: readonly CollectedValue[],
  changed: ReadonlyMap<number, number>,
  now: bigint,
): void {
  for (const { key: bytes, value } of values) {
    const key = new DataView(bytes.buffer);
    const arch = key.getUint32(VALUE_KEY.arch, true);
    const nr = key.getInt32(VALUE_KEY.nr, true);
    const uses = changed.get(callId(arch, nr));
    if (value === null || uses === undefined) continue;
    const first = value.getBigUint64(VALUE.first, true);
    // As for calls; which of the values were used again is not known.
    const last = uses > 1 ? now : first;
    run.addValue(path, buildId, {
      arch,
      nr,
      which: key.getUint32(VALUE_KEY.which, true),
      value: exact(key.getBigUint64(VALUE_KEY.value, true)),
      first: first < last ? first : last,
      last: first < last ? last : first,
    });
  }
}

/** Executables of the machine by index; calls are recorded elsewhere. */
class FileTable extends Recorder {
  readonly #files: File[] = [];

  override program(path: string, buildId: string | null): number {
    const index = super.program(path, buildId);
    this.#files[index] ??= { path, buildId };
    return index;
  }

  at(index: number | null): File {
    return (index === null ? undefined : this.#files[index]) ?? { path: null, buildId: null };
  }
}

function exitOf(code: number): ExitStatus {
  const status = decodeStatus(code & 0xffff);
  if (status.kind === 'exited') return status;
  if (status.kind === 'stopped') return { kind: 'signaled', signal: `SIG${code & 0x7f}`, core: false };
  return { kind: 'signaled', signal: signalName(status.signal) ?? `SIG${status.signal}`, core: status.core };
}

/** How a target knows a call. */
function keyOfCall(arch: number, nr: number): string {
  return `${ARCHES[arch] ?? ''} ${nr >>> 0}`;
}

/** The entry of a key of map `calls` or `values`, which both begin with it. */
function entryOf({ buffer }: Uint8Array): number {
  return new DataView(buffer).getUint32(CALL_KEY.entry, true);
}

/** The `callId` of a key of map `calls`. */
function idOf({ buffer }: Uint8Array): number {
  const view = new DataView(buffer);
  return callId(view.getUint32(CALL_KEY.arch, true), view.getInt32(CALL_KEY.nr, true));
}

/** Remembers the key of a call, by which it is found in its map. */
function noteCall(member: Member, arch: number, nr: number): void {
  const id = callId(arch, nr | 0);
  if (member.calls.has(id)) return;
  const key = new Uint8Array(CALL_KEY.size);
  const view = new DataView(key.buffer);
  view.setUint32(CALL_KEY.entry, member.entry, true);
  view.setUint32(CALL_KEY.arch, arch, true);
  view.setUint32(CALL_KEY.nr, nr, true);
  member.calls.set(id, { key, count: 0 });
}

function noteValue({ values }: Member, key: Uint8Array): void {
  values.set(textOfKey(key), key);
}

function textOfKey(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
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
