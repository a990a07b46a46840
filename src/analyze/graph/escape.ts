import { FACT } from '../code/object-code.ts';
import { STATE, STATE_SIZE } from '../value/state.ts';
import { VALUE } from '../value/value.ts';
import { FLOW, type Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import { targetOf } from './word-target.ts';

/** Registers that carry arguments: rdi, rsi, rdx, rcx, r8, r9. */
const ARGUMENTS = [7, 6, 2, 1, 8, 9];

const RAX = 0;

/** Functions that only call what they are given, in a way that is too much for this analysis: setjmp. Source: glibc, elf/dl-catch.c. */
const CALLERS: readonly (readonly [name: string, register: number])[] = [
  ['_dl_catch_exception', 6],
  ['_dl_catch_error', 1],
];

/** Functions that an address is handed on through; past it the address counts as kept. */
const DEPTH_LIMIT = 8;

/** Functions of more blocks are taken to keep what they get. */
const BLOCK_LIMIT = 1500;

/**
 * Whether a function's address that code takes may still be known to anyone once that code has returned: it is stored, returned, or
 * handed to something of which that is not known to be false. A function that only calls its argument does not keep it.
 */
export class Escape {
  readonly #graph: ProgramGraph;
  readonly #answers = new Map<string, boolean>();

  constructor(graph: ProgramGraph) {
    this.#graph = graph;
    for (const [name, register] of CALLERS) {
      for (const { object, address } of graph.image.lookup(name)) {
        const node = graph.nodeAt(address);
        const { pool } = (graph.objects[object] as GraphObject).transfer;
        if (node >= 0) this.#answers.set(`${node}:${pool.of(VALUE.ENTRY, register)}`, false);
      }
    }
  }

  /** Of an address that a node takes. */
  ofAddress(node: number, address: number): boolean {
    const object = this.#graph.objectOf(node);
    // At fixed addresses a number may be the address as well.
    return object.view.isFixed || this.#keeps(node, object.transfer.pool.address(address - object.base), 0);
  }

  #ofParameter(node: number, register: number, depth: number): boolean {
    if (node < 0 || depth > DEPTH_LIMIT) return true;
    const { transfer } = this.#graph.objectOf(node);
    return this.#keeps(node, transfer.pool.of(VALUE.ENTRY, register), depth);
  }

  #keeps(node: number, value: number, depth: number): boolean {
    const key = `${node}:${value}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    // A recursive call keeps what the function keeps otherwise.
    this.#answers.set(key, false);
    const object = this.#graph.objectOf(node);
    const { pool } = object.transfer;
    const body = this.#graph.bodyOf(node);
    if (body.count > BLOCK_LIMIT) {
      this.#answers.set(key, true);
      return true;
    }
    let kept = false;
    let isSeen = false;
    const handed = new Map<string, readonly [target: number, register: number]>();
    const holds = (id: number): boolean => {
      const isHeld = id > 0 && (id === value || pool.members(id).includes(value));
      if (isHeld) isSeen = true;
      return isHeld;
    };
    object.flow.watch(body, {
      value,
      lost: () => {
        kept = true;
      },
      instruction: (ins, state) => {
        if (kept) return;
        if (!isSeen) for (let register = 0; register < 16; register++) holds(state[register] as number);
        if (ins.flow === FLOW.NEXT) {
          if (keepsByItself(ins, state, holds, pool)) kept = true;
        } else if (ins.flow === FLOW.RETURN) kept = holds(state[RAX] as number);
        else if (ins.flow !== FLOW.BRANCH && ins.flow !== FLOW.TRAP) {
          if (ins.flow === FLOW.JUMP && this.#isInner(object, node, ins.target)) return;
          if (slotsAreVisible(state, holds, pool)) kept = true;
          for (const register of ARGUMENTS) {
            if (!holds(state[register] as number)) continue;
            if (ins.flow === FLOW.SYSCALL) kept = true;
            else handed.set(`${ins.address}:${register}`, [ins.address, register]);
          }
        }
      },
    });
    // Code that the analysis does not come to, or another way to take the address.
    if (!isSeen) kept = true;
    if (!kept) {
      for (const [address, register] of handed.values()) {
        if (this.#ofParameter(this.#calleeAt(object, node, address), register, depth + 1)) {
          kept = true;
          break;
        }
      }
    }
    this.#answers.set(key, kept);
    return kept;
  }

  #isInner(object: GraphObject, node: number, target: number): boolean {
    return (
      this.#graph.nodeAt(object.base + target) === node &&
      object.code.starts[node - object.firstNode] !== target
    );
  }

  /** The one function that the call at a vaddr goes to, -1 where it is not known. */
  #calleeAt(object: GraphObject, node: number, vaddr: number): number {
    const { code, firstNode } = object;
    const index = node - firstNode;
    for (
      let fact = code.factOffsets[index] as number;
      fact < (code.factOffsets[index + 1] as number);
      fact++
    ) {
      if (code.factPlaces[fact] !== vaddr) continue;
      const to = code.factTargets[fact] as number;
      const kind = code.factKinds[fact];
      if (kind === FACT.CALL || kind === FACT.JUMP) return firstNode + to;
      if (kind === FACT.CALL_WORD || kind === FACT.JUMP_WORD) {
        const target = targetOf(object, object.base + to);
        return target === 0 ? -1 : this.#graph.nodeAt(target);
      }
    }
    return -1;
  }
}

interface Pool {
  kind(id: number): number;
  payload(id: number): number;
}

/** Whether an instruction puts the value where it is not followed: memory other than the own frame, or into a computation. */
function keepsByItself(
  ins: Instruction,
  state: Int32Array,
  holds: (id: number) => boolean,
  pool: Pool,
): boolean {
  const isRead = (register: number): boolean =>
    register >= 0 && register < 16 && holds(state[register] as number);
  let mask = ins.reads;
  let any = false;
  for (let register = 0; mask !== 0; register++, mask >>>= 1)
    if ((mask & 1) === 1 && isRead(register)) any = true;
  if (!any) return false;
  switch (ins.operation) {
    case OP.CMP:
    case OP.TEST:
    case OP.NOP:
    case OP.PUSH:
    case OP.POP:
      return false;
    case OP.CMOV:
    case OP.MOV: {
      if (ins.size !== 8) return true;
      if (ins.destinationKind === OPERAND.REGISTER) return false;
      const base = ins.memoryBase;
      const isFrame = base >= 0 && ins.memoryIndex < 0 && pool.kind(state[base] as number) === VALUE.FRAME;
      return !isFrame || isRead(base);
    }
    default:
      return true;
  }
}

/** Whether a called function could read the value from the own frame: an address at or below its slot is handed over. */
function slotsAreVisible(state: Int32Array, holds: (id: number) => boolean, pool: Pool): boolean {
  let hasSlot = false;
  for (let slot: number = STATE.SLOTS; slot < STATE_SIZE; slot++)
    if (holds(state[slot] as number)) hasSlot = true;
  if (!hasSlot) return false;
  if (state[STATE.ESCAPED] === 1) return true;
  return ARGUMENTS.some((register) => pool.kind(state[register] as number) === VALUE.FRAME);
}
