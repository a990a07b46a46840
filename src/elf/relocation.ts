import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { loadAt, loadedRange } from './address.ts';
import { D_TAG, E_MACHINE, SH_FLAGS, SH_TYPE } from './constants.ts';
import { dynamicTable } from './dynamic.ts';
import type { ElfFile, ElfSegment, FileRange } from './file.ts';
import { entryCount, sectionRange } from './section.ts';
import { wordsOf } from './words.ts';

/** The table of a relocation; `jmprel` is the part of DT_RELA or DT_REL that may be bound lazily. */
export type RelocationTable = 'rela' | 'rel' | 'relr' | 'jmprel';

/** A relocation that the program interpreter, or the start-up code of a static program, applies. */
export interface ElfRelocation {
  readonly table: RelocationTable;
  /** vaddr of the word to change. */
  readonly offset: number;
  /** R_*; what it means depends on the machine. */
  readonly type: number;
  /** Index in `.dynsym`; 0 when the relocation names no symbol. */
  readonly symbol: number;
  /**
   * Signed; in a 32-bit file a sum with it is modulo 2^32. For REL and RELR the word in place,
   * whatever the type makes of it (in a JUMP_SLOT it is the lazy binding stub's address); 0 in `.bss`.
   */
  readonly addend: number;
}

/**
 * The relocations of a linked file, in the order of DT_RELR, DT_RELA, DT_REL and DT_JMPREL.
 *
 * In a file without dynamic section those of the loaded SHT_RELA and SHT_REL sections (IRELATIVE in static programs).
 * Relocations for the linker, in object files or after `--emit-relocs`, are not among them.
 *
 * @throws FormatError when a table is malformed, or names more places than the file has.
 */
export function elfRelocations(elf: ElfFile): ElfRelocation[] {
  const { count, table, offset, type, symbol, addend } = relocationColumns(elf);
  return Array.from({ length: count }, (_, index) => ({
    table: TABLES[table[index] as number] as RelocationTable,
    offset: offset[index] as number,
    type: type[index] as number,
    symbol: symbol[index] as number,
    addend: addend[index] as number,
  }));
}

/** The fields of ElfRelocation, one array each; they may be longer than `count`. */
export interface RelocationColumns {
  readonly count: number;
  readonly offset: Float64Array;
  readonly type: Uint32Array;
  readonly symbol: Uint32Array;
  readonly addend: Float64Array;
}

/**
 * The same as elfRelocations without an object for each: a program has tens of thousands.
 *
 * @throws FormatError as elfRelocations does.
 */
export function relocationColumns(elf: ElfFile): RelocationColumns & { readonly table: Uint8Array } {
  const reader = new RelocationReader(elf);
  const dynamic = dynamicTable(elf);
  if (dynamic === null) readSections(elf, reader);
  else readDynamic(elf, dynamic.values, reader);
  return reader;
}

/** In the order of the codes in RelocationReader.table. */
const TABLES: readonly RelocationTable[] = ['rela', 'rel', 'relr', 'jmprel'];

function readDynamic(elf: ElfFile, values: ReadonlyMap<number, number>, reader: RelocationReader): void {
  const range = (tag: number, sizeTag: number, what: string): FileRange | null => {
    const vaddr = values.get(tag);
    const size = values.get(sizeTag) ?? 0;
    return vaddr === undefined || size === 0 ? null : loadedRange(elf, vaddr, size, what);
  };
  const relr = range(D_TAG.DT_RELR, D_TAG.DT_RELRSZ, 'relr table');
  const rela = range(D_TAG.DT_RELA, D_TAG.DT_RELASZ, 'rela table');
  const rel = range(D_TAG.DT_REL, D_TAG.DT_RELSZ, 'rel table');
  const jmprel = range(D_TAG.DT_JMPREL, D_TAG.DT_PLTRELSZ, 'jmprel table');
  if (relr) reader.readRelr(relr);
  if (rela) reader.read('rela', without(rela, jmprel), true);
  if (rel) reader.read('rel', without(rel, jmprel), false);
  if (jmprel) reader.read('jmprel', jmprel, values.get(D_TAG.DT_PLTREL) === D_TAG.DT_RELA);
}

