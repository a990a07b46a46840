import { Assembler, type EbpfCode } from './assembler.ts';
import type { Register, Width } from './instruction-set.ts';
import type { KernelFields } from './kernel-fields.ts';
import type { StreamFile } from './streams.ts';
import {
  CALL,
  CALL_KEY,
  CONTROL,
  EVENT,
  EVENT_TYPE,
  PROCESS,
  STATE,
  TASK,
  type EventType,
} from './layout.ts';

/** Flags of bpf_ringbuf_output: whether the reader is woken. */
export const RB_NO_WAKEUP = 1;
export const RB_FORCE_WAKEUP = 2;

/** BPF_NOEXIST of bpf_map_update_elem. */
const NOEXIST = 1;

/** Which tasks that nobody has told the programs of are recorded. */
export type Adoption = 'none' | 'cgroup' | 'mount-namespace' | 'all';

/** What the programs are assembled for. */
export interface ProgramOptions {
  readonly fields: KernelFields;
  readonly adoption: Adoption;
  /** Whether processes that run already are attached to one by one. */
  readonly attaches: boolean;
  /** Id of the cgroup to adopt from. */
  readonly cgroup: bigint;
  /** Number of the mount namespace to adopt from. */
  readonly mountNamespace: number;
  /** Process that is never adopted: callgate itself. */
  readonly self: number;
  /** Whether the tree may change its phase as a whole. */
  readonly hasTreePhases: boolean;
  readonly triggers: readonly CallTrigger[];
  /** The program's stdout and stderr, if what is written there is wanted. */
  readonly streams: readonly StreamFile[];
  /** Whether each new call of a process, and value of its arguments, is told; else they are found in the maps. */
  readonly tellsCalls: boolean;
  /** Whether a process may enter a phase of its own at a function. */
  readonly hasSymbols?: boolean;
  /**
   * Without what a recording of weeks has little use for: how long calls wait, and times of last uses, of calls and of values. Reading the
   * time and finding the call that waited are half of what a call costs. Without phases and triggers.
   */
  readonly isLean?: true;
  /** Whether it is counted with which errors calls fail. */
  readonly errors?: true;
  /** Whether it is told when a process is moved to another cgroup. */
  readonly moves?: true;
}

/** A trigger `symbol:FUNCTION`. */
export interface SymbolTrigger extends Pick<CallTrigger, 'armed' | 'phase'> {
  /** Number under which it is told of, and counted. */
  readonly index: number;
}

/** A trigger `syscall:NAME#n`. */
export interface CallTrigger {
  /** Phase in which a process must be for the call to count, or null if any. */
  readonly armed: number | null;
  /** The phase that begins, or null: the program is ready. */
  readonly phase: number | null;
  readonly n: number;
  /** Bit set of arches and the number there, by index. */
  readonly numbers: readonly (number | null)[];
}

/** Assembler with what several of the programs do. Registers r0 to r5 are lost in every method. */
export class ProgramAssembler extends Assembler {
  readonly fields: KernelFields['offset'];

  constructor(fields: KernelFields) {
    super();
    this.fields = fields.offset;
  }

  /** r0 = the value of a key on the stack, or 0. */
  lookup(map: string, keyAt: number): this {
    return this.map('r1', map).mov('r2', 'r10').alu('add', 'r2', keyAt).call('map_lookup_elem');
  }

  /** r0 = 0, or a negative error: the key is there already, or there is no room. */
  insert(map: string, keyAt: number, valueAt: number): this {
    this.map('r1', map).mov('r2', 'r10').alu('add', 'r2', keyAt);
    this.mov('r3', 'r10').alu('add', 'r3', valueAt).mov('r4', NOEXIST);
    return this.call('map_update_elem');
  }

  remove(map: string, keyAt: number): this {
    return this.map('r1', map).mov('r2', 'r10').alu('add', 'r2', keyAt).call('map_delete_elem');
  }

  /** Adds to a counter of the state. */
  count(field: keyof typeof STATE, by: number, width: 4 | 8): this {
    return this.mapValue('r1', 'state', STATE[field]).mov('r2', by).atomicAdd('r1', 0, 'r2', width);
  }

