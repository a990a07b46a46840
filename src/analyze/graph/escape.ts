import { FACT } from '../code/object-code.ts';
import { TaintFlow, type TaintOutcome } from '../value/taint.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import { targetOf } from './word-target.ts';

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
  readonly #callers = new Set<number>();

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
   * empty if nobody does.
   */
  keepers(node: number, places: ReadonlySet<number>): ReadonlySet<number> {
    const object = this.#graph.objectOf(node);
    // At fixed addresses a number may be the address as well.
    if (object.view.isFixed) return new Set([ANYWHERE]);
    return this.#follow(node, this.#flowOf(object).run(this.#graph.bodyOf(node), { registers: 0, places }));
  }

  #flowOf(object: GraphObject): TaintFlow {
    return (this.#flows[object.index] ??= new TaintFlow(object.flow, object.transfer.pool));
  }

  #follow(node: number, outcome: TaintOutcome): ReadonlySet<number> {
    const keepers = new Set<number>();
    const seen = new Set<number>();
    const open: (readonly [number, TaintOutcome])[] = [[node, outcome]];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [from, { isKept, handed }] = next;
      if (isKept) keepers.add(this.#graph.objectOf(from).index);
      for (const [vaddr, registers] of handed) {
        const callee = this.#calleeAt(from, vaddr);
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

  #ofParameter(node: number, register: number): TaintOutcome {
    const key = node * 16 + register;
    const known = this.#parameters.get(key);
    if (known !== undefined) return known;
    const flow = this.#flowOf(this.#graph.objectOf(node));
    const outcome = flow.run(this.#graph.bodyOf(node), { registers: 1 << register, places: NONE });
    this.#parameters.set(key, outcome);
    return outcome;
  }

  /** The one function that the call at a vaddr goes to, -1 where it is not known, or chosen when the program starts. */
  #calleeAt(node: number, vaddr: number): number {
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
