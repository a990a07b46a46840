import { FormatError } from './errors.ts';

/** Where a ByteCursor starts, where it must stop, and how it reads; offsets are in bytes from the start of the array. */
export interface ByteCursorOptions {
  /** First word of every error text, such as `elf`. */
  readonly context: string;
  /** Default true. */
  readonly littleEndian?: boolean;
  /** First byte to read; default 0. */
  readonly offset?: number;
  /** First byte that must not be read; default the length of the array. */
  readonly end?: number;
}

/**
 * Reads numbers and strings from bytes, one after the other, and never outside of its range.
 *
 * `offset` may be set freely: it is the next read that is checked. Every read that does not fit
 * throws a FormatError whose `offset` is the place of the read and whose `value` is the number of bytes asked for.
 * The bytes are borrowed, not copied.
 */
export class ByteCursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly littleEndian: boolean;
  offset: number;
  readonly #context: string;
  readonly #view: DataView;

  /** @throws FormatError when `offset` to `end` is not a range inside of the bytes. */
  constructor(bytes: Uint8Array, options: ByteCursorOptions) {
    const { context, littleEndian = true, offset = 0, end = bytes.length } = options;
    if (!(end <= bytes.length)) {
      throw new FormatError(
        `${context}: range ends at ${hex(end)}, past end of input (${hex(bytes.length)})`,
        { offset, value: end },
      );
    }
    if (!(offset >= 0 && offset <= end)) {
      throw new FormatError(`${context}: range starts at ${hex(offset)}, past its end (${hex(end)})`, {
        offset,
        value: offset,
      });
    }
    this.bytes = bytes;
    this.end = end;
    this.littleEndian = littleEndian;
    this.offset = offset;
    this.#context = context;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes left; 0 when the offset was set past the end. */
  get remaining(): number {
    return Math.max(0, this.end - this.offset);
  }

  // The check is repeated in each read, and so written that NaN fails: a shared function halves the speed before V8 compiles it.
  u8(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 1 <= this.end)) throw this.#outside(1);
    this.offset = at + 1;
    return this.#view.getUint8(at);
  }

  i8(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 1 <= this.end)) throw this.#outside(1);
    this.offset = at + 1;
    return this.#view.getInt8(at);
  }

  u16(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 2 <= this.end)) throw this.#outside(2);
    this.offset = at + 2;
    return this.#view.getUint16(at, this.littleEndian);
  }

  i16(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 2 <= this.end)) throw this.#outside(2);
    this.offset = at + 2;
    return this.#view.getInt16(at, this.littleEndian);
  }

  u32(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 4 <= this.end)) throw this.#outside(4);
    this.offset = at + 4;
    return this.#view.getUint32(at, this.littleEndian);
  }

  i32(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 4 <= this.end)) throw this.#outside(4);
    this.offset = at + 4;
    return this.#view.getInt32(at, this.littleEndian);
  }

  u64(): bigint {
    const at = this.offset;
    if (!(at >= 0 && at + 8 <= this.end)) throw this.#outside(8);
    this.offset = at + 8;
    return this.#view.getBigUint64(at, this.littleEndian);
  }

  i64(): bigint {
    const at = this.offset;
    if (!(at >= 0 && at + 8 <= this.end)) throw this.#outside(8);
    this.offset = at + 8;
    return this.#view.getBigInt64(at, this.littleEndian);
  }

  /**
   * An unsigned 64-bit value that must fit in a number.
   *
   * @throws FormatError when it is above 2^53 - 1.
   */
  u53(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 8 <= this.end)) throw this.#outside(8);
    this.offset = at + 8;
    const low = this.#view.getUint32(this.littleEndian ? at : at + 4, this.littleEndian);
    const high = this.#view.getUint32(this.littleEndian ? at + 4 : at, this.littleEndian);
    if (high > 0x1fffff) throw this.#tooLarge(at, this.#view.getBigUint64(at, this.littleEndian));
    // V8 would make a double of what fits in an integer, and slower code of all that is reckoned from it.
    return high === 0 ? low : high * 0x1_0000_0000 + low;
  }

  /**
   * A signed 64-bit value that must fit in a number.
   *
   * @throws FormatError when it is outside of -(2^53 - 1) to 2^53 - 1.
   */
  i53(): number {
    const at = this.offset;
    if (!(at >= 0 && at + 8 <= this.end)) throw this.#outside(8);
    this.offset = at + 8;
    const low = this.#view.getUint32(this.littleEndian ? at : at + 4, this.littleEndian);
    const high = this.#view.getInt32(this.littleEndian ? at + 4 : at, this.littleEndian);
    const value = high === 0 ? low : high * 0x1_0000_0000 + low;
    if (!Number.isSafeInteger(value)) {
      throw this.#tooLarge(at, this.#view.getBigInt64(at, this.littleEndian));
    }
    return value;
  }

  /**
   * An unsigned LEB128 value of at most 10 bytes (DWARF 5, section 7.6).
   *
   * @throws FormatError when it is longer, or above 2^53 - 1.
   */
  uleb128(): number {
    return this.#leb128(false);
  }

  /**
   * A signed LEB128 value of at most 10 bytes (DWARF 5, section 7.6).
   *
   * @throws FormatError when it is longer, or outside of -(2^53 - 1) to 2^53 - 1.
   */
  sleb128(): number {
    return this.#leb128(true);
  }

  /** A view of the next `size` bytes. */
  take(size: number): Uint8Array {
    const at = this.#advance(size);
    return this.bytes.subarray(at, at + size);
  }

  skip(size: number): void {
    this.#advance(size);
  }

  /**
   * The UTF-8 text up to the next zero byte, which is skipped.
   *
   * @throws FormatError when there is no zero byte within `limit` bytes and before the end.
   */
  cString(limit = 4096): string {
    const at = this.offset;
    const stop = Math.min(this.end, at + limit + 1);
    const length = this.bytes.subarray(at, stop).indexOf(0);
    if (at >= this.end || length < 0) {
      throw new FormatError(`${this.#context}: string at ${hex(at)} has no end before ${hex(stop)}`, {
        offset: at,
        value: stop - at,
      });
    }
    this.#advance(length + 1);
    return utf8(this.bytes, at, at + length);
  }

  #leb128(signed: boolean): number {
    const at = this.offset;
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      // Nearly every value has one byte; that one needs no bigint.
      if (shift === 0n && byte < 0x80) return signed && byte >= 0x40 ? byte - 0x80 : byte;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (signed && byte >= 0x40) value -= 1n << (shift + 7n);
      const number = Number(value);
      if (!Number.isSafeInteger(number)) throw this.#tooLarge(at, value);
      return number;
    }
    throw new FormatError(`${this.#context}: leb128 value at ${hex(at)} is longer than 10 bytes`, {
      offset: at,
      value,
    });
  }

  #advance(size: number): number {
    const at = this.offset;
    if (!(at >= 0 && size >= 0 && at + size <= this.end)) throw this.#outside(size);
    this.offset = at + size;
    return at;
  }

  #outside(size: number): FormatError {
    const at = this.offset;
    return new FormatError(
      `${this.#context}: ${size} bytes at ${hex(at)} end at ${hex(at + size)}, past end of range (${hex(this.end)})`,
      { offset: at, value: size },
    );
  }

  #tooLarge(offset: number, value: bigint): FormatError {
    return new FormatError(
      `${this.#context}: value at ${hex(offset)} does not fit in 53 bits, ${value} (${Number.MAX_SAFE_INTEGER})`,
      { offset, value },
    );
  }
}

/** The UTF-8 text of `bytes` from `start` up to `end`; invalid sequences become U+FFFD. */
export function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}

/** A number as error texts show it: `0x4a10`. */
export function hex(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
