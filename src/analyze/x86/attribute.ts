/**
 * What the tables say of an opcode, packed into one 32-bit word.
 *
 *     0-2   immediate bytes, IMM_...
 *     3     a ModRM byte follows
 *     4     set in every valid entry
 *     5-8   FLOW
 *     9-10  SPLIT: the entry is found again by mod (2 entries), reg or rm (8) from the number at bits 16 to 31 on
 *     11    the entry has a line in the details table
 *     12    prefix
 *     13    escape to another map
 *     14    lock allowed on a memory operand
 *     15    the mod field is ignored, the operand is a register (moves to and from control registers)
 *     16-21 OP
 *     22-26 FORM
 *     27    byte operands
 *     28    64-bit operands without REX.W
 *     29    the memory operand is read (entries without a form)
 *     30    the memory operand is written (entries without a form)
 *     31    sign-extended immediate byte
 */
export const ATTRIBUTE = {
  IMMEDIATE: 7,
  MODRM: 0x8,
  VALID: 0x10,
  FLOW_SHIFT: 5,
  FLOW_MASK: 15,
  SPLIT: 0x600,
  BY_MOD: 0x200,
  BY_REG: 0x400,
  BY_RM: 0x600,
  DETAIL: 0x800,
  PREFIX: 0x1000,
  ESCAPE: 0x2000,
  LOCKABLE: 0x4000,
  IGNORE_MOD: 0x8000,
  OP_SHIFT: 16,
  OP_MASK: 63,
  FORM_SHIFT: 22,
  FORM_MASK: 31,
  BYTE: 0x8000000,
  DEFAULT_64: 0x10000000,
  READS: 0x20000000,
  WRITES: 0x40000000,
  SIGNED: -0x8000_0000,
} as const;

/** Size class of the immediate; Z is 2 bytes with the operand-size prefix and 4 otherwise. */
export const IMM = {
  NONE: 0,
  BYTE: 1,
  WORD: 2,
  /** 2 or 4 bytes by operand size. */
  Z: 3,
  /** Always 4 bytes. */
  DOUBLE: 4,
  /** 2, 4 or 8 bytes by operand size. */
  V: 5,
  /** An absolute address, 8 bytes or 4. */
  OFFSET: 6,
  /** enter: a word and a byte. */
  ENTER: 7,
} as const;

/**
 * How operands are encoded, in the letters of the Intel manual: E the rm operand, G the reg operand, I immediate, A
 * the accumulator, Z the register in the opcode, O an absolute address; V, W and H are the vector operands in reg, rm
 * and vvvv, M a memory operand. The destination comes first.
 */
export const FORM = {
  /** Not described: registers as the roles table says. */
  ROLES: 0,
  E_G: 1,
  G_E: 2,
  A_I: 3,
  E_I: 4,
  Z: 5,
  Z_SOURCE: 6,
  Z_I: 7,
  Z_A: 8,
  E: 9,
  E_SOURCE: 10,
  I_SOURCE: 11,
  A_O: 12,
  O_A: 13,
  E_ONE: 14,
  E_CL: 15,
  G_E_I: 16,
  E_G_I: 17,
  E_G_CL: 18,
  /** The source has 1, 2 or 4 bytes. */
  G_E1: 19,
  G_E2: 20,
  G_E4: 21,
  /** lea. */
  G_ADDRESS: 22,
  V_W: 23,
  W_V: 24,
  V_E: 25,
  E_V: 26,
  /** movlps, movhps from memory; the register form has another meaning. */
  V_H_M: 27,
  M_V: 28,
  V_H_W: 29,
  V_H_E_I: 30,
} as const;

