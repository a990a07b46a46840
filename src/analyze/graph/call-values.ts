import { lastAtMost } from '../code/int-list.ts';
import { STATE_SIZE, type StackSlots } from '../value/state.ts';
import { TOP, VALUE } from '../value/value.ts';
import { FLOW } from '../x86/instruction.ts';
import type { ProgramGraph } from './program-graph.ts';

/** States before the calls, system calls and leaving jumps of a function. */
interface NodeStates {
  readonly slots: StackSlots;
  readonly states: ReadonlyMap<number, Int32Array>;
}

/** States that are kept, in all; past it the oldest functions are analysed again when asked for. */
const STATE_LIMIT = 40_000;

/** The abstract states at the calls of functions, analysed when first asked for, with nothing known at the function's entry. */
export class CallValues {
  readonly #graph: ProgramGraph;
  readonly #nodes = new Map<number, NodeStates>();
  #count = 0;

  constructor(graph: ProgramGraph) {
    this.#graph = graph;
  }

  /** What a function has in its registers and stack slots before the instruction at an address; null when it is never reached. */
  at(node: number, address: number): { readonly state: Int32Array; readonly slots: StackSlots } | null {
    const { base } = this.#graph.objectOf(node);
    const known = this.#nodes.get(node) ?? this.#analyze(node);
    const state = known.states.get(address - base);
    return state === undefined ? null : { state, slots: known.slots };
  }

  /**
   * A register before the instruction at an address of a function, if the straight-line code before it alone gives it one number or address;
   * TOP otherwise. Most calls are such, and the function need not be analysed for them.
   */
  straight(node: number, address: number, register: number): number {
    const object = this.#graph.objectOf(node);
    const { flow, transfer, base } = object;
    if (this.#nodes.has(node)) return this.at(node, address)?.state[register] ?? TOP;
    const body = this.#graph.bodyOf(node);
    const block = lastAtMost(body.starts, body.count, address - base);
    if (block < 0) return TOP;
    const state = flow.straight(body, body.starts[block] as number, address - base, [], false, isNever);
    const value = state?.[register] ?? TOP;
    const kind = transfer.pool.kind(value);
    return kind === VALUE.CONST || kind === VALUE.ADDRESS || kind === VALUE.WORD ? value : TOP;
  }

  #analyze(node: number): NodeStates {
    const { flow, transfer } = this.#graph.objectOf(node);
    const body = this.#graph.bodyOf(node);
    const states = new Map<number, Int32Array>();
    flow.run(body, (ins, state) => {
      if (ins.flow === FLOW.BRANCH || ins.flow === FLOW.RETURN || ins.flow === FLOW.TRAP) return;
      states.set(ins.address, state.slice(0, STATE_SIZE));
    });
    if (this.#count > STATE_LIMIT) {
      this.#nodes.clear();
      this.#count = 0;
    }
    const fresh = { slots: transfer.slots.snapshot(), states };
    this.#nodes.set(node, fresh);
    this.#count += states.size;
    return fresh;
  }
}

/** A block has no place in it where control comes from elsewhere. */
function isNever(): boolean {
  return false;
}
