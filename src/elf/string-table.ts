import { isAscii } from 'node:buffer';

import { hex, utf8 } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import type { FileRange } from './file.ts';

/**
 * A string table: names by byte offset (gABI 4.1, "String Table").
 *
 * Names may overlap, as linkers let them share their tails; a file made to hurt could overlap so much that
 * reading all names takes quadratic time. All long names read from one table may together be OVERLAP times as long as the file.
 */
export class StringTable {
  readonly #bytes: Uint8Array;
  readonly #range: FileRange;
  #text: string | undefined;
  #lookups = 0;
  #budget: number;

  /** `range` must lie inside of `bytes`, the file. */
  constructor(bytes: Uint8Array, range: FileRange) {
    this.#bytes = bytes;
    this.#range = range;
    this.#budget = bytes.length * OVERLAP;
  }

  /**
   * The string that starts `index` bytes into the table; an empty table has the empty string at 0.
   *
   * @throws FormatError when the index is outside of the table, the string has no end, or names overlap beyond reason.
   */
  at(index: number): string {
    const { offset, end } = this.#range;
    if (index === 0 && offset === end) return '';
    if (++this.#lookups === FEW_NAMES) this.#decode();
    const start = offset + index;
    if (!(start < end)) {
      throw new FormatError(`elf: string at ${hex(start)} starts past end of string table (${hex(end)})`, {
        offset: start,
        value: index,
      });
    }
    const stop = this.#endOf(start);
    if (stop - start > LONG_NAME) this.#budget -= stop - start;
    if (this.#budget < 0) {
      throw new FormatError(`elf: strings of the table at ${hex(offset)} overlap too much`, {
        offset: start,
        value: index,
      });
    }
    return this.#text?.slice(index, stop - offset) ?? utf8(this.#bytes, start, stop);
  }

  /** One decoding for all names is several times faster than one a name; beyond ASCII it would be wrong. */
  #decode(): void {
    const { offset, end } = this.#range;
    const size = end - offset;
    if (size > LARGEST_TEXT) return;
    const table = this.#bytes.subarray(offset, end);
    if (isAscii(table)) this.#text = Buffer.from(table.buffer, table.byteOffset, size).toString('latin1');
  }

  #endOf(start: number): number {
    const { offset, end } = this.#range;
    const stop =
      this.#text === undefined
        ? this.#bytes.indexOf(0, start)
        : this.#text.indexOf('\0', start - offset) + offset;
    if (stop < start || stop >= end) {
      throw new FormatError(`elf: string at ${hex(start)} has no end before ${hex(end)}`, {
        offset: start,
        value: start - offset,
      });
    }
    return stop;
  }
}

/** Names stay below 2 times the file even when every symbol has a long one of its own. */
const OVERLAP = 16;

/** Shorter names take no more time than the entries that have them. */
const LONG_NAME = 64;

/** Not worth decoding a whole table for. */
const FEW_NAMES = 64;

/** V8 cannot hold strings of 2^29 characters. */
const LARGEST_TEXT = 2 ** 28;
