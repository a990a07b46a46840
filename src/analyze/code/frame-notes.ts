import { ByteCursor } from '../../base/byte-cursor.ts';
import { FormatError } from '../../base/errors.ts';
import type { ElfFile, FileRange } from '../../elf/file.ts';
import type { FrameRange } from '../../elf/frame.ts';
import { DW_EH_PE_OMIT, type PointerContext, readEncodedPointer } from '../../elf/frame-pointer.ts';
import { frameTables } from '../../elf/frame-table.ts';

/** Where a personality routine is named. */
export interface Personality {
  readonly vaddr: number;
  /** True when `vaddr` is that of a word that holds the routine's address. */
  readonly isIndirect: boolean;
}

/** Set in an encoding when the word at the address holds the address meant. */
const DW_EH_PE_INDIRECT = 0x80;

const DW_CFA_OFFSET = 0x80;
const DW_CFA_RESTORE = 0xc0;
const DW_CFA_DEF_CFA = 0x0c;
const DW_CFA_DEF_CFA_REGISTER = 0x0d;
const DW_CFA_DEF_CFA_OFFSET = 0x0e;

/**
 * Whether a frame begins with a frame already set up: a part that the compiler split off a function, or the PLT.
 *
 * A function begins with nothing but the return address on its stack, so its first row needs no instruction.
 */
export function isPart({ firstInstruction }: FrameRange): boolean {
  return firstInstruction !== null && setsUpFrame(firstInstruction);
}

/** The routines that the unwinder calls, each once. What is malformed ends a table, as the ranges themselves are checked elsewhere. */
export function personalities(elf: ElfFile): Personality[] {
  const found = new Map<number, Personality>();
  for (const { range, pointers } of frameTables(elf)) {
    try {
      readTable(elf, range, pointers, found);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return [...found.values()];
}

function readTable(
  elf: ElfFile,
  range: FileRange,
  pointers: PointerContext,
  found: Map<number, Personality>,
): void {
  const cursor = new ByteCursor(elf.bytes, { context: 'elf: eh_frame', ...range });
  while (cursor.remaining >= 8) {
    const length = cursor.u32();
    if (length === 0) continue;
    const offset = cursor.offset;
    const end = offset + length;
    if (end > range.end) return;
    if (cursor.u32() === 0) {
      const context = 'elf: eh_frame record';
      const personality = personalityOf(
        new ByteCursor(elf.bytes, { context, offset: cursor.offset, end }),
        pointers,
      );
      if (personality !== null) found.set(personality.vaddr, personality);
    }
    cursor.offset = end;
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

/** The routine that a common information entry names. */
function personalityOf(cursor: ByteCursor, pointers: PointerContext): Personality | null {
  const version = cursor.u8();
  const augmentation = cursor.cString(64);
  cursor.uleb128();
  cursor.sleb128();
  if (version === 1) cursor.skip(1);
  else cursor.uleb128();
  if (augmentation.startsWith('z')) cursor.uleb128();
  let personality: Personality | null = null;
  for (const letter of augmentation) {
    if (letter === 'R' || letter === 'L') cursor.skip(1);
    else if (letter === 'P') {
      const encoding = cursor.u8();
      if (encoding === DW_EH_PE_OMIT) continue;
      const vaddr = readEncodedPointer(cursor, encoding & ~DW_EH_PE_INDIRECT, pointers);
      if (vaddr !== null) personality = { vaddr, isIndirect: (encoding & DW_EH_PE_INDIRECT) !== 0 };
    }
  }
  return personality;
}
