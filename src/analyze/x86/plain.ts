import { ATTRIBUTE, IMM, MAP } from './attribute.ts';
import { FLOW } from './instruction.ts';
import { TABLES } from './tables.ts';

/**
 * Length of a plain instruction: one after which control goes on, whose length follows from a few bytes, and whose operands say nothing of
 * what code refers to. Most are; to step over one takes a fraction of the time of a scan, above all before V8 has optimised either.
 *
 * @param bytes The image.
 * @param offset Where the instruction begins; 16 bytes must be there.
 * @param shapes As {@link plainShapes} gives them.
 * @returns The length in bytes; 0 if the instruction is not plain or is none.
 */
export function plainLength(bytes: Uint8Array, offset: number, shapes: Uint8Array): number {
  let at = offset;
  let opcode = bytes[at++] as number;
  let map = 0;
  if ((opcode & 0xf0) === 0x40) {
    opcode = bytes[at++] as number;
    map = WITH_REX;
  } else if (opcode === 0x66 || (opcode & 0xfe) === 0xf2) {
    map = opcode === 0x66 ? 256 : opcode === 0xf3 ? 512 : 768;
    opcode = bytes[at++] as number;
    if ((opcode & 0xf0) === 0x40) opcode = bytes[at++] as number;
    if (opcode !== 0x0f) return 0;
    opcode = bytes[at++] as number;
    map += ZERO_F;
  }
  if (opcode === 0x0f && map < ZERO_F) {
    opcode = bytes[at++] as number;
    map = ZERO_F;
  }
  const shape = shapes[map + opcode] as number;
  if (shape === 0) return 0;
  const immediate = (shape & SHAPE.BYTES) - 1;
  if ((shape & SHAPE.MODRM) === 0) return at + immediate - offset;
  const modrm = bytes[at++] as number;
  if (modrm >= 0xc0) return (shape & SHAPE.MEMORY) !== 0 ? 0 : at + immediate - offset;
  if ((shape & SHAPE.REGISTER) !== 0) return 0;
  if ((modrm & 7) === 4) {
    const base = (bytes[at++] as number) & 7;
    // Without a base: a displacement of 4 bytes alone.
    if (modrm < 0x40 && base === 5) return 0;
  } else if ((modrm & 0xc7) === 5) return 0;
  if (modrm >= 0x80) return (shape & SHAPE.NARROW) !== 0 ? 0 : at + 4 + immediate - offset;
  return at + (modrm >> 6) + immediate - offset;
}

/**
 * Shapes of the plain instructions by opcode: of one byte, of one byte after REX, then behind 0f after no prefix, 66, f3 and f2, 256 each.
 *
 * @param mayHoldAddresses Whether displacements and immediate values of 4 bytes can be addresses, as in a program at a fixed place: what
 *   has one is not plain then.
 */
export function plainShapes(mayHoldAddresses: boolean): Uint8Array {
  const shapes = new Uint8Array(ZERO_F + 1024);
  for (let opcode = 0; opcode < 256; opcode++) {
    const shape = shapeOf(opcode);
    // The immediate value of `mov` has 8 bytes with REX.W.
    const isMove = (attributesOf(opcode) & ATTRIBUTE.SPLIT) === 0 && immediateOf(opcode) === IMM.V;
    shapes[opcode] = shape;
    shapes[WITH_REX + opcode] = isMove ? 0 : shape;
  }
  for (let entry = 0; entry < 1024; entry++) shapes[ZERO_F + entry] = shapeOf(MAP.LEGACY_0F + entry);
  if (mayHoldAddresses) {
    shapes.forEach((shape, at) => {
      shapes[at] = shape === 0 || (shape & SHAPE.BYTES) > 4 ? 0 : shape | SHAPE.NARROW;
    });
  }
  return shapes;
}

const WITH_REX = 256;
const ZERO_F = 512;

const SHAPE = {
  /** Bytes of the immediate value, plus 1. */
  BYTES: 15,
  MODRM: 16,
  /** Only with a memory operand, or only without. */
  MEMORY: 32,
  REGISTER: 64,
  /** Without a displacement of 4 bytes. */
  NARROW: 128,
} as const;

function attributesOf(entry: number): number {
  return TABLES.attributes[entry] as number;
}

function immediateOf(entry: number): number {
  return attributesOf(entry) & ATTRIBUTE.IMMEDIATE;
}

/** 0 if the entry has no one shape. */
function shapeOf(entry: number): number {
  const memory = shapeBy(entry, 0);
  const register = shapeBy(entry, 1);
  if (memory === register) return memory;
  if (register === 0) return memory | SHAPE.MEMORY;
  return memory === 0 ? register | SHAPE.REGISTER : 0;
}

/** Shape with a memory operand (side 0) or without (1); 0 if the members of a group differ. */
function shapeBy(entry: number, side: number): number {
  const attributes = attributesOf(entry);
  const base = attributes >>> 16;
  switch (attributes & ATTRIBUTE.SPLIT) {
    case ATTRIBUTE.BY_MOD:
      return shapeBy(base + side, side);
    case ATTRIBUTE.BY_REG:
    case ATTRIBUTE.BY_RM: {
      const shape = shapeBy(base, side);
      for (let member = 1; member < 8; member++) if (shapeBy(base + member, side) !== shape) return 0;
      return shape;
    }
    default:
  }
  const refused = ATTRIBUTE.PREFIX | ATTRIBUTE.ESCAPE | ATTRIBUTE.DETAIL | ATTRIBUTE.IGNORE_MOD;
  if ((attributes & ATTRIBUTE.VALID) === 0 || (attributes & refused) !== 0) return 0;
  if (((attributes >> ATTRIBUTE.FLOW_SHIFT) & ATTRIBUTE.FLOW_MASK) !== FLOW.NEXT) return 0;
  const size = IMMEDIATE_SIZES[immediateOf(entry)];
  if (size === undefined) return 0;
  return (size + 1) | ((attributes & ATTRIBUTE.MODRM) === 0 ? 0 : SHAPE.MODRM);
}

/** Bytes by IMM where no prefix makes operands smaller or larger; those of addresses and `enter` are left out. */
const IMMEDIATE_SIZES: readonly number[] = [0, 1, 2, 4, 4, 4];
