import { FACT } from '../code/object-code.ts';
import type { Closure } from './closure.ts';
import { Escape } from './escape.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import { type Reach, TAKEN } from './reach.ts';
import { targetOf } from './word-target.ts';

/** Functions that code which has run may have left in memory, to be called later. */
export interface KeptFunctions {
  readonly nodes: readonly number[];
  /** Of services of the Name Service Switch, by object: known to nobody but code of the service itself. */
  readonly private: ReadonlyMap<number, readonly number[]>;
}

/**
 * Functions whose address may still be known when the code of a reach has done its work.
 *
 * Code keeps an address if the escape analysis says so; data whose address is kept keeps all that it points to. What code finds by itself
 * needs no keeping: words that the loader binds, data at a known address, functions of services that libc looks up by name each time.
 *
 * @param once functions that are known to be entered only once.
 */
export function keptFunctions(
  graph: ProgramGraph,
  { reach, names }: Closure,
  once: ReadonlySet<number>,
): KeptFunctions {
  const isFree = (node: number): boolean => !once.has(node) && names.admits(node);
  const search = new KeptSearch(graph, reach, isFree);
  search.run();
  const nodes: number[] = [];
  const own = new Map<number, number[]>();
  for (const [node, keepers] of search.kept) {
    const { index, image } = graph.objectOf(node);
    const isPrivate = isService(image.file.soname) && [...keepers].every((keeper) => keeper === index);
    if (isPrivate) own.set(index, [...(own.get(index) ?? []), node]);
    else nodes.push(node);
  }
  return { nodes, private: own };
}

/** Modules that libc opens for nsswitch.conf: the functions that they export take and return plain data only. */
function isService(soname: string | null): boolean {
  return soname !== null && /^libnss_\w+\.so\.2$/.test(soname);
}

class KeptSearch {
  readonly kept = new Map<number, Set<number>>();
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #escape: Escape;
  readonly #data = new Map<number, Set<number>>();
  /** Whether a data object leads to a function that can be kept. */
  readonly #leads = new Map<number, boolean>();
  readonly #isFree: (node: number) => boolean;

  /** @param isFree whether it matters that a function is kept. */
  constructor(graph: ProgramGraph, reach: Reach, isFree: (node: number) => boolean) {
    this.#graph = graph;
    this.#reach = reach;
    this.#isFree = isFree;
    this.#escape = new Escape(graph);
  }

  run(): void {
    const { order, taken } = this.#reach;
    const resolvers = resolverNodes(this.#graph);
    for (const node of order) {
      if (((taken[node] as number) & TAKEN.OUTSIDE) !== 0) this.#keepNode(node, ANY);
      // What a resolver returns is called through the words that it is called for.
      if (!resolvers.has(node)) this.#searchNode(node);
    }
  }

  /** Addresses that a function takes, by place. */
  #searchNode(node: number): void {
    const object = this.#graph.objectOf(node);
    const { code, firstNode } = object;
    const index = node - firstNode;
    const found = new Map<number, number>();
    for (
      let fact = code.factOffsets[index] as number;
      fact < (code.factOffsets[index + 1] as number);
      fact++
    ) {
      const target = this.#takenBy(object, code.factKinds[fact] as number, code.factTargets[fact] as number);
      if (target !== 0 && this.#matters(target)) found.set(code.factPlaces[fact] as number, target);
    }
    for (const [place, target] of found) {
      if (!this.#escape.isStoredAtOnce(node, place)) continue;
      this.#keep(target, new Set([object.index]));
      found.delete(place);
    }
    if (found.size === 0) return;
    if (found.size > 1 && this.#escape.keepers(node, new Set(found.keys()), -1).size === 0) return;
    for (const [place, target] of found) {
      const keepers = this.#escape.keepers(node, new Set([place]), this.#functionAt(target));
      if (keepers.size > 0) this.#keep(target, keepers);
    }
  }

  #takenBy(object: GraphObject, kind: number, to: number): number {
    switch (kind) {
      case FACT.TAKE_CODE:
        return object.base + (object.code.starts[to] as number);
      case FACT.TAKE_DATA:
        return object.base + to;
      case FACT.LOAD:
        return targetOf(object, object.base + to);
      default:
        return 0;
    }
  }

  /** The function that begins at an address, -1 for none. */
  #functionAt(address: number): number {
    const node = this.#graph.nodeAt(address);
    return node >= 0 && this.#graph.addressOf(node) === address ? node : -1;
  }

  /**
   * Whether it is still to be found out who keeps an address: it is that of a function, or of data that leads to one, of which nobody is
   * known yet who does not keep it for himself.
   */
  #matters(address: number): boolean {
    const node = this.#graph.nodeAt(address);
    if (node >= 0) return this.#canBeKept(node) && !this.#isPublic(this.kept.get(node));
    const data = this.#graph.dataAt(address);
    return data >= 0 && !this.#isPublic(this.#data.get(data)) && this.#leadsToFunction(data);
  }

