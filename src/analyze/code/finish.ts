import { CODE, type Explorer } from './explorer.ts';
import { appendBlocks } from './body.ts';
import type { Personality } from './frame-notes.ts';
import { IntList } from './int-list.ts';
import { type DataObjects, FACT, ORIGIN, type ObjectCode } from './object-code.ts';

/** What says that a start is a function of its own, not a part that the compiler split off. */
const OWN = ORIGIN.SYMBOL | ORIGIN.CALLED | ORIGIN.TAKEN | ORIGIN.ROOT;

/** Puts what was explored into its final form: split-off parts joined to their functions, everything sorted. */
export function finishCode(
  explorer: Explorer,
  jumps: ReadonlyMap<number, readonly number[]>,
  data: DataObjects,
  personalities: readonly Personality[],
): ObjectCode {
  const count = explorer.functionStarts.length;
  const roots = joinParts(explorer, count);
  const kept: number[] = [];
  for (let index = 0; index < count; index++) if (roots[index] === index) kept.push(index);
  kept.sort((a, b) => explorer.functionStarts.at(a) - explorer.functionStarts.at(b));
  const numbers = new Int32Array(count);
  kept.forEach((index, number) => (numbers[index] = number));
  for (let index = 0; index < count; index++) numbers[index] = numbers[roots[index] as number] as number;

  markCrossings(explorer, roots);
  const origins = new Uint8Array(kept.length);
  const returns = new Uint8Array(kept.length);
  for (let index = 0; index < count; index++) {
    const number = numbers[index] as number;
    origins[number] = (origins[number] as number) | explorer.origins.at(index);
    if (roots[index] === index) returns[number] = explorer.returns.at(index);
  }
  const outside: number[] = [];
  const blocks = sortBlocks(explorer, numbers, kept.length, outside);
  const places = [...jumps.keys()].sort((a, b) => a - b);
  const jumpOffsets = new Int32Array(places.length + 1);
  const targets: number[] = [];
  places.forEach((place, at) => {
    targets.push(...(jumps.get(place) ?? []));
    jumpOffsets[at + 1] = targets.length;
  });
  return {
    starts: Int32Array.from(kept, (index) => explorer.functionStarts.at(index)),
    origins,
    returns,
    ...sortFacts(explorer, numbers, kept.length),
    ...blocks,
    outsideEntries: Int32Array.from(outside).sort(),
    jumpPlaces: Int32Array.from(places),
    jumpOffsets,
    jumpTargets: Int32Array.from(targets),
    data,
    personalities: vaddrs(personalities.filter(({ isIndirect }) => !isIndirect)),
    personalityWords: vaddrs(personalities.filter(({ isIndirect }) => isIndirect)),
  };
}

function vaddrs(personalities: readonly Personality[]): Int32Array {
  return Int32Array.from(personalities, ({ vaddr }) => vaddr);
}

/** The function that each one belongs to: a part that only one function jumps to belongs to that. */
function joinParts(explorer: Explorer, count: number): Int32Array {
  const roots = Int32Array.from({ length: count }, (_, index) => index);
  const find = (index: number): number => {
    let root = index;
    while (roots[root] !== root) root = roots[root] as number;
    return root;
  };
  const { factKinds, factOwners, factTargets, origins } = explorer;
  for (let round = 0; round < 8; round++) {
    // -1: nobody jumps there; -2: more than one.
    const sources = new Int32Array(count).fill(-1);
    for (let fact = 0; fact < factKinds.length; fact++) {
      if (factKinds.at(fact) !== FACT.JUMP) continue;
      const target = find(factTargets.at(fact));
      const source = find(factOwners.at(fact));
      if (source === target) continue;
      if (sources[target] === -1) sources[target] = source;
      else if (sources[target] !== source) sources[target] = -2;
    }
    let changed = false;
    for (let index = 0; index < count; index++) {
      const source = sources[index] as number;
      if (source < 0 || roots[index] !== index || (origins.at(index) & OWN) !== 0) continue;
      const root = find(source);
      if (root === index) continue;
      roots[index] = root;
      changed = true;
    }
    if (!changed) break;
  }
  for (let index = 0; index < count; index++) roots[index] = find(index);
  return roots;
}

/** Jumps into the middle of another function's code: there nothing is known of the values. */
function markCrossings(explorer: Explorer, roots: Int32Array): void {
  const { crossings, owners, flags, low } = explorer;
  for (let at = 0; at < crossings.length; at += 2) {
    const place = crossings.at(at + 1) - low;
    const owner = (owners[place] as number) - 1;
    flags[place] = (flags[place] as number) | CODE.LEADER;
    if (owner >= 0 && roots[owner] !== roots[crossings.at(at)])
      flags[place] = (flags[place] as number) | CODE.OUTSIDE;
  }
}

