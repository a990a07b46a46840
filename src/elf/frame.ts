import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import type { ElfFile } from './file.ts';
import { DW_EH_PE_OMIT, type PointerContext, readEncodedPointer, readEncodedValue } from './frame-pointer.ts';
import { type FrameTable, frameTables } from './frame-table.ts';

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
  /** Opcode of the first call frame instruction, its operand bits included; null when there is none. */
  readonly firstInstruction: number | null;
}

/**
 * The ranges of all FDEs in `.eh_frame`, in file order; empty when the file has none, or nothing says where they are.
 *
 * Without section headers the table is found through PT_GNU_EH_FRAME, and read up to its terminator; if there is
 * none, as far as records go, but at least as many FDEs as are given there.
 * Source: Linux Standard Base Core, "Exception Frames"; DWARF 5, section 6.4.1.
 *
 * @throws FormatError when a record is malformed, or has an augmentation or encoding that is not known.
 */
export function frameRanges(elf: ElfFile): FrameRange[] {
  const ranges: FrameRange[] = [];
  for (const table of frameTables(elf)) readTable(elf, table, ranges);
  return ranges;
}

interface Cie {
  readonly hasAugmentationData: boolean;
  readonly isSignalFrame: boolean;
  readonly pointerEncoding: number;
  readonly lsdaEncoding: number;
}

function readTable(elf: ElfFile, table: FrameTable, ranges: FrameRange[]): void {
  const reader = new RecordReader(elf, table, ranges);
  const enough = ranges.length + table.leastFrames;
  for (let offset = table.range.offset; table.range.end - offset >= 4;) {
    try {
      const next = reader.read(offset);
      if (next === null) return;
      offset = next;
    } catch (error) {
      // Nothing says where this table ends if its terminator is missing: then it ends where records do.
      if (error instanceof FormatError && ranges.length >= enough) return;
      throw error;
    }
  }
}

/** Reads the records of one table, which share their CIEs. */
class RecordReader {
  readonly #elf: ElfFile;
  readonly #table: FrameTable;
  readonly #ranges: FrameRange[];
  readonly #cies = new Map<number, Cie>();
  readonly #cursor: ByteCursor;

  constructor(elf: ElfFile, table: FrameTable, ranges: FrameRange[]) {
    this.#elf = elf;
    this.#table = table;
    this.#ranges = ranges;
    this.#cursor = new ByteCursor(elf.bytes, { context: 'elf: eh_frame', ...table.range });
  }

  /** Reads a record and gives the offset of the next, or null at the end. */
  read(offset: number): number | null {
    const { range, isBounded, pointers } = this.#table;
    const cursor = this.#cursor;
    cursor.offset = offset;
    let length = cursor.u32();
    if (length === 0) return isBounded ? cursor.offset : null;
    if (length === 0xffffffff) length = cursor.u53();
    const idAt = cursor.offset;
    const end = idAt + length;
    if (!(end <= range.end)) {
      throw new FormatError(
        `elf: eh_frame record at ${hex(offset)} ends at ${hex(end)}, past end of table (${hex(range.end)})`,
        { offset, value: length },
      );
    }
    const record = new ByteCursor(this.#elf.bytes, { context: 'elf: eh_frame record', offset: idAt, end });
    const id = record.u32();
    if (id === 0) {
      this.#cies.set(offset, readCie(record, pointers.class));
      return end;
    }
    // Only a CIE that came before is looked up: following the distance blindly could parse the same bytes again and again.
    const cie = this.#cies.get(idAt - id);
    if (cie === undefined) {
      throw new FormatError(`elf: eh_frame record at ${hex(offset)} has no cie at ${hex(idAt - id)}`, {
        offset,
        value: id,
      });
    }
    this.#ranges.push(readFde(record, cie, pointers));
    return end;
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
    const instructions = cursor.offset + augmentationSize;
    if (cie.lsdaEncoding !== DW_EH_PE_OMIT && augmentationSize > 0) {
      lsda = readEncodedPointer(cursor, cie.lsdaEncoding, pointers);
    }
    cursor.offset = instructions;
  }
  const firstInstruction = cursor.remaining > 0 ? cursor.u8() : null;
  return { start, end, isSignalFrame: cie.isSignalFrame, lsda, firstInstruction };
}