  /** Whether one of some keepers is no service: then what they keep is private to none. */
  #isPublic(keepers: ReadonlySet<number> | undefined): boolean {
    for (const keeper of keepers ?? [])
      if (!isService(this.#graph.objects[keeper]?.image.file.soname ?? null)) return true;
    return false;
  }

  #leadsToFunction(first: number): boolean {
    const known = this.#leads.get(first);
    if (known !== undefined) return known;
    const seen = new Set([first]);
    for (const data of seen) {
      for (const target of this.#targetsIn(data)) {
        const node = this.#graph.nodeAt(target);
        const next = node >= 0 ? -1 : this.#graph.dataAt(target);
        if (node >= 0 ? this.#canBeKept(node) : next >= 0 && this.#leads.get(next) === true) {
          this.#leads.set(first, true);
          return true;
        }
        if (next >= 0 && this.#leads.get(next) === undefined) seen.add(next);
      }
    }
    for (const data of seen) this.#leads.set(data, false);
    return false;
  }

  #keep(address: number, keepers: ReadonlySet<number>): void {
    const stack = [address];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const node = this.#graph.nodeAt(next);
      if (node >= 0) {
        this.#keepNode(node, keepers);
        continue;
      }
      const data = this.#graph.dataAt(next);
      if (data < 0 || !addAll(this.#data, data, keepers)) continue;
      for (const target of this.#targetsIn(data)) stack.push(target);
    }
  }

  /** Addresses that the words of a data object hold. */
  #targetsIn(data: number): number[] {
    const object = this.#graph.objectOfData(data);
    const { pointerOffsets, pointerPlaces } = object.code.data;
    const index = data - object.firstData;
    return Array.from(pointerPlaces.subarray(pointerOffsets[index], pointerOffsets[index + 1]), (place) =>
      targetOf(object, object.base + place),
    ).filter((target) => target !== 0);
  }

  #keepNode(node: number, keepers: ReadonlySet<number>): void {
    if (this.#canBeKept(node)) addAll(this.kept, node, keepers);
  }

  #canBeKept(node: number): boolean {
    // Only what counts as reached by its address: a service's function does when libc holds its name.
    return ((this.#reach.taken[node] as number) & TAKEN.ADDRESS) !== 0 && this.#isFree(node);
  }
}

/** Nobody in particular. */
const ANY: ReadonlySet<number> = new Set([-1]);

/** Adds the members to a set of a map; true if one was new. */
function addAll(map: Map<number, Set<number>>, key: number, members: ReadonlySet<number>): boolean {
  const set = map.get(key) ?? new Set();
  const before = set.size;
  for (const member of members) set.add(member);
  map.set(key, set);
  return set.size > before;
}

/** Functions that choose other functions when the loader binds. */
function resolverNodes(graph: ProgramGraph): Set<number> {
  const found = new Set<number>();
  for (const { image } of graph.objects) {
    const { count, isIfunc, target } = image.relocations;
    for (let at = 0; at < count; at++) if (isIfunc[at] === 1) found.add(graph.nodeAt(target[at] as number));
  }
  return found;
}
