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
    const owner = owners[place] as number;
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
  const runCount = explorer.runStarts.length;
  const runsOf: number[][] = Array.from({ length: count }, () => []);
  for (let run = 0; run < runCount; run++) runsOf[numbers[explorer.runOwners.at(run)] as number]?.push(run);
  const starts = new IntList(runCount * 2);
  const ends = new IntList(runCount * 2);
  const owners = new IntList(runCount * 2);
  const blockOffsets = new Int32Array(count + 1);
  for (let number = 0; number < count; number++) {
    const runs = runsOf[number] as number[];
    runs.sort((a, b) => explorer.runStarts.at(a) - explorer.runStarts.at(b));
    appendBlocks(explorer, runs, starts, ends);
    while (owners.length < starts.length) owners.push(number);
    blockOffsets[number + 1] = starts.length;
  }
  const blockStarts = starts.toArray();
  const blockEnds = ends.toArray();
  for (const start of blockStarts) {
    if (((explorer.flags[start - explorer.low] as number) & CODE.OUTSIDE) !== 0) outside.push(start);
  }
  const order = sortedOrder(blockStarts);
  return {
    blockOffsets,
    blockStarts,
    blockEnds,
    ownerStarts: order.map((block) => blockStarts[block] as number),
    ownerEnds: order.map((block) => blockEnds[block] as number),
    owners: order.map((block) => owners.at(block)),
  };
}

/** The permutation that sorts integers: by keys and indexes in one double, which sort without a comparison function. */
function sortedOrder(keys: Int32Array): Int32Array {
  const packed = new Float64Array(keys.length);
  for (let index = 0; index < keys.length; index++)
    packed[index] = (keys[index] as number) * 0x40_0000 + index;
  packed.sort();
  return Int32Array.from(packed, (value) => value % 0x40_0000);
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
