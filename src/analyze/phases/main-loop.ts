import { waitCategory } from '../../abi/waiting-calls.ts';
import { lastAtMost } from '../code/int-list.ts';
import { FACT } from '../code/object-code.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { GraphObject, ProgramGraph } from '../graph/program-graph.ts';
import { type Reach, TAKEN } from '../graph/reach.ts';
import type { CallSite } from '../graph/sites.ts';
import { targetOf } from '../graph/word-target.ts';
import { type FlowCache, type PhasePlace, type Remainder, remainderOf } from './remainder.ts';

/** A loop in which a program may wait for events, and where it begins. */
export interface MainLoop extends PhasePlace {
  /** Numbers of the calls by which it waits, on x86_64. */
  readonly waits: ReadonlySet<number>;
  /** Calls from the loop to the instruction that waits. */
  readonly depth: number;
  /** Functions that are called directly, and by those called, from the loop on and after it. */
  readonly size: number;
}

/** Loops by the role of the process that comes to them, the most promising first. */
export interface MainLoops {
  /** Of main and what it calls directly. */
  readonly ofMain: readonly MainLoop[];
  /** Of functions that never return and that only children forked for them are handed, as those of worker processes: one each. */
  readonly ofWorkers: readonly MainLoop[];
}

type Candidate = Omit<MainLoop, 'size'>;

/** Calls from a loop to where it waits, at most; past it that is hardly what the loop is for. */
const DEPTH_LIMIT = 5;

/** What a call through a pointer that fits counts for. */
const POINTER_COST = 2;

/** Calls from main to the loop, at most. */
const MAIN_DEPTH_LIMIT = 6;

/** In place of an offset. */
const OF_VARIABLE = Infinity;

/** Instructions that are looked at for where an address is stored, or where a pointer is loaded from. */
const WINDOW = 8;

/**
 * The loops in which a program may wait for events once it is set up.
 *
 * A loop counts if an instruction that waits for events (accept, epoll_wait, poll, sigsuspend and so on) is a few calls away; in the C
 * library and in the services that it opens the program does not wait. Calls through pointers count if the pointer is at the offset in
 * its structure at which the address of a waiting function of the same object is stored. Of nested loops it is the outermost.
 *
 * Which loop is found decides how tight the phases are, never whether they are right.
 *
 * @param only numbers of the calls on x86_64 that count; null for all that wait for events.
 */
export function mainLoops(
  graph: ProgramGraph,
  reach: Reach,
  sites: readonly CallSite[],
  main: number,
  flows: FlowCache,
  only: ReadonlySet<number> | null = null,
): MainLoops {
  if (main < 0) return { ofMain: [], ofWorkers: [] };
  const waiting = waitingNodes(sites, only);
  return {
    ofMain: new LoopSearch(graph, reach, flows, waiting, false).ofMain(main),
    // Few functions are like those of workers, so that any call through a pointer may count.
    ofWorkers: new LoopSearch(graph, reach, flows, waiting, true).ofWorkers(main),
  };
}

/** Functions with an instruction that waits for events, and the calls. */
function waitingNodes(
  sites: readonly CallSite[],
  only: ReadonlySet<number> | null,
): Map<number, Set<number>> {
  const found = new Map<number, Set<number>>();
  for (const { node, arch, numbers } of sites) {
    for (const nr of numbers.keys()) {
      if (arch !== 'x86_64' || waitCategory(arch, nr) !== 'event' || only?.has(nr) === false) continue;
      found.set(node, (found.get(node) ?? new Set()).add(nr));
    }
  }
  return found;
}

interface Distance {
  readonly calls: number;
  readonly waits: ReadonlySet<number>;
}

/** A waiting function whose address is taken: offsets at which it is stored. */
interface Pointer extends Distance {
  readonly offsets: ReadonlySet<number>;
}

/** A call through a pointer. */
interface PointerCall {
  readonly node: number;
  readonly address: number;
}

interface CallPlace {
  readonly address: number;
  /** -1 for a call through a pointer. */
  readonly callee: number;
}

