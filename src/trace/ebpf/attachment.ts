import { SystemCallError } from '../../base/errors.ts';
import { Bpf, type MapSpec, type TaskIterator, type UprobeKind } from '../../sys/bpf.ts';
import { openBpfLibc, type BpfLibc } from '../../sys/bpf-libc.ts';
import type { Libc } from '../../sys/libc.ts';
import { RingBuffer } from '../../sys/ring-buffer.ts';
import { openUprobe } from '../../sys/uprobe.ts';
import { INSTRUCTION_SIZE, type EbpfCode } from './assembler.ts';
import { buildCallTable } from './call-table.ts';
import { assembleEnter } from './enter-program.ts';
import { assembleExec } from './exec-program.ts';
import { assembleExit } from './exit-program.ts';
import { assembleFork } from './fork-program.ts';
import { assembleMove } from './move-program.ts';
import { assembleOutcome } from './outcome-program.ts';
import { assembleOutput } from './output-program.ts';
import { assembleLook, assembleReturn } from './pending-program.ts';
import { assembleSignal } from './signal-program.ts';
import type { Tracepoint } from './kernel-fields.ts';
import { CALL_WORDS, ERROR_WORDS, VALUE_WORDS } from './map-words.ts';
import {
  ARCH_COUNT,
  CALL,
  CALL_KEY,
  CONTROL,
  ERROR_KEY,
  HOT,
  OUTPUT_REST,
  PROCESS,
  RECENT,
  ROW,
  SCRATCH_SIZE,
  STATE,
  TABLE_ROWS,
  TASK,
  VALUE,
  VALUE_KEY,
} from './layout.ts';
import type { ProgramOptions, SymbolTrigger } from './program.ts';
import { Shortcuts } from './shortcuts.ts';
import { assembleSymbol } from './symbol-program.ts';

/** How much the maps hold. Tasks and calls take memory only when they are there. */
export interface Limits {
  readonly tasks: number;
  /** Distinct calls of the processes that live, and of those that callgate has not looked at since they ended. */
  readonly calls: number;
  readonly values: number;
  /** Bytes of events that callgate has not looked at yet; a power of two. */
  readonly events: number;
}

export const LIMITS: Limits = { tasks: 65536, calls: 131072, values: 131072, events: 1 << 22 };

const WORDS = { calls: CALL_WORDS, values: VALUE_WORDS, errors: ERROR_WORDS } as const;

/** Keys that a sweep takes at a time: more than a bucket of a map ever holds. */
const SWEEP_COUNT = 4096;

export type MapName =
  | 'tasks'
  | 'processes'
  | 'calls'
  | 'values'
  | 'errors'
  | 'events'
  | 'table'
  | 'state'
  | 'control'
  | 'scratch'
  | 'cgroups'
  | 'recent'
  | 'hot'
  | 'outputs';

/** What the programs have lost: each makes the profile incomplete. */
export interface Losses {
  readonly events: number;
  readonly calls: number;
  readonly tasks: number;
  /** Writes whose text is not known. */
  readonly outputs: number;
  /** Runs of a program that the kernel skipped. */
  readonly runs: number;
}

/** The programs, loaded and attached, and their maps. All is gone with dispose, or with this process. */
export class Attachment implements Disposable {
  readonly #libc: Libc;
  readonly #bpf: Bpf;
  readonly #bpfLibc: BpfLibc;
  readonly #descriptors: number[] = [];
  readonly #programs: number[] = [];
  readonly #links: number[] = [];
  /** The program that looks at each task, and the link of that which sees calls return; null once they are needed no more. */
  #pending: { readonly look: number; readonly returns: number } | null = null;
  /** At places of user code. */
  readonly #probes: Set<number> = new Set();
  readonly #maps: Map<MapName, number> = new Map();
  readonly events: RingBuffer;
  /** What lean programs count in short; null for others. */
  readonly shortcuts: Shortcuts | null;

