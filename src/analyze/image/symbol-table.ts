import { FormatError } from '../../base/errors.ts';
import { loadedRange } from '../../elf/address.ts';
import { D_TAG, ST_BIND, ST_SHNDX, ST_TYPE, ST_VISIBILITY } from '../../elf/constants.ts';
import { dynamicStrings, dynamicTable } from '../../elf/dynamic.ts';
import type { ElfFile, FileRange } from '../../elf/file.ts';
import { dynamicSymbolCount } from '../../elf/symbol-count.ts';
import { VERSYM_HIDDEN, versionNames } from '../../elf/version.ts';
import { wordsOf } from '../../elf/words.ts';
import { ChainedIndex, gnuHashIndex, HASH_START, type HashIndex } from './hash-index.ts';

/** The bits of a DT_VERSYM entry that are the index of a version. */
export const VERSION_INDEX = 0x7fff;

/**
 * The dynamic symbols of one object in typed arrays, by index in `.dynsym`; nothing in it depends on the program.
 *
 * Entry 0 is the null symbol. Names are compared as bytes; a string is made only for who asks.
 */
export class SymbolTable {
  readonly count: number;
  /** `st_value`, a vaddr that is not relocated; its low 32 bits. */
  readonly value: Int32Array;
  /** `st_size`, at most 2^31 - 1. */
  readonly size: Int32Array;
  /** See ST_TYPE. */
  readonly type: Uint8Array;
  /** See ST_BIND. */
  readonly bind: Uint8Array;
  /** See ST_VISIBILITY. */
  readonly visibility: Uint8Array;
  /** 0 (SHN_UNDEF) when another object defines it; see ST_SHNDX. */
  readonly shndx: Uint16Array;
  /** Entry of DT_VERSYM; empty when the object has no versions. */
  readonly versym: Uint16Array;
  readonly #bytes: Uint8Array;
  /** Offset of each name in the file. */
  readonly #name: Int32Array;
  readonly #namesEnd: number;
  readonly #versions: ReadonlyMap<number, { readonly name: string | null }>;
  readonly #index: HashIndex;
  /** Names may share their tails; a file made to hurt shares so much that reading them takes quadratic time. */
  #budget: number;

  /** @throws FormatError when a table that the dynamic section names is malformed. */
  constructor(elf: ElfFile) {
    const source = findTables(elf);
    const count = source?.count ?? 0;
    this.count = count;
    this.value = new Int32Array(count);
    this.size = new Int32Array(count);
    this.type = new Uint8Array(count);
    this.bind = new Uint8Array(count);
    this.visibility = new Uint8Array(count);
    this.shndx = new Uint16Array(count);
    this.#name = new Int32Array(count);
    this.#bytes = elf.bytes;
    this.#budget = elf.bytes.length * OVERLAP;
    this.#namesEnd = source?.strings.end ?? 0;
    this.#versions = source?.versions ?? new Map();
    this.versym = source?.versym ?? new Uint16Array();
    if (source !== null) this.#read(elf, source);
    this.#index =
      (source && gnuHashIndex(elf, source.gnuHash, count)) ?? new ChainedIndex(this.#hashesOfDefinitions());
  }

  /**
   * The name without version.
   *
   * @throws FormatError when it has no end in the string table, or names overlap beyond reason.
   */
  name(index: number): string {
    const start = this.#name[index] ?? 0;
    const end = this.#endOfName(index);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start).toString('utf8');
  }

  /** Whether the name is not empty. */
  hasName(index: number): boolean {
    const start = this.#name[index] ?? 0;
    return start < this.#namesEnd && this.#bytes[start] !== 0;
  }

  /** Such as `GLIBC_2.34`; null when there is none, or the object has no such version. */
  version(index: number): string | null {
    const entry = this.versym[index];
    return entry === undefined ? null : (this.#versions.get(entry & VERSION_INDEX)?.name ?? null);
  }

  /** True when a reference without version may mean it: it has none, or the default one. */
  isDefault(index: number): boolean {
    return ((this.versym[index] ?? 0) & VERSYM_HIDDEN) === 0;
  }

  /** True when other objects may be bound to the symbol: defined, not local, not hidden. */
  isExported(index: number): boolean {
    const isGlobal = this.bind[index] !== ST_BIND.STB_LOCAL && isNamed(this.type[index] as number);
    return isGlobal && this.shndx[index] !== ST_SHNDX.SHN_UNDEF && !this.isOwn(index);
  }

  /** True when a reference to the symbol means that of the object itself: STV_HIDDEN, STV_INTERNAL. */
  isOwn(index: number): boolean {
    const visibility = this.visibility[index];
    return visibility === ST_VISIBILITY.STV_HIDDEN || visibility === ST_VISIBILITY.STV_INTERNAL;
  }

  /**
   * The hash of the name, by which `firstOf` finds it in other tables.
   *
   * @throws FormatError as `name`.
   */
  hash(index: number): number {
    const bytes = this.#bytes;
    const start = this.#name[index] ?? 0;
    const stop = this.#namesEnd;
    let hash = HASH_START;
    let at = start;
    for (; at < stop; at++) {
      const byte = bytes[at] as number;
      if (byte === 0) break;
      hash = (Math.imul(hash, 33) + byte) | 0;
    }
    this.#checkName(index, at);
    return hash >>> 0;
  }

  /** The first definition with the hash of a name; `nextOf` gives the others. 0 ends. Another name may have the hash. */
  firstOf(hash: number): number {
    return this.#index.first(hash);
  }

  nextOf(index: number, hash: number): number {
    return this.#index.next(index, hash);
  }

  /** True when a symbol of this table and one of another have the same name, both known to have the same hash. */
  hasNameOf(index: number, other: SymbolTable, otherIndex: number): boolean {
    const bytes = this.#bytes;
    const others = other.#bytes;
    let at = this.#name[index] as number;
    let otherAt = other.#name[otherIndex] as number;
    for (;;) {
      const byte = bytes[at++];
      if (byte !== others[otherAt++]) return false;
      if (byte === 0 || byte === undefined) return true;
    }
  }

  /** The symbols of a name that other objects may be bound to, of all versions, by index. */
  definitions(name: string): number[] {
    let hash = HASH_START;
    const bytes = Buffer.from(name, 'utf8');
    for (let at = 0; at < bytes.length; at++) hash = (Math.imul(hash, 33) + (bytes[at] as number)) | 0;
    hash >>>= 0;
    const found: number[] = [];
    for (let index = this.firstOf(hash); index > 0; index = this.nextOf(index, hash)) {
      if (this.isExported(index) && this.name(index) === name) found.push(index);
    }
    return found;
  }

  #read(elf: ElfFile, { count, symbols, strings }: Tables): void {
    const is64 = elf.class === 64;
    const entryWords = is64 ? 6 : 4;
    const words = wordsOf(elf.bytes, symbols);
    for (let index = 1; index < count; index++) {
      const at = index * entryWords;
      const info = words[at + (is64 ? 1 : 3)] as number;
      this.type[index] = info & 0xf;
      this.bind[index] = (info >>> 4) & 0xf;
      this.visibility[index] = (info >>> 8) & 3;
      this.shndx[index] = info >>> 16;
      this.value[index] = words[at + (is64 ? 2 : 1)] as number;
      const size = words[at + (is64 ? 4 : 2)] as number;
      const isLarge = size < 0 || (is64 && words[at + 5] !== 0);
      this.size[index] = isLarge ? LARGEST_SIZE : size;
      this.#name[index] = Math.min(strings.end, strings.offset + ((words[at] as number) >>> 0));
    }
  }

  #endOfName(index: number): number {
    const start = this.#name[index] ?? 0;
    const stop = this.#namesEnd;
    let end = start;
    while (end < stop && this.#bytes[end] !== 0) end++;
    this.#checkName(index, end);
    return end;
  }

  #checkName(index: number, end: number): void {
    const start = this.#name[index] ?? 0;
    const stop = this.#namesEnd;
    if (end - start > LONG_NAME) this.#budget -= end - start;
    if (start > 0 && (end >= stop || this.#budget < 0)) {
      const problem = end >= stop ? 'has no end in the string table' : 'overlaps others too much';
      throw new FormatError(`elf: name of dynamic symbol ${index} ${problem}`, {
        offset: start,
        value: index,
      });
    }
  }

  /** As a linker would hash them; 0 for what no lookup may find. */
  #hashesOfDefinitions(): Uint32Array {
    const hashes = new Uint32Array(this.count);
    for (let index = 1; index < this.count; index++) {
      const isDefined = this.shndx[index] !== ST_SHNDX.SHN_UNDEF || this.value[index] !== 0;
      if (isDefined && this.bind[index] !== ST_BIND.STB_LOCAL) hashes[index] = this.hash(index);
    }
    return hashes;
  }
}