class LoopSearch {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #flows: FlowCache;
  readonly #isLoose: boolean;
  readonly #ins = new Instruction();
  /** Calls from the start of a function to where it waits. */
  readonly #distances = new Map<number, Distance>();
  readonly #pointers = new Map<number, Pointer[]>();
  /** Calls through pointers of an object's reached functions, in the order in which they were reached. */
  readonly #indirect = new Map<number, readonly PointerCall[]>();
  /** What each pointer in an object's data leads to, in the order of the pointers. */
  readonly #pointedTo = new Map<number, Int32Array>();
  /** By address of a call through a pointer. */
  readonly #loadedFrom = new Map<number, number>();

  constructor(
    graph: ProgramGraph,
    reach: Reach,
    flows: FlowCache,
    waiting: ReadonlyMap<number, ReadonlySet<number>>,
    /** Whether any call through a pointer may be one of a waiting function of the object. */
    isLoose: boolean,
  ) {
    this.#isLoose = isLoose;
    this.#graph = graph;
    this.#reach = reach;
    this.#flows = flows;
    this.#measure(waiting);
  }

  ofMain(main: number): MainLoop[] {
    const found = new Map<string, Candidate>();
    for (const node of this.#depthsFrom(main).keys()) this.#loopsOf(node, found);
    return this.#ranked(found.values(), main);
  }

  ofWorkers(main: number): MainLoop[] {
    const direct = this.#depthsFrom(main);
    const found: MainLoop[] = [];
    for (const node of this.#reach.order) {
      const { code, firstNode, index } = this.#graph.objectOf(node);
      const isTaken = ((this.#reach.taken[node] as number) & TAKEN.ADDRESS) !== 0;
      if (direct.has(node) || index !== 0 || !isTaken || code.returns[node - firstNode] !== 0) continue;
      const loops = new Map<string, Candidate>();
      this.#loopsOf(node, loops);
      found.push(...this.#ranked(loops.values(), main).slice(0, 1));
    }
    return found;
  }

  #ranked(candidates: Iterable<Candidate>, main: number): MainLoop[] {
    const loops: MainLoop[] = [];
    for (const candidate of candidates) {
      const remainder = remainderOf(this.#graph, this.#reach, candidate, main, this.#flows);
      if (remainder !== null) loops.push({ ...candidate, size: this.#sizeOf(remainder) });
    }
    return loops.sort((a, b) => a.depth - b.depth || a.size - b.size || a.address - b.address);
  }

  /** Backwards from the waiting functions, nearest first. */
  #measure(waiting: ReadonlyMap<number, ReadonlySet<number>>): void {
    const layers: Map<number, ReadonlySet<number>>[] = [new Map(waiting)];
    for (let calls = 0; calls < DEPTH_LIMIT; calls++) {
      const layer = layers[calls] ?? new Map<number, ReadonlySet<number>>();
      for (const [node, waits] of layer) {
        if (this.#distances.has(node)) continue;
        this.#distances.set(node, { calls, waits });
        this.#notePointer(node, { calls: calls + POINTER_COST, waits }, layers);
        this.#reach.forEachCall(node, (caller) => {
          if (!isOwn(this.#graph.objectOf(caller))) return;
          // A stub of the linkage table is no call of its own.
          const at = this.#isStub(caller) ? calls : calls + 1;
          addTo((layers[at] ??= new Map()), caller, waits);
        });
      }
    }
  }

  /** If the address of a waiting function is taken, those of its object that call through a pointer at such an offset may wait. */
  #notePointer(node: number, distance: Distance, layers: Map<number, ReadonlySet<number>>[]): void {
    const object = this.#graph.objectOf(node);
    if (((this.#reach.taken[node] as number) & TAKEN.ADDRESS) === 0 || !isOwn(object)) return;
    if (this.#isLoose && this.#pointers.has(object.index)) return;
    const offsets = this.#isLoose ? new Set<number>() : this.#storedAt(object, node);
    this.#pointers.set(object.index, [...(this.#pointers.get(object.index) ?? []), { ...distance, offsets }]);
    let last = -1;
    for (const { node: from, address } of this.#indirectCalls(object)) {
      if (from === last || !this.#fits(object, address, offsets)) continue;
      last = from;
      addTo((layers[distance.calls] ??= new Map()), from, distance.waits);
    }
  }

  #indirectCalls(object: GraphObject): readonly PointerCall[] {
    const known = this.#indirect.get(object.index);
    if (known !== undefined) return known;
    const calls: PointerCall[] = [];
    for (const from of this.#reach.order) {
      if (from < object.firstNode || from >= object.firstNode + object.code.starts.length) continue;
      for (const { address, callee } of this.#callsOf(from))
        if (callee < 0) calls.push({ node: from, address });
    }
    this.#indirect.set(object.index, calls);
    return calls;
  }

  /** Offsets in structures at which code or data of an object puts the address of a node. */
  #storedAt(object: GraphObject, node: number): Set<number> {
    const { code, firstNode, base, view } = object;
    const offsets = new Set<number>();
    for (
      let fact = code.factTargets.indexOf(node - firstNode);
      fact >= 0;
      fact = code.factTargets.indexOf(node - firstNode, fact + 1)
    ) {
      if (code.factKinds[fact] !== FACT.TAKE_CODE) continue;
      let address = code.factPlaces[fact] as number;
      let register = -1;
      for (let count = 0; count < WINDOW; count++) {
        const length = view.decode(address, this.#ins);
        if (length === 0 || this.#ins.flow !== FLOW.NEXT) break;
        address += length;
        const { operation, destinationKind, sourceKind, sourceRegister } = this.#ins;
        if (count === 0) register = this.#ins.destinationRegister;
        else if (
          operation === OP.MOV &&
          destinationKind === OPERAND.MEMORY &&
          sourceKind === OPERAND.REGISTER
        ) {
          if (sourceRegister === register && this.#ins.memoryBase >= 0) offsets.add(this.#ins.displacement);
        }
      }
    }
    const { starts, pointerOffsets, pointerPlaces } = code.data;
    const start = this.#graph.addressOf(node) - base;
    const pointedTo = this.#targetsOf(object);
    for (const target of new Set([start, start + base])) {
      for (let at = pointedTo.indexOf(target); at >= 0; at = pointedTo.indexOf(target, at + 1)) {
        const data = lastAtMost(pointerOffsets, starts.length, at);
        offsets.add((pointerPlaces[at] as number) - (starts[data] as number));
      }
    }
    return offsets;
  }

  #targetsOf({ index, code, view }: GraphObject): Int32Array {
    let targets = this.#pointedTo.get(index);
    if (targets === undefined) {
      targets = code.data.pointerPlaces.map((place) => view.pointerAt(place));
      this.#pointedTo.set(index, targets);
    }
    return targets;
  }

  /** Whether the call at an address goes through a pointer at one of some offsets, or through a variable. */
  #fits(object: GraphObject, address: number, offsets: ReadonlySet<number>): boolean {
    if (this.#isLoose) return true;
    let offset = this.#loadedFrom.get(address);
    if (offset === undefined) {
      offset = this.#offsetOf(object, address);
      this.#loadedFrom.set(address, offset);
    }
    return offset === OF_VARIABLE || offsets.has(offset);
  }

  /** The offset in its structure of the pointer that a call goes through; OF_VARIABLE for a variable, NaN where it is not known. */
  #offsetOf({ base, view }: GraphObject, address: number): number {
    const vaddr = address - base;
    if (view.decode(vaddr, this.#ins) === 0) return NaN;
    const { sourceKind, sourceRegister, memoryBase, displacement } = this.#ins;
    if (sourceKind === OPERAND.MEMORY) return memoryBase < 0 ? OF_VARIABLE : displacement;
    if (sourceKind !== OPERAND.REGISTER) return NaN;
    const node = this.#graph.nodeAt(address);
    const flow = this.#flows.of(node);
    const block = flow.blockOf(vaddr);
    let loadedFrom = NaN;
    for (let at = flow.body.starts[block] as number; at < vaddr;) {
      const length = view.decode(at, this.#ins);
      if (length === 0) break;
      at += length;
      if (((this.#ins.writes >>> sourceRegister) & 1) === 0) continue;
      const isLoad = this.#ins.operation === OP.MOV && this.#ins.sourceKind === OPERAND.MEMORY;
      loadedFrom = isLoad && this.#ins.memoryBase >= 0 ? this.#ins.displacement : NaN;
    }
    return loadedFrom;
  }

  #isStub(node: number): boolean {
    const { code, firstNode } = this.#graph.objectOf(node);
    const first = code.factOffsets[node - firstNode] as number;
    return code.factOffsets[node - firstNode + 1] === first + 1 && code.factKinds[first] === FACT.JUMP_WORD;
  }

  /** Functions that main comes to by direct calls, and by how many. */
  #depthsFrom(main: number): Map<number, number> {
    const depths = new Map([[main, 0]]);
    for (const [node, depth] of depths) {
      if (depth >= MAIN_DEPTH_LIMIT) continue;
      for (const { callee } of this.#callsOf(node)) {
        if (callee >= 0 && isOwn(this.#graph.objectOf(callee)) && !depths.has(callee))
          depths.set(callee, this.#isStub(callee) ? depth : depth + 1);
      }
    }
    return depths;
  }

  /** The outermost loops of a function from which something waits soon. */
  #loopsOf(node: number, found: Map<string, Candidate>): void {
    const object = this.#graph.objectOf(node);
    for (const { address, callee } of this.#callsOf(node)) {
      const distance = callee < 0 ? this.#pointerAt(object, address) : this.#distances.get(callee);
      if (distance === undefined || distance.calls >= DEPTH_LIMIT) continue;
      const flow = this.#flows.of(node);
      const header = flow.outermostLoop(flow.blockOf(address - object.base));
      if (header < 0) continue;
      const start = object.base + (flow.body.starts[header] as number);
      const key = `${node}:${start}`;
      const known = found.get(key);
      const depth = distance.calls + 1;
      if (known === undefined || known.depth > depth)
        found.set(key, { node, address: start, waits: distance.waits, depth });
    }
  }

  #pointerAt(object: GraphObject, address: number): Distance | undefined {
    return this.#pointers.get(object.index)?.find(({ offsets }) => this.#fits(object, address, offsets));
  }

  #sizeOf({ parts }: Remainder): number {
    const seen = new Set<number>();
    const open: number[] = [];
    for (const { node, admits } of parts) {
      for (const { address, callee } of this.#callsOf(node)) if (admits(address)) open.push(callee);
    }
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next < 0 || seen.has(next)) continue;
      seen.add(next);
      for (const { callee } of this.#callsOf(next)) open.push(callee);
    }
    return seen.size;
  }

  /** Calls and leaving jumps of a function. */
  #callsOf(node: number): CallPlace[] {
    const object = this.#graph.objectOf(node);
    const { code, firstNode, base } = object;
    const calls: CallPlace[] = [];
    const end = code.factOffsets[node - firstNode + 1] as number;
    for (let fact = code.factOffsets[node - firstNode] as number; fact < end; fact++) {
      const to = code.factTargets[fact] as number;
      const address = base + (code.factPlaces[fact] as number);
      switch (code.factKinds[fact]) {
        case FACT.CALL:
        case FACT.JUMP:
          calls.push({ address, callee: firstNode + to });
          break;
        case FACT.CALL_WORD:
        case FACT.JUMP_WORD: {
          const target = targetOf(object, base + to);
          calls.push({ address, callee: target === 0 ? -1 : this.#graph.nodeAt(target) });
          break;
        }
        case FACT.CALL_INDIRECT:
        case FACT.JUMP_INDIRECT:
          calls.push({ address, callee: -1 });
          break;
        default:
      }
    }
    return calls;
  }
}

function addTo(layer: Map<number, ReadonlySet<number>>, node: number, waits: ReadonlySet<number>): void {
  layer.set(node, new Set([...(layer.get(node) ?? []), ...waits]));
}

/** Whether the code of an object is the program's own doing: not that of the loader, the C library and what that opens. */
export function isOwn({ image }: GraphObject): boolean {
  const { role, soname } = image.file;
  return (
    role !== 'interpreter' && role !== 'vdso' && !/^(libc\.so|libc\.musl|ld-|libnss_)/.test(soname ?? '')
  );
}
