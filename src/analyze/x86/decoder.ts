import { ATTRIBUTE, IMM, MAP, PREFIX, VECTOR } from './attribute.ts';
import { describeOperands } from './operands.ts';
import { type Instruction, FLOW, TRAIT } from './instruction.ts';
import { TABLES } from './tables.ts';
import { isValidDetail } from './validity.ts';

/**
 * Decodes the instruction at `offset`, all fields of `into`.
 *
 * @param bytes The image.
 * @param offset Where the instruction begins.
 * @param end Offset at which the code ends; the instruction may not run past it.
 * @param address What `offset` is loaded at, below 2^31.
 * @param into Filled; its former content is lost.
 * @returns The length in bytes, 0 if the bytes are no valid instruction in 64-bit mode or run past `end`.
 */
export function decodeInstruction(
  bytes: Uint8Array,
  offset: number,
  end: number,
  address: number,
  into: Instruction,
): number {
  const length = scanInstruction(bytes, offset, end, address, into);
  if (length !== 0) describeOperands(bytes, offset, into);
  return length;
}

/**
 * The fast pass: fills `length`, `address`, `flow`, `target` and `traits` and leaves the other fields undefined, until
 * {@link describeInstruction} fills them. Parameters and result as for {@link decodeInstruction}.
 */
export function scanInstruction(
  bytes: Uint8Array,
  offset: number,
  end: number,
  address: number,
  into: Instruction,
): number {
  // So that no read has to be checked: no instruction looks at more than 32 bytes.
  if (offset + WINDOW <= bytes.length) return scan(bytes, offset, end, address, into);
  if (offset < 0 || offset >= end) return refuse(into);
  const copy = new Uint8Array(WINDOW);
  copy.set(bytes.subarray(offset, offset + WINDOW));
  return scan(copy, 0, Math.min(end, bytes.length) - offset, address, into);
}

/**
 * After a {@link scanInstruction} that returned no 0, fills the remaining fields.
 *
 * @param bytes As it was for the scan.
 * @param offset As it was for the scan.
 */
export function describeInstruction(bytes: Uint8Array, offset: number, into: Instruction): void {
  describeOperands(bytes, offset, into);
}

const WINDOW = 40;
const MAX_LENGTH = 15;

const { attributes: ATTRIBUTES } = TABLES;

function refuse(into: Instruction): number {
  into.length = 0;
  into.flow = 0;
  into.target = -1;
  into.traits = 0;
  return 0;
}

