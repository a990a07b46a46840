import { FACT } from '../code/object-code.ts';
import type { ProgramGraph } from '../graph/program-graph.ts';
import { HOW, type Part, type Reach, TAKEN } from '../graph/reach.ts';
import { ControlFlow } from './control-flow.ts';
import { ForkedRoutines } from './forked.ts';

/** Where a phase begins: before the instruction at an address, in a function. */
export interface PhasePlace {
  readonly node: number;
  readonly address: number;
}

/** What is still to be executed of functions that are running when a phase begins. */
export interface Remainder {
  readonly parts: readonly Part[];
  /** Whether main may return: then the program ends as by exit. */
  readonly endsMain: boolean;
}

/**
 * The rest of the function at a place, and of all functions to which it may return.
 *
 * Null where somebody unknown may have called one of them: then there is no telling what comes after it. A function that never returns
 * must run in the thread that main runs in, or in a process forked for it: beside another thread, coroutine or handler that comes to
 * it, main may still be in set-up. Exceptions and longjmp lead to all functions that wait for another one.
 */
export function remainderOf(
  graph: ProgramGraph,
  reach: Reach,
  place: PhasePlace,
  main: number,
  flows: FlowCache,
): Remainder | null {
  const parts = new Map<number, Rest>();
  const returning = new Set<number>();
  let endsMain = false;
  const open: Step[] = [{ node: place.node, address: place.address, how: 'from' }];
  const resume = (node: number): void => {
    if (!parts.has(node)) open.push(...resumptions(graph, node, flows));
  };
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, address, how } = next;
    const flow = flows.of(node);
    const { base, code, firstNode } = graph.objectOf(node);
    let isLeft = code.returns[node - firstNode] !== 0;
    if (how !== 'return') {
      resume(node);
      const rest = parts.get(node) ?? { blocks: new Set(), tails: [] };
      parts.set(node, rest);
      const block = flow.blockOf(address - base);
      if (block < 0) return null;
      rest.tails.push([how === 'after' ? address + 1 : address, base + (flow.body.ends[block] as number)]);
      const blocks = flow.after(block);
      for (const each of blocks) rest.blocks.add(each);
      isLeft &&= flow.leaves.has(block) || [...blocks].some((each) => flow.leaves.has(each));
    }
    if (!isLeft) {
      const waiting = framesBelow(graph, reach, node, main, flows);
      if (waiting === null) return null;
      for (const frame of waiting) resume(frame);
      continue;
    }
    if (returning.has(node)) continue;
    returning.add(node);
    if (node === main) {
      endsMain = true;
      continue;
    }
    const taken = reach.taken[node] as number;
    if ((taken & (TAKEN.ADDRESS | TAKEN.ROOT)) !== 0 || reach.how[node] === HOW.NOT) return null;
    reach.forEachCall(node, (caller, at) => {
      // What a function jumps to returns to where the function would have returned.
      open.push({ node: caller, address: at, how: isJump(graph, caller, at) ? 'return' : 'after' });
    });
  }
  return {
    endsMain,
    parts: [...parts].map(([node, rest]) => ({
      node,
      note: node === place.node ? 'the phase begins in it' : 'it goes on in it later',
      admits: (address) => isInRest(graph, flows, node, rest, address),
    })),
  };
}

/**
 * The functions that may wait for one to return, if they are on the one stack of a process on which main, or a child forked for it, runs; null
 * if others may go on beside them.
 */
function framesBelow(
  graph: ProgramGraph,
  reach: Reach,
  first: number,
  main: number,
  flows: FlowCache,
): ReadonlySet<number> | null {
  const program = graph.objects[0];
  const entry = program === undefined ? -1 : graph.nodeAt(program.base + program.image.file.elf.entry);
  const forked = flows.forked(reach);
  const isFirst = (node: number): boolean => node === main || node === entry;
  const alone = new Set([first]);
  // Below a fork it does not matter who else runs.
  const below = new Set<number>();
  for (const node of alone) {
    if (isFirst(node)) continue;
    const taken = reach.taken[node] as number;
    if (reach.how[node] === HOW.NOT || (taken !== 0 && !forked.isCalledInChildren(node))) return null;
    for (const caller of taken === 0 ? [] : forked.callersOf(node)) below.add(caller);
    reach.forEachCall(node, (caller, at) => {
      (forked.isInChild(caller, at) ? below : alone).add(caller);
    });
  }
  for (const node of below) {
    if (isFirst(node)) continue;
    // Whoever called it through a pointer is not known.
    if (reach.taken[node] !== 0) return null;
    reach.forEachCall(node, (caller) => below.add(caller));
  }
  for (const node of alone) below.add(node);
  return below;
}

/** Where a function may go on while it waits for another one: at its landing pads, and after calls of setjmp. */
function resumptions(graph: ProgramGraph, node: number, flows: FlowCache): Step[] {
  const { base } = graph.objectOf(node);
  const { body, comebacks } = flows.of(node);
  const steps: Step[] = [];
  for (let block = 0; block < body.count; block++) {
    if (body.isEnteredFromOutside(block))
      steps.push({ node, address: base + (body.starts[block] as number), how: 'from' });
  }
  for (const [behind] of comebacks) steps.push({ node, address: base + behind, how: 'from' });
  return steps;
}

/** Where a function goes on: from an instruction or after it, or it returns. */
interface Step {
  readonly node: number;
  readonly address: number;
  readonly how: 'from' | 'after' | 'return';
}

interface Rest {
  readonly blocks: Set<number>;
  /** Parts of blocks, from an address to another. */
  readonly tails: (readonly [number, number])[];
}

function isInRest(graph: ProgramGraph, flows: FlowCache, node: number, rest: Rest, address: number): boolean {
  if (rest.tails.some(([from, end]) => address >= from && address < end)) return true;
  const { base } = graph.objectOf(node);
  return rest.blocks.has(flows.of(node).blockOf(address - base));
}

function isJump(graph: ProgramGraph, node: number, address: number): boolean {
  const { code, firstNode, base } = graph.objectOf(node);
  const index = node - firstNode;
  for (let fact = code.factOffsets[index] as number; fact < (code.factOffsets[index + 1] as number); fact++) {
    if ((code.factPlaces[fact] as number) + base !== address) continue;
    const kind = code.factKinds[fact];
    if (kind === FACT.JUMP || kind === FACT.JUMP_WORD) return true;
  }
  return false;
}

/** Control flow of functions, and which are forked, made when first asked for. */
export class FlowCache {
  readonly #graph: ProgramGraph;
  readonly #flows = new Map<number, ControlFlow>();
  readonly #forked = new Map<Reach, ForkedRoutines>();

  constructor(graph: ProgramGraph) {
    this.#graph = graph;
  }

  of(node: number): ControlFlow {
    let flow = this.#flows.get(node);
    if (flow === undefined) {
      flow = new ControlFlow(this.#graph.bodyOf(node));
      this.#flows.set(node, flow);
    }
    return flow;
  }

  /** What is known of children that code of a reach forks. */
  forked(reach: Reach): ForkedRoutines {
    let forked = this.#forked.get(reach);
    if (forked === undefined) {
      forked = new ForkedRoutines(this.#graph, reach);
      this.#forked.set(reach, forked);
    }
    return forked;
  }
}
