import { IntList } from '../code/int-list.ts';
import { FACT } from '../code/object-code.ts';
import type { Reach } from './reach.ts';
import { targetOf } from './word-target.ts';

/** Which reached code takes the address of a function, or reads it from a word that the loader fills. */
export class Takers {
  readonly #reach: Reach;
  /** Of each taking the address that is taken, the node that does it, and its vaddr there. */
  readonly #addresses = new IntList(4096);
  readonly #nodes = new IntList(4096);
  readonly #places = new IntList(4096);
  /** Nodes that were read, in the order in which they were reached. */
  #read = 0;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  /** vaddrs at which the address of a node is taken, by node that does it. */
  of(node: number): Map<number, Set<number>> {
    this.#readReached();
    const takers = new Map<number, Set<number>>();
    const wanted = this.#reach.graph.addressOf(node);
    const addresses = this.#addresses.items.subarray(0, this.#addresses.length);
    for (let at = addresses.indexOf(wanted); at >= 0; at = addresses.indexOf(wanted, at + 1)) {
      const taker = this.#nodes.at(at);
      takers.set(taker, (takers.get(taker) ?? new Set()).add(this.#places.at(at)));
    }
    return takers;
  }

  #readReached(): void {
    const { graph, order } = this.#reach;
    for (; this.#read < order.length; this.#read++) {
      const node = order[this.#read] as number;
      const object = graph.objectOf(node);
      const { code, firstNode, base } = object;
      const end = code.factOffsets[node - firstNode + 1] as number;
      for (let fact = code.factOffsets[node - firstNode] as number; fact < end; fact++) {
        const kind = code.factKinds[fact];
        if (kind !== FACT.TAKE_CODE && kind !== FACT.LOAD) continue;
        const to = code.factTargets[fact] as number;
        const address = kind === FACT.LOAD ? targetOf(object, base + to) : base + (code.starts[to] as number);
        if (address === 0) continue;
        this.#addresses.push(address);
        this.#nodes.push(node);
        this.#places.push(code.factPlaces[fact] as number);
      }
    }
  }
}
