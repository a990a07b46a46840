import { loadedRun } from '../../elf/address.ts';
import type { ElfFile } from '../../elf/file.ts';
import { wordsOf } from '../../elf/words.ts';

/** Finds the symbols of an object by the hash of their names, in the order in which the loader sees them. */
export interface HashIndex {
  /** The first symbol with a hash, or one that is nearly so; 0 when there is none. */
  first(hash: number): number;
  /** The one after it; 0 ends. */
  next(index: number, hash: number): number;
}

/** The hash of DT_GNU_HASH begins with it; each byte is added to 33 times the hash before. */
export const HASH_START = 5381;

/**
 * The hash table of DT_GNU_HASH as an index; null when it is not there or cannot be used as it is.
 *
 * Layout: glibc's elf/dl-setup_hash.c and elf/dl-lookup.c.
 */
export function gnuHashIndex(elf: ElfFile, vaddr: number | undefined, symbolCount: number): HashIndex | null {
  if (vaddr === undefined) return null;
  const { offset, end } = loadedRun(elf, vaddr, 'gnu hash table');
  const words = wordsOf(elf.bytes, { offset, end });
  const [bucketCount = 0, firstHashed = 0, bloomSize = 0, shift = 0] = words.subarray(0, 4);
  const bloomWords = bloomSize * (elf.class / 32);
  const chains = 4 + bloomWords + bucketCount;
  // The mask below wants a power of two, as the loader does.
  if (bucketCount <= 0 || bloomSize <= 0 || firstHashed < 0 || (bloomSize & (bloomSize - 1)) !== 0)
    return null;
  if (!(chains + Math.max(0, symbolCount - firstHashed) <= words.length)) return null;
  return new GnuHashIndex({
    bloom: words.subarray(4, 4 + bloomWords),
    buckets: words.subarray(4 + bloomWords, chains),
    chains: words.subarray(chains),
    bits: elf.class,
    shift: shift & 31,
    firstHashed,
    symbolCount,
  });
}

/** An index made of the hashes of the symbols themselves; 0 for what is not to be found. */
export class ChainedIndex implements HashIndex {
  readonly #hashes: Uint32Array;
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;

  constructor(hashes: Uint32Array) {
    const count = hashes.length;
    this.#hashes = hashes;
    this.#next = new Int32Array(count);
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1, count)) + 1));
    const mask = this.#buckets.length - 1;
    // From the last, so that the lower index comes first.
    for (let index = count - 1; index > 0; index--) {
      const hash = hashes[index] as number;
      if (hash === 0) continue;
      this.#next[index] = this.#buckets[hash & mask] as number;
      this.#buckets[hash & mask] = index;
    }
  }

  first(hash: number): number {
    return this.#from(this.#buckets[hash & (this.#buckets.length - 1)] as number, hash);
  }

  next(index: number, hash: number): number {
    return this.#from(this.#next[index] ?? 0, hash);
  }

  #from(start: number, hash: number): number {
    let index = start;
    while (index > 0 && this.#hashes[index] !== hash) index = this.#next[index] as number;
    return index;
  }
}

interface GnuHashTables {
  readonly bloom: Int32Array;
  readonly buckets: Int32Array;
  /** From the first hashed symbol on: hash with the lowest bit as the end mark. */
  readonly chains: Int32Array;
  /** Of a word of the Bloom filter. */
  readonly bits: number;
  readonly shift: number;
  readonly firstHashed: number;
  readonly symbolCount: number;
}

class GnuHashIndex implements HashIndex {
  readonly #tables: GnuHashTables;

  constructor(tables: GnuHashTables) {
    this.#tables = tables;
  }

  first(hash: number): number {
    const { bloom, buckets, bits, shift, firstHashed } = this.#tables;
    const is64 = bits === 64;
    const word = (is64 ? (hash >>> 6) * 2 : hash >>> 5) & (bloom.length - 1);
    const second = hash >>> shift;
    if (!hasBit(bloom, word, is64, hash) || !hasBit(bloom, word, is64, second)) return 0;
    const index = buckets[hash % buckets.length] as number;
    return index < firstHashed || index === 0 ? 0 : this.#from(index, hash);
  }

  next(index: number, hash: number): number {
    const { chains, firstHashed } = this.#tables;
    return ((chains[index - firstHashed] as number) & 1) === 1 ? 0 : this.#from(index + 1, hash);
  }

  #from(start: number, hash: number): number {
    const { chains, firstHashed, symbolCount } = this.#tables;
    for (let index = start; index < symbolCount; index++) {
      const entry = chains[index - firstHashed] as number;
      if ((entry ^ hash) >>> 1 === 0) return index;
      if ((entry & 1) === 1) return 0;
    }
    return 0;
  }
}

/** A word of 64 bits is two of 32, the lower first. */
function hasBit(bloom: Int32Array, word: number, is64: boolean, hash: number): boolean {
  const half = is64 ? word + ((hash >>> 5) & 1) : word;
  return (((bloom[half] as number) >>> (hash & 31)) & 1) === 1;
}
