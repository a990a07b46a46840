import { ByteCursor } from '../../base/byte-cursor.ts';
import { FormatError } from '../../base/errors.ts';
import type { ElfFile } from '../../elf/file.ts';
import {
  DW_EH_PE_OMIT,
  type PointerContext,
  readEncodedPointer,
  readEncodedValue,
} from '../../elf/frame-pointer.ts';
import { frameTables } from '../../elf/frame-table.ts';

/** Where a personality routine is named. */
export interface Personality {
  readonly vaddr: number;
  /** True when `vaddr` is that of a word that holds the routine's address. */
  readonly isIndirect: boolean;
}

/** What frame records say of code besides its ranges. */
export interface FrameNotes {
  /** The routines that the unwinder calls, each once. */
  readonly personalities: readonly Personality[];
  /**
   * vaddrs of frames that begin with a frame already set up: parts that the compiler split off a function, and the PLT.
   * A function begins with nothing but the return address on its stack, so its first row needs no instruction.
   */
  readonly parts: ReadonlySet<number>;
}

/** Set in an encoding when the word at the address holds the address meant. */
const DW_EH_PE_INDIRECT = 0x80;

const DW_CFA_OFFSET = 0x80;
const DW_CFA_RESTORE = 0xc0;
const DW_CFA_DEF_CFA = 0x0c;
const DW_CFA_DEF_CFA_REGISTER = 0x0d;
const DW_CFA_DEF_CFA_OFFSET = 0x0e;

interface Cie {
  readonly pointerEncoding: number;
  readonly hasAugmentationData: boolean;
  readonly personality: Personality | null;
}

/** Reads the notes of all records; what is malformed ends a table, as the ranges themselves are checked elsewhere. */
export function frameNotes(elf: ElfFile): FrameNotes {
  const personalities = new Map<number, Personality>();
  const parts = new Set<number>();
  for (const { range, pointers } of frameTables(elf)) {
    try {
      readTable(elf, range, pointers, personalities, parts);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return { personalities: [...personalities.values()], parts };
}

function readTable(
  elf: ElfFile,
  range: { readonly offset: number; readonly end: number },
  pointers: PointerContext,
  personalities: Map<number, Personality>,
  parts: Set<number>,
): void {
  const cies = new Map<number, Cie>();
  for (let offset = range.offset; range.end - offset >= 8;) {
    const cursor = new ByteCursor(elf.bytes, { context: 'elf: eh_frame', offset, end: range.end });
    const length = cursor.u32();
    const idAt = cursor.offset;
    if (length === 0) {
      offset = idAt;
      continue;
    }
    const end = idAt + length;
    if (end > range.end) return;
    const record = new ByteCursor(elf.bytes, { context: 'elf: eh_frame record', offset: idAt, end });
    const id = record.u32();
    if (id === 0) {
      const cie = readCie(record, pointers);
      cies.set(offset, cie);
      if (cie.personality !== null) personalities.set(cie.personality.vaddr, cie.personality);
    } else {
      const cie = cies.get(idAt - id);
      if (cie !== undefined) {
        const start = readEncodedPointer(record, cie.pointerEncoding, pointers) ?? 0;
        readEncodedValue(record, cie.pointerEncoding, pointers.class);
        if (cie.hasAugmentationData) record.skip(record.uleb128());
        if (record.remaining > 0 && setsUpFrame(record.u8())) parts.add(start);
      }
    }
    offset = end;
  }
}

function setsUpFrame(opcode: number): boolean {
  return (
    opcode === DW_CFA_DEF_CFA ||
    opcode === DW_CFA_DEF_CFA_REGISTER ||
    opcode === DW_CFA_DEF_CFA_OFFSET ||
    (opcode >= DW_CFA_OFFSET && opcode < DW_CFA_RESTORE)
  );
}

function readCie(cursor: ByteCursor, pointers: PointerContext): Cie {
  const version = cursor.u8();
  const augmentation = cursor.cString(64);
  cursor.uleb128();
  cursor.sleb128();
  if (version === 1) cursor.skip(1);
  else cursor.uleb128();
  const hasAugmentationData = augmentation.startsWith('z');
  if (hasAugmentationData) cursor.uleb128();
  let pointerEncoding = 0;
  let personality: Personality | null = null;
  for (const letter of augmentation) {
    if (letter === 'R') pointerEncoding = cursor.u8();
    else if (letter === 'L') cursor.skip(1);
    else if (letter === 'P') {
      const encoding = cursor.u8();
      if (encoding === DW_EH_PE_OMIT) continue;
      const vaddr = readEncodedPointer(cursor, encoding & ~DW_EH_PE_INDIRECT, pointers);
      if (vaddr !== null) personality = { vaddr, isIndirect: (encoding & DW_EH_PE_INDIRECT) !== 0 };
    }
  }
  return { pointerEncoding, hasAugmentationData, personality };
}
