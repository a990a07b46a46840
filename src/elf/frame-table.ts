import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { loadedRun } from './address.ts';
import { P_TYPE, SH_TYPE } from './constants.ts';
import type { ElfFile, FileRange } from './file.ts';
import { DW_EH_PE_OMIT, type PointerContext, readEncodedPointer, readEncodedValue } from './frame-pointer.ts';
import { sectionRange } from './section.ts';

/** An `.eh_frame` table and what is needed to read it. */
export interface FrameTable {
  readonly range: FileRange;
  readonly pointers: PointerContext;
  /** The end of the range is that of the table: what follows a terminator belongs to it too. */
  readonly isBounded: boolean;
  /** What follows so many FDEs and is no record is taken for the end; Infinity when the end is known. */
  readonly leastFrames: number;
}

/**
 * Finds the `.eh_frame` sections or, without them, the table of PT_GNU_EH_FRAME.
 *
 * @throws FormatError when a table is not in the file, or sections overlap.
 */
export function frameTables(elf: ElfFile): FrameTable[] {
  const named = elf.sections.filter(({ name }) => name === '.eh_frame');
  // A debug file has the sections without their contents; its program headers may still claim them.
  const sections = named.filter(({ type, size }) => type !== SH_TYPE.SHT_NOBITS && size > 0);
  if (named.length === 0) {
    const table = tableOfHeader(elf);
    return table === null ? [] : [table];
  }
  let previousEnd = 0;
  return sections.map((section) => {
    const range = sectionRange(elf, section);
    if (range.offset < previousEnd) {
      throw new FormatError(
        `elf: .eh_frame at ${hex(range.offset)} overlaps the one before (${hex(previousEnd)})`,
        {
          offset: range.offset,
          value: range.offset,
        },
      );
    }
    previousEnd = range.end;
    const pointers = { class: elf.class, vaddrOfOffset0: section.addr - section.offset, dataBase: null };
    return { range, pointers, isBounded: true, leastFrames: Infinity };
  });
}

/** Finds `.eh_frame` by the header that the unwinder uses (`.eh_frame_hdr`, Linux Standard Base Core). */
function tableOfHeader(elf: ElfFile): FrameTable | null {
  const segment = elf.segments.find(({ type }) => type === P_TYPE.PT_GNU_EH_FRAME);
  if (segment === undefined || segment.filesz === 0) return null;
  const header = loadedRun(elf, segment.vaddr, 'eh_frame header');
  const cursor = new ByteCursor(elf.bytes, { context: 'elf: eh_frame header', ...header });
  const version = cursor.u8();
  if (version !== 1) {
    throw new FormatError(`elf: eh_frame header at ${hex(header.offset)} has version ${version} (1)`, {
      offset: header.offset,
      value: version,
    });
  }
  const tableEncoding = cursor.u8();
  const countEncoding = cursor.u8();
  cursor.skip(1);
  if (tableEncoding === DW_EH_PE_OMIT) return null;
  const vaddrOfOffset0 = segment.vaddr - header.offset;
  const vaddr = readEncodedPointer(cursor, tableEncoding, {
    class: elf.class,
    vaddrOfOffset0,
    dataBase: segment.vaddr,
  });
  if (vaddr === null) return null;
  const count = countEncoding === DW_EH_PE_OMIT ? 0 : readEncodedValue(cursor, countEncoding, elf.class);
  const range = loadedRun(elf, vaddr, 'eh_frame');
  return {
    range,
    pointers: { class: elf.class, vaddrOfOffset0: vaddr - range.offset, dataBase: null },
    isBounded: false,
    // 0 says that the header has no search table, not that there are no frames.
    leastFrames: count > 0 ? count : Infinity,
  };
}
