import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { P_TYPE, SH_TYPE, ST_SHNDX } from './constants.ts';
import type { ElfSection, ElfSegment } from './file.ts';
import { StringTable } from './string-table.ts';

/** Where the ELF header says that the header tables are, and how large their entries are. */
export interface TablePlaces {
  readonly phoff: number;
  readonly phentsize: number;
  readonly shoff: number;
  readonly shentsize: number;
}

/** A section whose name was not looked up yet. */
export type RawSection = Omit<ElfSection, 'name'> & { readonly nameIndex: number };

/**
 * Reads the first `count` program headers.
 *
 * @throws FormatError when they are not in the file, or a segment's numbers are impossible.
 */
export function readSegments(
  bytes: Uint8Array,
  is64: boolean,
  places: TablePlaces,
  count: number,
): ElfSegment[] {
  if (count === 0) return [];
  const entsize = is64 ? 56 : 32;
  checkEntsize('program header', places.phentsize, entsize);
  checkTable('program header', places.phoff, count, entsize, bytes.length);
  const cursor = new ByteCursor(bytes, { context: 'elf', offset: places.phoff });
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = cursor.offset;
    const segment = is64 ? readSegment64(cursor) : readSegment32(cursor);
    if (segment.type === P_TYPE.PT_LOAD && segment.filesz > segment.memsz) {
      throw new FormatError(
        `elf: segment ${index} has ${hex(segment.filesz)} bytes in the file, more than in memory (${hex(segment.memsz)})`,
        { offset: at, value: segment.filesz },
      );
    }
    if (!Number.isSafeInteger(segment.vaddr + segment.memsz)) {
      throw new FormatError(
        `elf: segment ${index} ends at ${hex(segment.vaddr + segment.memsz)}, past end of 53 bits`,
        { offset: at, value: segment.memsz },
      );
    }
    segments.push(segment);
  }
  return segments;
}

/**
 * Reads the first `count` section headers.
 *
 * @throws FormatError when they are not in the file.
 */
export function readSections(
  bytes: Uint8Array,
  is64: boolean,
  places: TablePlaces,
  count: number,
): RawSection[] {
  if (count === 0) return [];
  const entsize = is64 ? 64 : 40;
  checkEntsize('section header', places.shentsize, entsize);
  checkTable('section header', places.shoff, count, entsize, bytes.length);
  const cursor = new ByteCursor(bytes, { context: 'elf', offset: places.shoff });
  const word = is64 ? () => cursor.u53() : () => cursor.u32();
  const sections: RawSection[] = [];
  for (let index = 0; index < count; index++) {
    const nameIndex = cursor.u32();
    const type = cursor.u32();
    const flags = word();
    const addr = word();
    const offset = word();
    const size = word();
    const link = cursor.u32();
    const info = cursor.u32();
    const addralign = word();
    const entrySize = word();
    sections.push({
      index,
      nameIndex,
      type,
      flags,
      addr,
      offset,
      size,
      link,
      info,
      addralign,
      entsize: entrySize,
    });
  }
  return sections;
}

/**
 * The PT_LOAD segments that take up memory, by ascending vaddr.
 *
 * The gABI demands that order, the kernel does not: so they are sorted, and only what has no single meaning is refused.
 *
 * @throws FormatError when two of them overlap.
 */
export function loadSegments(segments: readonly ElfSegment[]): readonly ElfSegment[] {
  const loads = segments
    .filter((segment) => segment.type === P_TYPE.PT_LOAD && segment.memsz > 0)
    .sort((a, b) => a.vaddr - b.vaddr);
  let end = 0;
  for (const load of loads) {
    if (load.vaddr < end) {
      throw new FormatError(`elf: load segment at ${hex(load.vaddr)} overlaps the one before (${hex(end)})`, {
        value: load.vaddr,
      });
    }
    end = load.vaddr + load.memsz;
  }
  return loads;
}

/**
 * Gives sections their names from the name table, which is section `shstrndx`.
 *
 * @throws FormatError when there is no such section or name.
 */
export function nameSections(
  bytes: Uint8Array,
  sections: readonly RawSection[],
  shstrndx: number,
): readonly ElfSection[] {
  const names = sectionNames(bytes, sections, shstrndx);
  return sections.map(({ nameIndex, ...section }) => ({ name: names?.at(nameIndex) ?? '', ...section }));
}

function readSegment64(cursor: ByteCursor): ElfSegment {
  const type = cursor.u32();
  const flags = cursor.u32();
  const offset = cursor.u53();
  const vaddr = cursor.u53();
  cursor.skip(8);
  const filesz = cursor.u53();
  const memsz = cursor.u53();
  const align = cursor.u53();
  return { type, flags, offset, vaddr, filesz, memsz, align };
}

function readSegment32(cursor: ByteCursor): ElfSegment {
  const type = cursor.u32();
  const offset = cursor.u32();
  const vaddr = cursor.u32();
  cursor.skip(4);
  const filesz = cursor.u32();
  const memsz = cursor.u32();
  const flags = cursor.u32();
  const align = cursor.u32();
  return { type, flags, offset, vaddr, filesz, memsz, align };
}

function sectionNames(
  bytes: Uint8Array,
  sections: readonly RawSection[],
  shstrndx: number,
): StringTable | undefined {
  if (sections.length === 0 || shstrndx === ST_SHNDX.SHN_UNDEF) return undefined;
  const table = sections[shstrndx];
  if (table === undefined) {
    throw new FormatError(
      `elf: section name table is section ${shstrndx}, past the last (${sections.length - 1})`,
      {
        value: shstrndx,
      },
    );
  }
  if (table.type === SH_TYPE.SHT_NOBITS) return undefined;
  const end = table.offset + table.size;
  if (end > bytes.length) {
    throw new FormatError(
      `elf: section name table ends at ${hex(end)}, past end of file (${hex(bytes.length)})`,
      {
        offset: table.offset,
        value: table.size,
      },
    );
  }
  return new StringTable(bytes, { offset: table.offset, end });
}

function checkEntsize(what: string, value: number, want: number): void {
  if (value === want) return;
  throw new FormatError(`elf: ${what} size is ${value} (${want})`, { value });
}

function checkTable(what: string, offset: number, count: number, entsize: number, limit: number): void {
  if (offset + count * entsize <= limit) return;
  const index = Math.max(0, Math.floor((limit - offset) / entsize));
  const end = offset + (index + 1) * entsize;
  throw new FormatError(`elf: ${what} ${index} ends at ${hex(end)}, past end of file (${hex(limit)})`, {
    offset,
    value: count,
  });
}
