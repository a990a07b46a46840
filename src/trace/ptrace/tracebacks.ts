import { REG, type Ptrace } from '../../sys/ptrace.ts';
import { readMappings } from '../proc.ts';
import type { Task } from './task.ts';

/** Says in words from which code a stopped task entered the kernel. */
export class Tracebacks {
  readonly #ptrace: Ptrace;

  constructor(ptrace: Ptrace) {
    this.#ptrace = ptrace;
  }

  /** Innermost frame first, `object+0xoffset`; empty if the task is gone. */
  of(task: Task): readonly string[] {
    if (!this.#ptrace.getRegisters(task.tid)) return [];
    const pc = Number(this.#ptrace.registers[REG.rip]);
    const mapping = readMappings(task.process.pid).find(({ start, end }) => start <= pc && pc < end);
    if (mapping === undefined) return [`0x${pc.toString(16)}`];
    return [`${mapping.path}+0x${(pc - mapping.start + mapping.offset).toString(16)}`];
  }
}
