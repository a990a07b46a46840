import { describe, expect, it } from 'vitest';
import { readBigInt, readExact, readNumber, WordClock } from './map-words.ts';

const words = (value: bigint): Uint32Array => new Uint32Array(BigUint64Array.of(7n, value).buffer);

describe('a 64-bit number in a map', () => {
  it.each([
    { value: 0n, want: 0 },
    { value: 0xffffffffn, want: 0xffffffff },
    { value: 2n ** 53n - 1n, want: 2 ** 53 - 1 },
    { value: 2n ** 53n, want: '0x20000000000000' },
    { value: 2n ** 64n - 1n, want: '0xffffffffffffffff' },
  ])('is read exactly: $value', ({ value, want }) => {
    expect(readExact(words(value), 2)).toBe(want);
    expect(readBigInt(words(value), 2)).toBe(value);
    if (typeof want === 'number') expect(readNumber(words(value), 2)).toBe(want);
  });
});

describe('a time in a map', () => {
  it.each([
    { name: 'of a machine that has just started', origin: 5n, time: 12n, want: 7 },
    { name: 'across a change of the upper half', origin: 0x1_ffff_fffen, time: 0x2_0000_0003n, want: 5 },
    { name: 'of a machine that runs for a year', origin: 2n ** 55n + 1n, time: 2n ** 55n + 4n, want: 3 },
    { name: 'before the run', origin: 100n, time: 90n, want: 0 },
  ])('is nanoseconds since the start: $name', ({ origin, time, want }) => {
    const clock = new WordClock();
    clock.origin = origin;
    expect(clock.read(words(time), 2)).toBe(want);
  });
});
