import type { FunctionBody } from '../value/flow.ts';
import type { Instruction } from '../x86/instruction.ts';
import { CODE, type Explorer } from './explorer.ts';
import { IntList, lastAtMost } from './int-list.ts';
import type { ObjectCode } from './object-code.ts';
import type { ObjectView } from './object-view.ts';

const STARTS_BLOCK = CODE.LEADER | CODE.AFTER_BRANCH;

/** The runs of one function so far, in blocks by ascending address. */
export function exploredBlocks(explorer: Explorer, index: number, starts: IntList, ends: IntList): void {
  const { runStarts, runLinks } = explorer;
  const runs: number[] = [];
  for (let run = explorer.lastRuns.at(index); run >= 0; run = runLinks.items[run] as number) runs.push(run);
  runs.sort((a, b) => (runStarts.items[a] as number) - (runStarts.items[b] as number));
  appendBlocks(explorer, runs, 0, runs.length, starts, ends);
}

/** Splits the runs from `from` up to `to`, which are given by ascending start, at leaders, and joins those between which there is none. */
export function appendBlocks(
  explorer: Explorer,
  runs: ArrayLike<number>,
  from: number,
  to: number,
  starts: IntList,
  ends: IntList,
): void {
  const { flags, low } = explorer;
  const runStarts = explorer.runStarts.items;
  const runEnds = explorer.runEnds.items;
  const first = starts.length;
  for (let place = from; place < to; place++) {
    const run = runs[place] as number;
    const end = runEnds[run] as number;
    let start = runStarts[run] as number;
    const isLeader = ((flags[start - low] as number) & STARTS_BLOCK) !== 0;
    let at = start + 1;
    if (!isLeader && starts.length > first && ends.at(ends.length - 1) === start) {
      start = starts.pop();
      ends.pop();
    }
    for (; at < end; at++) {
      const flag = flags[at - low] as number;
      if ((flag & STARTS_BLOCK) === 0 || (flag & CODE.INSTRUCTION) === 0) continue;
      starts.push(start);
      ends.push(at);
      start = at;
    }
    starts.push(start);
    ends.push(end);
  }
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

  constructor(
    explorer: Explorer,
    index: number,
    jumps: ReadonlyMap<number, readonly number[]>,
    clobbers: (target: number) => number,
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

  constructor(view: ObjectView, code: ObjectCode, index: number) {
    const from = code.blockOffsets[index] as number;
    const to = code.blockOffsets[index + 1] as number;
    this.entry = code.starts[index] as number;
    this.count = to - from;
    this.starts = code.blockStarts.subarray(from, to);
    this.ends = code.blockEnds.subarray(from, to);
    this.#code = code;
    this.#view = view;
  }

  isEnteredFromOutside(block: number): boolean {
    const { outsideEntries } = this.#code;
    const start = this.starts[block] as number;
    const at = lastAtMost(outsideEntries, outsideEntries.length, start);
    return at >= 0 && outsideEntries[at] === start;
  }

  jumpTargets(at: number): Int32Array | null {
    const { jumpPlaces, jumpOffsets, jumpTargets } = this.#code;
    const jump = lastAtMost(jumpPlaces, jumpPlaces.length, at);
    if (jump < 0 || jumpPlaces[jump] !== at) return null;
    return jumpTargets.subarray(jumpOffsets[jump], jumpOffsets[jump + 1]);
  }

  decode(address: number, into: Instruction): number {
    return this.#view.decode(address, into);
  }
}