/** Some linkers count DT_JMPREL, which comes last, in DT_RELASZ too; the loader takes care of it likewise. */
function without(range: FileRange, jmprel: FileRange | null): FileRange {
  if (jmprel === null || jmprel.offset < range.offset || jmprel.end !== range.end) return range;
  return { offset: range.offset, end: jmprel.offset };
}

function readSections(elf: ElfFile, reader: RelocationReader): void {
  for (const section of elf.sections) {
    const isRela = section.type === SH_TYPE.SHT_RELA;
    if (!isRela && section.type !== SH_TYPE.SHT_REL) continue;
    if ((section.flags & SH_FLAGS.SHF_ALLOC) === 0) continue;
    entryCount(section, reader.entrySize(isRela));
    reader.read(isRela ? 'rela' : 'rel', sectionRange(elf, section), isRela);
  }
}

class RelocationReader {
  count = 0;
  table: Uint8Array = new Uint8Array();
  offset: Float64Array = new Float64Array();
  type: Uint32Array = new Uint32Array();
  symbol: Uint32Array = new Uint32Array();
  addend: Float64Array = new Float64Array();
  readonly #elf: ElfFile;
  readonly #wordSize: number;
  #load: ElfSegment | null = null;

  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#wordSize = elf.class / 8;
  }

  entrySize(isRela: boolean): number {
    return this.#wordSize * (isRela ? 3 : 2);
  }

  read(table: RelocationTable, range: FileRange, isRela: boolean): void {
    this.#reserve(Math.floor((range.end - range.offset) / this.entrySize(isRela)));
    if (isRela && this.#wordSize === 8) this.#readRela64(table, range);
    else this.#readOther(table, range, isRela);
    // Each relocation of a real file has a word of its own; a relr bit map needs but one bit for each.
    const most = this.#elf.bytes.length / this.#wordSize;
    if (this.count > most) throw this.#tooMany(table, most);
  }

  /** The usual format, read without a cursor, which is several times slower. */
  #readRela64(table: RelocationTable, range: FileRange): void {
    const words = wordsOf(this.#elf.bytes, range);
    const { offset, type, symbol, addend } = this;
    const entries = Math.floor((range.end - range.offset) / 24);
    const from = this.count;
    for (let index = 0; index < entries; index++) {
      const at = index * 6;
      const high = (words[at + 1] as number) >>> 0;
      const addendHigh = words[at + 5] as number;
      if (high > MOST_HIGH) throw this.#tooLarge(table, range.offset + at * 4);
      if (addendHigh > MOST_HIGH || addendHigh < -MOST_HIGH) {
        throw this.#tooLarge(table, range.offset + at * 4 + 16);
      }
      offset[from + index] = high * 2 ** 32 + ((words[at] as number) >>> 0);
      type[from + index] = words[at + 2] as number;
      symbol[from + index] = words[at + 3] as number;
      addend[from + index] = addendHigh * 2 ** 32 + ((words[at + 4] as number) >>> 0);
    }
    this.table.fill(TABLES.indexOf(table), from, from + entries);
    this.count += entries;
  }

  #readOther(table: RelocationTable, range: FileRange, isRela: boolean): void {
    const cursor = new ByteCursor(this.#elf.bytes, { context: `elf: ${table} table`, ...range });
    const is64 = this.#wordSize === 8;
    const size = this.entrySize(isRela);
    while (cursor.remaining >= size) {
      const offset = is64 ? cursor.u53() : cursor.u32();
      // r_info has the type in its low half in 64-bit files, in its low byte in 32-bit ones.
      const low = cursor.u32();
      const type = is64 ? low : low & 0xff;
      const symbol = is64 ? cursor.u32() : low >>> 8;
      const addend = isRela ? signedWord(cursor, is64) : this.#wordAt(offset, table);
      this.#add(table, offset, type, symbol, addend);
    }
  }

  /** gABI 4.3, "Relative Relocation Table": an even word is a place, an odd one a bit map of the words after the last. */
  readRelr(range: FileRange): void {
    const cursor = new ByteCursor(this.#elf.bytes, { context: 'elf: relr table', ...range });
    const type = relativeType(this.#elf.machine);
    const wordSize = this.#wordSize;
    let next: number | null = null;
    while (cursor.remaining >= wordSize) {
      const at = cursor.offset;
      const low = cursor.u32();
      if ((low & 1) === 0) {
        cursor.offset = at;
        const place = wordSize === 8 ? cursor.u53() : cursor.u32();
        this.#addRelative(place, type);
        next = place + wordSize;
        continue;
      }
      if (next === null) {
        throw new FormatError(`elf: relr table at ${hex(at)} starts with a bit map`, {
          offset: at,
          value: low,
        });
      }
      const high = wordSize === 8 ? cursor.u32() : 0;
      for (let bit = 1; bit < wordSize * 8; bit++) {
        const isSet = bit < 32 ? (low >>> bit) & 1 : (high >>> (bit - 32)) & 1;
        if (isSet) this.#addRelative(next + (bit - 1) * wordSize, type);
      }
      next += (wordSize * 8 - 1) * wordSize;
    }
  }

  #addRelative(offset: number, type: number): void {
    this.#add('relr', offset, type, 0, this.#wordAt(offset, 'relr'));
  }

  #add(table: RelocationTable, offset: number, type: number, symbol: number, addend: number): void {
    const index = this.count++;
    if (index >= this.offset.length) {
      const most = this.#elf.bytes.length / this.#wordSize;
      if (index >= most) throw this.#tooMany(table, most);
      this.#reserve(Math.min(Math.ceil(most), Math.max(64, index)));
    }
    this.table[index] = TABLES.indexOf(table);
    this.offset[index] = offset;
    this.type[index] = type;
    this.symbol[index] = symbol;
    this.addend[index] = addend;
  }

  /** Room for so many more. */
  #reserve(more: number): void {
    const size = this.count + more;
    if (size <= this.offset.length) return;
    const { table, offset, type, symbol, addend } = this;
    (this.table = new Uint8Array(size)).set(table);
    (this.offset = new Float64Array(size)).set(offset);
    (this.type = new Uint32Array(size)).set(type);
    (this.symbol = new Uint32Array(size)).set(symbol);
    (this.addend = new Float64Array(size)).set(addend);
  }

  #tooMany(table: RelocationTable, most: number): FormatError {
    return new FormatError(
      `elf: ${table} table ends past relocation ${this.count}, more than the file has words (${Math.floor(most)})`,
      { value: this.count },
    );
  }

  #tooLarge(table: RelocationTable, offset: number): FormatError {
    return new FormatError(`elf: ${table} table: value at ${hex(offset)} does not fit in 53 bits`, {
      offset,
    });
  }

  #wordAt(vaddr: number, table: RelocationTable): number {
    if (!this.#load || vaddr < this.#load.vaddr || vaddr >= this.#load.vaddr + this.#load.memsz) {
      this.#load = loadAt(this.#elf, vaddr);
    }
    const load = this.#load;
    if (load === null) {
      throw new FormatError(`elf: ${table} table names ${hex(vaddr)}, which is in no segment`, {
        value: vaddr,
      });
    }
    const offset = load.offset + (vaddr - load.vaddr);
    const end = load.offset + load.filesz;
    if (offset >= end) return 0;
    const cursor = new ByteCursor(this.#elf.bytes, { context: `elf: ${table} target`, offset, end });
    return signedWord(cursor, this.#wordSize === 8);
  }
}

function signedWord(cursor: ByteCursor, is64: boolean): number {
  return is64 ? cursor.i53() : cursor.i32();
}

/** Of the high half of a value that fits in 53 bits. */
const MOST_HIGH = 0x1f_ffff;

/** R_*_RELATIVE by machine (glibc's elf.h). */
function relativeType(machine: number): number {
  switch (machine) {
    case E_MACHINE.EM_386:
    case E_MACHINE.EM_X86_64:
      return 8;
    case E_MACHINE.EM_AARCH64:
      return 1027;
    case E_MACHINE.EM_ARM:
      return 23;
    case E_MACHINE.EM_PPC64:
      return 22;
    case E_MACHINE.EM_S390:
      return 12;
    case E_MACHINE.EM_RISCV:
    case E_MACHINE.EM_LOONGARCH:
      return 3;
    default:
      throw new FormatError(`elf: relr table is not known for machine ${machine}`, { value: machine });
  }
}
