import { errnoText } from '../../abi/errno.ts';
import { SystemCallError } from '../../base/errors.ts';
import type { BpfLibc } from '../../sys/bpf-libc.ts';
import type { Libc } from '../../sys/libc.ts';
import { HOT, HOT_FACTORS, HOT_MARK, HOT_NUMBERS, HOT_VALUE_SHIFT, HOT_VALUES } from './layout.ts';
import { readNumber } from './map-words.ts';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

const BYTES = HOT.size * HOT.slots;
const WORDS = HOT.size / 4;

/** What the programs count without a look into a hash map: map `hot`, as it lies in memory. */
export class Shortcuts implements Disposable {
  readonly #bpfLibc: BpfLibc;
  readonly #address: bigint;
  readonly #words: Uint32Array;

  /** Maps it. @throws SystemCallError */
  constructor(libc: Libc, bpfLibc: BpfLibc, fd: number) {
    this.#bpfLibc = bpfLibc;
    // SAFETY: the mapping is shared with the kernel and unmapped by dispose; no view is used after that.
    this.#address = bpfLibc.mmap(BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (this.#address === -1n) {
      const errno = libc.errno();
      throw new SystemCallError(`mmap: cannot map the counts, ${errnoText(errno)}`, {
        request: 'mmap',
        errno,
      });
    }
    this.#words = new Uint32Array(bpfLibc.view(this.#address, BYTES));
  }

  /** Uses of a call of x86-64 that are counted here, with this value of its selecting argument or without one; 0 if none are. */
  count(entry: number, nr: number, value: number | null): number {
    return this.#find(entry, nr, value).reduce(
      (sum, at) => sum + readNumber(this.#words, at + HOT.count / 4),
      0,
    );
  }

  /**
   * As {@link count}, and nothing is counted here from now on until there are many uses again. The call has to be out of its map by then, or
   * else may get a slot again. If the process lives, uses that come at the same moment may not be counted, or for another call.
   */
  release(entry: number, nr: number, value: number | null): number {
    let sum = 0;
    for (const at of this.#find(entry, nr, value)) {
      // The slot is nobody's, and not free, until its count is.
      Atomics.store(this.#words, at + HOT.key / 4, 0);
      sum += readNumber(this.#words, at + HOT.count / 4);
      for (const word of [HOT.count / 4, HOT.count / 4 + 1, HOT.key / 4 + 1]) {
        Atomics.store(this.#words, at + word, 0);
      }
    }
    return sum;
  }

  [Symbol.dispose](): void {
    this.#bpfLibc.munmap(this.#address, BYTES);
  }

  /** Where the slots of a key are: one, or none; two only if two processors were making one at the same moment. */
  #find(entry: number, nr: number, value: number | null): readonly number[] {
    if (nr < 0 || nr >= HOT_NUMBERS || (value ?? 0) >= HOT_VALUES - 1) return [];
    const low = (HOT_MARK | (value === null ? 0 : (value + 1) << HOT_VALUE_SHIFT) | nr) >>> 0;
    const first = hotIndex(entry, low);
    return [first * WORDS, (first ^ 1) * WORDS].filter(
      (at) => this.#words[at] === low && this.#words[at + 1] === entry,
    );
  }
}

/** Slot in which a key is looked for first. */
function hotIndex(entry: number, low: number): number {
  const [forEntry, forAll] = HOT_FACTORS;
  const mixed = Math.imul((Math.imul(entry, forEntry) + low) | 0, forAll);
  return mixed >>> (32 - Math.log2(HOT.slots));
}
