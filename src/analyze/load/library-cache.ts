import { ByteCursor, hex } from '../../base/byte-cursor.ts';
import { FormatError } from '../../base/errors.ts';

/** One library that ldconfig found. */
export interface LibraryCacheEntry {
  /** Such as `libc.so.6`. */
  readonly name: string;
  readonly path: string;
  /** FLAG_* of glibc's sysdeps/generic/ldconfig.h: kind of library and ABI. */
  readonly flags: number;
  /** The glibc-hwcaps subdirectory, such as `x86-64-v3`; `legacy` for the scheme before it; null for every CPU. */
  readonly hwcap: string | null;
}

/**
 * Reads /etc/ld.so.cache in the format that glibc writes since 2.32, and its forerunner that has an old part in front.
 *
 * The entries are in file order, which is the order of preference among those of one name. Entries for other machines are
 * among them. Source: glibc's sysdeps/generic/dl-cache.h.
 *
 * @throws FormatError when the file is no such cache, or malformed.
 */
export function parseLibraryCache(bytes: Uint8Array): LibraryCacheEntry[] {
  const start = newFormatStart(bytes);
  const cursor = new ByteCursor(bytes, { context: CONTEXT, offset: start });
  cursor.skip(MAGIC.length);
  const count = cursor.u32();
  cursor.skip(4);
  const endian = cursor.u8() & 3;
  if (endian === BIG_ENDIAN) {
    throw new FormatError(`${CONTEXT}: file is big-endian, only little-endian ones can be read`, {
      offset: cursor.offset - 1,
      value: endian,
    });
  }
  cursor.skip(3);
  const extension = cursor.u32();
  const entries = start + HEADER_SIZE;
  const end = entries + count * ENTRY_SIZE;
  if (end > bytes.length) {
    throw new FormatError(
      `${CONTEXT}: entry ${Math.floor((bytes.length - entries) / ENTRY_SIZE)} ends past end of file (${hex(bytes.length)}), of ${count}`,
      { offset: start + MAGIC.length, value: count },
    );
  }
  const textAt = boundedText(bytes, start);
  const subdirectories = extension === 0 ? [] : readSubdirectories(bytes, extension, textAt);
  cursor.offset = entries;
  return Array.from({ length: count }, () => {
    const flags = cursor.u32();
    const name = textAt(cursor.u32());
    const path = textAt(cursor.u32());
    cursor.skip(4);
    const low = cursor.u32();
    const high = cursor.u32();
    return { name, path, flags, hwcap: hwcapOf(low, high, subdirectories) };
  });
}

const CONTEXT = 'library cache';
const MAGIC = 'glibc-ld.so.cache1.1';
const OLD_MAGIC = 'ld.so-1.7.0';
const OLD_HEADER_SIZE = 16;
const OLD_ENTRY_SIZE = 12;
const HEADER_SIZE = 48;
const ENTRY_SIZE = 24;
const BIG_ENDIAN = 3;
const EXTENSION_MAGIC = 0xeaa42174;
const TAG_HWCAPS = 1;
/** High half of DL_CACHE_HWCAP_EXTENSION: the low half is then an index. */
const HWCAP_EXTENSION = 0x4000_0000;

function newFormatStart(bytes: Uint8Array): number {
  if (hasText(bytes, 0, MAGIC)) return 0;
  if (hasText(bytes, 0, OLD_MAGIC)) {
    const cursor = new ByteCursor(bytes, { context: CONTEXT, offset: 12 });
    const end = OLD_HEADER_SIZE + cursor.u32() * OLD_ENTRY_SIZE;
    const start = Math.ceil(end / 8) * 8;
    if (hasText(bytes, start, MAGIC)) return start;
  }
  throw new FormatError(`${CONTEXT}: file does not begin with ${MAGIC}`, { offset: 0 });
}

function hasText(bytes: Uint8Array, offset: number, text: string): boolean {
  return Buffer.from(bytes.subarray(offset, offset + text.length)).toString('latin1') === text;
}

/** A reader of strings that together may not be much longer than the file, however much they overlap. */
function boundedText(bytes: Uint8Array, start: number): (at: number) => string {
  const cursor = new ByteCursor(bytes, { context: CONTEXT });
  let budget = bytes.length * 4;
  return (at) => {
    cursor.offset = start + at;
    const text = cursor.cString();
    budget -= text.length + 1;
    if (budget < 0) throw new FormatError(`${CONTEXT}: strings overlap too much`, { offset: start + at });
    return text;
  };
}

function readSubdirectories(bytes: Uint8Array, extension: number, textAt: (at: number) => string): string[] {
  const cursor = new ByteCursor(bytes, { context: CONTEXT });
  // Strings are counted from the new part, this from the start of the file.
  cursor.offset = extension;
  const magic = cursor.u32();
  if (magic !== EXTENSION_MAGIC) {
    throw new FormatError(`${CONTEXT}: extension has magic ${hex(magic)} (${hex(EXTENSION_MAGIC)})`, {
      offset: extension,
      value: magic,
    });
  }
  for (let left = cursor.u32(); left > 0; left--) {
    const tag = cursor.u32();
    cursor.skip(4);
    const offset = cursor.u32();
    const size = cursor.u32();
    if (tag !== TAG_HWCAPS) continue;
    const names = new ByteCursor(bytes, {
      context: CONTEXT,
      offset,
      end: offset + size,
    });
    return Array.from({ length: Math.floor(size / 4) }, () => textAt(names.u32()));
  }
  return [];
}

function hwcapOf(low: number, high: number, subdirectories: readonly string[]): string | null {
  if (low === 0 && high === 0) return null;
  const isExtension = (high & ~0x3ff) >>> 0 === HWCAP_EXTENSION;
  return (isExtension ? subdirectories[low] : undefined) ?? 'legacy';
}
