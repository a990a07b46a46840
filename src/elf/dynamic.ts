import { ByteCursor } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { loadedRange } from './address.ts';
import { D_TAG, P_TYPE, SH_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';
import { StringTable } from './string-table.ts';

/** One entry of the dynamic section; `tag` see D_TAG, `value` is `d_un`. */
export interface DynamicEntry {
  readonly tag: number;
  readonly value: number;
}

/** An array of function pointers in memory. */
export interface PointerArray {
  readonly vaddr: number;
  /** In bytes. */
  readonly size: number;
}

/** What the dynamic section tells the program interpreter; vaddrs are not relocated. */
export interface ElfDynamic {
  /** In file order, up to DT_NULL. */
  readonly entries: readonly DynamicEntry[];
  /** DT_NEEDED in the order of the load. */
  readonly needed: readonly string[];
  readonly soname: string | null;
  /** As written: folders separated by colons, with `$ORIGIN` and its like unexpanded. */
  readonly rpath: string | null;
  readonly runpath: string | null;
  /** DF_*, 0 when the file has no DT_FLAGS. */
  readonly flags: number;
  /** DF_1_*, 0 when the file has no DT_FLAGS_1. */
  readonly flags1: number;
  /** vaddr of the DT_INIT function. */
  readonly init: number | null;
  readonly fini: number | null;
  readonly preinitArray: PointerArray | null;
  readonly initArray: PointerArray | null;
  readonly finiArray: PointerArray | null;
}

/**
 * The dynamic section, found through PT_DYNAMIC; null when there is none, as in static programs and debug files.
 *
 * @throws FormatError when the section or a string in it is malformed.
 */
export function elfDynamic(elf: ElfFile): ElfDynamic | null {
  const table = dynamicTable(elf);
  if (table === null) return null;
  const { entries, values } = table;
  let strings: StringTable | undefined;
  const text = (index: number): string => (strings ??= dynamicStrings(elf, table)).at(index);
  const textOf = (tag: number): string | null => {
    const index = values.get(tag);
    return index === undefined ? null : text(index);
  };
  const arrayOf = (tag: number, sizeTag: number): PointerArray | null => {
    const vaddr = values.get(tag);
    return vaddr === undefined ? null : { vaddr, size: values.get(sizeTag) ?? 0 };
  };
  return {
    entries,
    needed: entries.filter(({ tag }) => tag === D_TAG.DT_NEEDED).map(({ value }) => text(value)),
    soname: textOf(D_TAG.DT_SONAME),
    rpath: textOf(D_TAG.DT_RPATH),
    runpath: textOf(D_TAG.DT_RUNPATH),
    flags: values.get(D_TAG.DT_FLAGS) ?? 0,
    flags1: values.get(D_TAG.DT_FLAGS_1) ?? 0,
    init: values.get(D_TAG.DT_INIT) ?? null,
    fini: values.get(D_TAG.DT_FINI) ?? null,
    preinitArray: arrayOf(D_TAG.DT_PREINIT_ARRAY, D_TAG.DT_PREINIT_ARRAYSZ),
    initArray: arrayOf(D_TAG.DT_INIT_ARRAY, D_TAG.DT_INIT_ARRAYSZ),
    finiArray: arrayOf(D_TAG.DT_FINI_ARRAY, D_TAG.DT_FINI_ARRAYSZ),
  };
}

/** The dynamic section before it is interpreted. */
export interface DynamicTable {
  readonly entries: readonly DynamicEntry[];
  /** By tag; where a tag is repeated the last value counts, as in the loader. */
  readonly values: ReadonlyMap<number, number>;
}

/**
 * The entries of the dynamic section; null when there is none.
 *
 * It is read where it is loaded, not where `p_offset` points: that is what the program interpreter does.
 *
 * @throws FormatError when it is not in the file.
 */
export function dynamicTable(elf: ElfFile): DynamicTable | null {
  const segment = elf.segments.find(({ type }) => type === P_TYPE.PT_DYNAMIC);
  if (segment === undefined || segment.filesz === 0 || isDebugFile(elf, segment.vaddr)) return null;
  const { offset, end } = loadedRange(elf, segment.vaddr, segment.filesz, 'dynamic section');
  const cursor = new ByteCursor(elf.bytes, { context: 'elf: dynamic section', offset, end });
  const entrySize = elf.class === 64 ? 16 : 8;
  const entries: DynamicEntry[] = [];
  const values = new Map<number, number>();
  while (cursor.remaining >= entrySize) {
    const tag = elf.class === 64 ? cursor.u53() : cursor.u32();
    const value = elf.class === 64 ? cursor.u53() : cursor.u32();
    if (tag === D_TAG.DT_NULL) break;
    entries.push({ tag, value });
    values.set(tag, value);
  }
  return { entries, values };
}

/**
 * The string table of DT_STRTAB and DT_STRSZ.
 *
 * @throws FormatError when either is missing or the table is not in the file.
 */
export function dynamicStrings(elf: ElfFile, table: DynamicTable): StringTable {
  const vaddr = table.values.get(D_TAG.DT_STRTAB);
  const size = table.values.get(D_TAG.DT_STRSZ);
  if (vaddr === undefined || size === undefined) {
    throw new FormatError('elf: dynamic section has no string table, DT_STRTAB and DT_STRSZ');
  }
  return new StringTable(elf.bytes, loadedRange(elf, vaddr, size, 'dynamic string table'));
}

/** Some tools keep `p_filesz` in debug files, where the section itself says that nothing is there. */
function isDebugFile(elf: ElfFile, vaddr: number): boolean {
  return elf.sections.some((section) => {
    return section.type === SH_TYPE.SHT_NOBITS && section.name === '.dynamic' && section.addr === vaddr;
  });
}
