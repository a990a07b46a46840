import type { FunctionBody } from '../value/flow.ts';
import type { Instruction } from '../x86/instruction.ts';
import { CODE, type Explorer } from './explorer.ts';
import { IntList, lastAtMost } from './int-list.ts';
import type { ObjectCode } from './object-code.ts';
import type { ObjectView } from './object-view.ts';

const STARTS_BLOCK = CODE.LEADER | CODE.AFTER_BRANCH;

/** The runs of one function so far, in blocks by ascending address. */
export function exploredBlocks(explorer: Explorer, index: number, starts: IntList, ends: IntList): void {
  const runs: number[] = [];
  for (let run = explorer.lastRuns.at(index); run >= 0; run = explorer.runLinks.at(run)) runs.push(run);
  runs.sort((a, b) => explorer.runStarts.at(a) - explorer.runStarts.at(b));
  appendBlocks(explorer, runs, starts, ends);
}

/** Splits runs, which are given by ascending start, at leaders, and joins those between which there is none. */
export function appendBlocks(
  explorer: Explorer,
  runs: readonly number[],
  starts: IntList,
  ends: IntList,
): void {
  const first = starts.length;
  for (const run of runs) {
    const end = explorer.runEnds.at(run);
    let start = explorer.runStarts.at(run);
    const isLeader = ((explorer.flags[start - explorer.low] as number) & STARTS_BLOCK) !== 0;
    if (!isLeader && starts.length > first && ends.at(ends.length - 1) === start) {
      start = starts.at(starts.length - 1);
      starts.pop();
      ends.pop();
    }
    for (let at = explorer.runStarts.at(run) + 1; at < end; at++) {
      const flag = explorer.flags[at - explorer.low] as number;
      if ((flag & CODE.INSTRUCTION) === 0 || (flag & STARTS_BLOCK) === 0) continue;
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
