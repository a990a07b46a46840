import type { FunctionBody } from '../value/flow.ts';
import { Frames, NO_FRAME } from '../value/frames.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { ControlFlow } from './control-flow.ts';

const RAX = 0;

/** Conditions of branches, as encoded. */
const EQUAL = 4;
const NOT_EQUAL = 5;

/** What is known for certain at a place. */
interface State {
  /** Registers that hold what fork has returned, one bit each. */
  readonly registers: number;
  /** Offsets in the frame of slots that do. */
  readonly slots: ReadonlySet<number>;
  /** Whether the flags say if it was 0. */
  readonly isCompared: boolean;
}

const NOTHING: State = { registers: 0, slots: new Set(), isCompared: false };

/**
 * vaddrs of the instructions of a function that a process may come to without being a child that the function has forked: all but
 * those behind a comparison of what fork has returned with 0.
 *
 * @param forks vaddrs of the calls of fork.
 */
export function outsideOfChildren(
  flow: ControlFlow,
  forks: ReadonlySet<number>,
  callerSaved: number,
): ReadonlySet<number> {
  return new ForkFlow(flow, forks, callerSaved).run();
}

class ForkFlow {
  readonly #flow: ControlFlow;
  readonly #body: FunctionBody;
  readonly #forks: ReadonlySet<number>;
  readonly #frames: Frames;
  readonly #callerSaved: number;
  readonly #ins = new Instruction();
  readonly #states = new Map<number, State>();
  readonly #work: number[] = [];

  constructor(flow: ControlFlow, forks: ReadonlySet<number>, callerSaved: number) {
    this.#flow = flow;
    this.#body = flow.body;
    this.#forks = forks;
    this.#frames = new Frames(flow.body, callerSaved);
    this.#callerSaved = callerSaved;
  }

  run(): ReadonlySet<number> {
    const first: number[] = [];
    for (let block = 0; block < this.#body.count; block++) {
      const isEntry = this.#body.starts[block] === this.#body.entry;
      if (isEntry || this.#body.isEnteredFromOutside(block)) first.push(block);
    }
    for (const block of first) this.#enter(block, NOTHING);
    for (let block = this.#work.pop(); block !== undefined; block = this.#work.pop())
      this.#follow(block, (next, state) => this.#enter(next, state), null);
    const outside = new Set<number>();
    const seen = new Set(first);
    for (const block of seen) this.#follow(block, (next) => seen.add(next), outside);
    return outside;
  }

  #enter(block: number, state: State): void {
    const known = this.#states.get(block);
    const joined = known === undefined ? state : common(known, state);
    if (known !== undefined && isSame(known, joined)) return;
    this.#states.set(block, joined);
    this.#work.push(block);
  }

  /** Tells where a block leads to; with `outside`, only in processes that are no child, and notes their instructions. */
  #follow(block: number, go: (block: number, state: State) => void, outside: Set<number> | null): void {
    const body = this.#body;
    const ins = this.#ins;
    let state = this.#states.get(block) ?? NOTHING;
    const end = body.ends[block] as number;
    const goTo = (address: number): void => {
      const next = this.#flow.blockFrom(address);
      if (next >= 0) go(next, state);
    };
    for (let address = body.starts[block] as number; address < end;) {
      const length = body.decode(address, ins);
      if (length === 0) return;
      address += length;
      outside?.add(ins.address);
      switch (ins.flow) {
        case FLOW.BRANCH: {
          const isKnown = outside !== null && state.isCompared;
          if (!(isKnown && ins.condition === EQUAL)) goTo(ins.target);
          if (isKnown && ins.condition === NOT_EQUAL) return;
          break;
        }
        case FLOW.JUMP:
          goTo(ins.target);
          return;
        case FLOW.JUMP_INDIRECT:
          for (const target of Array.from(body.jumpTargets(ins.address) ?? [])) goTo(target);
          return;
        case FLOW.RETURN:
        case FLOW.TRAP:
          return;
        default:
          state = this.#after(ins, state);
      }
    }
    goTo(end);
  }

  #after(ins: Instruction, state: State): State {
    if (ins.flow === FLOW.CALL || ins.flow === FLOW.CALL_INDIRECT) {
      if (this.#forks.has(ins.address)) return { ...NOTHING, registers: 1 << RAX };
      const lowest = this.#frames.lowest.get(ins.address) ?? NO_FRAME;
      const slots = new Set([...state.slots].filter((offset) => offset < lowest));
      return { registers: state.registers & ~this.#callerSaved, slots, isCompared: false };
    }
    const offset = this.#frames.operands.get(ins.address) ?? NO_FRAME;
    const holds = (kind: number, register: number): boolean =>
      kind === OPERAND.REGISTER
        ? ((state.registers >>> register) & 1) === 1
        : kind === OPERAND.MEMORY && state.slots.has(offset);
    const { operation, size, destinationKind, destinationRegister, sourceKind, sourceRegister } = ins;
    switch (operation) {
      case OP.NOP:
        return state;
      case OP.CMP:
      case OP.TEST: {
        const isZero = operation === OP.CMP && sourceKind === OPERAND.IMMEDIATE && ins.immLow === 0;
        const isSelf =
          operation === OP.TEST && sourceKind === OPERAND.REGISTER && sourceRegister === destinationRegister;
        const isCompared = size >= 4 && (isZero || isSelf) && holds(destinationKind, destinationRegister);
        return { ...state, isCompared };
      }
      default:
    }
    const isCopy =
      size >= 4 && (operation === OP.MOV || operation === OP.MOVSXD) && holds(sourceKind, sourceRegister);
    let registers = state.registers & ~ins.writes;
    let slots = state.slots;
    if (ins.writesMemory === 1) {
      const isAnywhere = offset === NO_FRAME && this.#frames.escaped.has(ins.address);
      const isTouched = (slot: number): boolean => isAnywhere || Math.abs(slot - offset) < Math.max(size, 8);
      slots = new Set([...slots].filter((slot) => !isTouched(slot)));
    }
    if (isCopy && destinationKind === OPERAND.REGISTER) registers |= 1 << destinationRegister;
    if (isCopy && destinationKind === OPERAND.MEMORY && offset !== NO_FRAME)
      slots = new Set([...slots, offset]);
    // Only these leave the flags as they are.
    const isCompared =
      state.isCompared && (operation === OP.MOV || operation === OP.LEA || operation === OP.PUSH);
    return { registers, slots, isCompared };
  }
}

function common(a: State, b: State): State {
  return {
    registers: a.registers & b.registers,
    slots: new Set([...a.slots].filter((slot) => b.slots.has(slot))),
    isCompared: a.isCompared && b.isCompared,
  };
}

function isSame(a: State, b: State): boolean {
  return a.registers === b.registers && a.slots.size === b.slots.size && a.isCompared === b.isCompared;
}
