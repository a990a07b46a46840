import { CALL, CALL_KEY, ERROR_KEY, VALUE, VALUE_KEY } from './layout.ts';

/** Sizes of a key and a value of a map in 32-bit words. */
export interface MapWords {
  readonly key: number;
  readonly value: number;
}

export const CALL_WORDS: MapWords = { key: CALL_KEY.size / 4, value: CALL.size / 4 };
export const VALUE_WORDS: MapWords = { key: VALUE_KEY.size / 4, value: VALUE.size / 4 };
export const ERROR_WORDS: MapWords = { key: ERROR_KEY.size / 4, value: 2 };

/** A 64-bit number below 2^53. */
export function readNumber(words: Uint32Array, at: number): number {
  return (words[at + 1] as number) * 2 ** 32 + (words[at] as number);
}

/** Any 64-bit number. */
export function readBigInt(words: Uint32Array, at: number): bigint {
  return (BigInt(words[at + 1] as number) << 32n) | BigInt(words[at] as number);
}

/** A 64-bit number where a double is exact, else text. */
export function readExact(words: Uint32Array, at: number): number | string {
  const value = readNumber(words, at);
  return value <= Number.MAX_SAFE_INTEGER ? value : `0x${readBigInt(words, at).toString(16)}`;
}

/** Reads times of the monotonic clock as nanoseconds since the start of a run, without making a bigint of each. */
export class WordClock {
  #origin = 0n;
  #low = 0;
  #high = 0;

  /** Moves the start of the run. */
  set origin(origin: bigint) {
    if (origin === this.#origin) return;
    this.#origin = origin;
    this.#low = Number(origin & 0xffffffffn);
    this.#high = Number(origin >> 32n);
  }

  /** Exact for a run that is shorter than 104 days; 0 for what was before it. */
  read(words: Uint32Array, at: number): number {
    const high = (words[at + 1] as number) - this.#high;
    return Math.max(0, high * 2 ** 32 + ((words[at] as number) - this.#low));
  }
}