  /** r0 = a number that no process entry had before. */
  newEntry(): this {
    this.mapValue('r1', 'state', STATE.nextEntry).mov('r0', 1);
    return this.fetchAdd('r1', 0, 'r0', 4);
  }

  /** Puts zeros onto the stack, 8 bytes at a time. */
  zero(at: number, size: number): this {
    for (let offset = 0; offset < size; offset += 8) this.store('r10', at + offset, 0, 8);
    return this;
  }

  /** Begins an event on the stack; entry and time are in registers or, negative, places on the stack. */
  beginEvent(at: number, type: EventType, entry: Register, timeAt: number): this {
    this.store('r10', at + EVENT.entry, entry, 4).store('r10', at + EVENT.type, EVENT_TYPE[type], 4);
    return this.load('r1', 'r10', timeAt, 8).store('r10', at + EVENT.time, 'r1', 8);
  }

  /** Sends an event that stands on the stack. */
  send(at: number, size: number, wake: number): this {
    this.mov('r2', 'r10').alu('add', 'r2', at).mov('r3', size).mov('r4', wake);
    return this.sendPointed();
  }

  /** Sends what r2 points to, r3 bytes, with the flags in r4. */
  sendPointed(): this {
    const sent = this.fresh('sent');
    this.map('r1', 'events').call('ringbuf_output').jumpIf('eq', 'r0', 0, sent);
    return this.count('lostEvents', 1, 8).label(sent);
  }

  /** Reads kernel memory at a register plus an offset onto the stack; an unreadable place reads as zero. */
  read(toAt: number, from: Register, offset: number, width: Width): this {
    if (from !== 'r3') this.mov('r3', from);
    this.alu('add', 'r3', offset).mov('r1', 'r10').alu('add', 'r1', toAt).mov('r2', width);
    return this.call('probe_read_kernel');
  }

  /** As {@link read}, into a register. `spareAt` are 8 bytes of the stack. */
  fetch(to: Register, from: Register, offset: number, width: Width, spareAt: number): this {
    return this.read(spareAt, from, offset, width).load(to, 'r10', spareAt, width);
  }

  /** r0 = phase of the process whose pid is at a place on the stack, that of the tree included. */
  phase(tgidAt: number): this {
    const [none, done] = [this.fresh('no process'), this.fresh('phase')];
    this.lookup('processes', tgidAt)
      .jumpIf('eq', 'r0', 0, none)
      .load('r0', 'r0', PROCESS.phase, 4)
      .label(none);
    this.mapValue('r1', 'control', CONTROL.phase).load('r1', 'r1', 0, 4).jumpIf('ge', 'r0', 'r1', done);
    return this.mov('r0', 'r1').label(done);
  }

  /** Ends the time that a task waits for: adds it to the call. The task is in r7, the time at a place on the stack. */
  endWait(timeAt: number, keyAt: number): this {
    const done = this.fresh('waited');
    this.load('r1', 'r7', TASK.waitSince, 8).jumpIf('eq', 'r1', 0, done);
    this.load('r2', 'r7', TASK.entry, 4).store('r10', keyAt + CALL_KEY.entry, 'r2', 4);
    this.load('r2', 'r7', TASK.waitArch, 4).store('r10', keyAt + CALL_KEY.arch, 'r2', 4);
    this.load('r2', 'r7', TASK.waitNr, 4).store('r10', keyAt + CALL_KEY.nr, 'r2', 4);
    this.lookup('calls', keyAt).jumpIf('eq', 'r0', 0, done);
    this.load('r1', 'r10', timeAt, 8).load('r2', 'r7', TASK.waitSince, 8).alu('sub', 'r1', 'r2');
    this.atomicAdd('r0', CALL.waited, 'r1', 8).store('r7', TASK.waitSince, 0, 8);
    return this.label(done);
  }

  /** Ends the program. */
  finish(): EbpfCode {
    return this.label('end').mov('r0', 0).exit().assemble();
  }
}
