import type { ByteCursor } from '../base/byte-cursor.ts';
import { hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';

/** DW_EH_PE_omit: there is no pointer. */
export const DW_EH_PE_OMIT = 0xff;

/** What an encoded pointer may be relative to, and how wide a plain one is. */
export interface PointerContext {
  readonly class: 32 | 64;
  /** vaddr of the byte at file offset 0 of the cursor's bytes; a pcrel pointer counts from the vaddr of its own bytes. */
  readonly vaddrOfOffset0: number;
  /** Base of datarel pointers; null when there is none. */
  readonly dataBase: number | null;
}

/**
 * Reads a pointer in a DW_EH_PE_* encoding and gives the vaddr it stands for, or null for a stored 0, which stands for none.
 *
 * Source: Linux Standard Base Core, "DWARF Exception Header Encoding"; gcc's unwind-pe.h.
 *
 * @throws FormatError when the encoding is unknown, or indirect, or the vaddr does not exist.
 */
export function readEncodedPointer(
  cursor: ByteCursor,
  encoding: number,
  context: PointerContext,
): number | null {
  const at = cursor.offset;
  const value = readEncodedValue(cursor, encoding, context.class);
  if (value === 0) return null;
  const base = baseOf(encoding, at, context);
  const vaddr = context.class === 32 ? (base + value) % 2 ** 32 : base + value;
  const wrapped = vaddr < 0 && context.class === 32 ? vaddr + 2 ** 32 : vaddr;
  if (!Number.isSafeInteger(wrapped) || wrapped < 0) {
    throw new FormatError(`elf: pointer at ${hex(at)} is ${hex(wrapped)}, outside of 53 bits`, {
      offset: at,
      value: wrapped,
    });
  }
  return wrapped;
}

/**
 * Reads the number that an encoding's low four bits describe, without any base.
 *
 * @throws FormatError when they describe none.
 */
export function readEncodedValue(cursor: ByteCursor, encoding: number, fileClass: 32 | 64): number {
  switch (encoding & 0x0f) {
    case 0x00:
      // Signed, so that what is below its base fits in a number.
      return fileClass === 64 ? cursor.i53() : cursor.u32();
    case 0x01:
      return cursor.uleb128();
    case 0x02:
      return cursor.u16();
    case 0x03:
      return cursor.u32();
    case 0x04:
    case 0x0c:
      return cursor.i53();
    case 0x09:
      return cursor.sleb128();
    case 0x0a:
      return cursor.i16();
    case 0x0b:
      return cursor.i32();
    default:
      throw unknownEncoding(cursor.offset, encoding);
  }
}

function baseOf(encoding: number, at: number, context: PointerContext): number {
  switch (encoding & 0xf0) {
    case 0x00:
      return 0;
    case 0x10:
      return context.vaddrOfOffset0 + at;
    case 0x30:
      if (context.dataBase !== null) return context.dataBase;
      break;
    default:
      break;
  }
  throw unknownEncoding(at, encoding);
}

function unknownEncoding(offset: number, encoding: number): FormatError {
  return new FormatError(`elf: pointer at ${hex(offset)} has encoding ${hex(encoding)}, which is not known`, {
    offset,
    value: encoding,
  });
}
