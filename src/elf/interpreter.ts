import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { P_TYPE, SH_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';
import { findSection, sectionRange } from './section.ts';

/**
 * The path of the program interpreter, PT_INTERP; null when there is none.
 *
 * @throws FormatError when it is not in the file, not terminated, or longer than the kernel takes (PATH_MAX, fs/binfmt_elf.c).
 */
export function interpreter(elf: ElfFile): string | null {
  const segment = elf.segments.find(({ type }) => type === P_TYPE.PT_INTERP);
  // A debug file keeps the header and drops the contents.
  if (segment === undefined || segment.filesz === 0) return null;
  return new ByteCursor(elf.bytes, {
    context: 'elf: interpreter',
    offset: segment.offset,
    end: segment.offset + segment.filesz,
  }).cString(4096);
}

/** Names the file that holds the debug information of another, and its CRC-32. */
export interface DebugLink {
  /** A file name without folder. */
  readonly name: string;
  readonly crc32: number;
}

/**
 * The contents of `.gnu_debuglink`; null when there is none.
 *
 * Source: GDB manual, "Debugging Information in Separate Files".
 *
 * @throws FormatError when the section is malformed.
 */
export function debugLink(elf: ElfFile): DebugLink | null {
  const section = findSection(elf, '.gnu_debuglink');
  if (section === null || section.type === SH_TYPE.SHT_NOBITS) return null;
  const { offset, end } = sectionRange(elf, section);
  const cursor = new ByteCursor(elf.bytes, { context: 'elf: .gnu_debuglink', offset, end });
  const name = cursor.cString();
  if (name === '') {
    throw new FormatError(`elf: .gnu_debuglink at ${hex(offset)} names no file`, { offset, value: name });
  }
  cursor.offset = offset + Math.ceil((cursor.offset - offset) / 4) * 4;
  return { name, crc32: cursor.u32() };
}
