import { ByteCursor } from '../base/byte-cursor.ts';
import { loadedRange } from './address.ts';
import { D_TAG, SH_TYPE, ST_SHNDX } from './constants.ts';
import { dynamicStrings, dynamicTable } from './dynamic.ts';
import type { ElfFile, ElfSection, FileRange } from './file.ts';
import { entryCount, linkedStrings, sectionRange } from './section.ts';
import type { StringTable } from './string-table.ts';
import { dynamicSymbolCount } from './symbol-count.ts';
import { symbolVersions, type VersionLookup } from './version.ts';

/** `.symtab`, which `strip` removes, or `.dynsym`, which the program interpreter needs. */
export type SymbolTable = 'symtab' | 'dynsym';

/** A symbol (elf(5), "String and symbol tables"). */
export interface ElfSymbol {
  readonly table: SymbolTable;
  /** Place in its table; 1 is the first, as the null symbol is left out. */
  readonly index: number;
  /** Without version. */
  readonly name: string;
  /** `st_value`: for code and data a vaddr, for STT_TLS an offset in the TLS block; may be negative for SHN_ABS only. */
  readonly value: number;
  /** In bytes, 0 when unknown. */
  readonly size: number;
  /** See ST_TYPE. */
  readonly type: number;
  /** See ST_BIND. */
  readonly bind: number;
  /** See ST_VISIBILITY. */
  readonly visibility: number;
  /**
   * Section index or SHN_*, see ST_SHNDX; 0 (SHN_UNDEF) when another file defines the symbol.
   * Where more than 0xff00 sections are, as in some object files, an index may look like an SHN_*.
   */
  readonly shndx: number;
  /** Such as `GLIBC_2.34`; null when it has none. In `.symtab` it comes from a name such as `memcpy@@GLIBC_2.14`. */
  readonly version: string | null;
  /** True when a reference without a version binds to this version; false when there is no version. */
  readonly isDefaultVersion: boolean;
}

/**
 * The symbols of `.symtab`, then those of `.dynsym`, in file order; or those of one table.
 *
 * `.symtab` is found by section header, `.dynsym` by PT_DYNAMIC: it is there without section headers too.
 * Reading takes time in proportion to the tables; keep the result when asking more than once.
 *
 * @throws FormatError when a table is malformed.
 */
export function elfSymbols(elf: ElfFile, table?: SymbolTable): ElfSymbol[] {
  const symbols: ElfSymbol[] = [];
  if (table !== 'dynsym') readSymtab(elf, symbols);
  if (table !== 'symtab') readDynsym(elf, symbols);
  return symbols;
}

interface TableSource {
  readonly table: SymbolTable;
  readonly range: FileRange;
  readonly strings: StringTable;
  readonly versionOf: VersionLookup | null;
  readonly extendedIndexes: ByteCursor | null;
}

function readSymtab(elf: ElfFile, symbols: ElfSymbol[]): void {
  const section = elf.sections.find(({ type }) => type === SH_TYPE.SHT_SYMTAB);
  if (section === undefined) return;
  const entsize = symbolSize(elf);
  const { offset } = sectionRange(elf, section);
  const end = offset + entryCount(section, entsize) * entsize;
  readTable(
    elf,
    {
      table: 'symtab',
      range: { offset, end },
      strings: linkedStrings(elf, section),
      versionOf: null,
      extendedIndexes: extendedIndexes(elf, section),
    },
    symbols,
  );
}

function readDynsym(elf: ElfFile, symbols: ElfSymbol[]): void {
  const dynamic = dynamicTable(elf);
  const vaddr = dynamic?.values.get(D_TAG.DT_SYMTAB);
  if (dynamic === null || vaddr === undefined) return;
  const count = dynamicSymbolCount(elf, dynamic, vaddr);
  if (count === 0) return;
  const strings = dynamicStrings(elf, dynamic);
  readTable(
    elf,
    {
      table: 'dynsym',
      range: loadedRange(elf, vaddr, count * symbolSize(elf), 'dynamic symbol table'),
      strings,
      versionOf: symbolVersions(elf, dynamic, strings),
      extendedIndexes: null,
    },
    symbols,
  );
}

function readTable(elf: ElfFile, source: TableSource, symbols: ElfSymbol[]): void {
  const { table, range, strings, versionOf } = source;
  const is64 = elf.class === 64;
  const entsize = symbolSize(elf);
  const count = (range.end - range.offset) / entsize;
  const cursor = new ByteCursor(elf.bytes, { context: `elf: .${table}`, ...range });
  for (let index = 1; index < count; index++) {
    const at = range.offset + index * entsize;
    cursor.offset = at;
    const nameIndex = cursor.u32();
    // The two classes order their fields differently.
    if (!is64) cursor.skip(8);
    const info = cursor.u8();
    const other = cursor.u8();
    const shndx = sectionIndex(cursor.u16(), index, source.extendedIndexes);
    cursor.offset = at + (is64 ? 8 : 4);
    const value = is64 ? symbolValue(cursor, shndx) : cursor.u32();
    const size = is64 ? cursor.u53() : cursor.u32();
    const { name, version, isDefaultVersion } = nameOf(strings.at(nameIndex), index, versionOf);
    symbols.push({
      table,
      index,
      name,
      value,
      size,
      type: info & 0xf,
      bind: info >> 4,
      visibility: other & 3,
      shndx,
      version,
      isDefaultVersion,
    });
  }
}

function symbolSize(elf: ElfFile): number {
  return elf.class === 64 ? 24 : 16;
}

/** Absolute symbols are no addresses: a linker script may well set one to -1. */
function symbolValue(cursor: ByteCursor, shndx: number): number {
  return shndx === ST_SHNDX.SHN_ABS ? cursor.i53() : cursor.u53();
}

function sectionIndex(shndx: number, index: number, extended: ByteCursor | null): number {
  if (shndx !== ST_SHNDX.SHN_XINDEX || extended === null) return shndx;
  return new ByteCursor(extended.bytes, {
    context: 'elf: extended section indexes',
    offset: extended.offset + index * 4,
    end: extended.end,
  }).u32();
}

function extendedIndexes(elf: ElfFile, symtab: ElfSection): ByteCursor | null {
  const section = elf.sections.find(
    ({ type, link }) => type === SH_TYPE.SHT_SYMTAB_SHNDX && link === symtab.index,
  );
  if (section === undefined) return null;
  return new ByteCursor(elf.bytes, {
    context: 'elf: extended section indexes',
    ...sectionRange(elf, section),
  });
}

type NameAndVersion = Pick<ElfSymbol, 'name' | 'version' | 'isDefaultVersion'>;

function nameOf(fullName: string, index: number, versionOf: VersionLookup | null): NameAndVersion {
  if (versionOf !== null) {
    const { name: version, isDefault } = versionOf(index);
    return { name: fullName, version, isDefaultVersion: isDefault };
  }
  // Linkers write the version of `.symtab` into the name, with two signs for a default one.
  const at = fullName.indexOf('@');
  if (at <= 0) return { name: fullName, version: null, isDefaultVersion: false };
  const isDefaultVersion = fullName[at + 1] === '@';
  const version = fullName.slice(at + (isDefaultVersion ? 2 : 1));
  if (version === '') return { name: fullName, version: null, isDefaultVersion: false };
  return { name: fullName.slice(0, at), version, isDefaultVersion };
}
