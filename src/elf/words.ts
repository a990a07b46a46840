import type { FileRange } from './file.ts';

/** The 32-bit words of a range of little-endian bytes: a view where they are aligned, else a copy. */
export function wordsOf(bytes: Uint8Array, { offset, end }: FileRange): Int32Array {
  const start = bytes.byteOffset + offset;
  const count = (end - offset) >>> 2;
  if (start % 4 === 0) return new Int32Array(bytes.buffer, start, count);
  return new Int32Array(new Uint8Array(bytes.subarray(offset, end)).buffer, 0, count);
}
