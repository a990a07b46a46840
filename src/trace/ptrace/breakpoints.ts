import { statSync } from 'node:fs';
import { REG } from '../../sys/ptrace.ts';
import { functionOffset } from '../function-offset.ts';
import { ObjectNames, startedAs, type MappedFile } from '../object-names.ts';
import type { Trigger } from '../trigger.ts';
import { readExecutable, readMappings, readStatus, type Mapping } from '../proc.ts';
import type { ProcessRecord } from '../recorder.ts';
import type { Watch } from '../watches.ts';
import type { AddressSpace } from './address-space.ts';
import type { Context } from './context.ts';
import type { Task } from './task.ts';

/** si_code of a signal that the kernel sent for itself, as for int3; source: include/uapi/asm-generic/siginfo.h. */
const SI_KERNEL = 0x80;

/** SIGTRAP in a signal set. */
const SIGTRAP_BIT = 1n << 4n;

/** si_code of the SIGTRAP after a single step. */
const TRAP_TRACE = 2;

const INT3 = new Uint8Array([0xcc]);

/** A trigger that waits for a function. */
export type SymbolTrigger = Extract<Trigger, { kind: 'symbol' }>;

/** Code that a process has in memory, and its program's path: null if that cannot be read. */
export interface CodeOfProcess {
  readonly files: readonly (MappedFile & Mapping)[];
  readonly executable: string | null;
}

/** Puts a breakpoint on every function that a symbol trigger waits for, and takes it out when it has been hit. */
export class Breakpoints {
  readonly #context: Context;
  /** Which files the objects of triggers mean. */
  readonly #names: ObjectNames = new ObjectNames();
  /** File offset of a function by file and name; null if the file does not have it. */
  readonly #offsets: Map<string, number | null> = new Map();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Whether a trigger waits for a function that this task's memory does not have yet. */
  wanted(task: Task): boolean {
    return this.#armed(task).length > 0;
  }

