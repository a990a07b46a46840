import { hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { SH_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';
import { entryCount, linkedStrings, sectionRange } from './section.ts';
import { StringTable } from './string-table.ts';
import { wordsOf } from './words.ts';

const NO_STRINGS = new StringTable(new Uint8Array(), { offset: 0, end: 0 });

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

  /** @throws FormatError when the table is not inside of the file, or a name does not begin in its string table. */
  constructor(elf: ElfFile) {
    const is64 = elf.class === 64;
    const section = elf.sections.find(({ type }) => type === SH_TYPE.SHT_SYMTAB);
    const entryWords = is64 ? 6 : 4;
    const range = section === undefined ? { offset: 0, end: 0 } : sectionRange(elf, section);
    const count = section === undefined ? 0 : entryCount(section, entryWords * 4);
    const strings = section === undefined ? undefined : elf.sections[section.link];
    this.#strings = section === undefined ? NO_STRINGS : linkedStrings(elf, section);
    this.count = count;
    this.value = new Float64Array(count);
    this.size = new Float64Array(count);
    this.type = new Uint8Array(count);
    this.bind = new Uint8Array(count);
    this.shndx = new Uint16Array(count);
    this.#names = new Uint32Array(count);
    const words = wordsOf(elf.bytes, range);
    const limit = strings?.size ?? 0;
    const valueAt = is64 ? 2 : 1;
    const sizeAt = is64 ? 4 : 2;
    for (let index = 1; index < Math.min(count, Math.floor(words.length / entryWords)); index++) {
      const at = index * entryWords;
      const name = (words[at] as number) >>> 0;
      if (name >= limit && name !== 0) {
        throw new FormatError(
          `elf: name of symbol ${index} starts past end of string table (${hex(limit)})`,
          { offset: range.offset + at * 4, value: name },
        );
      }
      const info = words[at + (is64 ? 1 : 3)] as number;
      this.#names[index] = name;
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
   * @throws FormatError when it has no end in the string table, or names overlap beyond reason.
   */
  name(index: number): string {
    const full = this.#strings.at(this.#names[index] ?? 0);
    const at = full.indexOf('@');
    return at > 0 && at < full.length - (full[at + 1] === '@' ? 2 : 1) ? full.slice(0, at) : full;
  }
}

function high(word: number): number {
  return (word >>> 0) * 0x1_0000_0000;
}
