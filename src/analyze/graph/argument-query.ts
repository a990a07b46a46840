import { FACT } from '../code/object-code.ts';
import type { StackSlots } from '../value/state.ts';
import type { Transfer } from '../value/transfer.ts';
import { TOP, VALUE } from '../value/value.ts';
import { Instruction, OPERAND } from '../x86/instruction.ts';
import { CallValues } from './call-values.ts';
import { Escape } from './escape.ts';
import { GoVariables } from './go-variables.ts';
import type { ProgramGraph } from './program-graph.ts';
import { type Reach, TAKEN } from './reach.ts';
import { targetOf } from './word-target.ts';

/** A call, or a jump that is one. */
export interface CallPlace {
  readonly node: number;
  readonly address: number;
}

/** A place where a value is not known. */
export interface UnknownValue {
  readonly node: number;
  /** Address of the call, or of the function where its callers are not known. */
  readonly address: number;
  readonly reason: string;
}

/** What a register or stack slot may hold. */
export interface PossibleValues {
  /**
   * Numbers, and addresses of the image: in code that is not position-independent nothing tells them apart. For each the calls through
   * which it came, from the one that has it as a constant on; empty for a constant at the place itself.
   */
  readonly numbers: ReadonlyMap<number, readonly CallPlace[]>;
  readonly unknown: readonly UnknownValue[];
}

/** Values that are followed up to so many callers deep. */
const DEPTH_LIMIT = 12;

/** Most distinct numbers of one value. */
const NUMBER_LIMIT = 512;

const RSP = 4;

const HERE: readonly CallPlace[] = [];

/** A register at entry as a place: its number; a stack argument: the offset, 8 or more, plus this. */
const STACK_PLACES = 1000;

/**
 * What values arguments have, over all calls that a reach holds: from the constants at the calls, through any number of functions
 * that pass them on.
 */
export class ArgumentQuery {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #values: CallValues;
  readonly #answers = new Map<string, PossibleValues>();
  readonly #open = new Set<string>();
  readonly #kept = new Map<number, boolean>();
  readonly #escape: Escape;
  readonly #calls = new Map<number, readonly CallPlace[]>();
  readonly #variables = new Map<number, GoVariables>();

  constructor(graph: ProgramGraph, reach: Reach, values: CallValues = new CallValues(graph)) {
    this.#graph = graph;
    this.#reach = reach;
    this.#values = values;
    this.#escape = new Escape(graph);
  }

  /** What a register may hold before the instruction at an address of a node. */
  registerAt(node: number, address: number, register: number): PossibleValues {
    const constant = this.#values.straight(node, address, register);
    if (constant !== TOP) return this.#resolve(node, address, constant, 0);
    const found = this.#values.at(node, address);
    if (found === null) return { numbers: new Map(), unknown: [] };
    return this.#resolve(node, address, found.state[register] as number, 0);
  }

  /** What a register may hold at a function's entry. */
  registerAtEntry(node: number, register: number): PossibleValues {
    return this.#atEntry(node, register, 0);
  }

