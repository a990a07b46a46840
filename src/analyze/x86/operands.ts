import { ATTRIBUTE, DETAIL, FORM, IMM, MAP, PREFIX, ROLE, VECTOR } from './attribute.ts';
import { type Instruction, FLOW, OP, OPERAND, REPEAT, SEGMENT } from './instruction.ts';
import { describeGeneral, registerBit } from './general-operands.ts';
import { TABLES } from './tables.ts';
import { describeVector } from './vector-operands.ts';

const RCX = 2;
const { attributes: ATTRIBUTES, details: DETAILS, roles: ROLES, reads: READS, writes: WRITES } = TABLES;

/** Fills what the fast pass has left open; `into` comes from a scan of the same bytes. */
export function describeOperands(bytes: Uint8Array, offset: number, into: Instruction): void {
  const entry = into.encodingEntry;
  const attributes = ATTRIBUTES[entry] as number;
  const prefixes = into.encodingPrefixes;
  const size = operandSize(attributes, prefixes, into.encodingExtension);
  into.operation = (attributes >> ATTRIBUTE.OP_SHIFT) & ATTRIBUTE.OP_MASK;
  into.condition = -1;
  into.size = size;
  into.sourceSize = size;
  into.addressSize = (prefixes & PREFIX.ADDRESS_SIZE) !== 0 ? 4 : 8;
  into.destinationKind = OPERAND.NONE;
  into.destinationRegister = -1;
  into.sourceKind = OPERAND.NONE;
  into.sourceRegister = -1;
  into.thirdKind = OPERAND.NONE;
  into.thirdRegister = -1;
  into.hasMemory = 0;
  into.memoryBase = -1;
  into.memoryIndex = -1;
  into.memoryScale = 1;
  into.displacement = 0;
  into.ripTarget = -1;
  into.segment = SEGMENT.NONE;
  into.readsMemory = 0;
  into.writesMemory = 0;
  into.immLow = 0;
  into.immHigh = 0;
  into.vectorWrites = 0;
  into.repeat = REPEAT.NONE;
  into.writes = WRITES[entry] as number;
  into.reads = READS[entry] as number;

  // A register operand, if there is no ModRM byte at all.
  let modrm = 0xc0;
  if (into.encodingModrm !== 0) {
    modrm = bytes[offset + into.encodingModrm] as number;
    if ((attributes & ATTRIBUTE.IGNORE_MOD) !== 0) modrm |= 0xc0;
    if (modrm < 0xc0) readMemoryOperand(bytes, offset + into.encodingModrm, modrm, into);
  }
  if ((attributes & ATTRIBUTE.IMMEDIATE) !== 0) readImmediate(bytes, offset + into.length, attributes, into);

  const form = (attributes >> ATTRIBUTE.FORM_SHIFT) & ATTRIBUTE.FORM_MASK;
  if (form === FORM.ROLES) {
    describeRoles(entry, attributes, modrm, into);
  } else if (form < FORM.V_W) {
    if ((attributes & ATTRIBUTE.READS) !== 0) into.readsMemory = 1;
    if ((attributes & ATTRIBUTE.WRITES) !== 0) into.writesMemory = 1;
    describeGeneral(entry, form, modrm, size, into);
  } else {
    describeRoles(entry, attributes, modrm, into);
    describeVector(entry, form, modrm, into);
  }
}

function operandSize(attributes: number, prefixes: number, extension: number): number {
  if ((attributes & ATTRIBUTE.BYTE) !== 0) return 1;
  if ((extension & 8) !== 0) return 8;
  if ((prefixes & PREFIX.OPERAND_SIZE) !== 0) return 2;
  return (attributes & ATTRIBUTE.DEFAULT_64) !== 0 ? 8 : 4;
}

