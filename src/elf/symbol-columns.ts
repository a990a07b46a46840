import { SH_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';
import { entryCount, linkedStrings, sectionRange } from './section.ts';
import { StringTable } from './string-table.ts';
import { wordsOf } from './words.ts';

const EMPTY = { offset: 0, end: 0 };

const NO_STRINGS = new StringTable(new Uint8Array(), EMPTY);

/**
 * `.symtab` in typed arrays, by index in the table: for tables of ten thousands of symbols of which few names are asked for.
 *
 * Entry 0 is the null symbol; a file without the table has no entries. Where a section index is too large for its field, it is SHN_XINDEX.
 * `elfSymbols` gives the same as objects.
 */
export class SymbolColumns {
  readonly count: number;
  /** `st_value`, exact below 2^53. */
  readonly value: Float64Array;
  /** `st_size` in bytes, exact below 2^53. */
  readonly size: Float64Array;
  /** See ST_TYPE. */
  readonly type: Uint8Array;
  /** See ST_BIND. */
  readonly bind: Uint8Array;
  /** See ST_SHNDX. */
  readonly shndx: Uint16Array;
  readonly #names: Uint32Array;
  readonly #strings: StringTable;

  /** @throws FormatError when the table, or that of its names, is not inside of the file. */
  constructor(elf: ElfFile) {
    const is64 = elf.class === 64;
    const section = elf.sections.find(({ type }) => type === SH_TYPE.SHT_SYMTAB);
    const entryWords = is64 ? 6 : 4;
    const range = section === undefined ? EMPTY : sectionRange(elf, section);
    // A section without contents may claim any size.
    const held = Math.floor((range.end - range.offset) / (entryWords * 4));
    const count = section === undefined ? 0 : Math.min(entryCount(section, entryWords * 4), held);
    this.#strings = section === undefined ? NO_STRINGS : linkedStrings(elf, section);
    this.count = count;
    this.value = new Float64Array(count);
    this.size = new Float64Array(count);
    this.type = new Uint8Array(count);
    this.bind = new Uint8Array(count);
    this.shndx = new Uint16Array(count);
    this.#names = new Uint32Array(count);
    const words = wordsOf(elf.bytes, range);
    const valueAt = is64 ? 2 : 1;
    const sizeAt = is64 ? 4 : 2;
    for (let index = 1; index < count; index++) {
      const at = index * entryWords;
      const info = words[at + (is64 ? 1 : 3)] as number;
      this.#names[index] = words[at] as number;
      this.type[index] = info & 0xf;
      this.bind[index] = (info >>> 4) & 0xf;
      this.shndx[index] = info >>> 16;
      this.value[index] =
        ((words[at + valueAt] as number) >>> 0) + (is64 ? high(words[at + 3] as number) : 0);
      this.size[index] = ((words[at + sizeAt] as number) >>> 0) + (is64 ? high(words[at + 5] as number) : 0);
    }
  }

  /** Whether the name is not empty. */
  hasName(index: number): boolean {
    return (this.#names[index] ?? 0) !== 0;
  }

  /**
   * The name without version, which linkers write behind it.
   *
   * @throws FormatError when it is not in the string table, or names that were asked for overlap beyond reason.
   */
  name(index: number): string {
    const full = this.#strings.at(this.#names[index] ?? 0);
    const at = full.indexOf('@');
    return at > 0 && at < full.length - (full[at + 1] === '@' ? 2 : 1) ? full.slice(0, at) : full;
  }
}

const columns = new WeakMap<ElfFile, SymbolColumns>();

/** The `.symtab` of a file, read once. */
export function symbolColumns(elf: ElfFile): SymbolColumns {
  const known = columns.get(elf);
  if (known !== undefined) return known;
  const fresh = new SymbolColumns(elf);
  columns.set(elf, fresh);
  return fresh;
}

function high(word: number): number {
  return (word >>> 0) * 0x1_0000_0000;
}
