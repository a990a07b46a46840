import { FACT } from '../code/object-code.ts';
import { TaintFlow, type TaintOutcome } from '../value/taint.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import { targetOf } from './word-target.ts';

/** Instructions after which an address is stored, at most, for this to be seen at a glance. */
const STORE_WINDOW = 6;

const RSP = 4;
const RBP = 5;
const RDI = 7;
const RSI = 6;
const RDX = 2;
const RCX = 1;
const R8 = 8;

/**
 * Functions that call what they are given before they return, and do not keep it, in a way that is too much for this analysis.
 *
 * Source: glibc, elf/dl-catch.c; ISO C and POSIX for the others, which call a function of the caller's only within their own call.
 */
const CALLERS: readonly (readonly [name: string, register: number])[] = [
  ['_dl_catch_exception', RSI],
  ['_dl_catch_error', RCX],
  ['qsort', RCX],
  ['qsort_r', RCX],
  ['bsearch', R8],
  ['lfind', R8],
  ['lsearch', R8],
  ['tsearch', RDX],
  ['tfind', RDX],
  ['tdelete', RDX],
  ['twalk', RSI],
  ['twalk_r', RSI],
  ['scandir', RDX],
  ['scandir', RCX],
  ['scandirat', RCX],
  ['scandirat', R8],
  ['ftw', RSI],
  ['nftw', RSI],
  ['glob', RDX],
  ['glob64', RDX],
  ['dl_iterate_phdr', RDI],
  ['pthread_once', RSI],
];

/** Jumps from function to function that are followed to where arguments on the stack are read. */
const STUB_LIMIT = 4;

/** Among keepers: who keeps it is not known. */
export const ANYWHERE = -1;

/** Functions that a value may be handed to, directly and by those that got it; past it the value counts as kept. */
const REACH_LIMIT = 400;

/**
 * Who may still know an address that code takes once that code has returned: it is stored outside of the stack frame, returned, or handed to something of which that is not known to be false. A function that only calls its argument does not keep it.
 *
 * The address of data stands for all that the data holds.
 */
export class Escape {
  readonly #graph: ProgramGraph;
  readonly #flows: (TaintFlow | undefined)[] = [];
  /** By function and register. */
  readonly #parameters = new Map<number, TaintOutcome>();
  readonly #ins = new Instruction();
  readonly #probe = new Instruction();
  readonly #callers = new Set<number>();
  readonly #stackReaders = new Map<number, boolean>();

  constructor(graph: ProgramGraph) {
    this.#graph = graph;
    for (const [name, register] of CALLERS) {
      for (const { address } of graph.image.lookup(name)) {
        const node = graph.nodeAt(address);
        if (node >= 0) this.#callers.add(node * 16 + register);
      }
    }
  }

  /**
   * Of what the instructions at some vaddrs of a node take: the objects whose code keeps it, by index, with ANYWHERE where that is not known;
   * empty if nobody does. `target` is the function whose address it is, -1 for data or several: called, it gets what its caller has in
   * registers.
   */
  keepers(node: number, places: ReadonlySet<number>, target: number): ReadonlySet<number> {
    const object = this.#graph.objectOf(node);
    // At fixed addresses a number may be the address as well.
    if (object.view.isFixed) return new Set([ANYWHERE]);
    const outcome = this.#flowOf(object).run(this.#graph.bodyOf(node), { registers: 0, places });
    return this.#follow(node, outcome, target);
  }

  /**
   * Calls and leaving jumps through what the instructions at some vaddrs of a node take, by vaddr, if it is called and compared and nothing
   * else; null if it may come to be known elsewhere.
   */
  callsOf(node: number, places: ReadonlySet<number>): ReadonlySet<number> | null {
    const object = this.#graph.objectOf(node);
    if (object.view.isFixed) return null;
    const outcome = this.#flowOf(object).run(this.#graph.bodyOf(node), { registers: 0, places });
    const { isKept, handed, stacked, through } = outcome;
    return isKept || handed.size > 0 || stacked.size > 0 ? null : through;
  }

  /** Whether what an instruction takes is stored by one of the next, to memory that is no stack: then there is nothing to follow. */
  isStoredAtOnce(node: number, place: number): boolean {
    const { view } = this.#graph.objectOf(node);
    const ins = this.#ins;
    let address = place + view.decode(place, ins);
    const { destinationKind, destinationRegister: register } = ins;
    if (destinationKind !== OPERAND.REGISTER) return false;
    for (let count = 0; count < STORE_WINDOW; count++) {
      const length = view.decode(address, ins);
      if (length === 0 || ins.flow !== FLOW.NEXT) return false;
      address += length;
      const isStore =
        ins.operation === OP.MOV &&
        ins.size === 8 &&
        ins.destinationKind === OPERAND.MEMORY &&
        ins.sourceKind === OPERAND.REGISTER &&
        ins.sourceRegister === register;
      if (isStore && ins.memoryBase !== RSP && ins.memoryBase !== RBP)
        return !this.#isFrame(node, ins.memoryBase);
      if (((ins.writes >>> register) & 1) === 1) return false;
    }
    return false;
  }