function readMemoryOperand(bytes: Uint8Array, at: number, modrm: number, into: Instruction): void {
  const extension = into.encodingExtension;
  const prefixes = into.encodingPrefixes;
  into.hasMemory = 1;
  if ((prefixes & (PREFIX.FS | PREFIX.GS)) !== 0)
    into.segment = (prefixes & PREFIX.FS) !== 0 ? SEGMENT.FS : SEGMENT.GS;
  let base = modrm & 7;
  let next = at + 1;
  if (base === 4) {
    const sib = bytes[next++] as number;
    base = sib & 7;
    const index = ((sib >> 3) & 7) | ((extension & 2) << 2);
    if ((into.encodingVector & VECTOR.VEX) !== 0 && hasVectorIndex(into)) {
      into.memoryIndex = index;
      into.memoryScale = 1 << (sib >> 6);
    } else if (index !== 4) {
      // 4 means no index, but with REX.X it is r12.
      into.memoryIndex = index;
      into.memoryScale = 1 << (sib >> 6);
      into.reads |= 1 << index;
    }
  } else if (modrm < 0x40 && base === 5) {
    const displacement = readInt32(bytes, next);
    const target = into.address + into.length + displacement;
    into.displacement = displacement;
    into.ripTarget = into.addressSize === 4 ? target >>> 0 : target;
    return;
  }
  if (modrm < 0x40 && base === 5) {
    into.displacement = readInt32(bytes, next);
    return;
  }
  if (modrm >= 0x80) into.displacement = readInt32(bytes, next);
  else if (modrm >= 0x40)
    into.displacement = (((bytes[next] as number) << 24) >> 24) << displacementShift(into);
  base |= (extension & 1) << 3;
  into.memoryBase = base;
  into.reads |= 1 << base;
}

function detailOf(into: Instruction): number {
  return DETAILS[into.encodingEntry * 2 + ((into.encodingExtension >> 3) & 1)] as number;
}

/** Gathers and scatters. */
function hasVectorIndex(into: Instruction): boolean {
  return (detailOf(into) & (DETAIL.INDEX_DISTINCT | DETAIL.VECTOR_INDEX)) !== 0;
}

/** EVEX multiplies an 8-bit displacement by the size of what the instruction accesses. */
function displacementShift(into: Instruction): number {
  const vector = into.encodingVector;
  if ((vector & VECTOR.EVEX) === 0) return 0;
  const detail = detailOf(into);
  if ((vector & VECTOR.B) !== 0) return (detail >> DETAIL.BROADCAST_SHIFT) & 3;
  const length = (vector >> VECTOR.LENGTH_SHIFT) & 3;
  const shift = (detail >> DETAIL.SCALE_SHIFT) & 7;
  if ((detail & DETAIL.SCALE_DUPLICATE) !== 0) return length === 0 ? 3 : shift + length;
  return (detail & DETAIL.SCALE_BY_LENGTH) !== 0 ? shift + length : shift;
}

function readImmediate(bytes: Uint8Array, end: number, attributes: number, into: Instruction): void {
  switch (attributes & ATTRIBUTE.IMMEDIATE) {
    case IMM.BYTE: {
      const value = bytes[end - 1] as number;
      into.immLow = (attributes & ATTRIBUTE.SIGNED) !== 0 ? (value << 24) >> 24 : value;
      break;
    }
    case IMM.WORD:
      into.immLow = (bytes[end - 2] as number) | ((bytes[end - 1] as number) << 8);
      break;
    case IMM.ENTER:
      into.immLow = (bytes[end - 3] as number) | ((bytes[end - 2] as number) << 8);
      // Frames of enclosing procedures are copied.
      if (((bytes[end - 1] as number) & 31) !== 0) into.readsMemory = 1;
      break;
    case IMM.Z:
      into.immLow = into.size === 2 ? readInt32(bytes, end - 4) >> 16 : readInt32(bytes, end - 4);
      break;
    case IMM.DOUBLE:
      into.immLow = readInt32(bytes, end - 4);
      break;
    case IMM.V:
      if (into.size === 8) {
        into.immLow = readInt32(bytes, end - 8);
        into.immHigh = readInt32(bytes, end - 4);
        return;
      }
      into.immLow = into.size === 2 ? readInt32(bytes, end - 4) >> 16 : readInt32(bytes, end - 4);
      break;
    default:
      readOffset(bytes, end, into);
      return;
  }
  into.immHigh = into.immLow >> 31;
}