const LARGEST_SIZE = 0x7fff_ffff;

/** Shorter names take no more time than the entries that have them. */
const LONG_NAME = 64;

/** All long names that are read may together be so many times as long as the file. */
const OVERLAP = 64;

interface Tables {
  readonly count: number;
  readonly symbols: FileRange;
  readonly strings: FileRange;
  readonly gnuHash: number | undefined;
  readonly versym: Uint16Array;
  readonly versions: ReadonlyMap<number, { readonly name: string | null }>;
}

function findTables(elf: ElfFile): Tables | null {
  const dynamic = dynamicTable(elf);
  const vaddr = dynamic?.values.get(D_TAG.DT_SYMTAB);
  if (dynamic === null || vaddr === undefined) return null;
  const count = dynamicSymbolCount(elf, dynamic, vaddr);
  if (count === 0) return null;
  const { values } = dynamic;
  const at = (tag: number): number => values.get(tag) ?? 0;
  const symbolsSize = count * (elf.class === 64 ? 24 : 16);
  const symbols = loadedRange(elf, vaddr, symbolsSize, 'dynamic symbol table');
  const strings = loadedRange(elf, at(D_TAG.DT_STRTAB), at(D_TAG.DT_STRSZ), 'dynamic string table');
  const tables = { count, symbols, strings, gnuHash: values.get(D_TAG.DT_GNU_HASH) };
  const versymAt = values.get(D_TAG.DT_VERSYM);
  if (versymAt === undefined) return { ...tables, versym: new Uint16Array(), versions: new Map() };
  const range = loadedRange(elf, versymAt, count * 2, 'symbol versions');
  const versym = new Uint16Array(new Uint8Array(elf.bytes.subarray(range.offset, range.end)).buffer);
  return { ...tables, versym, versions: versionNames(elf, dynamic, dynamicStrings(elf, dynamic)) };
}

/** True for the STT_* that a lookup takes: no section or file symbols, nothing that is not known. */
export function isNamed(type: number): boolean {
  return (
    type <= ST_TYPE.STT_FUNC ||
    type === ST_TYPE.STT_COMMON ||
    type === ST_TYPE.STT_TLS ||
    type === ST_TYPE.STT_GNU_IFUNC
  );
}
