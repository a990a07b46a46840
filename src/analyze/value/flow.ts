import { FLOW, Instruction } from '../x86/instruction.ts';
import { decideBranch, decideOne } from './condition.ts';
import { EFFECT, effectsOfCall } from './effect.ts';
import { COMPARE, entryState, joinState, STATE, STATE_SIZE, unknownState } from './state.ts';
import { Transfer } from './transfer.ts';
import { TOP, VALUE, type ValuePool } from './value.ts';

/** The code of one function, in blocks; all addresses are vaddrs. */
export interface FunctionBody {
  readonly entry: number;
  /** Number of blocks. */
  readonly count: number;
  /** First address of each block, ascending. */
  readonly starts: Int32Array;
  /** Address after each block. */
  readonly ends: Int32Array;
  /** True when control may come to a block from where no value is known: a landing pad, a jump from another function. */
  isEnteredFromOutside(block: number): boolean;
  /** Where the indirect jump at an address goes; null when that is not known. */
  jumpTargets(at: number): ArrayLike<number> | null;
  /**
   * Registers that the function at an address may change, one bit each, where more is known than the calling convention says:
   * compilers keep values in other registers across calls of functions in the same unit. -1 for unknown.
   */
  clobbers?(target: number): number;
  /** What a call of the function at an address does beyond the calling convention: EFFECT bits. */
  effects?(target: number): number;
  /** The same of what is called through the word at an address, which the loader fills. */
  effectsOfWord?(word: number): number;
  /** Fills in the instruction at an address; its length is 0 where there is none. */
  decode(address: number, into: Instruction): number;
}

/** Is told of every instruction that does not just go on to the next, with the state before it; the state must not be kept. */
export type FlowVisitor = (ins: Instruction, state: Int32Array, block: number) => void;

/** Is told of every instruction of reached code once, with the state before it; the state must not be kept. */
export type FlowObserver = (ins: Instruction, state: Int32Array) => void;

/** After so many visits of a block what still changes is taken for unknown, so that the analysis ends. */
const VISIT_LIMIT = 4;

/** Blocks past which a function is not analysed: everything in it is then unknown. */
const BLOCK_LIMIT = 20_000;

/** Forward analysis of the values in a function, block by block to a fixed point; branches that a known value decides are not followed. */
export class FlowAnalysis {
  readonly #pool: ValuePool;
  readonly #transfer: Transfer;
  readonly #ins = new Instruction();
  readonly #state = new Int32Array(STATE_SIZE);
  readonly #edge = new Int32Array(STATE_SIZE);
  #states = new Int32Array(STATE_SIZE * 64);
  #visits = new Uint8Array(64);
  #dirty = new Uint8Array(64);
  #body: FunctionBody | null = null;
  #visitor: FlowVisitor | null = null;
  #observer: FlowObserver | null = null;

  constructor(transfer: Transfer) {
    this.#transfer = transfer;
    this.#pool = transfer.pool;
  }

