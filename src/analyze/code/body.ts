import type { FunctionBody } from '../value/flow.ts';
import type { Instruction } from '../x86/instruction.ts';
import type { CalleeEffects } from './callee-effects.ts';
import { CODE, type Explorer } from './explorer.ts';
import { IntList, lastAtMost } from './int-list.ts';
import { jumpTargetsAt, type ObjectCode } from './object-code.ts';
import type { ObjectView } from './object-view.ts';

const STARTS_BLOCK = CODE.LEADER | CODE.AFTER_BRANCH;

/** The same in each of four bytes. */
const STARTS_IN_WORD = STARTS_BLOCK * 0x0101_0101;

/** The runs of one function so far, in blocks by ascending address. */
export function exploredBlocks(explorer: Explorer, index: number, starts: IntList, ends: IntList): void {
  const { runStarts, runEnds, runLinks } = explorer;
  const runs: number[] = [];
  for (let run = explorer.lastRuns.at(index); run >= 0; run = runLinks.items[run] as number) runs.push(run);
  runs.sort((a, b) => (runStarts.items[a] as number) - (runStarts.items[b] as number));
  let last = -1;
  for (const run of runs) {
    last = appendBlocks(
      explorer,
      runStarts.items[run] as number,
      runEnds.items[run] as number,
      last,
      starts,
      ends,
    );
  }
}

/**
 * Splits a run at leaders. `last` is the block of the same function before it, -1 for none: they are joined if one ends where the other begins
 * and no leader is there. Gives the last block of the run.
 */
export function appendBlocks(
  explorer: Explorer,
  start: number,
  end: number,
  last: number,
  starts: IntList,
  ends: IntList,
): number {
  const { flags, low } = explorer;
  const isLeader = ((flags[start - low] as number) & STARTS_BLOCK) !== 0;
  let block = last;
  let at = start;
  if (!isLeader && last >= 0 && ends.items[last] === start) {
    at = nextStart(explorer, start + 1, end);
    ends.items[last] = at;
  }
  while (at < end) {
    const next = nextStart(explorer, at + 1, end);
    block = starts.push(at);
    ends.push(next);
    at = next;
  }
  return block;
}

/** The first place before `end`, from `from` on, where a block starts; `end` for none. */
function nextStart({ flags, flagWords, low }: Explorer, from: number, end: number): number {
  const stop = end - low;
  for (let at = from - low; at < stop; at++) {
    // Most places start none, so four are looked at in one.
    if ((at & 3) === 0) {
      while (at + 4 <= stop && ((flagWords[at >> 2] as number) & STARTS_IN_WORD) === 0) at += 4;
      if (at >= stop) break;
    }
    const flag = flags[at] as number;
    if ((flag & STARTS_BLOCK) !== 0 && (flag & CODE.INSTRUCTION) !== 0) return at + low;
  }
  return end;
}

/** The body of a function while its object is being explored. */
export class ExploredBody implements FunctionBody {
  readonly entry: number;
  readonly count: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly #explorer: Explorer;
  readonly #jumps: ReadonlyMap<number, readonly number[]>;
  readonly #clobbers: (target: number) => number;
  readonly #effects: CalleeEffects;

  constructor(
    explorer: Explorer,
    index: number,
    jumps: ReadonlyMap<number, readonly number[]>,
    clobbers: (target: number) => number,
    effects: CalleeEffects,
  ) {
    const starts = new IntList(64);
    const ends = new IntList(64);
    exploredBlocks(explorer, index, starts, ends);
    this.entry = explorer.functionStarts.at(index);
    this.count = starts.length;
    this.starts = starts.toArray();
    this.ends = ends.toArray();
    this.#explorer = explorer;
    this.#jumps = jumps;
    this.#clobbers = clobbers;
    this.#effects = effects;
  }

  effects(target: number): number {
    return this.#effects.of(target);
  }

  effectsOfWord(word: number): number {
    return this.#effects.ofWord(word);
  }

  clobbers(target: number): number {
    return this.#clobbers(target);
  }

  isEnteredFromOutside(block: number): boolean {
    const at = (this.starts[block] as number) - this.#explorer.low;
    return ((this.#explorer.flags[at] as number) & CODE.OUTSIDE) !== 0;
  }

  jumpTargets(at: number): readonly number[] | null {
    return this.#jumps.get(at) ?? null;
  }

  decode(address: number, into: Instruction): number {
    return this.#explorer.view.decode(address, into);
  }
}

/** The body of a function of an object that was explored. */
export class KnownBody implements FunctionBody {
  readonly entry: number;
  readonly count: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly #code: ObjectCode;
  readonly #view: ObjectView;
  readonly #effects: CalleeEffects;

  constructor(view: ObjectView, code: ObjectCode, index: number, effects: CalleeEffects) {
    const from = code.blockOffsets[index] as number;
    const to = code.blockOffsets[index + 1] as number;
    this.entry = code.starts[index] as number;
    this.count = to - from;
    this.starts = code.blockStarts.subarray(from, to);
    this.ends = code.blockEnds.subarray(from, to);
    this.#code = code;
    this.#view = view;
    this.#effects = effects;
  }

  effects(target: number): number {
    return this.#effects.of(target);
  }

  effectsOfWord(word: number): number {
    return this.#effects.ofWord(word);
  }

  isEnteredFromOutside(block: number): boolean {
    const { outsideEntries } = this.#code;
    const start = this.starts[block] as number;
    const at = lastAtMost(outsideEntries, outsideEntries.length, start);
    return at >= 0 && outsideEntries[at] === start;
  }

  jumpTargets(at: number): Int32Array | null {
    return jumpTargetsAt(this.#code, at);
  }

  decode(address: number, into: Instruction): number {
    return this.#view.decode(address, into);
  }
}
