import { DETAIL, PREFIX, VECTOR } from './attribute.ts';
import type { Instruction } from './instruction.ts';
import { TABLES } from './tables.ts';

const { details: DETAILS } = TABLES;

/**
 * Whether W, length, mask, rounding and register numbers of an entry with details go together.
 *
 * @param modrm The byte, 0xc0 or more for a register.
 * @param into With its encoding filled in.
 */
export function isValidDetail(bytes: Uint8Array, offset: number, modrm: number, into: Instruction): boolean {
  const extension = into.encodingExtension;
  const vector = into.encodingVector;
  const detail = DETAILS[into.encodingEntry * 2 + ((extension >> 3) & 1)] as number;
  const memory = modrm < 0xc0;
  const rounding = (vector & VECTOR.B) !== 0;
  let lengths = detail & DETAIL.LENGTHS;
  if (rounding) {
    if ((detail & (memory ? DETAIL.BROADCAST : DETAIL.ROUNDING)) === 0) return false;
    // Then L is the rounding mode, and the length is that of the whole register.
    if (!memory && lengths !== 0) lengths = DETAIL.LENGTHS;
  }
  if (((lengths >> ((vector >> VECTOR.LENGTH_SHIFT) & 3)) & 1) === 0) return false;
  const third = vector & VECTOR.VVVV;
  if ((detail & DETAIL.VVVV) === 0) {
    // V' is the high bit of a vector index.
    if ((detail & DETAIL.VECTOR_INDEX) === 0) {
      if (third !== 0) return false;
    } else if ((third & 15) !== 0) return false;
  }
  const mask = vector & VECTOR.MASK;
  if (mask !== 0) {
    if ((detail & DETAIL.MASK) === 0) return false;
  } else if ((detail & DETAIL.MASK_REQUIRED) !== 0) return false;
  if (
    (vector & VECTOR.ZEROING) !== 0 &&
    (detail & (mask === 0 ? DETAIL.ZEROING_UNMASKED : DETAIL.ZEROING)) === 0
  )
    return false;

  if ((detail & REGISTER_CHECKS) === 0) return true;
  if ((detail & DETAIL.NO_OPERAND_SIZE) !== 0 && (into.encodingPrefixes & PREFIX.OPERAND_SIZE) !== 0)
    return false;
  const reg = ((modrm >> 3) & 7) | ((extension & 4) << 1) | (extension & 16);
  if ((detail & DETAIL.REG_BELOW_8) !== 0 && reg > 7) return false;
  if ((detail & DETAIL.REG_BELOW_16) !== 0 && reg > 15) return false;
  if ((detail & DETAIL.VVVV_BELOW_8) !== 0 && third > 7) return false;
  if ((detail & DETAIL.VVVV_BELOW_16) !== 0 && third > 15) return false;
  const rm = (modrm & 7) | ((extension & 1) << 3) | ((vector & VECTOR.EVEX) !== 0 ? (extension & 2) << 3 : 0);
  if (!memory) {
    if ((detail & DETAIL.RM_BELOW_8) !== 0 && rm > 7) return false;
    if ((detail & DETAIL.RM_BELOW_16) !== 0 && rm > 15) return false;
  }
  const usesThird = (detail & DETAIL.VVVV) !== 0;
  if ((detail & (DETAIL.DESTINATION_DISTINCT | DETAIL.ALL_DISTINCT)) !== 0) {
    if (usesThird && third === reg) return false;
    if (!memory && rm === reg) return false;
    if ((detail & DETAIL.ALL_DISTINCT) !== 0 && !memory && rm === third) return false;
  }
  if (memory) {
    if ((detail & DETAIL.SIB) !== 0 && (modrm & 7) !== 4) return false;
    if ((detail & DETAIL.NOT_RIP_RELATIVE) !== 0 && (modrm & 0xc7) === 5) return false;
  }
  if ((detail & DETAIL.INDEX_DISTINCT) !== 0) {
    const sib = bytes[offset + into.encodingModrm + 1] as number;
    const index =
      ((sib >> 3) & 7) | ((extension & 2) << 2) | ((detail & DETAIL.VECTOR_INDEX) !== 0 ? third & 16 : 0);
    if (index === reg || (usesThird && index === third)) return false;
  }
  return true;
}

const REGISTER_CHECKS =
  DETAIL.SIB |
  DETAIL.NOT_RIP_RELATIVE |
  DETAIL.NO_OPERAND_SIZE |
  DETAIL.REG_BELOW_8 |
  DETAIL.REG_BELOW_16 |
  DETAIL.RM_BELOW_8 |
  DETAIL.RM_BELOW_16 |
  DETAIL.VVVV_BELOW_8 |
  DETAIL.VVVV_BELOW_16 |
  DETAIL.INDEX_DISTINCT |
  DETAIL.DESTINATION_DISTINCT |
  DETAIL.ALL_DISTINCT;