function scan(bytes: Uint8Array, offset: number, end: number, address: number, into: Instruction): number {
  let at = offset;
  let opcode = bytes[at++] as number;
  let attributes = ATTRIBUTES[opcode] as number;
  let prefixes = 0;
  let rex = 0;
  while ((attributes & ATTRIBUTE.PREFIX) !== 0) {
    // A REX prefix counts only directly before the opcode.
    rex = 0;
    if ((opcode & 0xf0) === 0x40) rex = opcode;
    else prefixes = withPrefix(prefixes, opcode);
    if (at - offset >= MAX_LENGTH) return refuse(into);
    opcode = bytes[at++] as number;
    attributes = ATTRIBUTES[opcode] as number;
  }
  let entry = opcode;
  // W R X B as in REX; bit 4 is R' of EVEX.
  let extension = rex & 15;
  // VECTOR.
  let vector = 0;
  if (rex !== 0) prefixes |= PREFIX.REX;

  if ((attributes & ATTRIBUTE.ESCAPE) !== 0) {
    if (opcode === 0x0f) {
      opcode = bytes[at++] as number;
      const mandatory =
        (prefixes & PREFIX.REPNE) !== 0
          ? 3
          : (prefixes & PREFIX.REPE) !== 0
            ? 2
            : prefixes & PREFIX.OPERAND_SIZE;
      if (opcode === 0x38) entry = MAP.LEGACY_0F38 + (mandatory << 8) + (bytes[at++] as number);
      else if (opcode === 0x3a) entry = MAP.LEGACY_0F3A + (mandatory << 8) + (bytes[at++] as number);
      else if (opcode === 0x0f) entry = MAP.NOW_3D;
      else entry = MAP.LEGACY_0F + (mandatory << 8) + opcode;
    } else {
      if ((prefixes & (PREFIX.OPERAND_SIZE | PREFIX.REPE | PREFIX.REPNE | PREFIX.LOCK | PREFIX.REX)) !== 0)
        return refuse(into);
      const first = bytes[at++] as number;
      if (opcode === 0xc5) {
        extension = (~first >> 5) & 4;
        vector = VECTOR.VEX | ((~first >> 3) & 15) | ((first & 4) << 3);
        entry = MAP.VEX + 1024 + ((first & 3) << 8) + (bytes[at++] as number);
      } else if (opcode === 0xc4) {
        const second = bytes[at++] as number;
        const map = first & 31;
        if (map === 0 || map > 3) return refuse(into);
        extension = ((~first >> 5) & 7) | ((second >> 4) & 8);
        vector = VECTOR.VEX | ((~second >> 3) & 15) | ((second & 4) << 3);
        entry = MAP.VEX + (map << 10) + ((second & 3) << 8) + (bytes[at++] as number);
      } else {
        const second = bytes[at++] as number;
        const third = bytes[at++] as number;
        const map = first & 15;
        if (map === 0 || map > 6 || map === 4 || (second & 4) === 0) return refuse(into);
        extension = ((~first >> 5) & 7) | ((second >> 4) & 8) | (~first & 16);
        vector =
          VECTOR.VEX |
          VECTOR.EVEX |
          ((~second >> 3) & 15) |
          ((~third & 8) << 1) |
          (third & 0x60) |
          ((third & 16) << 3) |
          ((third & 7) << 8) |
          ((third & 0x80) << 4);
        entry = MAP.EVEX + (map << 10) + ((second & 3) << 8) + (bytes[at++] as number);
      }
    }
    attributes = ATTRIBUTES[entry] as number;
  } else if (opcode === 0x8f && ((bytes[at] as number) & 0x18) !== 0) {
    // With /0 this is pop; other values of reg are bits of the map number of XOP, which is at least 8.
    const first = bytes[at++] as number;
    const second = bytes[at++] as number;
    const map = first & 31;
    if (map < 8 || map > 10 || (second & 3) !== 0) return refuse(into);
    if ((prefixes & (PREFIX.OPERAND_SIZE | PREFIX.REPE | PREFIX.REPNE | PREFIX.LOCK | PREFIX.REX)) !== 0)
      return refuse(into);
    extension = ((~first >> 5) & 7) | ((second >> 4) & 8);
    vector = VECTOR.VEX | ((~second >> 3) & 15) | ((second & 4) << 3);
    entry = MAP.XOP + (map << 10) + (bytes[at++] as number);
    attributes = ATTRIBUTES[entry] as number;
  }

  let modrm = 0xc0;
  let traits = 0;
  if ((attributes & ATTRIBUTE.MODRM) !== 0) {
    into.encodingModrm = at - offset;
    modrm = bytes[at++] as number;
    let split = attributes & ATTRIBUTE.SPLIT;
    while (split !== 0) {
      entry = attributes >>> 16;
      if (split === ATTRIBUTE.BY_REG) entry += (modrm >> 3) & 7;
      else if (split === ATTRIBUTE.BY_RM) entry += modrm & 7;
      else if (modrm >= 0xc0) entry++;
      attributes = ATTRIBUTES[entry] as number;
      split = attributes & ATTRIBUTE.SPLIT;
    }
    if (modrm < 0xc0 && (attributes & ATTRIBUTE.IGNORE_MOD) === 0) {
      const rm = modrm & 7;
      const base = rm === 4 ? (bytes[at++] as number) & 7 : rm;
      if (modrm >= 0x80) {
        at += 4;
        traits = TRAIT.WIDE_DISPLACEMENT;
      } else if (modrm >= 0x40) {
        at += 1;
      } else if (base === 5) {
        at += 4;
        traits = rm === 5 ? TRAIT.RIP_RELATIVE : TRAIT.WIDE_DISPLACEMENT;
      }
    }
  } else {
    into.encodingModrm = 0;
  }
  if (attributes === 0) return refuse(into);

  const immediate = attributes & ATTRIBUTE.IMMEDIATE;
  if (immediate !== 0) {
    if (immediate === IMM.BYTE) at += 1;
    else {
      const size = immediateSize(immediate, prefixes, extension);
      if (size >= 4) traits |= TRAIT.WIDE_IMMEDIATE;
      at += size;
    }
  }
  const length = at - offset;
  if (length > MAX_LENGTH || at > end) return refuse(into);
  if ((prefixes & PREFIX.LOCK) !== 0 && ((attributes & ATTRIBUTE.LOCKABLE) === 0 || modrm >= 0xc0))
    return refuse(into);
  if (entry === MAP.NOW_3D && !NOW_3D.includes(bytes[at - 1] as number)) return refuse(into);
  into.encodingEntry = entry;
  into.encodingPrefixes = prefixes;
  into.encodingExtension = extension;
  into.encodingVector = vector;
  if ((attributes & ATTRIBUTE.DETAIL) !== 0 && !isValidDetail(bytes, offset, modrm, into))
    return refuse(into);

  into.address = address;
  into.length = length;
  const flow = (attributes >> ATTRIBUTE.FLOW_SHIFT) & ATTRIBUTE.FLOW_MASK;
  into.flow = flow;
  if (flow === FLOW.NEXT) {
    into.target = -1;
    into.traits = traits;
    return length;
  }
  into.target = -1;
  if (flow <= FLOW.CALL) {
    into.target = address + length + distance(bytes, at, immediate, prefixes, extension);
    traits = 0;
  }
  into.traits = traits | TRAIT.FLOW;
  return length;
}

