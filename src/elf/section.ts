import { hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { SH_TYPE } from './constants.ts';
import type { ElfFile, ElfSection, FileRange } from './file.ts';
import { StringTable } from './string-table.ts';

/** The first section of a name; null when there is none. */
export function findSection(elf: ElfFile, name: string): ElfSection | null {
  return elf.sections.find((section) => section.name === name) ?? null;
}

/**
 * A view of a section's bytes; empty for SHT_NOBITS.
 *
 * @throws FormatError when the section is not inside of the file.
 */
export function sectionBytes(elf: ElfFile, section: ElfSection): Uint8Array {
  const { offset, end } = sectionRange(elf, section);
  return elf.bytes.subarray(offset, end);
}

/**
 * A section's place in the file; empty for SHT_NOBITS.
 *
 * @throws FormatError when the section is not inside of the file.
 */
export function sectionRange(elf: ElfFile, section: ElfSection): FileRange {
  if (section.type === SH_TYPE.SHT_NOBITS) return { offset: 0, end: 0 };
  const end = section.offset + section.size;
  if (!(end <= elf.bytes.length)) {
    throw new FormatError(
      `elf: section ${section.index} ends at ${hex(end)}, past end of file (${hex(elf.bytes.length)})`,
      { offset: section.offset, value: section.size },
    );
  }
  return { offset: section.offset, end };
}

/**
 * The string table that a section names by `sh_link`.
 *
 * @throws FormatError when there is no such section, or it is not inside of the file.
 */
export function linkedStrings(elf: ElfFile, section: ElfSection): StringTable {
  const strings = elf.sections[section.link];
  if (strings === undefined) {
    throw new FormatError(
      `elf: section ${section.index} links to section ${section.link}, past the last (${elf.sections.length - 1})`,
      { value: section.link },
    );
  }
  return new StringTable(elf.bytes, sectionRange(elf, strings));
}

/**
 * The number of entries in a section that is a table.
 *
 * @throws FormatError when its entry size is not `entsize`.
 */
export function entryCount(section: ElfSection, entsize: number): number {
  if (section.entsize !== entsize) {
    throw new FormatError(
      `elf: section ${section.index} has entries of ${section.entsize} bytes (${entsize})`,
      {
        value: section.entsize,
      },
    );
  }
  return Math.floor(section.size / entsize);
}