  /** Looks for the functions in everything that is mapped now. The task need not be stopped. */
  place(task: Task): void {
    const armed = this.#armed(task);
    if (armed.length === 0) return;
    const code = this.filesOf(task.process);
    for (const watch of armed) {
      if (watch.trigger.kind !== 'symbol') continue;
      const address = this.find(code, watch.trigger);
      if (address !== null && this.#insert(task, address, watch)) task.space.placed.add(watch);
    }
  }

  /** Address of the function that a trigger waits for; null if it is not in memory. Of several the program's own counts. */
  find({ files, executable }: CodeOfProcess, trigger: SymbolTrigger): number | null {
    const meant = files.filter((file) => this.isMeant(file, trigger));
    if (trigger.object === null)
      meant.sort((a, b) => Number(b.path === executable) - Number(a.path === executable));
    for (const mapping of meant) {
      const offset = this.#functionOffset(mapping, trigger.name);
      if (offset === null || offset < mapping.offset) continue;
      const address = mapping.start + (offset - mapping.offset);
      if (address < mapping.end) return address;
    }
    return null;
  }

  /** Whether a trigger's function may be in a file. */
  isMeant(file: MappedFile, { object }: SymbolTrigger): boolean {
    return object === null || this.#names.has(file, object);
  }

  /** The executable mappings of a process, in order of address. */
  filesOf(process: ProcessRecord): CodeOfProcess {
    const { pid } = process;
    const executable = readExecutable(pid);
    const name = startedAs(process);
    const files = readMappings(pid)
      .filter((mapping) => mapping.executable)
      .map((mapping) => ({
        ...mapping,
        root: `/proc/${pid}/root`,
        startedAs: mapping.path === executable ? name : null,
      }));
    return { files, executable };
  }

  /**
   * Looks into a SIGTRAP that is about to be delivered.
   *
   * @returns whether it came from one of these breakpoints; the task may then go on at the function's first instruction
   */
  hit(task: Task, at: number): boolean {
    const { ptrace, watches } = this.#context;
    if (task.space.breakpoints.size === 0 && task.space.removed.size === 0) return false;
    if (ptrace.signalCode(task.tid) !== SI_KERNEL || !ptrace.getRegisters(task.tid)) return false;
    const address = Number(ptrace.registers[REG.rip]) - 1;
    const breakpoint = task.space.breakpoints.get(address);
    const original = breakpoint?.original ?? task.space.removed.get(address);
    if (original === undefined) return false;
    this.#context.memory.write(task.tid, BigInt(address), new Uint8Array([original]));
    task.space.breakpoints.delete(address);
    task.space.removed.set(address, original);
    ptrace.registers[REG.rip] = BigInt(address);
    ptrace.setRegisters(task.tid);
    if (breakpoint === undefined) return true;
    // Whatever is put here while the watches fire has to wait until this instruction has been executed.
    task.space.stepped.add(address);
    for (const watch of breakpoint.watches) watches.fireProcess(watch, task.process, at);
    const others = breakpoint.watches.filter((watch) => this.#isWaitedFor(watch, task.space));
    for (const watch of others) this.#insert(task, address, watch);
    if (task.space.breakpoints.has(address)) task.stepping = address;
    else task.space.stepped.delete(address);
    return true;
  }

  /**
   * Looks into a SIGTRAP that is about to be delivered: whether it is the end of a step over a breakpoint, which is
   * in its place again then.
   */
  isStep(task: Task): boolean {
    const address = task.stepping;
    if (address === null || this.#context.ptrace.signalCode(task.tid) !== TRAP_TRACE) return false;
    this.endStep(task);
    return true;
  }

  /** Puts back the breakpoint that a task is stepping over; for one that dies or is let go of, too. */
  endStep(task: Task): void {
    const address = task.stepping;
    if (address === null) return;
    task.stepping = null;
    task.space.stepped.delete(address);
    if (task.space.breakpoints.has(address)) this.#context.memory.write(task.tid, BigInt(address), INT3);
  }

  /** Whether a stopped task has run into one of these breakpoints and the SIGTRAP is still to be delivered. */
  isHitPending(task: Task): boolean {
    const { breakpoints, removed } = task.space;
    if (breakpoints.size === 0 && removed.size === 0) return false;
    const pending = BigInt(`0x${readStatus(task.tid)?.get('SigPnd') ?? '0'}`);
    if ((pending & SIGTRAP_BIT) === 0n || !this.#context.ptrace.getRegisters(task.tid)) return false;
    const address = Number(this.#context.ptrace.registers[REG.rip]) - 1;
    return breakpoints.has(address) || removed.has(address);
  }

  /** Takes every breakpoint out of a memory. */
  clear(tid: number, space: AddressSpace): void {
    for (const { address, original } of space.breakpoints.values()) {
      this.#context.memory.write(tid, BigInt(address), new Uint8Array([original]));
      space.removed.set(address, original);
    }
    space.breakpoints.clear();
  }

  /** Whether a process that shares the memory has not come to this trigger yet: the parent of a vfork child, for one. */
  #isWaitedFor(watch: Watch, space: AddressSpace): boolean {
    for (const other of this.#context.tasks.values()) {
      if (other.space === space && this.#context.watches.armedFor(watch, other.process)) return true;
    }
    return false;
  }

  #armed(task: Task): Watch[] {
    const { watches } = this.#context;
    return watches
      .pending('symbol')
      .filter((watch) => watches.armedFor(watch, task.process) && !task.space.placed.has(watch));
  }

  #insert(task: Task, address: number, watch: Watch): boolean {
    const { memory } = this.#context;
    const present = task.space.breakpoints.get(address);
    if (present !== undefined) {
      task.space.breakpoints.set(address, { ...present, watches: [...present.watches, watch] });
      return true;
    }
    const byte = memory.read(task.tid, BigInt(address), 1)?.[0];
    if (byte === undefined) return false;
    const isDeferred = task.space.stepped.has(address);
    if (!isDeferred && !memory.write(task.tid, BigInt(address), INT3)) return false;
    task.space.breakpoints.set(address, { address, original: byte, watches: [watch] });
    return true;
  }

  #functionOffset({ root, path }: MappedFile, name: string): number | null {
    // It may be asked for long before it is needed, and of processes with other roots: a path may be another file by then.
    const key = `${identityOf(`${root}${path}`)}\0${name}`;
    const known = this.#offsets.get(key);
    if (known !== undefined) return known;
    const offset = functionOffset(`${root}${path}`, name);
    this.#offsets.set(key, offset);
    return offset;
  }
}

function identityOf(file: string): string {
  try {
    const { dev, ino, mtimeMs } = statSync(file);
    return `${dev} ${ino} ${mtimeMs}`;
  } catch {
    return file;
  }
}
