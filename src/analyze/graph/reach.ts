import { IntList } from '../code/int-list.ts';
import { FACT } from '../code/object-code.ts';
import { Takers } from './takers.ts';
import { targetOf } from './word-target.ts';
import type { EdgeGate, Gate } from './gates.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';

/** How a node was first reached. */
export const HOW = {
  NOT: 0,
  ROOT: 1,
  CALL: 2,
  JUMP: 3,
  /** A call or jump through a word that the loader binds. */
  IMPORT: 4,
  /** Its address is taken by code. */
  TAKEN: 5,
  /** Data that code takes, or reads, holds its address. */
  POINTER: 6,
} as const;

/** Why a node may be called by what is no call of it. */
export const TAKEN = {
  ADDRESS: 1,
  ROOT: 2,
  /** Not, or not only, by code that has the address in it or reads it from a word that the loader fills. */
  DATA: 4,
  /** By what no code or data of the image shows: a name that was looked up, initial thread-local data. */
  OUTSIDE: 8,
} as const;

/** Where reachability begins. */
export interface Root {
  readonly address: number;
  /** What it is, for people: `entry`, `init array`, `signal handler`. */
  readonly note: string;
}

/** The rest of a function that is running already: of its instructions only these count. */
export interface Part {
  readonly node: number;
  /** For people: why. */
  readonly note: string;
  /** Whether the instruction at an address is still to come. */
  readonly admits: (address: number) => boolean;
}

/** Is asked, and told, of what reachability comes across. */
export interface ReachHooks {
  /** Whether a function counts as reached only because its address is taken; false: whoever knows more calls `add`. */
  admits?(node: number): boolean;
  /** Code of a reached node takes the address of data. */
  dataTaken?(object: GraphObject, vaddr: number, node: number, at: number): void;
  /** What was reached before, in the same life of the program: gates that it opened are open. */
  readonly earlier?: Reach;
}

/**
 * What can be reached from some roots: a breadth-first fixed point over functions and the data objects that they take.
 *
 * An address counts once the code, or the data object, that takes it is reached. Whoever reached a node first is its parent, so that
 * parents give shortest chains.
 */
export class Reach {
  readonly graph: ProgramGraph;
  /** HOW of each node. */
  how: Uint8Array;
  /** Node from which it was reached first, -1 for roots. */
  parents: Int32Array;
  /** Address in the parent: the call, or where the address is taken; 0 for roots. */
  places: Int32Array;
  /** For POINTER the address of the word that holds the node's address, else 0. */
  words: Int32Array;
  /** TAKEN bits of nodes that may be called with any argument. */
  taken: Uint8Array;
  /** 1 for each data object whose pointers count. */
  opened: Uint8Array;
  /** Nodes in the order in which they were reached. */
  readonly order: number[] = [];
  /** Calls and jumps between reached nodes: head of each callee's list, and for each entry the next, the caller and the address. */
  #callHeads: Int32Array;
  readonly #callLinks = new IntList(4096);
  readonly #callers = new IntList(4096);
  readonly #callPlaces = new IntList(4096);
  /** Calls and jumps to sums of which nothing is known: by address, the bytes of the smaller number. */
  readonly computed: Map<number, number> = new Map();
  /** Addresses of jumps of which nothing is known. */
  readonly unknownJumps: Set<number> = new Set();
  /** Notes of roots. */
  readonly notes: Map<number, string> = new Map();
  /** Gates that hold nodes back, by node; an entry is removed when the gate opens. */
  readonly #closed = new Map<number, Gate>();
  readonly #openers = new Map<number, Gate[]>();
  readonly #heldBack = new Map<number, () => void>();
  /** Functions called through words of their object, from outside in most cases. */
  readonly imported: Set<number> = new Set();
  readonly #edgeGates: Set<EdgeGate>;
  readonly #heldEdges: (() => void)[] = [];
  readonly #usedEdgeGates = new Set<EdgeGate>();
  readonly takers: Takers = new Takers(this);
  readonly #hooks: ReachHooks;
  readonly #parts = new Map<number, Part>();
  #next = 0;

