import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { FunctionBody } from './flow.ts';

const RAX = 0;
const RCX = 1;
const RSP = 4;
const RBP = 5;
const RSI = 6;
const R11 = 11;
const ARGUMENTS = [7, 6, 2, 1, 8, 9];

/** No address of the frame that is known. */
export const NO_FRAME: number = -0x8000_0000;

/** Above all addresses of the frame: none of them is known elsewhere than in registers. */
const NOWHERE = 0x7fff_ffff;

/** The only system call of x86-64 by which the kernel gets the address of a function to call. */
const RT_SIGACTION = 13;

/** A state: what each register is, as offset from the stack pointer at entry; */
const ESCAPED = 16;
/** the lowest address of the frame that calls were handed or that was stored, NO_FRAME where that is not known; and the number in rax. */
const NUMBER = 17;
const SIZE = 18;

/**
 * What is known of the stack at the instructions of a function: which memory operands are the own frame, and what of it calls are handed.
 *
 * Registers are followed, memory is not: an address of the frame that is stored counts as known to anyone.
 */
export class Frames {
  /** Offset in the frame of the memory operand, or of what is pushed, popped or copied, by vaddr; absent where it is not the frame. */
  readonly operands: Map<number, number> = new Map();
  /** At calls: the offset of the stack pointer. */
  readonly tops: Map<number, number> = new Map();
  /** At calls: the lowest address of the frame that is handed over; NO_FRAME if any may be known, Infinity if none is. */
  readonly lowest: Map<number, number> = new Map();
  /** At calls: the lowest address of the frame that this one or one before may know, if objects extend upwards from their address. */
  readonly exposed: Map<number, number> = new Map();
  /**
   * Instructions that may read any slot: an address of the frame may have been stored before, or has an index added. With the lowest
   * address that they may read if objects extend upwards from their address.
   */
  readonly escaped: Map<number, number> = new Map();
  readonly reached: Set<number> = new Set();
  /** System calls by which the kernel learns of no function. */
  readonly harmless: Set<number> = new Set();
  readonly #body: FunctionBody;
  readonly #callerSaved: number;
  readonly #ins = new Instruction();
  readonly #states: Int32Array;
  readonly #isReached: Uint8Array;
  readonly #work: number[] = [];
  readonly #state = new Int32Array(SIZE);
  #isFinal = false;

