import { readFileSync } from 'node:fs';
import type { StackFrame } from '../../profile/model.ts';
import type { TraceeMemory } from '../../sys/memory.ts';
import type { Ptrace } from '../../sys/ptrace.ts';
import { Unwinder, type Frame } from '../../unwind/unwinder.ts';
import { readMappings, rootIdentity } from '../proc.ts';
import type { Task } from './task.ts';

/** Frames that a backtrace shows at most. */
const FRAMES = 32;

/** Says in words from which code a stopped task entered the kernel. */
export class Tracebacks {
  readonly #ptrace: Ptrace;
  readonly #memory: TraceeMemory;
  /** One for each root directory: the same path may be another file there. */
  readonly #unwinders: Map<string, Unwinder> = new Map();

  constructor(ptrace: Ptrace, memory: TraceeMemory) {
    this.#ptrace = ptrace;
    this.#memory = memory;
  }

  /** Innermost frame first, `function+0x12 (object)` or `object+0x1234`; empty if the task is gone. */
  of(task: Task): readonly string[] {
    return this.#frames(task).map(describe);
  }

  /** The same as places in files, without what lies in none. */
  places(task: Task): readonly StackFrame[] {
    return this.#frames(task).flatMap(({ object, offset }) =>
      object === null || offset === null ? [] : [{ object, address: offset }],
    );
  }

  #frames(task: Task): readonly Frame[] {
    if (!this.#ptrace.getRegisters(task.tid)) return [];
    const { pid } = task.process;
    const { frames } = this.#unwinder(pid).backtrace(
      {
        registers: this.#ptrace.registers.slice(),
        read: (address, length) => this.#memory.read(task.tid, address, length),
        mappings: readMappings(pid, true),
      },
      FRAMES,
    );
    return frames;
  }

  #unwinder(pid: number): Unwinder {
    const root = rootIdentity(pid);
    let unwinder = this.#unwinders.get(root);
    if (unwinder === undefined) {
      unwinder = new Unwinder((path) => {
        try {
          return readFileSync(`/proc/${pid}/root${path}`);
        } catch {
          return null;
        }
      });
      this.#unwinders.set(root, unwinder);
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
