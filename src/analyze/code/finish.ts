import { CODE, type Explorer } from './explorer.ts';
import { appendBlocks } from './body.ts';
import type { Personality } from './frame-notes.ts';
import { IntList, lastAtMost } from './int-list.ts';
import { isAscending, sortedOrder } from '../../base/sorted-order.ts';
import { type DataObjects, FACT, ORIGIN, type ObjectCode } from './object-code.ts';

/** What says that a start is a function of its own, not a part that the compiler split off. */
const OWN = ORIGIN.SYMBOL | ORIGIN.CALLED | ORIGIN.TAKEN | ORIGIN.ROOT;

/** Puts what was explored into its final form: split-off parts joined to their functions, everything sorted. */
export function finishCode(
  explorer: Explorer,
  jumps: ReadonlyMap<number, readonly number[]>,
  data: DataObjects,
  personalities: readonly Personality[],
  twice: { readonly starts: Iterable<number>; readonly words: Iterable<number> },
): ObjectCode {
  const count = explorer.functionStarts.length;
  const roots = joinParts(explorer, count);
  const kept = sortedOrder(explorer.functionStarts.items, count).filter((index) => roots[index] === index);
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
  const blocks = sortBlocks(explorer, numbers, kept.length);
  const places = [...jumps.keys()].sort((a, b) => a - b);
  const jumpOffsets = new Int32Array(places.length + 1);
  const targets: number[] = [];
  places.forEach((place, at) => {
    targets.push(...(jumps.get(place) ?? []));
    jumpOffsets[at + 1] = targets.length;
  });
  return {
    starts: permuted(explorer.functionStarts.items, kept),
    origins,
    returns,
    ...sortFacts(explorer, numbers, kept.length),
    ...blocks,
    outsideEntries: outsideEntries(explorer, blocks.ownerStarts),
    jumpPlaces: Int32Array.from(places),
    jumpOffsets,
    jumpTargets: Int32Array.from(targets),
    twice: Int32Array.from(twice.starts).sort(),
    twiceWords: Int32Array.from(twice.words).sort(),
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
  const { origins } = explorer;
  const { sources: jumpSources, targets: jumpTargets } = jumpsBetween(explorer);
  for (let round = 0; round < 8; round++) {
    // -1: nobody jumps there; -2: more than one.
    const sources = new Int32Array(count).fill(-1);
    for (let jump = 0; jump < jumpSources.length; jump++) {
      const target = find(jumpTargets.items[jump] as number);
      const source = find(jumpSources.items[jump] as number);
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

/** Jumps from one function to another. */
function jumpsBetween(explorer: Explorer): { readonly sources: IntList; readonly targets: IntList } {
  const kinds = explorer.factKinds.items;
  const sources = new IntList(512);
  const targets = new IntList(512);
  for (let fact = 0; fact < explorer.factKinds.length; fact++) {
    if (kinds[fact] !== FACT.JUMP) continue;
    sources.push(explorer.factOwners.items[fact] as number);
    targets.push(explorer.factTargets.items[fact] as number);
  }
  return { sources, targets };
}

/** Jumps into the middle of another function's code: there nothing is known of the values. */
function markCrossings(explorer: Explorer, roots: Int32Array): void {
  const { crossings, owners, flags, low } = explorer;
  for (let at = 0; at < crossings.length; at += 2) {
    const place = crossings.at(at + 1) - low;
    const owner = (owners[place] as number) - 1;
    flags[place] = (flags[place] as number) | CODE.LEADER;
    if (owner >= 0 && roots[owner] !== roots[crossings.at(at)]) explorer.noteOutside(place + low);
  }
}

type Blocks = Pick<
  ObjectCode,
  'blockOffsets' | 'blockStarts' | 'blockEnds' | 'ownerStarts' | 'ownerEnds' | 'owners'
>;

function sortBlocks(explorer: Explorer, numbers: Int32Array, count: number): Blocks {
  const { runStarts, runEnds, runOwners } = explorer;
  const order = sortedOrder(runStarts.items, runStarts.length);
  const starts = new IntList(order.length * 4);
  const ends = new IntList(order.length * 4);
  const owners = new IntList(order.length * 4);
  const lastBlocks = new Int32Array(count).fill(-1);
  // Until V8 has optimised a loop, one over indexes takes a fraction of one over an iterator.
  for (let at = 0; at < order.length; at++) {
    const run = order[at] as number;
    const number = numbers[runOwners.items[run] as number] as number;
    const last = lastBlocks[number] as number;
    const start = runStarts.items[run] as number;
    lastBlocks[number] = appendBlocks(explorer, start, runEnds.items[run] as number, last, starts, ends);
    owners.extend(starts.length, number);
  }
  const sorted = inOrder(starts.toArray(), ends.toArray(), owners.toArray());
  const { offsets, places } = byOwner(sorted.owners, count);
  return {
    blockOffsets: offsets,
    blockStarts: permuted(sorted.ownerStarts, places),
    blockEnds: permuted(sorted.ownerEnds, places),
    ...sorted,
  };
}

/** Runs that overlap leave some blocks out of order. */
function inOrder(
  starts: Int32Array,
  ends: Int32Array,
  owners: Int32Array,
): Pick<Blocks, 'ownerStarts' | 'ownerEnds' | 'owners'> {
  if (isAscending(starts)) return { ownerStarts: starts, ownerEnds: ends, owners };
  const order = sortedOrder(starts, starts.length);
  return {
    ownerStarts: permuted(starts, order),
    ownerEnds: permuted(ends, order),
    owners: permuted(owners, order),
  };
}

/** Starts of blocks to which control may come from where nothing is known, ascending. */
function outsideEntries({ outside }: Explorer, starts: Int32Array): Int32Array {
  const places = outside.toArray().filter((place) => {
    const at = lastAtMost(starts, starts.length, place);
    return at >= 0 && starts[at] === place;
  });
  return places.sort();
}

/** What items belong to each owner, in their order: those of owner i are `places[offsets[i]]` up to `places[offsets[i + 1]]`. */
function byOwner(
  owners: Int32Array,
  count: number,
): { readonly offsets: Int32Array; readonly places: Int32Array } {
  const offsets = new Int32Array(count + 1);
  for (let item = 0; item < owners.length; item++) {
    const after = (owners[item] as number) + 1;
    offsets[after] = (offsets[after] as number) + 1;
  }
  for (let owner = 0; owner < count; owner++)
    offsets[owner + 1] = (offsets[owner + 1] as number) + (offsets[owner] as number);
  const next = offsets.slice();
  const places = new Int32Array(owners.length);
  for (let item = 0; item < owners.length; item++) {
    const owner = owners[item] as number;
    const place = next[owner] as number;
    next[owner] = place + 1;
    places[place] = item;
  }
  return { offsets, places };
}

function permuted(items: Int32Array, order: Int32Array): Int32Array {
  const result = new Int32Array(order.length);
  for (let at = 0; at < order.length; at++) result[at] = items[order[at] as number] as number;
  return result;
}

type Facts = Pick<ObjectCode, 'factOffsets' | 'factKinds' | 'factPlaces' | 'factTargets'>;

function sortFacts(explorer: Explorer, numbers: Int32Array, count: number): Facts {
  const kinds = explorer.factKinds.items;
  const targets = explorer.factTargets.items;
  const kept = new IntList(explorer.factKinds.length);
  const owners = new IntList(explorer.factKinds.length);
  for (let fact = 0; fact < explorer.factKinds.length; fact++) {
    const owner = numbers[explorer.factOwners.items[fact] as number] as number;
    // Jumps within a function are no facts.
    if (kinds[fact] === FACT.JUMP && numbers[targets[fact] as number] === owner) continue;
    kept.push(fact);
    owners.push(owner);
  }
  const { offsets, places } = byOwner(owners.toArray(), count);
  const facts = permuted(kept.items, places);
  const factKinds = Uint8Array.from(permuted(kinds, facts));
  const factTargets = permuted(targets, facts);
  for (let at = 0; at < facts.length; at++) {
    const kind = factKinds[at];
    if (kind === FACT.CALL || kind === FACT.JUMP || kind === FACT.TAKE_CODE)
      factTargets[at] = numbers[factTargets[at] as number] as number;
  }
  return {
    factOffsets: offsets,
    factKinds,
    factPlaces: permuted(explorer.factPlaces.items, facts),
    factTargets,
  };
}