/** Validity of VEX, EVEX and a few other encodings, by entry and W. */
export const DETAIL = {
  /** Permitted vector lengths, a bit each for L 0 to 3. */
  LENGTHS: 15,
  VVVV: 0x10,
  MASK: 0x20,
  MASK_REQUIRED: 0x40,
  ZEROING: 0x80,
  ZEROING_UNMASKED: 0x100,
  BROADCAST: 0x200,
  ROUNDING: 0x400,
  REG_BELOW_8: 0x800,
  REG_BELOW_16: 0x1000,
  RM_BELOW_8: 0x2000,
  RM_BELOW_16: 0x4000,
  VVVV_BELOW_8: 0x8000,
  VVVV_BELOW_16: 0x10000,
  /** Vector index, which must differ from the reg operand. */
  INDEX_DISTINCT: 0x20000,
  /** V' extends a vector index. */
  VECTOR_INDEX: 0x40000,
  DESTINATION_DISTINCT: 0x80000,
  ALL_DISTINCT: 0x100000,
  /** Not with the operand-size prefix beside the mandatory one. */
  NO_OPERAND_SIZE: 0x200000,
  /** EVEX: an 8-bit displacement is shifted by this, three bits, ... */
  SCALE_SHIFT: 22,
  /** ... plus L, ... */
  SCALE_BY_LENGTH: 0x2000000,
  /** ... but by 3 for L 0 (movddup); ... */
  SCALE_DUPLICATE: 0x4000000,
  /** ... and with broadcast by this, two bits. */
  BROADCAST_SHIFT: 27,
  SIB: 0x20000000,
  NOT_RIP_RELATIVE: 0x40000000,
} as const;

/** Part of an operand in general registers, for instructions without a form. */
export const ROLE = {
  REG_READ: 1,
  REG_WRITTEN: 2,
  RM_READ: 4,
  RM_WRITTEN: 8,
  VVVV_READ: 16,
  VVVV_WRITTEN: 32,
  /** Works on vector registers. */
  VECTOR: 64,
  /** May change vector registers that it does not name. */
  VECTOR_ALL: 128,
} as const;

/**
 * The opcode maps as flat arrays. An entry's number is its opcode for the one-byte map, and {@link MAP} + prefix * 256 +
 * opcode for the others; what they split into follows.
 */
export type Tables = {
  /** {@link ATTRIBUTE}. */
  readonly attributes: Uint32Array;
  /** {@link DETAIL}, for W 0 and W 1 of each entry. */
  readonly details: Uint32Array;
  /** {@link ROLE}. */
  readonly roles: Uint8Array;
  /** Implied general registers. */
  readonly reads: Uint16Array;
  readonly writes: Uint16Array;
  /** {@link WIDTH}. */
  readonly widths: Uint8Array;
};

/** Where each map begins. */
export const MAP = {
  LEGACY_0F: 256,
  LEGACY_0F38: 0x500,
  LEGACY_0F3A: 0x900,
  /** Indexed by the map number of the prefix: VEX 1 to 3. */
  VEX: 0x900,
  /** EVEX 1, 2, 3, 5, 6; 4 stays empty. */
  EVEX: 0x1500,
  /** XOP 8 to 10. */
  XOP: 0x1100,
  NOW_3D: 0x3d00,
  /** What the entries above split into. */
  SPLITS: 0x3d01,
} as const;

/** Bits of `Instruction.encodingPrefixes`. */
export const PREFIX = {
  OPERAND_SIZE: 1,
  ADDRESS_SIZE: 2,
  REPE: 4,
  REPNE: 8,
  LOCK: 16,
  FS: 32,
  GS: 64,
  /** A REX prefix was there: byte registers 4 to 7 are spl, bpl, sil and dil. */
  REX: 128,
} as const;

/** Bits of `Instruction.encodingVector`. */
export const VECTOR = {
  VVVV: 31,
  /** L, two bits. */
  LENGTH_SHIFT: 5,
  /** Broadcast, rounding or suppressed exceptions. */
  B: 0x80,
  MASK_SHIFT: 8,
  MASK: 0x700,
  ZEROING: 0x800,
  /** Encoded by VEX, EVEX or XOP, so vvvv means something. */
  VEX: 0x1000,
  EVEX: 0x2000,
} as const;

/** Width of what a named vector operation moves. */
export const WIDTH = {
  /** By L. */
  FULL: 0,
  /** movd and movq. */
  BY_W: 1,
  /** movss, movsd: between registers they keep the rest. */
  SCALAR_4: 2,
  SCALAR_8: 3,
  /** movq. */
  QUAD: 4,
} as const;