  constructor(graph: ProgramGraph, hooks: ReachHooks = {}) {
    this.graph = graph;
    this.#hooks = hooks;
    const { earlier } = hooks;
    for (const node of earlier?.imported ?? []) this.imported.add(node);
    this.#edgeGates = new Set(
      graph.edgeGates.filter(({ imports }) => ![...imports].some((node) => this.imported.has(node))),
    );
    for (const gate of graph.gates) {
      if (earlier !== undefined && [...gate.needs].some((node) => earlier.how[node] !== HOW.NOT)) continue;
      for (const node of gate.nodes) this.#closed.set(node, gate);
      for (const node of gate.needs) this.#openers.set(node, [...(this.#openers.get(node) ?? []), gate]);
    }
    this.how = new Uint8Array(graph.nodeCount);
    this.#callHeads = new Int32Array(graph.nodeCount).fill(-1);
    this.parents = new Int32Array(graph.nodeCount);
    this.places = new Int32Array(graph.nodeCount);
    this.words = new Int32Array(graph.nodeCount);
    this.taken = new Uint8Array(graph.nodeCount);
    this.opened = new Uint8Array(graph.dataCount);
  }

  /** Adds roots and everything that follows from them. */
  run(roots: Iterable<Root>): void {
    this.#resize();
    for (const root of roots) this.addRoot(root.address, root.note);
    this.settle();
  }

  /** Follows what was added. */
  settle(): void {
    this.#resize();
    while (this.#next < this.order.length) {
      const node = this.order[this.#next++] as number;
      this.#followNode(node);
    }
  }

  /** A function that is called from outside of all code. */
  addRoot(address: number, note: string): void {
    const node = this.graph.nodeAt(address);
    if (node < 0) return;
    if (!this.notes.has(node)) this.notes.set(node, note);
    this.taken[node] = (this.taken[node] as number) | TAKEN.ROOT;
    this.add(node, -1, 0, HOW.ROOT, 0);
  }

  /** Notes that a node is reached. */
  add(node: number, parent: number, place: number, how: number, word: number): void {
    if (this.how[node] !== HOW.NOT) {
      // Whoever calls a function of which a part was reached has all of it executed.
      if (this.#parts.delete(node)) this.#followNode(node);
      return;
    }
    if (this.#closed.has(node)) {
      if (!this.#heldBack.has(node)) this.#heldBack.set(node, () => this.add(node, parent, place, how, word));
      return;
    }
    this.how[node] = how;
    this.parents[node] = parent;
    this.places[node] = place;
    this.words[node] = word;
    this.order.push(node);
    const gates = this.#openers.get(node);
    if (gates !== undefined) this.#openGates(gates);
  }

  #openGates(gates: readonly Gate[]): void {
    for (const { nodes } of gates) {
      for (const node of nodes) {
        this.#closed.delete(node);
        const release = this.#heldBack.get(node);
        this.#heldBack.delete(node);
        release?.();
      }
    }
  }

  /** Gates that stayed closed although something leads to what they hold back. */
  closedGates(): { readonly reason: string }[] {
    const gates = [...this.#heldBack.keys()].map((node) => this.#closed.get(node) as Gate);
    return [...new Set([...gates, ...this.#usedEdgeGates])];
  }

  /** Notes that an address is known to reached code: of a function, which may then be called, or of data. */
  takeAddress(address: number, from: number, at: number, word = 0, isRead = false): void {
    const node = this.graph.nodeAt(address);
    if (node >= 0) {
      if (this.#hooks.admits?.(node) === false) return;
      this.addTaken(node, from, at, word, isRead);
    } else this.openData(address, from, at);
  }

  /** Notes that a function may be called through a pointer; `isRead`: code reads it from the word itself. */
  addTaken(node: number, from: number, at: number, word = 0, isRead = false): void {
    this.taken[node] =
      (this.taken[node] as number) |
      TAKEN.ADDRESS |
      ((word === 0 || isRead) && from >= 0 ? 0 : TAKEN.DATA) |
      (from < 0 ? TAKEN.OUTSIDE : 0);
    this.#noteImport(node);
    this.add(node, from, at, word === 0 ? HOW.TAKEN : HOW.POINTER, word);
  }

  /** Notes that somebody looked a function or data up by its name. */
  lookUp(address: number, from: number, at: number): void {
    this.takeAddress(address, from, at, at);
    const node = this.graph.nodeAt(address);
    if (node >= 0) this.taken[node] = (this.taken[node] as number) | TAKEN.OUTSIDE;
  }

  /** Opens the data object at an address. */
  openData(address: number, from: number, at: number): void {
    const stack = [address];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const data = this.graph.dataAt(next);
      if (data < 0 || this.opened[data] === 1) continue;
      this.opened[data] = 1;
      const object = this.graph.objectOfData(data);
      const { pointerOffsets, pointerPlaces } = object.code.data;
      const index = data - object.firstData;
      const end = pointerOffsets[index + 1] as number;
      for (let pointer = pointerOffsets[index] as number; pointer < end; pointer++) {
        const word = object.base + (pointerPlaces[pointer] as number);
        const target = targetOf(object, word);
        if (target === 0) continue;
        if (this.graph.nodeAt(target) >= 0) this.takeAddress(target, from, at, word);
        else stack.push(target);
      }
    }
  }

  /** Whether any of some nodes is reached, or was earlier. */
  wasReached(nodes: Iterable<number>): boolean {
    const { earlier } = this.#hooks;
    for (const node of nodes) {
      if (this.how[node] !== HOW.NOT || (earlier !== undefined && earlier.how[node] !== HOW.NOT)) return true;
    }
    return false;
  }

  /** Adds the rest of a function; who called it is taken from an earlier reach. All of it counts once somebody calls it. */
  addPart(part: Part, earlier: Reach): void {
    this.#resize();
    const { node } = part;
    if (this.how[node] !== HOW.NOT) return;
    this.taken[node] = (this.taken[node] as number) | (earlier.taken[node] as number);
    earlier.forEachCall(node, (from, at) => this.#noteCall(node, from, at));
    this.notes.set(node, part.note);
    this.#parts.set(node, part);
    this.how[node] = HOW.ROOT;
    this.parents[node] = -1;
    this.order.push(node);
  }

  /** Whether an instruction of a reached node is to be executed: not if only a part of the node is, and it lies elsewhere. */
  holds(node: number, address: number): boolean {
    return this.#parts.get(node)?.admits(address) !== false;
  }

  #follow(callee: number, node: number, at: number, how: number): void {
    this.#noteCall(callee, node, at);
    for (const gate of this.#edgeGates) {
      if (!gate.from.has(node) || !gate.to.has(callee)) continue;
      this.#usedEdgeGates.add(gate);
      this.#heldEdges.push(() => this.add(callee, node, at, how, 0));
      return;
    }
    this.add(callee, node, at, how, 0);
  }

  #import(callee: number, node: number, at: number): void {
    this.#noteCall(callee, node, at);
    this.#noteImport(callee);
    this.add(callee, node, at, HOW.IMPORT, 0);
  }

  #noteImport(node: number): void {
    if (this.imported.has(node)) return;
    this.imported.add(node);
    for (const gate of this.#edgeGates) {
      if (!gate.imports.has(node)) continue;
      this.#edgeGates.delete(gate);
      this.#usedEdgeGates.delete(gate);
      for (const release of this.#heldEdges.splice(0)) release();
    }
  }

  #noteCall(callee: number, node: number, at: number): void {
    this.#callers.push(node);
    this.#callPlaces.push(at);
    const entry = this.#callLinks.push(this.#callHeads[callee] as number);
    this.#callHeads[callee] = entry;
  }

  /** Tells of every direct or imported call of a node, and every jump to it, by reached code. */
  forEachCall(callee: number, tell: (node: number, address: number) => void): void {
    for (let entry = this.#callHeads[callee] as number; entry >= 0; entry = this.#callLinks.at(entry)) {
      tell(this.#callers.at(entry), this.#callPlaces.at(entry));
    }
  }

  /** The loader binds itself to itself first, and to other definitions only once all objects are loaded. */
  #ownDefinition(object: GraphObject, word: number, node: number, at: number): void {
    if (object.image.file.role !== 'interpreter') return;
    const { relocations, symbols } = object.image;
    const index = this.graph.image.relocationAt(word);
    const symbol = index < 0 ? 0 : (relocations.symbol[index] as number);
    if (symbol === 0 || symbols.shndx[symbol] === 0) return;
    const own = this.graph.nodeAt(object.base + (symbols.value[symbol] as number));
    if (own >= 0) this.#import(own, node, at);
  }

  #resize(): void {
    const { nodeCount, dataCount } = this.graph;
    if (this.how.length < nodeCount) {
      this.how = grown(this.how, nodeCount);
      this.taken = grown(this.taken, nodeCount);
      this.parents = grownInts(this.parents, nodeCount);
      this.places = grownInts(this.places, nodeCount);
      this.words = grownInts(this.words, nodeCount);
      const before = this.#callHeads.length;
      this.#callHeads = grownInts(this.#callHeads, nodeCount).fill(-1, before);
    }
    if (this.opened.length < dataCount) this.opened = grown(this.opened, dataCount);
  }

  #followNode(node: number): void {
    const part = this.#parts.get(node);
    const object = this.graph.objectOf(node);
    const { base, code, firstNode } = object;
    const index = node - firstNode;
    const end = code.factOffsets[index + 1] as number;
    for (let fact = code.factOffsets[index] as number; fact < end; fact++) {
      const at = base + (code.factPlaces[fact] as number);
      if (part?.admits(at) === false) continue;
      const to = code.factTargets[fact] as number;
      switch (code.factKinds[fact]) {
        case FACT.CALL:
          this.#follow(firstNode + to, node, at, HOW.CALL);
          break;
        case FACT.JUMP:
          this.#follow(firstNode + to, node, at, HOW.JUMP);
          break;
        case FACT.TAKE_CODE:
          this.takeAddress(base + (code.starts[to] as number), node, at);
          break;
        case FACT.TAKE_DATA:
          this.openData(base + to, node, at);
          this.#hooks.dataTaken?.(object, to, node, at);
          break;
        case FACT.LOAD: {
          const target = targetOf(object, base + to);
          if (target !== 0) this.takeAddress(target, node, at, base + to, true);
          break;
        }
        case FACT.CALL_WORD:
        case FACT.JUMP_WORD: {
          const target = targetOf(object, base + to);
          const callee = target === 0 ? -1 : this.graph.nodeAt(target);
          if (callee >= 0) this.#import(callee, node, at);
          this.#ownDefinition(object, base + to, node, at);
          break;
        }
        case FACT.COMPUTED:
          this.computed.set(at, to);
          break;
        case FACT.JUMP_UNKNOWN:
          this.unknownJumps.add(at);
          break;
        default:
      }
    }
  }
}

function grown(from: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length);
  larger.set(from);
  return larger;
}

function grownInts(from: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(from);
  return larger;
}