  /** @param callerSaved registers that a called function may change, one bit each. */
  constructor(body: FunctionBody, callerSaved: number) {
    this.#body = body;
    this.#callerSaved = callerSaved;
    this.#states = new Int32Array(body.count * SIZE);
    this.#isReached = new Uint8Array(body.count);
    const state = this.#state.fill(NO_FRAME);
    state[RSP] = 0;
    state[ESCAPED] = NOWHERE;
    this.#enter(this.#blockAt(body.entry));
    for (let block = 0; block < body.count; block++) {
      if (!body.isEnteredFromOutside(block)) continue;
      state.fill(NO_FRAME);
      this.#enter(block);
    }
    for (let block = this.#work.pop(); block !== undefined; block = this.#work.pop()) this.#follow(block);
    this.#isFinal = true;
    for (let block = 0; block < body.count; block++) if (this.#isReached[block] === 1) this.#follow(block);
  }

  #enter(block: number): void {
    if (this.#isFinal || block < 0) return;
    const at = block * SIZE;
    if (this.#isReached[block] === 0) {
      this.#isReached[block] = 1;
      this.#states.set(this.#state, at);
      this.#work.push(block);
      return;
    }
    let isChanged = false;
    for (let index = 0; index < SIZE; index++) {
      const old = this.#states[at + index] as number;
      const given = this.#state[index] as number;
      const joined = old === given ? old : index === ESCAPED ? Math.min(old, given) : NO_FRAME;
      if (joined === old) continue;
      this.#states[at + index] = joined;
      isChanged = true;
    }
    if (isChanged) this.#work.push(block);
  }

  #follow(block: number): void {
    const body = this.#body;
    const ins = this.#ins;
    this.#state.set(this.#states.subarray(block * SIZE, (block + 1) * SIZE));
    const end = body.ends[block] as number;
    for (let address = body.starts[block] as number; address < end;) {
      const length = body.decode(address, ins);
      if (length === 0) return;
      address += length;
      if (this.#isFinal) this.#note(ins);
      switch (ins.flow) {
        case FLOW.NEXT:
          this.#apply(ins);
          break;
        case FLOW.BRANCH:
          this.#enter(this.#blockAt(ins.target));
          break;
        case FLOW.JUMP:
          this.#enter(this.#blockAt(ins.target));
          return;
        case FLOW.JUMP_INDIRECT:
          for (const target of Array.from(body.jumpTargets(ins.address) ?? []))
            this.#enter(this.#blockAt(target));
          return;
        case FLOW.RETURN:
        case FLOW.TRAP:
          return;
        case FLOW.CALL:
        case FLOW.CALL_INDIRECT:
          this.#forget(this.#callerSaved, true);
          break;
        default:
          this.#forget((1 << RAX) | (1 << RCX) | (1 << R11), false);
      }
    }
    this.#enter(this.#blockAt(end));
  }

  /** Registers change; where `escapes`, somebody else may have kept what they were. */
  #forget(registers: number, escapes: boolean): void {
    for (let register = 0; register < 16; register++) {
      if (((registers >>> register) & 1) === 0 || register === RSP) continue;
      if (escapes) this.#expose(this.#state[register] as number);
      this.#state[register] = NO_FRAME;
    }
    if ((registers & 1) !== 0) this.#state[NUMBER] = NO_FRAME;
  }

  /** Somebody may find an address of the frame elsewhere from now on. */
  #expose(offset: number): void {
    if (offset !== NO_FRAME && offset < (this.#state[ESCAPED] as number)) this.#state[ESCAPED] = offset;
  }

  #apply(ins: Instruction): void {
    const state = this.#state;
    const { operation, destinationRegister: to, sourceRegister: from } = ins;
    switch (operation) {
      case OP.NOP:
      case OP.CMP:
      case OP.TEST:
        return;
      case OP.PUSH:
        if (ins.sourceKind === OPERAND.REGISTER) this.#expose(state[from] as number);
        this.#move(RSP, -ins.size);
        return;
      case OP.POP:
        this.#move(RSP, ins.size);
        if (ins.destinationKind === OPERAND.REGISTER) this.#put(to, NO_FRAME);
        return;
      case OP.LEAVE:
        state[RSP] = state[RBP] === NO_FRAME ? NO_FRAME : (state[RBP] as number) + 8;
        state[RBP] = NO_FRAME;
        return;
      case OP.MOV:
        if (ins.destinationKind === OPERAND.REGISTER) {
          const isCopy = ins.sourceKind === OPERAND.REGISTER && ins.size === 8;
          this.#put(to, isCopy ? (state[from] as number) : NO_FRAME);
          if (to === RAX && ins.sourceKind === OPERAND.IMMEDIATE) state[NUMBER] = ins.immLow;
        } else if (ins.sourceKind === OPERAND.REGISTER) this.#expose(state[from] as number);
        return;
      case OP.LEA: {
        const base = ins.memoryBase < 0 ? NO_FRAME : (state[ins.memoryBase] as number);
        if (base !== NO_FRAME && ins.memoryIndex >= 0) state[ESCAPED] = NO_FRAME;
        this.#put(to, base === NO_FRAME || ins.memoryIndex >= 0 ? NO_FRAME : base + ins.displacement);
        return;
      }
      case OP.ADD:
      case OP.SUB:
        if (
          ins.destinationKind === OPERAND.REGISTER &&
          ins.sourceKind === OPERAND.IMMEDIATE &&
          ins.size === 8
        ) {
          this.#move(to, operation === OP.ADD ? ins.immLow : -ins.immLow);
          if (to === RAX) state[NUMBER] = NO_FRAME;
          return;
        }
        this.#other(ins);
        return;
      case OP.XOR:
        this.#other(ins);
        if (to === RAX && from === RAX && ins.sourceKind === OPERAND.REGISTER) state[NUMBER] = 0;
        return;
      default:
        this.#other(ins);
    }
  }

  #move(register: number, by: number): void {
    if (this.#state[register] !== NO_FRAME) this.#state[register] = (this.#state[register] as number) + by;
  }

  #put(register: number, offset: number): void {
    if (register < 0 || register > 15) return;
    this.#state[register] = offset;
    if (register === RAX) this.#state[NUMBER] = NO_FRAME;
  }

