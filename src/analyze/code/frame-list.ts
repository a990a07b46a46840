import { sortedOrder } from '../../base/sorted-order.ts';
import type { FrameRange } from '../../elf/frame.ts';
import { lastAtMost } from './int-list.ts';

/** The frames of one object's code by ascending start, in integers: millions of questions are asked of them. */
export class FrameList {
  /** vaddr of the first byte of each. */
  readonly starts: Int32Array;
  /** vaddr after the last byte of each. */
  readonly ends: Int32Array;
  /** vaddr of the language-specific data area of each, 0 for none. */
  readonly lsdas: Int32Array;

  /** @param limit vaddr, below 2^31, past which there is nothing, whatever a record says. */
  constructor(ranges: readonly FrameRange[], limit: number) {
    const count = ranges.length;
    const unsorted = new Int32Array(count);
    for (let at = 0; at < count; at++) unsorted[at] = (ranges[at] as FrameRange).start;
    const order = sortedOrder(unsorted, count);
    this.starts = new Int32Array(count);
    this.ends = new Int32Array(count);
    this.lsdas = new Int32Array(count);
    for (let at = 0; at < count; at++) {
      const { start, end, lsda } = ranges[order[at] as number] as FrameRange;
      this.starts[at] = start;
      this.ends[at] = Math.min(end, limit);
      this.lsdas[at] = lsda === null || lsda > limit ? 0 : lsda;
    }
  }

  get count(): number {
    return this.starts.length;
  }

  /** Index of the frame that covers a vaddr; -1 for none. */
  at(vaddr: number): number {
    const frame = lastAtMost(this.starts, this.starts.length, vaddr);
    return frame >= 0 && vaddr < (this.ends[frame] as number) ? frame : -1;
  }
}
