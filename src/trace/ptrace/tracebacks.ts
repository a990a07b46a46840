import { readFileSync, statSync } from 'node:fs';
import type { StackFrame } from '../../profile/model.ts';
import type { TraceeMemory } from '../../sys/memory.ts';
import type { Ptrace } from '../../sys/ptrace.ts';
import { Unwinder, type Frame } from '../../unwind/unwinder.ts';
import { readMappings, rootIdentity } from '../proc.ts';
import type { Task } from './task.ts';

/** Frames that a backtrace shows at most. */
const FRAMES = 32;

/** Bytes of a file that is read for `places`, which is done unasked: larger ones would be most of the memory that a trace takes. */
const SIZE_CAP = 16 * 2 ** 20;

/** Says in words from which code a stopped task entered the kernel. */
export class Tracebacks {
  readonly #ptrace: Ptrace;
  readonly #memory: TraceeMemory;
  /** One for each root directory, for the same path may be another file there, and each cap. */
  readonly #unwinders: Map<string, Unwinder> = new Map();

  constructor(ptrace: Ptrace, memory: TraceeMemory) {
    this.#ptrace = ptrace;
    this.#memory = memory;
  }

  /** Innermost frame first, `function+0x12 (object)` or `object+0x1234`; empty if the task is gone. */
  of(task: Task): readonly string[] {
    return this.#frames(task, Infinity).map(describe);
  }

  /** The same as places in files, without what lies in none; it ends where a file is very large. */
  places(task: Task): readonly StackFrame[] {
    return this.#frames(task, SIZE_CAP).flatMap(({ object, offset }) =>
      object === null || offset === null ? [] : [{ object, address: offset }],
    );
  }

  #frames(task: Task, sizeCap: number): readonly Frame[] {
    if (!this.#ptrace.getRegisters(task.tid)) return [];
    const { pid } = task.process;
    const { frames } = this.#unwinder(pid, sizeCap).backtrace(
      {
        registers: this.#ptrace.registers.slice(),
        read: (address, length) => this.#memory.read(task.tid, address, length),
        mappings: readMappings(pid, true),
      },
      FRAMES,
    );
    return frames;
  }

  #unwinder(pid: number, sizeCap: number): Unwinder {
    const key = `${sizeCap} ${rootIdentity(pid)}`;
    let unwinder = this.#unwinders.get(key);
    if (unwinder === undefined) {
      unwinder = new Unwinder((path) => {
        const file = `/proc/${pid}/root${path}`;
        try {
          return statSync(file).size > sizeCap ? null : readFileSync(file);
        } catch {
          return null;
        }
      });
      this.#unwinders.set(key, unwinder);
    }
    return unwinder;
  }
}

function describe({ pc, object, offset, symbol }: Frame): string {
  if (symbol !== null) {
    return `${symbol.name}+0x${symbol.offset.toString(16)}${object === null ? '' : ` (${object})`}`;
  }
  return object === null || offset === null ? `0x${pc.toString(16)}` : `${object}+0x${offset.toString(16)}`;
}