  /** What is not followed: an address that goes into a computation may come out of it. */
  #other(ins: Instruction): void {
    const state = this.#state;
    let address = 0;
    if (ins.hasMemory === 1 && ins.memoryBase >= 0) address |= 1 << ins.memoryBase;
    for (let register = 0; register < 16; register++) {
      const isRead = ((ins.reads >>> register) & 1) === 1;
      const isOperand =
        ((address >>> register) & 1) === 0 ||
        (ins.sourceKind === OPERAND.REGISTER && ins.sourceRegister === register);
      if (isRead && isOperand && register !== RSP && state[register] !== NO_FRAME) state[ESCAPED] = NO_FRAME;
    }
    for (let register = 0; register < 16; register++)
      if (((ins.writes >>> register) & 1) === 1) this.#put(register, NO_FRAME);
  }

  #note(ins: Instruction): void {
    const state = this.#state;
    const { address } = ins;
    this.reached.add(address);
    const isIndexed = ins.hasMemory === 1 && ins.memoryBase >= 0 && ins.memoryIndex >= 0;
    const isSomewhere = isIndexed && state[ins.memoryBase] !== NO_FRAME;
    const escaped = isSomewhere ? NO_FRAME : (state[ESCAPED] as number);
    if (escaped !== NOWHERE) this.escaped.set(address, escaped);
    const offset = this.#operandOf(ins);
    if (offset !== NO_FRAME) this.operands.set(address, offset);
    if (
      ins.flow === FLOW.NEXT ||
      ins.flow === FLOW.BRANCH ||
      ins.flow === FLOW.RETURN ||
      ins.flow === FLOW.TRAP
    )
      return;
    if (ins.flow === FLOW.SYSCALL && state[NUMBER] !== NO_FRAME && state[NUMBER] !== RT_SIGACTION)
      this.harmless.add(address);
    this.tops.set(address, state[RSP] as number);
    let lowest = Infinity;
    for (const register of ARGUMENTS) {
      const handed = state[register] as number;
      if (handed !== NO_FRAME) lowest = Math.min(lowest, handed);
    }
    const known = state[ESCAPED] as number;
    this.lowest.set(address, known === NOWHERE ? lowest : NO_FRAME);
    this.exposed.set(address, Math.min(known, lowest));
  }

  #operandOf(ins: Instruction): number {
    const state = this.#state;
    switch (ins.operation) {
      case OP.PUSH:
        return state[RSP] === NO_FRAME ? NO_FRAME : (state[RSP] as number) - ins.size;
      case OP.POP:
        return state[RSP] as number;
      case OP.LEAVE:
        return state[RBP] as number;
      case OP.MOVS:
      case OP.LODS:
        return state[RSI] as number;
      default: {
        if (ins.hasMemory !== 1 || ins.memoryBase < 0 || ins.memoryIndex >= 0) return NO_FRAME;
        const base = state[ins.memoryBase] as number;
        return base === NO_FRAME ? NO_FRAME : base + ins.displacement;
      }
    }
  }

  #blockAt(address: number): number {
    const { starts, count } = this.#body;
    let lowest = 0;
    let highest = count;
    while (lowest < highest) {
      const middle = (lowest + highest) >>> 1;
      if ((starts[middle] as number) < address) lowest = middle + 1;
      else highest = middle;
    }
    return lowest < count && starts[lowest] === address ? lowest : -1;
  }
}
