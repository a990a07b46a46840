/** What is known of each address of an object's code while it is explored. */
export type CodeMap = {
  /** Bits of CODE, by vaddr - low. */
  readonly flags: Uint8Array;
  /** The same memory, four places in each. */
  readonly flagWords: Int32Array;
  /** Index of the function that owns the instruction at vaddr - low, plus 1; 0 for none. */
  readonly owners: Int32Array;
};

/**
 * Gives a map of zeros to `use`, and takes the memory back for the next object: a page that the process has costs a tenth of a new one, and
 * large arrays that come and go have V8 collect garbage.
 *
 * @param size Bytes of code; the map has a few more.
 */
export function withCodeMap<T>(size: number, use: (map: CodeMap) => T): T {
  const places = (size + 19) & ~3;
  const bytes = places * BYTES;
  const memory =
    spare !== null && spare.byteLength >= bytes ? spare : new ArrayBuffer(Math.max(bytes, LEAST));
  spare = null;
  // New memory too: what is read before it is written is mapped twice.
  new Uint8Array(memory, 0, bytes).fill(0);
  const owners = new Int32Array(memory, 0, places);
  const flags = new Uint8Array(memory, places * 4, places);
  const flagWords = new Int32Array(memory, places * 4, places >> 2);
  try {
    return use({ flags, flagWords, owners });
  } finally {
    if (memory.byteLength <= KEPT) spare = memory;
  }
}

let spare: ArrayBuffer | null = null;

/** Of each place. */
const BYTES = 5;

/** Enough for libc, so that the memory is seldom replaced. */
const LEAST = 2 ** 23;

/** More is given back to the system: few objects are so large. */
const KEPT = 2 ** 25;
