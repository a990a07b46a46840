import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { Explorer } from './explorer.ts';
import { FACT } from './object-code.ts';
import type { ObjectView } from './object-view.ts';

const RSP = 4;

/** rbx, rbp, r12 to r15. */
const CALLEE_SAVED = 0xf028;

/** Instructions of a function that are read: what is written by hand and does such things is short. */
const INSTRUCTION_LIMIT = 32;

/** What puts another address in a place; `lock orl $0, (%rsp)`, for one, is only a barrier. */
const REPLACING: ReadonlySet<number> = new Set([OP.MOV, OP.XCHG]);

/** A function that has a frame description and more bytes than these is one of a compiler, in all likelihood: these keep theirs. */
const SHORT = 64;

/**
 * Functions that call what drops its own return address, or puts another one in its place, as `call 1f; ud2; 1: add $8, %rsp; ret` does.
 *
 * Such a call is a jump: nothing need stand behind it, and the function returns if what it calls does.
 */
export class DroppedReturns {
  readonly #explorer: Explorer;
  readonly #ins = new Instruction();
  /** By vaddr, whether what is called there does so. */
  readonly #known = new Map<number, boolean>();
  /** Facts before this one were looked at. */
  #next = 0;

  constructor(explorer: Explorer) {
    this.#explorer = explorer;
  }

  /** Looks at the calls that were found since the last time, of functions that are not known to return by now. */
  run(): void {
    const { factKinds, factOwners, factTargets, functionStarts, returns } = this.#explorer;
    const end = factKinds.length;
    for (let fact = this.#next; fact < end; fact++) {
      if (factKinds.items[fact] !== FACT.CALL) continue;
      const owner = factOwners.items[fact] as number;
      if (returns.items[owner] === 1) continue;
      const callee = factTargets.items[fact] as number;
      if (this.#drops(functionStarts.at(callee))) this.#explorer.returnAs(owner, callee);
    }
    this.#next = end;
  }

  #drops(entry: number): boolean {
    const { frames } = this.#explorer;
    const frame = frames.at(entry);
    const isFramed = frame >= 0 && frames.starts[frame] === entry;
    if (isFramed && (frames.ends[frame] as number) - entry > SHORT) return false;
    let drops = this.#known.get(entry);
    if (drops === undefined) {
      drops = dropsReturn(this.#explorer.view, entry, this.#ins);
      this.#known.set(entry, drops);
    }
    return drops;
  }
}

/** Where code is read on, and what is known there. */
interface Way {
  at: number;
  /** Bytes pushed since the entry: less than 0 once the return address is off the stack. */
  depth: number;
  /** Registers that hold the return address, one bit each. */
  holders: number;
  /** Something else stands in its place. */
  isReplaced: boolean;
}

/** Whether a function may leave with its return address off the stack, or replaced, on a way on which every change of rsp is known. */
function dropsReturn(view: ObjectView, entry: number, ins: Instruction): boolean {
  const seen = new Set<number>();
  const work: Way[] = [{ at: entry, depth: 0, holders: 0, isReplaced: false }];
  for (let way = work.pop(); way !== undefined; way = work.pop()) {
    while (!seen.has(way.at) && seen.size < INSTRUCTION_LIMIT) {
      seen.add(way.at);
      const length = view.isCode(way.at) ? view.decode(way.at, ins) : 0;
      if (length === 0) break;
      way.at += length;
      const { flow } = ins;
      if (flow === FLOW.RETURN) {
        if (way.depth < 0 || way.isReplaced) return true;
        break;
      }
      if (flow === FLOW.JUMP_INDIRECT) {
        // To the address that was taken off the stack it returns.
        const isReturn =
          ins.sourceKind === OPERAND.REGISTER && ((way.holders >>> ins.sourceRegister) & 1) === 1;
        if (way.depth < 0 && !isReturn) return true;
        break;
      }
      if (flow === FLOW.TRAP) break;
      if (flow === FLOW.JUMP) way.at = ins.target;
      else if (flow === FLOW.BRANCH) work.push({ ...way, at: ins.target });
      else if (flow === FLOW.CALL || flow === FLOW.CALL_INDIRECT) way.holders &= CALLEE_SAVED;
      else if (!apply(ins, way)) break;
    }
  }
  return false;
}

/** What an instruction does to the stack and to copies of the return address; false if that is not known. */
function apply(ins: Instruction, way: Way): boolean {
  const { operation, destinationKind: to, destinationRegister, sourceKind: from, sourceRegister } = ins;
  const isHolder = from === OPERAND.REGISTER && ((way.holders >>> sourceRegister) & 1) === 1;
  const isReturnWord = ins.memoryBase === RSP && ins.memoryIndex < 0 && ins.displacement === way.depth;
  let isLoaded = false;
  if (operation === OP.PUSH) {
    way.depth += ins.size;
    if (way.depth === 0) way.isReplaced = !isHolder;
  } else if (operation === OP.POP) {
    isLoaded = way.depth === 0 && !way.isReplaced;
    way.depth -= ins.size;
  } else if (((ins.writes >>> RSP) & 1) === 1) {
    if (operation === OP.LEA && ins.memoryBase === RSP && ins.memoryIndex < 0) way.depth -= ins.displacement;
    else if (operation === OP.ADD && from === OPERAND.IMMEDIATE) way.depth -= ins.immLow;
    else if (operation === OP.SUB && from === OPERAND.IMMEDIATE) way.depth += ins.immLow;
    else return false;
  } else if (operation === OP.MOV && ins.size === 8 && isReturnWord && to === OPERAND.REGISTER) {
    isLoaded = !way.isReplaced;
  } else if (REPLACING.has(operation) && ins.writesMemory === 1 && ins.hasMemory === 1 && isReturnWord) {
    way.isReplaced = operation === OP.XCHG || !isHolder;
  } else if (operation === OP.MOV && ins.size === 8) isLoaded = isHolder;
  way.holders &= ~ins.writes;
  if (isLoaded && to === OPERAND.REGISTER) way.holders |= 1 << destinationRegister;
  return true;
}