  /** Whether a register may hold an address of the frame: compilers put one into another register only by LEA or MOV. */
  #isFrame(node: number, register: number): boolean {
    if (register < 0) return false;
    const { starts, ends, count } = this.#graph.bodyOf(node);
    const { view } = this.#graph.objectOf(node);
    const ins = this.#probe;
    for (let block = 0; block < count; block++) {
      for (let at = starts[block] as number; at < (ends[block] as number);) {
        const length = view.decode(at, ins);
        if (length === 0) break;
        at += length;
        if (((ins.writes >>> register) & 1) === 0 || ins.flow !== FLOW.NEXT) continue;
        const isFromFrame = ((ins.reads >>> RSP) & 1) === 1 || ((ins.reads >>> RBP) & 1) === 1;
        if (isFromFrame && ins.operation !== OP.POP && ins.operation !== OP.PUSH) return true;
      }
    }
    return false;
  }

  #flowOf(object: GraphObject): TaintFlow {
    return (this.#flows[object.index] ??= new TaintFlow(object.transfer.callerSaved));
  }

  #follow(node: number, outcome: TaintOutcome, target: number): ReadonlySet<number> {
    const keepers = new Set<number>();
    const seen = new Set<number>();
    const open: (readonly [number, TaintOutcome])[] = [[node, outcome]];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [from, { isKept, handed, stacked, through }] = next;
      if (isKept) keepers.add(this.#graph.objectOf(from).index);
      const calleeOf = (vaddr: number): number => (through.has(vaddr) ? target : this.calleeAt(from, vaddr));
      for (const vaddr of stacked) if (this.readsStack(calleeOf(vaddr))) return new Set([ANYWHERE]);
      for (const [vaddr, registers] of handed) {
        const callee = calleeOf(vaddr);
        if (callee < 0) return new Set([ANYWHERE]);
        for (let register = 0; register < 16; register++) {
          const key = callee * 16 + register;
          if (((registers >>> register) & 1) === 0 || seen.has(key) || this.#callers.has(key)) continue;
          seen.add(key);
          if (seen.size > REACH_LIMIT) return new Set([ANYWHERE]);
          open.push([callee, this.#ofParameter(callee, register)]);
        }
      }
    }
    return keepers;
  }

  /** Whether a function may look at arguments on the stack; true for -1. */
  readsStack(node: number, depth = 0): boolean {
    if (node < 0 || depth > STUB_LIMIT) return true;
    const known = this.#stackReaders.get(node);
    if (known !== undefined) return known;
    const object = this.#graph.objectOf(node);
    const { code, firstNode } = object;
    let reads = this.#flowOf(object).readsStack(this.#graph.bodyOf(node));
    const end = code.factOffsets[node - firstNode + 1] as number;
    for (let fact = code.factOffsets[node - firstNode] as number; fact < end && !reads; fact++) {
      const kind = code.factKinds[fact];
      // Where it jumps to finds the same on the stack.
      if (kind === FACT.JUMP || kind === FACT.JUMP_WORD)
        reads = this.readsStack(this.calleeAt(node, code.factPlaces[fact] as number), depth + 1);
      else if (kind === FACT.JUMP_INDIRECT || kind === FACT.JUMP_UNKNOWN) reads = true;
    }
    this.#stackReaders.set(node, reads);
    return reads;
  }

  #ofParameter(node: number, register: number): TaintOutcome {
    const key = node * 16 + register;
    const known = this.#parameters.get(key);
    if (known !== undefined) return known;
    const flow = this.#flowOf(this.#graph.objectOf(node));
    const outcome = flow.run(this.#graph.bodyOf(node), { registers: 1 << register, places: NONE });
    this.#parameters.set(key, outcome);
    return outcome;
  }

  /** Whether a function has no parameters, whatever is in the registers: what compilers have called when the stack was overwritten. */
  hasNoParameters(node: number): boolean {
    return this.#graph.image
      .lookup('__stack_chk_fail')
      .some(({ address }) => this.#graph.nodeAt(address) === node);
  }

  /** Whether the call at a vaddr of a node is known not to return. */
  neverReturns(node: number, vaddr: number): boolean {
    const callee = this.calleeAt(node, vaddr);
    if (callee < 0) return false;
    const { code, firstNode } = this.#graph.objectOf(callee);
    return code.returns[callee - firstNode] === 0;
  }

  /** The one function that the call at a vaddr goes to, -1 where it is not known, or chosen when the program starts. */
  calleeAt(node: number, vaddr: number): number {
    const object = this.#graph.objectOf(node);
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
        const word = object.base + to;
        const relocation = this.#graph.image.relocationAt(word);
        if (relocation >= 0 && object.image.relocations.isIfunc[relocation] === 1) return -1;
        const target = targetOf(object, word);
        return target === 0 ? -1 : this.#graph.nodeAt(target);
      }
    }
    return -1;
  }
}

const NONE: ReadonlySet<number> = new Set();
