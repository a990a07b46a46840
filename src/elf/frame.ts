import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { loadedRun } from './address.ts';
import { P_TYPE, SH_TYPE } from './constants.ts';
import type { ElfFile, FileRange } from './file.ts';
import { DW_EH_PE_OMIT, type PointerContext, readEncodedPointer, readEncodedValue } from './frame-pointer.ts';
import { sectionRange } from './section.ts';

/** The code that one frame description entry (FDE) covers. */
export interface FrameRange {
  /** vaddr of the first byte; in most cases that of a function, or of its cold part. */
  readonly start: number;
  /** vaddr after the last byte. */
  readonly end: number;
  /** The code returns from a signal handler ('S' in the augmentation); then `start` is one byte before the function. */
  readonly isSignalFrame: boolean;
  /** vaddr of the language-specific data area, which holds the landing pads; null when there is none. */
  readonly lsda: number | null;
}

/**
 * The ranges of all FDEs in `.eh_frame`, in file order; empty when the file has none, or nothing says where they are.
 *
 * Without section headers the table is found through PT_GNU_EH_FRAME, and read up to its terminator or the number of
 * FDEs given there. Source: Linux Standard Base Core, "Exception Frames"; DWARF 5, section 6.4.1.
 *
 * @throws FormatError when a record is malformed, or has an augmentation or encoding that is not known.
 */
export function frameRanges(elf: ElfFile): FrameRange[] {
  const ranges: FrameRange[] = [];
  for (const table of frameTables(elf)) readTable(elf, table, ranges);
  return ranges;
}

interface FrameTable {
  readonly range: FileRange;
  readonly pointers: PointerContext;
  /** The end of the range is that of the table: what follows a terminator belongs to it too. */
  readonly isBounded: boolean;
  readonly maxFrames: number;
}

interface Cie {
  readonly hasAugmentationData: boolean;
  readonly isSignalFrame: boolean;
  readonly pointerEncoding: number;
  readonly lsdaEncoding: number;
}

function frameTables(elf: ElfFile): FrameTable[] {
  const sections = elf.sections.filter(({ name, type, size }) => {
    return name === '.eh_frame' && type !== SH_TYPE.SHT_NOBITS && size > 0;
  });
  if (sections.length === 0) {
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
    return { range, pointers, isBounded: true, maxFrames: Infinity };
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
    maxFrames: count > 0 ? count : Infinity,
  };
}

function readTable(elf: ElfFile, table: FrameTable, ranges: FrameRange[]): void {
  const { range, pointers, isBounded } = table;
  const cies = new Map<number, Cie>();
  let offset = range.offset;
  let left = table.maxFrames;
  while (range.end - offset >= 4 && left > 0) {
    const cursor = new ByteCursor(elf.bytes, { context: 'elf: eh_frame', offset, end: range.end });
    let length = cursor.u32();
    if (length === 0) {
      if (!isBounded) return;
      offset += 4;
      continue;
    }
    if (length === 0xffffffff) length = cursor.u53();
    const idAt = cursor.offset;
    const end = idAt + length;
    if (!(end <= range.end)) {
      throw new FormatError(
        `elf: eh_frame record at ${hex(offset)} ends at ${hex(end)}, past end of table (${hex(range.end)})`,
        {
          offset,
          value: length,
        },
      );
    }
    const record = new ByteCursor(elf.bytes, { context: 'elf: eh_frame record', offset: idAt, end });
    const id = record.u32();
    if (id === 0) {
      cies.set(offset, readCie(record, pointers.class));
    } else {
      // Only a CIE that came before is looked up: following the distance blindly could parse the same bytes again and again.
      const cie = cies.get(idAt - id);
      if (cie === undefined) {
        throw new FormatError(`elf: eh_frame record at ${hex(offset)} has no cie at ${hex(idAt - id)}`, {
          offset,
          value: id,
        });
      }
      ranges.push(readFde(record, cie, pointers));
      left--;
    }
    offset = end;
  }
}

function readCie(cursor: ByteCursor, fileClass: 32 | 64): Cie {
  const at = cursor.offset;
  const version = cursor.u8();
  if (version !== 1 && version !== 3) {
    throw new FormatError(`elf: cie at ${hex(at)} has version ${version} (1, 3)`, {
      offset: at,
      value: version,
    });
  }
  const augmentation = cursor.cString(64);
  // gcc 2 wrote a pointer to exception data here.
  if (augmentation.startsWith('eh')) cursor.skip(fileClass / 8);
  cursor.uleb128();
  cursor.sleb128();
  if (version === 1) cursor.skip(1);
  else cursor.uleb128();
  if (augmentation.startsWith('z')) cursor.uleb128();

  let pointerEncoding = 0;
  let lsdaEncoding = DW_EH_PE_OMIT;
  for (const letter of augmentation.replace(/^eh/, '')) {
    switch (letter) {
      case 'z':
      case 'S':
      // AArch64: the return address is signed with key B; the frame is tagged memory.
      case 'B':
      case 'G':
        break;
      case 'R':
        pointerEncoding = cursor.u8();
        break;
      case 'L':
        lsdaEncoding = cursor.u8();
        break;
      case 'P':
        skipPersonality(cursor, fileClass);
        break;
      default:
        throw new FormatError(
          `elf: cie at ${hex(at)} has augmentation ${JSON.stringify(augmentation)}, which is not known`,
          {
            offset: at,
            value: augmentation,
          },
        );
    }
  }
  return {
    hasAugmentationData: augmentation.startsWith('z'),
    isSignalFrame: augmentation.includes('S'),
    pointerEncoding,
    lsdaEncoding,
  };
}

function skipPersonality(cursor: ByteCursor, fileClass: 32 | 64): void {
  const encoding = cursor.u8();
  if (encoding === DW_EH_PE_OMIT) return;
  // Its value does not matter here, and it may be indirect: only its width counts.
  if (encoding === 0x50) cursor.offset = Math.ceil(cursor.offset / (fileClass / 8)) * (fileClass / 8);
  readEncodedValue(cursor, encoding, fileClass);
}

function readFde(cursor: ByteCursor, cie: Cie, pointers: PointerContext): FrameRange {
  const at = cursor.offset;
  // A stored 0 stands for code that the linker discarded.
  const start = readEncodedPointer(cursor, cie.pointerEncoding, pointers) ?? 0;
  const size = readEncodedValue(cursor, cie.pointerEncoding, pointers.class);
  const end = start + size;
  if (!(size >= 0 && Number.isSafeInteger(end))) {
    throw new FormatError(
      `elf: fde at ${hex(at)} ends at ${hex(end)}, before its start (${hex(start)}) or past 53 bits`,
      {
        offset: at,
        value: size,
      },
    );
  }
  let lsda: number | null = null;
  if (cie.hasAugmentationData) {
    const augmentationSize = cursor.uleb128();
    if (cie.lsdaEncoding !== DW_EH_PE_OMIT && augmentationSize > 0) {
      lsda = readEncodedPointer(cursor, cie.lsdaEncoding, pointers);
    }
  }
  return { start, end, isSignalFrame: cie.isSignalFrame, lsda };
}