  #resolve(node: number, address: number, value: number, depth: number): PossibleValues {
    const object = this.#graph.objectOf(node);
    const { pool } = object.transfer;
    const numbers = new Map<number, readonly CallPlace[]>();
    const unknown: UnknownValue[] = [];
    for (const member of pool.members(value)) {
      const payload = pool.payload(member);
      switch (pool.kind(member)) {
        case VALUE.CONST:
          numbers.set(payload, HERE);
          break;
        case VALUE.ADDRESS:
          numbers.set(payload + object.base, HERE);
          break;
        case VALUE.WORD: {
          const target = targetOf(object, payload + object.base);
          numbers.set(target, HERE);
          break;
        }
        case VALUE.ENTRY:
        case VALUE.ENTRY_LOW:
          merge(this.#atEntry(node, payload, depth + 1), numbers, unknown);
          break;
        case VALUE.ARGUMENT:
        case VALUE.ARGUMENT_LOW:
          merge(this.#atEntry(node, STACK_PLACES + payload, depth + 1), numbers, unknown);
          break;
        case VALUE.VARIABLE:
          merge(this.#inVariable(node, address, payload, depth + 1), numbers, unknown);
          break;
        default:
          unknown.push({ node, address, reason: 'computed at run time' });
      }
    }
    if (numbers.size > NUMBER_LIMIT)
      return { numbers: new Map(), unknown: [{ node, address, reason: 'too many values' }] };
    return { numbers, unknown };
  }

  /** What a variable of Go may hold: what the file has in it, and what reached code puts there. */
  #inVariable(node: number, address: number, vaddr: number, depth: number): PossibleValues {
    const object = this.#graph.objectOf(node);
    const key = `variable ${object.index}:${vaddr}`;
    const nothing = { numbers: new Map<number, readonly CallPlace[]>(), unknown: [] };
    if (this.#open.has(key)) return nothing;
    const contents =
      depth > DEPTH_LIMIT ? null : this.#variablesOf(object.index, object.firstNode).contents(vaddr);
    if (contents === null) return { ...nothing, unknown: [{ node, address, reason: 'read from memory' }] };
    this.#open.add(key);
    const numbers = new Map<number, readonly CallPlace[]>([[contents.initial, HERE]]);
    const unknown: UnknownValue[] = [];
    for (const { node: writer, address: at, values } of contents.writes) {
      for (const value of values) merge(this.#resolve(writer, at, value, depth), numbers, unknown);
    }
    this.#open.delete(key);
    return { numbers, unknown };
  }

  #variablesOf(object: number, node: number): GoVariables {
    const known = this.#variables.get(object);
    if (known !== undefined) return known;
    const fresh = new GoVariables(this.#graph, this.#reach, this.#graph.objectOf(node));
    this.#variables.set(object, fresh);
    return fresh;
  }

  #atEntry(node: number, place: number, depth: number): PossibleValues {
    const key = `${node}:${place}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    // On the way already: a recursive function adds nothing that its other callers do not bring.
    if (this.#open.has(key)) return { numbers: new Map(), unknown: [] };
    const address = this.#graph.addressOf(node);
    if (depth > DEPTH_LIMIT)
      return { numbers: new Map(), unknown: [{ node, address, reason: 'passed on too often' }] };
    this.#open.add(key);
    const numbers = new Map<number, readonly CallPlace[]>();
    const unknown: UnknownValue[] = [];
    const taken = this.#reach.taken[node] as number;
    if (taken !== 0 && this.#isKept(node)) {
      const reason = (taken & TAKEN.ADDRESS) !== 0 ? 'called through a pointer' : 'called from outside';
      unknown.push({ node, address, reason });
    }
    const addCall = (from: number, at: number): void => {
      const found = this.#atCall(from, at, place, depth);
      unknown.push(...found.unknown);
      for (const [number, way] of found.numbers) {
        if (!numbers.has(number)) numbers.set(number, [...way, { node: from, address: at }]);
      }
    };
    this.#reach.forEachCall(node, addCall);
    if ((taken & TAKEN.ADDRESS) !== 0) {
      for (const { node: from, address: at } of this.#pointerCalls(node)) addCall(from, at);
    }
    this.#open.delete(key);
    const answer = { numbers, unknown: distinct(unknown) };
    if (depth === 0 || this.#open.size === 0) this.#answers.set(key, answer);
    return answer;
  }

  /** Whether the function may be called by what is not known: not if all code that takes its address only compares it, or calls it at once. */
  #isKept(node: number): boolean {
    if (this.#reach.taken[node] !== TAKEN.ADDRESS) return true;
    const known = this.#kept.get(node);
    if (known !== undefined) return known;
    const calls = new Set(this.#pointerCalls(node).map(({ address }) => address));
    const isKept = [...this.#reach.takers.of(node)].some(([taker, places]) => {
      const through = this.#escape.callsOf(taker, places);
      const { base } = this.#graph.objectOf(taker);
      return through === null || [...through].some((vaddr) => !calls.has(vaddr + base));
    });
    this.#kept.set(node, isKept);
    return isKept;
  }

  /** Calls through a register that holds the function's address for certain, in the code that takes it. */
  #pointerCalls(node: number): readonly CallPlace[] {
    const known = this.#calls.get(node);
    if (known !== undefined) return known;
    const calls: CallPlace[] = [];
    const wanted = this.#graph.addressOf(node);
    const ins = new Instruction();
    for (const from of this.#reach.takers.of(node).keys()) {
      const object = this.#graph.objectOf(from);
      const { code, firstNode, base, view, transfer } = object;
      const index = from - firstNode;
      const end = code.factOffsets[index + 1] as number;
      for (let fact = code.factOffsets[index] as number; fact < end; fact++) {
        const kind = code.factKinds[fact];
        if (kind !== FACT.CALL_INDIRECT && kind !== FACT.JUMP_INDIRECT) continue;
        const at = code.factPlaces[fact] as number;
        const found = this.#values.at(from, at + base);
        if (found === null || view.decode(at, ins) === 0) continue;
        const callee = calleeOf(ins, found.state, found.slots, transfer);
        const isCall = transfer.pool.members(callee).some((member) => {
          const payload = transfer.pool.payload(member) + base;
          const memberKind = transfer.pool.kind(member);
          if (memberKind === VALUE.WORD) return targetOf(object, payload) === wanted;
          const isAddress = memberKind === VALUE.ADDRESS || (view.isFixed && memberKind === VALUE.CONST);
          return isAddress && payload === wanted;
        });
        if (isCall) calls.push({ node: from, address: at + base });
      }
    }
    this.#calls.set(node, calls);
    return calls;
  }

  #atCall(caller: number, address: number, place: number, depth: number): PossibleValues {
    const constant = place < STACK_PLACES ? this.#values.straight(caller, address, place) : TOP;
    if (constant !== TOP) return this.#resolve(caller, address, constant, depth);
    const found = this.#values.at(caller, address);
    // The analysis of values is sharper than that of edges: it may know that the call is never reached.
    if (found === null) {
      const isFall = this.#graph.nodeAt(address) !== caller;
      return {
        numbers: new Map(),
        unknown: isFall ? [{ node: caller, address, reason: 'entered by falling through' }] : [],
      };
    }
    const { state, slots } = found;
    if (place < STACK_PLACES) return this.#resolve(caller, address, state[place] as number, depth);
    const { pool } = this.#graph.objectOf(caller).transfer;
    const stack = state[RSP] as number;
    if (pool.kind(stack) !== VALUE.FRAME)
      return { numbers: new Map(), unknown: [{ node: caller, address, reason: 'stack pointer not known' }] };
    // A call pushes the return address, a jump does not.
    const isCall = this.#isCall(caller, address);
    const offset = pool.payload(stack) + place - STACK_PLACES - (isCall ? 8 : 0);
    return this.#resolve(caller, address, slots.read(state, offset, 8), depth);
  }

  #isCall(caller: number, address: number): boolean {
    const { code, firstNode, base } = this.#graph.objectOf(caller);
    const index = caller - firstNode;
    for (
      let fact = code.factOffsets[index] as number;
      fact < (code.factOffsets[index + 1] as number);
      fact++
    ) {
      if ((code.factPlaces[fact] as number) + base !== address) continue;
      const kind = code.factKinds[fact];
      if (kind === FACT.CALL || kind === FACT.CALL_WORD) return true;
      if (kind === FACT.JUMP || kind === FACT.JUMP_WORD) return false;
    }
    return true;
  }
}

/** Where an indirect call or jump goes: a register, a slot of the own frame, or a word that the loader fills. */
function calleeOf(ins: Instruction, state: Int32Array, slots: StackSlots, transfer: Transfer): number {
  if (ins.sourceKind === OPERAND.REGISTER) return state[ins.sourceRegister] as number;
  if (ins.hasMemory === 0 || ins.memoryBase < 0) return TOP;
  const { pool } = transfer;
  const address = transfer.addressOf(ins, state);
  if (pool.kind(address) === VALUE.ADDRESS) return transfer.load(state, address, 8);
  return pool.kind(address) === VALUE.FRAME ? slots.read(state, pool.payload(address), 8) : TOP;
}

function merge(
  from: PossibleValues,
  numbers: Map<number, readonly CallPlace[]>,
  unknown: UnknownValue[],
): void {
  for (const [number, way] of from.numbers) if (!numbers.has(number)) numbers.set(number, way);
  unknown.push(...from.unknown);
}

function distinct(unknown: readonly UnknownValue[]): UnknownValue[] {
  const seen = new Map<number, UnknownValue>();
  for (const one of unknown) if (!seen.has(one.address)) seen.set(one.address, one);
  return [...seen.values()];
}
