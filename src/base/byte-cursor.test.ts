import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ByteCursor, hex } from './byte-cursor.ts';
import { FormatError } from './errors.ts';

const BYTES = Uint8Array.of(0x01, 0x02, 0x83, 0x84, 0xff, 0xff, 0xff, 0xff);

function cursorOf(bytes: readonly number[], littleEndian = true): ByteCursor {
  return new ByteCursor(Uint8Array.from(bytes), { context: 'test', littleEndian });
}

function errorOf(action: () => unknown): FormatError {
  try {
    action();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('ByteCursor', () => {
  it.each([
    { name: 'u8', want: [0x01, 0x01] },
    { name: 'i8', want: [1, 1] },
    { name: 'u16', want: [0x0201, 0x0102] },
    { name: 'i16', want: [0x0201, 0x0102] },
    { name: 'u32', want: [0x84830201, 0x01028384] },
    { name: 'i32', want: [0x84830201 - 2 ** 32, 0x01028384] },
    { name: 'u64', want: [0xffffffff84830201n, 0x01028384ffffffffn] },
    { name: 'i64', want: [-0x7b7cfdffn, 0x01028384ffffffffn] },
    { name: 'i53', want: [-0x7b7cfdff, undefined] },
  ] as const)('reads $name in both byte orders', ({ name, want }) => {
    for (const [index, littleEndian] of [true, false].entries()) {
      if (want[index] === undefined) continue;
      const cursor = new ByteCursor(BYTES, { context: 'test', littleEndian });
      expect(cursor[name]()).toBe(want[index]);
    }
  });

  it('gives the place and the size of a read that does not fit', () => {
    const cursor = new ByteCursor(BYTES, { context: 'elf', offset: 2, end: 6 });
    cursor.skip(2);
    const error = errorOf(() => cursor.u32());
    expect(error.message).toBe('elf: 4 bytes at 0x4 end at 0x8, past end of range (0x6)');
    expect(error).toMatchObject({ offset: 4, value: 4 });
    expect(cursor.offset).toBe(4);
    expect(cursor.remaining).toBe(2);
  });

  it('refuses every read at an offset that is no place in the bytes', () => {
    const reads = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64', 'u53', 'i53', 'uleb128'] as const;
    for (const offset of [-1, 8, 2 ** 53, NaN, Infinity]) {
      for (const read of [...reads, 'sleb128', 'cString'] as const) {
        const cursor = new ByteCursor(BYTES, { context: 'test' });
        cursor.offset = offset;
        expect(() => cursor[read](), `${read} at ${offset}`).toThrow(FormatError);
      }
    }
  });

  it('refuses a range that is not inside of the bytes', () => {
    expect(() => new ByteCursor(BYTES, { context: 'test', end: 9 })).toThrow(
      'test: range ends at 0x9, past end of input (0x8)',
    );
    expect(() => new ByteCursor(BYTES, { context: 'test', offset: 5, end: 4 })).toThrow(
      'test: range starts at 0x5, past its end (0x4)',
    );
    expect(() => new ByteCursor(BYTES, { context: 'test', offset: NaN })).toThrow(FormatError);
    expect(() => new ByteCursor(BYTES, { context: 'test', end: NaN })).toThrow(FormatError);
  });

  it('refuses values that do not fit in a number', () => {
    const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0];
    expect(cursorOf(most).u53()).toBe(Number.MAX_SAFE_INTEGER);
    expect(cursorOf(most).i53()).toBe(Number.MAX_SAFE_INTEGER);
    const error = errorOf(() => cursorOf([0, 0, 0, 0, 0, 0, 0x20, 0]).u53());
    expect(error.message).toBe(
      'test: value at 0x0 does not fit in 53 bits, 9007199254740992 (9007199254740991)',
    );
    expect(error.value).toBe(2n ** 53n);
    expect(() => cursorOf([0, 0, 0, 0, 0, 0, 0xe0, 0xff]).i53()).toThrow('-9007199254740992');
  });

  it('reads the leb128 examples of the DWARF standard', () => {
    const unsigned = [[0x02], [0x7f], [0x80, 0x01], [0x81, 0x01], [0x80, 0x81, 0x00], [0xb9, 0x64]];
    expect(unsigned.map((bytes) => cursorOf(bytes).uleb128())).toEqual([2, 127, 128, 129, 128, 12857]);
    const signed = [[0x02], [0x7e], [0xff, 0x00], [0x81, 0x7f], [0x80, 0x01], [0x80, 0x7f], [0x81, 0x01]];
    expect(signed.map((bytes) => cursorOf(bytes).sleb128())).toEqual([2, -2, 127, -127, 128, -128, 129]);
  });

  it('refuses leb128 values that are too long or too large', () => {
    const endless = Array.from({ length: 20 }, () => 0x80);
    expect(() => cursorOf(endless).uleb128()).toThrow('test: leb128 value at 0x0 is longer than 10 bytes');
    const large = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    expect(() => cursorOf(large).uleb128()).toThrow('does not fit in 53 bits');
    expect(() => cursorOf([0x80]).sleb128()).toThrow(FormatError);
  });

  it('reads strings up to their zero byte and no farther', () => {
    const cursor = cursorOf([0x61, 0xc3, 0xa9, 0, 0x62, 0x63]);
    expect(cursor.cString()).toBe('aé');
    expect(cursor.offset).toBe(4);
    expect(() => cursor.cString()).toThrow('test: string at 0x4 has no end before 0x6');
    const limited = cursorOf([0x61, 0x61, 0x61, 0]);
    expect(() => limited.cString(2)).toThrow('test: string at 0x0 has no end before 0x3');
    expect(limited.cString(3)).toBe('aaa');
  });

  it('gives views of its bytes, also of an array that starts within its buffer', () => {
    const inner = new Uint8Array(Uint8Array.of(9, 9, 1, 2, 3).buffer, 2);
    const cursor = new ByteCursor(inner, { context: 'test' });
    expect(cursor.u8()).toBe(1);
    const view = cursor.take(2);
    inner[1] = 7;
    expect([...view]).toEqual([7, 3]);
    expect(() => cursor.take(-1)).toThrow(FormatError);
    expect(() => cursor.take(1)).toThrow(FormatError);
  });

  it('reads any number back that was written', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.boolean(), (value, littleEndian) => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigInt64(0, BigInt(value), littleEndian);
        const cursor = new ByteCursor(bytes, { context: 'test', littleEndian });
        expect(cursor.i53()).toBe(value);
        cursor.offset = 0;
        if (value >= 0) expect(cursor.u53()).toBe(value);
        expect(cursorOf(leb128(BigInt(value))).sleb128()).toBe(value);
      }),
    );
  });
});

describe('hex', () => {
  it('writes the sign before the base', () => {
    expect([0, 0x4a10, -16].map(hex)).toEqual(['0x0', '0x4a10', '-0x10']);
  });
});

function leb128(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const isLast = (value === 0n && low < 0x40) || (value === -1n && low >= 0x40);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}