/** The absolute address of mov al, [address] and the like: a memory operand without base. */
function readOffset(bytes: Uint8Array, end: number, into: Instruction): void {
  into.hasMemory = 1;
  const prefixes = into.encodingPrefixes;
  if ((prefixes & (PREFIX.FS | PREFIX.GS)) !== 0)
    into.segment = (prefixes & PREFIX.FS) !== 0 ? SEGMENT.FS : SEGMENT.GS;
  if (into.addressSize === 4) into.displacement = readInt32(bytes, end - 4) >>> 0;
  else into.displacement = readInt32(bytes, end - 4) * 0x1_0000_0000 + (readInt32(bytes, end - 8) >>> 0);
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function describeRoles(entry: number, attributes: number, modrm: number, into: Instruction): void {
  const roles = ROLES[entry] as number;
  const extension = into.encodingExtension;
  const register = modrm >= 0xc0;
  // In an entry for both forms, only the memory form touches memory; entries of register forms alone lie behind splits.
  if (!register || into.encodingModrm === 0 || entry >= MAP.SPLITS) {
    if ((attributes & ATTRIBUTE.READS) !== 0) into.readsMemory = 1;
    if ((attributes & ATTRIBUTE.WRITES) !== 0) into.writesMemory = 1;
  }
  if (roles !== 0) {
    const reg = ((modrm >> 3) & 7) | ((extension & 4) << 1);
    if ((roles & ROLE.REG_READ) !== 0) into.reads |= 1 << reg;
    if ((roles & ROLE.REG_WRITTEN) !== 0) into.writes |= 1 << reg;
    if (register) {
      const rm = (modrm & 7) | ((extension & 1) << 3);
      if ((roles & ROLE.RM_READ) !== 0) {
        into.reads |= (attributes & ATTRIBUTE.BYTE) !== 0 ? registerBit(rm, 1, into) : 1 << rm;
      }
      if ((roles & ROLE.RM_WRITTEN) !== 0) into.writes |= 1 << rm;
    }
    const third = into.encodingVector & 15;
    if ((roles & ROLE.VVVV_READ) !== 0) into.reads |= 1 << third;
    if ((roles & ROLE.VVVV_WRITTEN) !== 0) into.writes |= 1 << third;
    if ((roles & ROLE.VECTOR) !== 0)
      into.vectorWrites = namedVectors(roles, reg | (extension & 16), modrm, into);
    if ((roles & ROLE.VECTOR_ALL) !== 0) into.vectorWrites = -1;
  }
  if (into.flow === FLOW.BRANCH) {
    // Not loop, jrcxz and xbegin.
    if ((entry & 0xf0) === 0x70 || entry >= MAP.LEGACY_0F)
      into.condition = entry < MAP.SPLITS ? entry & 15 : -1;
    return;
  }
  const operation = into.operation;
  if ((operation >= OP.MOVS && operation <= OP.CMPS) || (entry >= 0x6c && entry <= 0x6f)) {
    if ((into.encodingPrefixes & (PREFIX.REPE | PREFIX.REPNE)) === 0) return;
    into.repeat = (into.encodingPrefixes & PREFIX.REPE) !== 0 ? REPEAT.REP : REPEAT.REPNE;
    into.reads |= RCX;
    into.writes |= RCX;
  }
}

/** All vector registers that the operands name. */
function namedVectors(roles: number, reg: number, modrm: number, into: Instruction): number {
  let named = 0;
  if ((roles & (ROLE.REG_READ | ROLE.REG_WRITTEN)) === 0) named |= 1 << reg;
  if ((roles & (ROLE.VVVV_READ | ROLE.VVVV_WRITTEN)) === 0 && (detailOf(into) & DETAIL.VVVV) !== 0)
    named |= 1 << (into.encodingVector & VECTOR.VVVV);
  if (modrm >= 0xc0 && (roles & (ROLE.RM_READ | ROLE.RM_WRITTEN)) === 0) {
    const extension = into.encodingExtension;
    const high = (into.encodingVector & VECTOR.EVEX) !== 0 ? (extension & 2) << 3 : 0;
    named |= 1 << ((modrm & 7) | ((extension & 1) << 3) | high);
  }
  return named;
}