function withPrefix(prefixes: number, byte: number): number {
  switch (byte) {
    case 0x66:
      return prefixes | PREFIX.OPERAND_SIZE;
    case 0x67:
      return prefixes | PREFIX.ADDRESS_SIZE;
    case 0xf3:
      return (prefixes & ~PREFIX.REPNE) | PREFIX.REPE;
    case 0xf2:
      return (prefixes & ~PREFIX.REPE) | PREFIX.REPNE;
    case 0xf0:
      return prefixes | PREFIX.LOCK;
    case 0x64:
      return (prefixes & ~PREFIX.GS) | PREFIX.FS;
    case 0x65:
      return (prefixes & ~PREFIX.FS) | PREFIX.GS;
    default:
      // The other segments have no meaning in 64-bit mode.
      return prefixes;
  }
}

function immediateSize(immediate: number, prefixes: number, extension: number): number {
  const wide = (extension & 8) !== 0;
  const short = (prefixes & PREFIX.OPERAND_SIZE) !== 0 && !wide;
  switch (immediate) {
    case IMM.WORD:
      return 2;
    case IMM.Z:
      return short ? 2 : 4;
    case IMM.DOUBLE:
      return 4;
    case IMM.V:
      return wide ? 8 : short ? 2 : 4;
    case IMM.OFFSET:
      return (prefixes & PREFIX.ADDRESS_SIZE) !== 0 ? 4 : 8;
    default:
      return 3;
  }
}

/** Signed distance of a relative jump that ends at `at`. */
function distance(
  bytes: Uint8Array,
  at: number,
  immediate: number,
  prefixes: number,
  extension: number,
): number {
  if (immediate === IMM.BYTE) return ((bytes[at - 1] as number) << 24) >> 24;
  const high = ((bytes[at - 1] as number) << 24) | ((bytes[at - 2] as number) << 16);
  if (immediate === IMM.Z && immediateSize(immediate, prefixes, extension) === 2) return high >> 16;
  return high | ((bytes[at - 3] as number) << 8) | (bytes[at - 4] as number);
}

/** The opcodes of 3DNow, which come last: AMD 3DNow technology manual, with its extension. */
const NOW_3D: readonly number[] = [
  0x0c, 0x0d, 0x1c, 0x1d, 0x8a, 0x8e, 0x90, 0x94, 0x96, 0x97, 0x9a, 0x9e, 0xa0, 0xa4, 0xa6, 0xa7, 0xaa, 0xae,
  0xb0, 0xb4, 0xb6, 0xb7, 0xbb, 0xbf,
];
