import { FLOW, Instruction } from '../x86/instruction.ts';
import { EFFECT, effectsOfCall } from '../value/effect.ts';
import type { FunctionBody } from '../value/flow.ts';

/** The blocks of one function and how control goes from one to the next. */
export class ControlFlow {
  readonly body: FunctionBody;
  /** Indices of the blocks to which each may lead within the function. */
  readonly successors: readonly (readonly number[])[];
  /** Blocks by which the function is left: it returns, or jumps into another function. */
  readonly leaves: ReadonlySet<number>;
  #comebacks: readonly (readonly [number, number])[] | null = null;
  #headers: ReadonlyMap<number, ReadonlySet<number>> | null = null;

  constructor(body: FunctionBody) {
    this.body = body;
    const successors: (readonly number[])[] = [];
    const leaves = new Set<number>();
    const ins = new Instruction();
    for (let block = 0; block < body.count; block++) {
      const next = new Set<number>();
      const go = (address: number): void => {
        const to = this.blockFrom(address);
        if (to < 0) leaves.add(block);
        else next.add(to);
      };
      const end = body.ends[block] as number;
      let isEnded = false;
      for (let address = body.starts[block] as number; address < end && !isEnded;) {
        const length = body.decode(address, ins);
        if (length === 0) break;
        address += length;
        if (ins.flow === FLOW.BRANCH) go(ins.target);
        else if (ins.flow === FLOW.JUMP) {
          go(ins.target);
          isEnded = true;
        } else if (ins.flow === FLOW.JUMP_INDIRECT) {
          const targets = body.jumpTargets(ins.address);
          if (targets === null) leaves.add(block);
          else for (const target of Array.from(targets)) go(target);
          isEnded = true;
        } else if (ins.flow === FLOW.RETURN) {
          leaves.add(block);
          isEnded = true;
        } else isEnded = ins.flow === FLOW.TRAP;
      }
      // Behind a call that never returns is no code of the function, or code that others jump to.
      const after = this.blockFrom(end);
      if (!isEnded && after >= 0) next.add(after);
      successors.push([...next]);
    }
    this.successors = successors;
    this.leaves = leaves;
  }

  /** Where control may come to at any later time by a jump back into a call that returns twice: vaddrs behind such calls, and their blocks. */
  get comebacks(): readonly (readonly [vaddr: number, block: number])[] {
    return (this.#comebacks ??= comebacksOf(this.body));
  }

  /** The block that begins at a vaddr, -1 for none. */
  blockFrom(vaddr: number): number {
    const block = this.blockOf(vaddr);
    return block >= 0 && this.body.starts[block] === vaddr ? block : -1;
  }

  /** The block that holds a vaddr, -1 for none. */
  blockOf(vaddr: number): number {
    const { starts, ends, count } = this.body;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] as number) <= vaddr) low = middle + 1;
      else high = middle;
    }
    return low > 0 && vaddr < (ends[low - 1] as number) ? low - 1 : -1;
  }

  /** Blocks that control may come to from a block on, without the block itself unless it comes around to it. */
  after(block: number): Set<number> {
    const seen = new Set<number>();
    const open = [...(this.successors[block] ?? [])];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...(this.successors[next] ?? []));
    }
    return seen;
  }

  /**
   * The natural loops, by header: a block that all ways into the loop pass, and the blocks of the loop.
   * Loops that are entered in more than one place are none.
   */
  get loops(): ReadonlyMap<number, ReadonlySet<number>> {
    return (this.#headers ??= naturalLoops(this));
  }

  /** The header of the outermost loop that holds a block, -1 for none. */
  outermostLoop(block: number): number {
    let best = -1;
    let size = 0;
    for (const [header, members] of this.loops) {
      if (members.has(block) && members.size > size) {
        best = header;
        size = members.size;
      }
    }
    return best;
  }
}

function comebacksOf(body: FunctionBody): [number, number][] {
  const ins = new Instruction();
  const found: [number, number][] = [];
  for (let block = 0; block < body.count; block++) {
    const end = body.ends[block] as number;
    for (let address = body.starts[block] as number; address < end;) {
      const length = body.decode(address, ins);
      if (length === 0) break;
      address += length;
      if ((effectsOfCall(body, ins) & EFFECT.LATER) !== 0) found.push([address, block]);
    }
  }
  return found;
}

/** Source: the textbook algorithms, dominators by iteration over the reverse postorder (Cooper, Harvey, Kennedy 2001). */
function naturalLoops(flow: ControlFlow): Map<number, Set<number>> {
  const { body, successors } = flow;
  const entry = flow.blockFrom(body.entry);
  const order = entry < 0 ? [] : reversePostorder(successors, entry);
  const place = new Map(order.map((block, index) => [block, index]));
  const predecessors = new Map<number, number[]>(order.map((block) => [block, []]));
  for (const block of order) for (const next of successors[block] ?? []) predecessors.get(next)?.push(block);
  const dominators = new Map<number, number>([[entry, entry]]);
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (const block of order.slice(1)) {
      let common = -1;
      for (const from of predecessors.get(block) ?? []) {
        if (!dominators.has(from)) continue;
        common = common < 0 ? from : commonDominator(from, common, dominators, place);
      }
      if (common >= 0 && dominators.get(block) !== common) {
        dominators.set(block, common);
        isChanged = true;
      }
    }
  }
  const loops = new Map<number, Set<number>>();
  for (const block of order) {
    for (const header of successors[block] ?? []) {
      if (!isDominatedBy(block, header, dominators)) continue;
      const members = loops.get(header) ?? new Set([header]);
      loops.set(header, members);
      const open = [block];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        if (members.has(next)) continue;
        members.add(next);
        open.push(...(predecessors.get(next) ?? []));
      }
    }
  }
  return loops;
}

function reversePostorder(successors: readonly (readonly number[])[], entry: number): number[] {
  const seen = new Set([entry]);
  const order: number[] = [];
  const stack: [number, number][] = [[entry, 0]];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = (successors[top[0]] ?? [])[top[1]++];
    if (next === undefined) {
      order.push(top[0]);
      stack.pop();
    } else if (!seen.has(next)) {
      seen.add(next);
      stack.push([next, 0]);
    }
  }
  return order.toReversed();
}

function commonDominator(
  a: number,
  b: number,
  dominators: ReadonlyMap<number, number>,
  place: ReadonlyMap<number, number>,
): number {
  let [left, right] = [a, b];
  while (left !== right) {
    while ((place.get(left) ?? 0) > (place.get(right) ?? 0)) left = dominators.get(left) as number;
    while ((place.get(right) ?? 0) > (place.get(left) ?? 0)) right = dominators.get(right) as number;
  }
  return left;
}

function isDominatedBy(block: number, by: number, dominators: ReadonlyMap<number, number>): boolean {
  for (let at = block; ;) {
    if (at === by) return true;
    const next = dominators.get(at);
    if (next === undefined || next === at) return false;
    at = next;
  }
}
