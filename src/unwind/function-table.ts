import { ByteCursor } from '../base/byte-cursor.ts';
import { loadedRange } from '../elf/address.ts';
import { D_TAG, SH_TYPE, ST_BIND, ST_SHNDX, ST_TYPE } from '../elf/constants.ts';
import { dynamicStrings, dynamicTable } from '../elf/dynamic.ts';
import type { ElfFile, FileRange } from '../elf/file.ts';
import { entryCount, linkedStrings, sectionRange } from '../elf/section.ts';
import type { StringTable } from '../elf/string-table.ts';
import type { SymbolTable } from '../elf/symbol.ts';
import { dynamicSymbolCount } from '../elf/symbol-count.ts';

/** The defined functions of a symbol table as columns: no object per symbol, as large programs have some hundred thousand. */
export interface FunctionTable {
  /** vaddrs, in the order of the table. */
  readonly starts: Float64Array;
  /** In bytes, 0 when unknown. */
  readonly sizes: Float64Array;
  /**
   * The name, without version, and `st_info` of the function at an index.
   *
   * @throws FormatError when the name is not in the string table.
   */
  symbol(index: number): { readonly name: string; readonly info: number };
}

/**
 * Reads the functions of `.symtab` or `.dynsym`; null when there is no such table.
 *
 * STT_FUNC and STT_GNU_IFUNC count, and symbols without type that are not local: assembly has functions of that kind.
 *
 * @throws FormatError when the table is malformed.
 */
export function functionTable(elf: ElfFile, name: SymbolTable): FunctionTable | null {
  const source = name === 'symtab' ? symtabSource(elf) : dynsymSource(elf);
  if (source === null) return null;
  const { range, strings } = source;
  const is64 = elf.class === 64;
  const entsize = is64 ? 24 : 16;
  const view = new DataView(elf.bytes.buffer, elf.bytes.byteOffset + range.offset, range.end - range.offset);
  const count = Math.floor(view.byteLength / entsize);
  const offsets = new Float64Array(count);
  const starts = new Float64Array(count);
  const sizes = new Float64Array(count);
  let length = 0;
  for (let index = 1; index < count; index++) {
    const at = index * entsize;
    // The two classes order their fields differently.
    const info = view.getUint8(at + (is64 ? 4 : 12));
    if (!isFunction(info, view.getUint16(at + (is64 ? 6 : 14), true))) continue;
    offsets[length] = at;
    starts[length] = is64 ? wide(view, at + 8) : view.getUint32(at + 4, true);
    sizes[length] = is64 ? wide(view, at + 16) : view.getUint32(at + 8, true);
    length++;
  }
  return {
    starts: starts.subarray(0, length),
    sizes: sizes.subarray(0, length),
    symbol: (index) => {
      const at = offsets[index] as number;
      const cursor = new ByteCursor(elf.bytes, { context: `unwind: .${name}`, ...range });
      cursor.offset = range.offset + at;
      return { name: withoutVersion(strings.at(cursor.u32())), info: view.getUint8(at + (is64 ? 4 : 12)) };
    },
  };
}

interface TableSource {
  readonly range: FileRange;
  readonly strings: StringTable;
}

function symtabSource(elf: ElfFile): TableSource | null {
  const section = elf.sections.find(({ type }) => type === SH_TYPE.SHT_SYMTAB);
  if (section === undefined) return null;
  entryCount(section, elf.class === 64 ? 24 : 16);
  return { range: sectionRange(elf, section), strings: linkedStrings(elf, section) };
}

function dynsymSource(elf: ElfFile): TableSource | null {
  const dynamic = dynamicTable(elf);
  const vaddr = dynamic?.values.get(D_TAG.DT_SYMTAB);
  if (dynamic === null || vaddr === undefined) return null;
  const size = dynamicSymbolCount(elf, dynamic, vaddr) * (elf.class === 64 ? 24 : 16);
  return {
    range: loadedRange(elf, vaddr, size, 'dynamic symbol table'),
    strings: dynamicStrings(elf, dynamic),
  };
}

function isFunction(info: number, shndx: number): boolean {
  if (shndx === ST_SHNDX.SHN_UNDEF || shndx === ST_SHNDX.SHN_ABS || shndx === ST_SHNDX.SHN_COMMON)
    return false;
  const type = info & 0xf;
  if (type === ST_TYPE.STT_FUNC || type === ST_TYPE.STT_GNU_IFUNC) return true;
  return type === ST_TYPE.STT_NOTYPE && info >> 4 !== ST_BIND.STB_LOCAL;
}

/** Inexact above 2^53, where no code is. */
function wide(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

/** Linkers write the version of `.symtab` into the name. */
function withoutVersion(name: string): string {
  const at = name.indexOf('@', 1);
  return at < 0 ? name : name.slice(0, at);
}