  /**
   * Creates the maps, fills them by `prepare`, then loads and attaches the programs: nothing runs before all is there.
   *
   * @throws SystemCallError if the kernel refuses
   */
  constructor(
    libc: Libc,
    options: ProgramOptions,
    limits: Limits,
    prepare: (attachment: Attachment) => void,
  ) {
    this.#libc = libc;
    this.#bpfLibc = openBpfLibc();
    this.#bpf = new Bpf(libc, this.#bpfLibc);
    try {
      this.#createMaps(options, limits);
      this.events = new RingBuffer(libc, this.#bpfLibc, this.#map('events'), limits.events);
      this.shortcuts = options.isLean === true ? new Shortcuts(libc, this.#bpfLibc, this.#map('hot')) : null;
      this.put('table', number(0), buildCallTable(options.triggers, options.streams.length > 0));
      prepare(this);
      const programs: readonly (readonly [Tracepoint, EbpfCode])[] = [
        ['sched_process_exit', assembleExit(options)],
        ['sched_process_fork', assembleFork(options)],
        ['sched_process_exec', assembleExec(options)],
        ['signal_generate', assembleSignal(options)],
        ...(options.moves === true ? [['cgroup_attach_task', assembleMove(options)] as const] : []),
        ['sys_enter', assembleEnter(options)],
      ];
      for (const [tracepoint, code] of programs) {
        const name = `callgate_${tracepoint.split('_').at(-1)}`;
        this.#load(name, options.fields.tracepoints[tracepoint], code);
      }
      for (const program of this.#programs) this.#links.push(this.#bpf.attach(program));
      if (options.attaches || options.adoption !== 'none') this.#watchReturns(options);
      // After the program that counts a pending call at its return: whether it has been counted decides about its error.
      if (options.errors === true) {
        const code = assembleOutcome(options);
        const program = this.#load('callgate_outcome', options.fields.tracepoints.sys_exit, code);
        this.#links.push(this.#bpf.attach(program));
      }
      if (options.streams.length > 0) {
        const code = assembleOutput(options);
        const program = this.#load('callgate_output', options.fields.tracepoints.sys_exit, code);
        this.#links.push(this.#bpf.attach(program));
      }
    } catch (error) {
      this.#closeAll();
      throw error;
    }
  }

  /** Whether errors of calls are counted. */
  get countsErrors(): boolean {
    return this.#maps.has('errors');
  }

  /**
   * Finds calls in which tasks sit that ran already when the programs were attached, and have made none since. Until it is known of all there is
   * a program where calls return, and every call of the machine pays for it.
   *
   * @returns whether there is nothing left to be found: if not, a task was on a processor
   */
  findPending(): boolean {
    if (this.#pending === null) return true;
    const before = this.#counter('running');
    this.#bpf.iterate(this.#pending.look);
    if (this.#counter('running') > before) return false;
    this.#bpf.close(this.#pending.returns);
    this.#pending = null;
    return true;
  }

  /** Descriptor that is readable while there are events. */
  get descriptor(): number {
    return this.#map('events');
  }

  /** What has to stay open for processes to be followed to their end: the map of processes, and the programs. */
  get lifeline(): readonly [map: number, ...links: number[]] {
    return [this.#map('processes'), ...this.#links];
  }

  get libc(): BpfLibc {
    return this.#bpfLibc;
  }

  put(map: MapName, key: Uint8Array, value: Uint8Array): void {
    this.#bpf.update(this.#map(map), key, value);
  }

  look(map: MapName, key: Uint8Array, value: Uint8Array): boolean {
    return this.#bpf.lookup(this.#map(map), key, value);
  }

  /** Looks a key up and takes it out. */
  take(map: MapName, key: Uint8Array, value: Uint8Array): boolean {
    return this.#bpf.take(this.#map(map), key, value);
  }

  /** Every key that the map has; those that are added or taken out meanwhile may be missing or twice. */
  *keys(map: MapName, size: number): Generator<Uint8Array> {
    let last: Uint8Array | null = null;
    for (;;) {
      const key = new Uint8Array(size);
      if (!this.#bpf.nextKey(this.#map(map), last, key)) return;
      yield key;
      last = key;
    }
  }

  /**
   * Shows every key and value of a map of processes' calls, some at a time, and takes those out of which `take` gives the places.
   * What the programs add meanwhile may be missing.
   */
  sweep(
    map: 'calls' | 'values' | 'errors',
    take: (keys: Uint32Array, values: Uint32Array, count: number) => number[],
  ): void {
    const { key: keySize, value: valueSize } = WORDS[map];
    const keys = new Uint32Array(SWEEP_COUNT * keySize);
    const values = new Uint32Array(SWEEP_COUNT * valueSize);
    const done: Uint32Array[] = [];
    const fd = this.#map(map);
    this.#bpf.walk(fd, keys, values, SWEEP_COUNT, (count) => {
      const places = take(keys, values, count);
      const taken = new Uint32Array(places.length * keySize);
      for (const [index, place] of places.entries()) {
        taken.set(keys.subarray(place * keySize, (place + 1) * keySize), index * keySize);
      }
      done.push(taken);
    });
    for (const taken of done) this.#bpf.deleteAll(fd, taken, taken.length / keySize);
  }

  /** Tells the programs of threads of a process, whose entry has this number. Those that they know already stay as they are. */
  follow(pid: number, tids: readonly number[], entry: number, flags: number): void {
    const value = new Uint8Array(PROCESS.size);
    new DataView(value.buffer).setUint32(PROCESS.entry, entry, true);
    this.#bpf.insert(this.#map('processes'), number(pid), value);
    const task = new Uint8Array(TASK.size);
    const view = new DataView(task.buffer);
    view.setUint32(TASK.entry, entry, true);
    view.setUint32(TASK.tgid, pid, true);
    view.setUint32(TASK.flags, flags, true);
    for (const tid of tids) this.#bpf.insert(this.#map('tasks'), number(tid), task);
  }

  /** Whether the programs know of a process. */
  isLive(pid: number): boolean {
    return this.entryOf(pid) !== null;
  }

  /** Number of the process entry that a pid is now; null if the programs do not know of it. */
  entryOf(pid: number): number | null {
    const value = new Uint8Array(PROCESS.size);
    if (!this.look('processes', number(pid), value)) return null;
    return new DataView(value.buffer).getUint32(PROCESS.entry, true);
  }

  /** How many process entries have been numbered here, from 1 on, each of a process that lives. Before the programs run. */
  setEntries(count: number): void {
    const value = new Uint8Array(STATE.size);
    const view = new DataView(value.buffer);
    view.setUint32(STATE.nextEntry, count + 1, true);
    view.setUint32(STATE.live, count, true);
    this.put('state', number(0), value);
  }

  /** Enters a phase with the whole tree. */
  setTreePhase(phase: number, root: number): void {
    const value = new Uint8Array(CONTROL.size);
    const view = new DataView(value.buffer);
    view.setUint32(CONTROL.phase, phase, true);
    view.setUint32(CONTROL.root, root, true);
    this.put('control', number(0), value);
  }

  losses(): Losses {
    return {
      events: this.#counter('lostEvents'),
      calls: this.#counter('lostCalls'),
      tasks: this.#counter('lostTasks'),
      outputs: this.#counter('lostOutputs'),
      runs: this.#programs.reduce((sum, program) => sum + this.#bpf.missedRuns(program), 0),
    };
  }

  /**
   * Runs a program for these triggers at a file offset, for {@link removeProbe} by what is returned.
   *
   * @throws SystemCallError
   */
  addProbe(
    options: ProgramOptions,
    triggers: readonly SymbolTrigger[],
    path: string,
    offset: number,
  ): number {
    const code = assembleSymbol(options, triggers);
    let fd: number;
    try {
      fd = this.#bpf.linkUprobe(this.#load('callgate_symbol', 'link', code), path, offset);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const program = this.#load('callgate_symbol', 'perf-event', code);
      fd = openUprobe(this.#libc, this.#bpfLibc, program, path, offset);
    }
    this.#probes.add(fd);
    return fd;
  }

  removeProbe(fd: number): void {
    if (this.#probes.delete(fd)) this.#bpf.close(fd);
  }

  /** Ends recording; the maps stay as they are. */
  detach(): void {
    for (const fd of this.#links.splice(0)) this.#bpf.close(fd);
    if (this.#pending !== null) this.#bpf.close(this.#pending.returns);
    this.#pending = null;
    for (const fd of this.#probes) this.removeProbe(fd);
  }

  [Symbol.dispose](): void {
    this.events[Symbol.dispose]();
    this.shortcuts?.[Symbol.dispose]();
    this.#closeAll();
  }

  #watchReturns(options: ProgramOptions): void {
    const { fields } = options;
    const look = this.#load('callgate_look', { iterator: fields.taskIterator }, assembleLook(options));
    const returns = this.#load('callgate_return', fields.tracepoints.sys_exit, assembleReturn(options));
    // After the program where calls begin: what returns and is not known has begun before that.
    this.#pending = { look, returns: this.#bpf.attach(returns) };
  }

  #counter(name: 'lostEvents' | 'lostCalls' | 'lostTasks' | 'lostOutputs' | 'running'): number {
    const state = new Uint8Array(STATE.size);
    this.look('state', number(0), state);
    return Number(new DataView(state.buffer).getBigUint64(STATE[name], true));
  }

  #map(name: MapName): number {
    return this.#maps.get(name) as number;
  }

  #createMaps(options: ProgramOptions, limits: Limits): void {
    const specs: readonly (readonly [MapName, MapSpec])[] = [
      ['tasks', { kind: 'hash', key: 4, value: TASK.size, entries: limits.tasks }],
      ['processes', { kind: 'hash', key: 4, value: PROCESS.size, entries: limits.tasks }],
      ['calls', { kind: 'hash', key: CALL_KEY.size, value: CALL.size, entries: limits.calls }],
      ['values', { kind: 'hash', key: VALUE_KEY.size, value: VALUE.size, entries: limits.values }],
      ['events', { kind: 'ring-buffer', key: 0, value: 0, entries: limits.events }],
      ['table', { kind: 'array', key: 4, value: ARCH_COUNT * TABLE_ROWS * ROW.size, entries: 1 }],
      ['state', { kind: 'array', key: 4, value: STATE.size, entries: 1 }],
      ['control', { kind: 'array', key: 4, value: CONTROL.size, entries: 1 }],
      ['scratch', { kind: 'percpu-array', key: 4, value: SCRATCH_SIZE, entries: 1 }],
    ];
    const cgroups = { kind: 'cgroup-array', key: 4, value: 4, entries: 1 } as const;
    const recent = { kind: 'array', key: 4, value: RECENT.size * RECENT.slots, entries: 1 } as const;
    const errors = { kind: 'hash', key: ERROR_KEY.size, value: 8, entries: limits.calls } as const;
    const hot = { kind: 'array', key: 4, value: HOT.size * HOT.slots, entries: 1, isMappable: true } as const;
    const outputs = { kind: 'hash', key: 4, value: OUTPUT_REST.size, entries: limits.tasks } as const;
    const all: typeof specs = [
      ...specs,
      ...(options.adoption === 'cgroup' ? [['cgroups', cgroups] as const] : []),
      ...(options.errors === true ? [['errors', errors] as const] : []),
      ...(options.streams.length > 0 ? [['outputs', outputs] as const] : []),
      ...(options.isLean === true ? [['recent', recent] as const, ['hot', hot] as const] : []),
    ];
    for (const [name, spec] of all) {
      const fd = this.#bpf.createMap(`callgate_${name}`, spec);
      this.#descriptors.push(fd);
      this.#maps.set(name, fd);
    }
  }

  #load(name: string, tracepoint: number | TaskIterator | UprobeKind, code: EbpfCode): number {
    const instructions = code.instructions.slice();
    const view = new DataView(instructions.buffer);
    for (const { at, map } of code.maps) {
      view.setInt32(at * INSTRUCTION_SIZE + 4, this.#map(map as MapName), true);
    }
    const fd = this.#bpf.loadProgram({ name, instructions, tracepoint });
    this.#descriptors.push(fd);
    this.#programs.push(fd);
    return fd;
  }

  #closeAll(): void {
    this.detach();
    for (const fd of this.#descriptors.splice(0)) this.#bpf.close(fd);
  }
}

/** A 32-bit key. */
export function number(value: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, value, true);
  return key;
}