type Blocks = Pick<
  ObjectCode,
  'blockOffsets' | 'blockStarts' | 'blockEnds' | 'ownerStarts' | 'ownerEnds' | 'owners'
>;

function sortBlocks(explorer: Explorer, numbers: Int32Array, count: number, outside: number[]): Blocks {
  const { runOwners } = explorer;
  const runCount = explorer.runStarts.length;
  const order = sortedOrder(explorer.runStarts.items, runCount);
  // By function, and in each by ascending start.
  const offsets = new Int32Array(count + 1);
  for (let run = 0; run < runCount; run++) {
    const number = (numbers[runOwners.items[run] as number] as number) + 1;
    offsets[number] = (offsets[number] as number) + 1;
  }
  for (let number = 0; number < count; number++)
    offsets[number + 1] = (offsets[number + 1] as number) + (offsets[number] as number);
  const runs = new Int32Array(runCount);
  const next = offsets.slice();
  for (let at = 0; at < runCount; at++) {
    const run = order[at] as number;
    const number = numbers[runOwners.items[run] as number] as number;
    const place = next[number] as number;
    next[number] = place + 1;
    runs[place] = run;
  }
  const starts = new IntList(runCount * 2);
  const ends = new IntList(runCount * 2);
  const blockOffsets = new Int32Array(count + 1);
  for (let number = 0; number < count; number++) {
    appendBlocks(explorer, runs, offsets[number] as number, offsets[number + 1] as number, starts, ends);
    blockOffsets[number + 1] = starts.length;
  }
  const blockStarts = starts.toArray();
  const blockEnds = ends.toArray();
  const blockOwners = new Int32Array(blockStarts.length);
  for (let number = 0; number < count; number++)
    blockOwners.fill(number, blockOffsets[number], blockOffsets[number + 1]);
  for (const start of blockStarts) {
    if (((explorer.flags[start - explorer.low] as number) & CODE.OUTSIDE) !== 0) outside.push(start);
  }
  const blocks = sortedOrder(blockStarts, blockStarts.length);
  return {
    blockOffsets,
    blockStarts,
    blockEnds,
    ownerStarts: permuted(blockStarts, blocks),
    ownerEnds: permuted(blockEnds, blocks),
    owners: permuted(blockOwners, blocks),
  };
}

function permuted(items: Int32Array, order: Int32Array): Int32Array {
  const result = new Int32Array(order.length);
  for (let at = 0; at < order.length; at++) result[at] = items[order[at] as number] as number;
  return result;
}

/** The permutation that sorts integers: by keys and indexes in one double, which sort without a comparison function. */
function sortedOrder(keys: Int32Array, count: number): Int32Array {
  const packed = new Float64Array(count);
  for (let index = 0; index < count; index++) packed[index] = (keys[index] as number) * 0x40_0000 + index;
  packed.sort();
  const order = new Int32Array(count);
  for (let at = 0; at < count; at++) order[at] = (packed[at] as number) % 0x40_0000;
  return order;
}

type Facts = Pick<ObjectCode, 'factOffsets' | 'factKinds' | 'factPlaces' | 'factTargets'>;

function sortFacts(explorer: Explorer, numbers: Int32Array, count: number): Facts {
  const { factKinds, factOwners, factPlaces, factTargets } = explorer;
  const total = factKinds.length;
  const factOffsets = new Int32Array(count + 1);
  const isInner = (fact: number): boolean =>
    factKinds.at(fact) === FACT.JUMP && numbers[factTargets.at(fact)] === numbers[factOwners.at(fact)];
  for (let fact = 0; fact < total; fact++) {
    if (isInner(fact)) continue;
    const number = numbers[factOwners.at(fact)] as number;
    factOffsets[number + 1] = (factOffsets[number + 1] as number) + 1;
  }
  for (let number = 0; number < count; number++) {
    factOffsets[number + 1] = (factOffsets[number + 1] as number) + (factOffsets[number] as number);
  }
  const next = factOffsets.slice();
  const size = factOffsets[count] as number;
  const kinds = new Uint8Array(size);
  const places = new Int32Array(size);
  const targets = new Int32Array(size);
  for (let fact = 0; fact < total; fact++) {
    if (isInner(fact)) continue;
    const number = numbers[factOwners.at(fact)] as number;
    const at = next[number] as number;
    next[number] = at + 1;
    const kind = factKinds.at(fact);
    const target = factTargets.at(fact);
    kinds[at] = kind;
    places[at] = factPlaces.at(fact);
    targets[at] =
      kind === FACT.CALL || kind === FACT.JUMP || kind === FACT.TAKE_CODE
        ? (numbers[target] as number)
        : target;
  }
  return { factOffsets, factKinds: kinds, factPlaces: places, factTargets: targets };
}
