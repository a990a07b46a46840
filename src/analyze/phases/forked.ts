import { FACT } from '../code/object-code.ts';
import { Escape } from '../graph/escape.ts';
import type { ProgramGraph } from '../graph/program-graph.ts';
import { type Reach, TAKEN } from '../graph/reach.ts';
import { TaintFlow, type TaintSources } from '../value/taint.ts';
import { ControlFlow } from './control-flow.ts';
import { outsideOfChildren } from './fork-child.ts';
import { StoredRoutines } from './stored-routines.ts';

/** Names of the function that makes a process with memory of its own. */
const FORKS = ['fork', '__fork', '__libc_fork', '_Fork'];

/** Places that values are followed to, at most. */
const LIMIT = 200;

/** Where values begin in a function: places or parameters. */
export interface ValueStart {
  readonly node: number;
  readonly registers: number;
  readonly places: ReadonlySet<number>;
  /** Whether only children that were forked come to the function this way. */
  readonly isInChild?: boolean;
}

/**
 * Which functions nobody enters but children that were forked to run them.
 *
 * A child of fork has one thread, and what it has left to do stands on its stack. A routine of a thread, a coroutine or a signal handler
 * runs beside code that may still be in set-up.
 */
export class ForkedRoutines {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #escape: Escape;
  readonly #known = new Map<number, boolean>();
  /** By function: its instructions that not only children come to. */
  readonly #outside = new Map<number, ReadonlySet<number>>();
  /** By routine: functions that call it in children. */
  readonly #callers = new Map<number, Set<number>>();
  #forks: ReadonlySet<number> | null = null;

  constructor(graph: ProgramGraph, reach: Reach) {
    this.#graph = graph;
    this.#reach = reach;
    this.#escape = new Escape(graph);
  }

  /** Whether all that can call a function through its address is code of such a child: false where it is not known who calls it. */
  isCalledInChildren(node: number): boolean {
    let isForked = this.#known.get(node);
    if (isForked === undefined) {
      isForked = this.#reach.taken[node] === TAKEN.ADDRESS && this.#follow(node);
      this.#known.set(node, isForked);
    }
    return isForked;
  }

  /** The functions that do, where it is true. */
  callersOf(node: number): ReadonlySet<number> {
    return this.#callers.get(node) ?? new Set();
  }

  /** Whether a process comes to the instruction at an address of a node only as a child that the node has forked. */
  isInChild(node: number, address: number): boolean {
    const { base } = this.#graph.objectOf(node);
    return !this.#outsideOf(node).has(address - base);
  }

  /** Follows the function's address from where it is taken to all calls through it. */
  #follow(routine: number): boolean {
    const open: ValueStart[] = [];
    for (const [node, places] of this.#reach.takers.of(routine)) open.push({ node, registers: 0, places });
    const seen = new Set<string>();
    const callers = new Set<number>();
    this.#callers.set(routine, callers);
    const stored = new StoredRoutines(this.#graph, this.#reach, this.#escape);
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { node, registers, places, isInChild = false } = next;
      const object = this.#graph.objectOf(node);
      // At fixed addresses a number may be the address as well.
      if (object.view.isFixed || seen.size > LIMIT) return false;
      const stores = new Set<number>();
      const neverReturns = (vaddr: number): boolean => this.#escape.neverReturns(node, vaddr);
      const sources: TaintSources = { registers, places, stores, neverReturns };
      const flow = new TaintFlow(object.transfer.callerSaved);
      const { isKept, handed, stacked, through } = flow.run(this.#graph.bodyOf(node), sources);
      if (isKept) return false;
      const isChild = (vaddr: number): boolean => isInChild || this.isInChild(node, vaddr + object.base);
      if (![...through].every(isChild)) return false;
      if (through.size > 0) callers.add(node);
      for (const vaddr of stacked)
        if (!through.has(vaddr) && this.#escape.readsStack(this.#escape.calleeAt(node, vaddr))) return false;
      for (const [vaddr, mask] of handed) {
        const callee = this.#escape.calleeAt(node, vaddr);
        if (callee < 0) return false;
        if (this.#forkNodes().has(callee) || this.#escape.hasNoParameters(callee)) continue;
        for (let register = 0; register < 16; register++) {
          const key = `${callee} ${register} ${isChild(vaddr)}`;
          if (((mask >>> register) & 1) === 0 || seen.has(key)) continue;
          seen.add(key);
          open.push({ node: callee, registers: 1 << register, places: new Set(), isInChild: isChild(vaddr) });
        }
      }
      if (stores.size > 0) {
        const loads = stored.loadsOf(node, stores);
        if (loads === null) return false;
        open.push(...loads);
      }
    }
    return true;
  }

  #outsideOf(node: number): ReadonlySet<number> {
    let outside = this.#outside.get(node);
    if (outside === undefined) {
      const { base, transfer } = this.#graph.objectOf(node);
      const forks = new Set<number>();
      for (const fork of this.#forkNodes())
        this.#reach.forEachCall(fork, (caller, address) => {
          if (caller === node) forks.add(address - base);
        });
      outside = outsideOfChildren(new ControlFlow(this.#graph.bodyOf(node)), forks, transfer.callerSaved);
      this.#outside.set(node, outside);
    }
    return outside;
  }

  #forkNodes(): ReadonlySet<number> {
    this.#forks ??= this.#namedNodes(FORKS);
    return this.#forks;
  }

  /** Functions of some names, and stubs of linkage tables that lead to them. */
  #namedNodes(names: readonly string[]): Set<number> {
    const { image, objects } = this.#graph;
    const found = new Set<number>();
    for (const name of names) {
      for (const { address } of image.lookup(name)) found.add(this.#graph.nodeAt(address));
      // Static programs have no names but those of `.symtab`.
      const own = objects.length <= 2 ? image.addressOf(0, name) : null;
      if (own !== null) found.add(this.#graph.nodeAt(own));
    }
    found.delete(-1);
    for (const node of found) {
      this.#reach.forEachCall(node, (caller) => {
        const { code, firstNode } = this.#graph.objectOf(caller);
        const first = code.factOffsets[caller - firstNode] as number;
        const isStub =
          code.factOffsets[caller - firstNode + 1] === first + 1 && isJump(code.factKinds[first] as number);
        if (isStub) found.add(caller);
      });
    }
    return found;
  }
}

function isJump(kind: number): boolean {
  return kind === FACT.JUMP_WORD || kind === FACT.JUMP;
}