  /**
   * Analyses a function with nothing known at its entry: registers hold ENTRY values. The visitor is called once for every instruction of
   * interest in code that is reached, after the fixed point.
   */
  run(body: FunctionBody, visitor: FlowVisitor | null): void {
    this.#body = body;
    this.#visitor = null;
    this.#transfer.slots.clear();
    if (body.count > BLOCK_LIMIT) {
      this.#giveUp(body, visitor);
      return;
    }
    this.#reserve(body.count);
    const states = this.#states;
    const dirty = this.#dirty;
    entryState(this.#pool, this.#state);
    const first = this.#blockAt(body.entry);
    if (first >= 0) this.#enter(first, this.#state);
    for (let block = 0; block < body.count; block++) {
      if (!body.isEnteredFromOutside(block)) continue;
      unknownState(this.#state);
      this.#enter(block, this.#state);
    }
    // Forward in sweeps, so that a loop is gone through as a whole before it is begun again.
    let block = -1;
    for (;;) {
      block = dirty.indexOf(1, block + 1);
      if (block < 0 || block >= body.count) block = dirty.indexOf(1);
      if (block < 0 || block >= body.count) break;
      dirty[block] = 0;
      this.#state.set(states.subarray(block * STATE_SIZE, (block + 1) * STATE_SIZE));
      this.#passThrough(block);
    }
    if (visitor === null) return;
    this.#visitor = visitor;
    this.#passAgain(body);
  }

  /** Goes through all blocks with the states that they have in the end. */
  #passAgain(body: FunctionBody): void {
    for (let block = 0; block < body.count; block++) {
      if (this.#visits[block] === 0) continue;
      this.#state.set(this.#states.subarray(block * STATE_SIZE, (block + 1) * STATE_SIZE));
      this.#passThrough(block);
    }
  }

  /**
   * Follows straight-line code from an address to the instruction at `end`, taking no branch; gives the state before that, which must not
   * be kept. Nothing is known but `registers`, pairs of a register and the value that it has at `start`, or all over the function if they
   * `holdEverywhere`. `isEntered` says where control may come from elsewhere: there nothing else is known again.
   */
  straight(
    body: Pick<FunctionBody, 'decode' | 'effects' | 'effectsOfWord'>,
    start: number,
    end: number,
    registers: readonly (readonly [number, number])[],
    holdEverywhere: boolean,
    isEntered: (address: number) => boolean,
  ): Int32Array | null {
    const state = this.#state;
    const ins = this.#ins;
    this.#transfer.slots.clear();
    const forget = (known: readonly (readonly [number, number])[]): void => {
      unknownState(state);
      for (const [register, value] of known) state[register] = value;
    };
    const everywhere = holdEverywhere ? registers : [];
    forget(registers);
    for (let address = start; address < end;) {
      if (address !== start && isEntered(address)) forget(everywhere);
      const length = body.decode(address, ins);
      if (length === 0) return null;
      address += length;
      if (ins.flow === FLOW.NEXT) this.#transfer.apply(ins, state);
      else if (ins.flow === FLOW.BRANCH) {
        if (ins.condition >= 0) this.#refine(state, ins.condition ^ 1);
      } else if (ins.flow === FLOW.CALL || ins.flow === FLOW.CALL_INDIRECT)
        this.#transfer.applyCall(state, -1, this.#effects(body, ins, state));
      else if (ins.flow === FLOW.SYSCALL || ins.flow === FLOW.SYSENTER || ins.flow === FLOW.INTERRUPT)
        this.#transfer.applySyscall(state);
      else forget(everywhere);
    }
    return state;
  }

  /** As `run`, and tells of every instruction; false for a function that is too large to be analysed. */
  observe(body: FunctionBody, observer: FlowObserver): boolean {
    if (body.count > BLOCK_LIMIT) return false;
    this.run(body, null);
    this.#observer = observer;
    try {
      this.#passAgain(body);
    } finally {
      this.#observer = null;
    }
    return true;
  }

  #giveUp(body: FunctionBody, visitor: FlowVisitor | null): void {
    if (visitor === null) return;
    this.#visitor = visitor;
    for (let block = 0; block < body.count; block++) {
      unknownState(this.#state);
      this.#passThrough(block, true);
    }
  }

  #reserve(count: number): void {
    if (this.#states.length < count * STATE_SIZE) this.#states = new Int32Array(count * STATE_SIZE * 2);
    if (this.#visits.length <= count) {
      this.#visits = new Uint8Array(count * 2);
      this.#dirty = new Uint8Array(count * 2);
    }
    this.#visits.fill(0, 0, count);
    this.#dirty.fill(0, 0, count);
  }

  #blockAt(address: number): number {
    const body = this.#body as FunctionBody;
    let lowest = 0;
    let highest = body.count;
    while (lowest < highest) {
      const middle = (lowest + highest) >>> 1;
      if ((body.starts[middle] as number) < address) lowest = middle + 1;
      else highest = middle;
    }
    return lowest < body.count && body.starts[lowest] === address ? lowest : -1;
  }

  /** Joins a state into that of a block, which is looked at again if that changes it. */
  #enter(block: number, state: Int32Array): void {
    if (this.#visitor !== null || this.#observer !== null) return;
    const at = block * STATE_SIZE;
    const visits = this.#visits[block] as number;
    if (visits === 0) {
      this.#states.set(state, at);
      this.#visits[block] = 1;
    } else {
      if (visits >= VISIT_LIMIT) this.#widen(at, state);
      if (!joinState(this.#pool, this.#states, at, state)) return;
      if (visits < 255) this.#visits[block] = visits + 1;
    }
    this.#dirty[block] = 1;
  }

  #widen(at: number, state: Int32Array): void {
    for (let index = 0; index < STATE_SIZE; index++) {
      if (index >= 16 && index < STATE.SLOTS) continue;
      if (this.#states[at + index] !== state[index]) state[index] = TOP;
    }
  }

  /** Follows a block from the current state to its end. */
  #passThrough(block: number, isOpen = false): void {
    const body = this.#body as FunctionBody;
    const state = this.#state;
    const ins = this.#ins;
    const end = body.ends[block] as number;
    let address = body.starts[block] as number;
    while (address < end) {
      const length = body.decode(address, ins);
      if (length === 0) return;
      address += length;
      const flow = ins.flow;
      if (this.#observer !== null) this.#observer(ins, state);
      if (flow === FLOW.NEXT) {
        this.#transfer.apply(ins, state);
        continue;
      }
      if (this.#visitor !== null) this.#visitor(ins, state, block);
      switch (flow) {
        case FLOW.JUMP:
          if (!isOpen) this.#goTo(ins.target, state);
          return;
        case FLOW.BRANCH:
          if (!isOpen) this.#branch(ins, address);
          return;
        case FLOW.JUMP_INDIRECT:
          if (!isOpen)
            for (const target of Array.from(body.jumpTargets(ins.address) ?? [])) this.#goTo(target, state);
          return;
        case FLOW.RETURN:
        case FLOW.TRAP:
          return;
        case FLOW.CALL:
          this.#transfer.applyCall(
            state,
            body.clobbers?.(ins.target) ?? -1,
            body.effects?.(ins.target) ?? EFFECT.NONE,
          );
          break;
        case FLOW.CALL_INDIRECT:
          this.#transfer.applyCall(state, -1, this.#effects(body, ins, state));
          break;
        case FLOW.SYSCALL:
        case FLOW.SYSENTER:
        case FLOW.INTERRUPT:
          this.#transfer.applySyscall(state);
          break;
        default:
          this.#transfer.apply(ins, state);
      }
      if (isOpen) unknownState(state);
    }
    if (!isOpen) this.#goTo(end, state);
  }

  /** What a call does beyond the convention, where it is known whom it calls. */
  #effects(
    body: Pick<FunctionBody, 'effects' | 'effectsOfWord'>,
    ins: Instruction,
    state: Int32Array,
  ): number {
    if (ins.flow === FLOW.CALL || ins.ripTarget >= 0) return effectsOfCall(body, ins);
    if (body.effects === undefined || body.effectsOfWord === undefined) return EFFECT.NONE;
    let effects: number = EFFECT.NONE;
    for (const member of this.#pool.members(this.#transfer.callee(ins, state))) {
      const kind = this.#pool.kind(member);
      const payload = this.#pool.payload(member);
      if (kind === VALUE.WORD) effects |= body.effectsOfWord(payload);
      else if (kind === VALUE.ADDRESS || kind === VALUE.CONST) effects |= body.effects(payload);
    }
    return effects;
  }

  #goTo(address: number, state: Int32Array): void {
    const block = this.#blockAt(address);
    if (block >= 0) this.#enter(block, state);
  }

  #branch(ins: Instruction, next: number): void {
    const state = this.#state;
    const decision = decideBranch(this.#pool, state, ins.condition);
    if (decision !== 0) {
      this.#edge.set(state);
      if (ins.condition >= 0) this.#refine(this.#edge, ins.condition);
      this.#goTo(ins.target, this.#edge);
    }
    if (decision !== 1) {
      this.#edge.set(state);
      // Conditions come in pairs, the odd one the opposite of the even one.
      if (ins.condition >= 0) this.#refine(this.#edge, ins.condition ^ 1);
      this.#goTo(next, this.#edge);
    }
  }

  /** Narrows the value that was compared to what it can be once a condition holds. */
  #refine(state: Int32Array, condition: number): void {
    const pool = this.#pool;
    const place = state[STATE.FLAG_PLACE] as number;
    const kind = state[STATE.FLAG_KIND] as number;
    if (place < 0 || kind === COMPARE.NONE) return;
    const size = state[STATE.FLAG_SIZE] as number;
    const a = state[STATE.FLAG_A] as number;
    const b = kind === COMPARE.TEST ? pool.constant(0) : (state[STATE.FLAG_B] as number);
    if (pool.kind(b) !== VALUE.CONST) return;
    const narrowed = this.#narrow(kind, a, b, size, condition);
    if (narrowed < 0) return;
    if (place === STATE.MEMORY_BASE) {
      state[STATE.MEMORY_VALUE] = narrowed;
      return;
    }
    if (size < 4) {
      if (place >= 16) return;
      const whole = state[place] as number;
      // A byte that was zero-extended: then the comparison is one of the whole register.
      if (pool.kind(whole) === VALUE.RANGE && pool.payload(whole) < 2 ** (size * 8)) {
        state[place] = narrowed;
        return;
      }
      state[STATE.NARROW_REGISTER] = place;
      state[STATE.NARROW_SIZE] = size;
      state[STATE.NARROW_VALUE] = narrowed;
    } else {
      // A comparison of 4 bytes says nothing of the upper half; what compilers compare so they also read so.
      state[place] = narrowed;
    }
    state[STATE.FLAG_A] = narrowed;
  }

  /** The narrower value, -1 when nothing is learnt. */
  #narrow(kind: number, a: number, b: number, size: number, condition: number): number {
    const pool = this.#pool;
    const limit = pool.payload(b);
    if (pool.kind(a) === VALUE.SET) {
      const other = kind === COMPARE.TEST ? a : b;
      const kept = pool
        .members(a)
        .filter(
          (member) =>
            decideOne(pool, kind, member, kind === COMPARE.TEST ? member : other, size, condition) !== 0,
        );
      return kept.length === 0 || kept.length === pool.members(a).length ? -1 : pool.union(kept);
    }
    if (condition === 4) return b;
    if (limit < 0 || limit > 0xffff || pool.kind(a) === VALUE.CONST) return -1;
    const isEntry = pool.kind(a) === VALUE.RANGE && pool.payload(a) <= limit;
    if (isEntry || kind === COMPARE.TEST) return -1;
    if (condition === 6) return pool.of(VALUE.RANGE, limit);
    if (condition === 2 && limit > 0) return pool.of(VALUE.RANGE, limit - 1);
    return -1;
  }
}
