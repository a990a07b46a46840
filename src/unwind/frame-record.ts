import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import type { ElfFile, FileRange } from '../elf/file.ts';
import {
  DW_EH_PE_OMIT,
  type PointerContext,
  readEncodedPointer,
  readEncodedValue,
} from '../elf/frame-pointer.ts';

/** A common information entry (CIE): what frame descriptions have in common. */
export interface FrameCie {
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  /** Register number that stands for the return address. */
  readonly returnAddress: number;
  /** The code returns from a signal handler ('S' in the augmentation). */
  readonly isSignalFrame: boolean;
  readonly pointerEncoding: number;
  readonly hasAugmentationData: boolean;
  readonly instructions: FileRange;
}

/** A frame description entry (FDE): how to unwind one stretch of code. */
export interface FrameEntry {
  readonly cie: FrameCie;
  /** vaddr of the first byte of the code. */
  readonly start: number;
  /** vaddr after the last byte. */
  readonly end: number;
  readonly instructions: FileRange;
  /** How pointers in the instructions are read. */
  readonly pointers: PointerContext;
}

/** A record of `.eh_frame`: an FDE, or null for a CIE, and the file offset of the next record; null at the terminator. */
export interface FrameRecord {
  readonly entry: FrameEntry | null;
  readonly next: number | null;
}

/** CIEs by file offset, to be shared by all reads of one file. */
export type CieCache = Map<number, FrameCie>;

/**
 * Reads the record of `.eh_frame` at a file offset.
 *
 * Source: Linux Standard Base Core, "Exception Frames"; DWARF 4, section 6.4.1.
 *
 * @throws FormatError when it is malformed, or has a version, augmentation or encoding that is not known.
 */
export function readFrameRecord(
  elf: ElfFile,
  offset: number,
  limit: number,
  pointers: PointerContext,
  cies: CieCache,
): FrameRecord {
  const record = openRecord(elf, offset, limit);
  if (record === null) return { entry: null, next: null };
  const idAt = record.offset;
  const id = record.u32();
  if (id === 0) return { entry: null, next: record.end };
  const cie = cieAt(elf, idAt - id, limit, cies);
  // A stored 0 stands for code that the linker discarded.
  const start = readEncodedPointer(record, cie.pointerEncoding, pointers) ?? 0;
  const end = start + readEncodedValue(record, cie.pointerEncoding, pointers.class);
  if (!(end >= start && Number.isSafeInteger(end))) {
    throw new FormatError(
      `unwind: fde at ${hex(offset)} ends at ${hex(end)}, before its start (${hex(start)}) or past 53 bits`,
      {
        offset,
        value: end,
      },
    );
  }
  if (cie.hasAugmentationData) record.skip(record.uleb128());
  const instructions = { offset: record.offset, end: record.end };
  return { entry: { cie, start, end, instructions, pointers }, next: record.end };
}

/** A cursor from the id of a record to its end; null at the terminator. */
function openRecord(elf: ElfFile, offset: number, limit: number): ByteCursor | null {
  const head = new ByteCursor(elf.bytes, { context: 'unwind: eh_frame', offset, end: limit });
  let length = head.u32();
  if (length === 0) return null;
  if (length === 0xffffffff) length = head.u53();
  const end = head.offset + length;
  if (!(end <= limit)) {
    throw new FormatError(
      `unwind: eh_frame record at ${hex(offset)} ends at ${hex(end)}, past end of table (${hex(limit)})`,
      { offset, value: length },
    );
  }
  return new ByteCursor(elf.bytes, { context: 'unwind: eh_frame record', offset: head.offset, end });
}

function cieAt(elf: ElfFile, offset: number, limit: number, cies: CieCache): FrameCie {
  const known = cies.get(offset);
  if (known !== undefined) return known;
  const record = openRecord(elf, offset, limit);
  if (record === null || record.u32() !== 0) {
    throw new FormatError(`unwind: eh_frame has no cie at ${hex(offset)}`, { offset });
  }
  const cie = readCie(record, elf.class);
  cies.set(offset, cie);
  return cie;
}

function readCie(cursor: ByteCursor, fileClass: 32 | 64): FrameCie {
  const at = cursor.offset;
  const version = cursor.u8();
  if (version !== 1 && version !== 3) {
    throw new FormatError(`unwind: cie at ${hex(at)} has version ${version} (1, 3)`, {
      offset: at,
      value: version,
    });
  }
  const augmentation = cursor.cString(64);
  // gcc 2 wrote a pointer to exception data here.
  if (augmentation.startsWith('eh')) cursor.skip(fileClass / 8);
  const codeAlignment = cursor.uleb128();
  const dataAlignment = cursor.sleb128();
  const returnAddress = version === 1 ? cursor.u8() : cursor.uleb128();
  const hasAugmentationData = augmentation.startsWith('z');
  const augmentationSize = hasAugmentationData ? cursor.uleb128() : 0;
  const instructionsAt = cursor.offset + augmentationSize;
  const pointerEncoding = readAugmentation(cursor, augmentation.replace(/^eh/, ''), fileClass);
  return {
    codeAlignment,
    dataAlignment,
    returnAddress,
    isSignalFrame: augmentation.includes('S'),
    pointerEncoding,
    hasAugmentationData,
    instructions: { offset: hasAugmentationData ? instructionsAt : cursor.offset, end: cursor.end },
  };
}

/** Reads what the augmentation's letters announce and gives the encoding of pointers. */
function readAugmentation(cursor: ByteCursor, augmentation: string, fileClass: 32 | 64): number {
  let pointerEncoding = 0;
  for (const letter of augmentation) {
    switch (letter) {
      case 'z':
      case 'S':
        break;
      case 'R':
        pointerEncoding = cursor.u8();
        break;
      case 'L':
        cursor.skip(1);
        break;
      case 'P':
        skipPersonality(cursor, fileClass);
        break;
      default:
        throw new FormatError(
          `unwind: cie has augmentation ${JSON.stringify(augmentation)}, which is not known`,
          { offset: cursor.offset, value: augmentation },
        );
    }
  }
  return pointerEncoding;
}

function skipPersonality(cursor: ByteCursor, fileClass: 32 | 64): void {
  const encoding = cursor.u8();
  if (encoding === DW_EH_PE_OMIT) return;
  // DW_EH_PE_aligned: the pointer starts at a multiple of its size.
  if (encoding === 0x50) cursor.offset = Math.ceil(cursor.offset / (fileClass / 8)) * (fileClass / 8);
  readEncodedValue(cursor, encoding, fileClass);
}
