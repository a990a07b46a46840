import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import type { ElfFile, ElfSegment, FileRange } from './file.ts';

/** The file offset of the byte that is loaded at a vaddr; null when no segment covers it or it is not in the file (`.bss`). */
export function vaddrToFileOffset(elf: ElfFile, vaddr: number): number | null {
  const load = loadAt(elf, vaddr);
  if (load === null || vaddr - load.vaddr >= load.filesz) return null;
  const offset = load.offset + (vaddr - load.vaddr);
  return offset < elf.bytes.length ? offset : null;
}

/**
 * The vaddr at which the byte at a file offset is loaded; null when no segment loads it.
 *
 * Where several segments load the same byte, the one with the lowest vaddr counts. What is mapped only because
 * mappings end at page bounds does not count.
 */
export function fileOffsetToVaddr(elf: ElfFile, offset: number): number | null {
  for (const load of elf.loads) {
    if (offset >= load.offset && offset - load.offset < load.filesz)
      return load.vaddr + (offset - load.offset);
  }
  return null;
}

/**
 * A view of `size` bytes of the file as they are loaded at a vaddr.
 *
 * @throws FormatError when they are not all in the file part of one segment; zero-filled memory is not.
 */
export function readVaddr(elf: ElfFile, vaddr: number, size: number): Uint8Array {
  const { offset, end } = loadedRange(elf, vaddr, size, 'memory');
  return elf.bytes.subarray(offset, end);
}

/**
 * The zero-terminated UTF-8 text at a vaddr.
 *
 * @throws FormatError when it is not in the file, or longer than `limit` bytes.
 */
export function stringAt(elf: ElfFile, vaddr: number, limit = 4096): string {
  return new ByteCursor(elf.bytes, { context: 'elf', ...loadedRun(elf, vaddr, 'string') }).cString(limit);
}

/** The load segment whose memory covers a vaddr, found by bisection; null when there is none. */
export function loadAt(elf: ElfFile, vaddr: number): ElfSegment | null {
  let low = 0;
  let high = elf.loads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((elf.loads[middle] as ElfSegment).vaddr <= vaddr) low = middle + 1;
    else high = middle;
  }
  const load = elf.loads[low - 1];
  return load !== undefined && vaddr - load.vaddr < load.memsz ? load : null;
}

/**
 * The place in the file of `size` bytes that are loaded at a vaddr.
 *
 * @throws FormatError, naming `what`, when they are not all in the file part of one segment.
 */
export function loadedRange(elf: ElfFile, vaddr: number, size: number, what: string): FileRange {
  const run = loadedRun(elf, vaddr, what);
  const end = run.offset + size;
  if (!(size >= 0 && end <= run.end)) {
    throw new FormatError(
      `elf: ${what} at ${hex(vaddr)} has ${hex(size)} bytes, past end of its segment in the file (${hex(run.end - run.offset)})`,
      { offset: run.offset, value: size },
    );
  }
  return { offset: run.offset, end };
}

/**
 * All that the file has from a vaddr up to the end of its segment.
 *
 * @throws FormatError, naming `what`, when the vaddr is not in the file part of a segment.
 */
export function loadedRun(elf: ElfFile, vaddr: number, what: string): FileRange {
  const offset = vaddrToFileOffset(elf, vaddr);
  const load = loadAt(elf, vaddr);
  if (offset === null || load === null) {
    throw new FormatError(`elf: ${what} at ${hex(vaddr)} is in no segment of the file`, { value: vaddr });
  }
  return { offset, end: Math.min(load.offset + load.filesz, elf.bytes.length) };
}
