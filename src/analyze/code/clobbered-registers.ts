import { FLOW, Instruction } from '../x86/instruction.ts';
import type { Explorer } from './explorer.ts';

/** Calls are followed so deep. */
const DEPTH_LIMIT = 8;

/** All caller-saved registers: what the convention lets a function change. */
const ANY = -1;

/**
 * Which registers a function of the object changes, itself and through what it calls.
 *
 * Compilers that see the callee (gcc's -fipa-ra) keep values in registers that the calling convention would let it change.
 */
export class ClobberedRegisters {
  readonly #explorer: Explorer;
  readonly #known = new Map<number, number>();
  /** Runs of code that were known when all was read again. */
  #runs = -1;

  constructor(explorer: Explorer) {
    this.#explorer = explorer;
  }

  /** One bit for each register that the function at a vaddr may change, -1 for what the convention says. */
  of(target: number, depth = 0): number {
    const index = this.#explorer.functionAt(target);
    if (index < 0 || depth > DEPTH_LIMIT) return ANY;
    const known = this.#known.get(index);
    if (known !== undefined) return known;
    // A recursive call gets the careful answer.
    this.#known.set(index, ANY);
    const mask = this.#read(index, depth);
    this.#known.set(index, mask);
    return mask;
  }

  /** Reads again what was asked for, if more code is known by now; whether a function changes more registers than was said. */
  hasGrown(): boolean {
    const runs = this.#explorer.runStarts.length;
    if (runs === this.#runs) return false;
    this.#runs = runs;
    const before = [...this.#known];
    this.#known.clear();
    let hasGrown = false;
    for (const [index, mask] of before) {
      const now = this.of(this.#explorer.functionStarts.at(index));
      if (mask !== ANY && (now === ANY || (now & ~mask) !== 0)) hasGrown = true;
    }
    return hasGrown;
  }

  #read(index: number, depth: number): number {
    const explorer = this.#explorer;
    const ins = new Instruction();
    let mask = 0;
    for (let run = explorer.lastRuns.at(index); run >= 0; run = explorer.runLinks.at(run)) {
      const end = explorer.runEnds.at(run);
      for (let at = explorer.runStarts.at(run); at < end;) {
        const length = explorer.view.decode(at, ins);
        if (length === 0) return ANY;
        at += length;
        mask |= ins.writes;
        let other = 0;
        if (ins.flow === FLOW.CALL) other = this.of(ins.target, depth + 1);
        else if (ins.flow === FLOW.CALL_INDIRECT || ins.flow === FLOW.JUMP_INDIRECT) return ANY;
        else if (ins.flow === FLOW.JUMP || ins.flow === FLOW.BRANCH) {
          const callee = explorer.functionAt(ins.target);
          if (callee >= 0 && callee !== index) other = this.of(ins.target, depth + 1);
        }
        if (other === ANY) return ANY;
        mask |= other;
      }
    }
    return mask;
  }
}
