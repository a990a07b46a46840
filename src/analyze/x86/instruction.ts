/**
 * The narrow view of a machine instruction on which the analysis rests. One object is filled again for every
 * instruction, all fields are small integers, nothing is allocated.
 *
 * What a caller may rely on, whatever the architecture (a decoder for aarch64 fills the same fields):
 *
 * - `length`, `flow` and `target` are exact; `length` is 0 for bytes that are no instruction.
 * - `writes` names every general register whose value may differ afterwards, implicit ones included. `reads` names
 *   every one that the result, an address or the flow depends on.
 * - `operation` is `OP.OTHER` for what has no name here: then the operands are not described (kind NONE), but
 *   `writes`, `reads`, `vectorWrites`, the memory operand and the memory flags still hold.
 * - With a named operation, `destination...` is what is written (of CMP and TEST the first operand) and `source...` the
 *   other operand; of PUSH and of indirect jumps and calls (operation OTHER) the only operand is the source. A memory
 *   operand is described once, in the `memory...` fields. String operations, CBW, CWD and LEAVE name no operands.
 * - Register numbers are the architecture's own (x86-64: 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 to
 *   15), so only code that knows a calling convention needs to know which architecture it is.
 */
export class Instruction {
  /** Address of the first byte, below 2^31. */
  address = 0;
  /** In bytes, 1 to 15; 0 if the bytes are no valid instruction. */
  length = 0;
  /** One of {@link FLOW}. */
  flow = 0;
  /** Where a direct jump, branch or call goes; -1 otherwise. May lie outside the image. */
  target = -1;
  /** One of {@link OP}. */
  operation = 0;
  /** Of a branch, SETCC or CMOV: 0 to 15 as encoded (4 e, 5 ne, 7 a ...); -1 otherwise, and for loop and jrcxz. */
  condition = -1;
  /** Operand size in bytes (1, 2, 4, 8; vector moves up to 64). A 4-byte result clears the upper half. */
  size = 0;
  /** Size of the source of MOVZX, MOVSX and MOVSXD in bytes; otherwise equal to `size`. */
  sourceSize = 0;
  /** Size of addresses in bytes: 8, or 4 with the address-size prefix. */
  addressSize = 8;

  /** One of {@link OPERAND}. */
  destinationKind = 0;
  /** Register number of the destination if its kind has one; for REGISTER_HIGH 0 to 3 (ah, ch, dh, bh). */
  destinationRegister = -1;
  /** One of {@link OPERAND}. */
  sourceKind = 0;
  /** Register number of the source, as for the destination. */
  sourceRegister = -1;
  /** One of {@link OPERAND}: imul r, rm, imm; shld and shrd (count); three-operand vector operations. */
  thirdKind = 0;
  /** Register number of the third operand (shld, shrd by cl: 1). */
  thirdRegister = -1;

  /** 1 if there is a memory operand with its own address, even if it is not accessed (LEA, NOP). */
  hasMemory = 0;
  /** Base register, -1 if none (RIP-relative operands have none). */
  memoryBase = -1;
  /** Index register, -1 if none; a vector register for gathers and scatters. */
  memoryIndex = -1;
  /** 1, 2, 4 or 8. */
  memoryScale = 1;
  /**
   * Signed, in bytes (EVEX's factor applied); for RIP-relative operands the encoded displacement (the address is
   * `ripTarget`). An absolute 64-bit address above 2^53 is rounded.
   */
  displacement = 0;
  /** Absolute address of a RIP-relative operand; -1 otherwise. */
  ripTarget = -1;
  /** One of {@link SEGMENT}. */
  segment = 0;
  /** 1 if memory is read, through the operand or implicitly (pop, ret, movs). */
  readsMemory = 0;
  /** 1 if memory is written, through the operand or implicitly (push, call, stos). */
  writesMemory = 0;

  /** Low half of the immediate as int32, sign-extended as the instruction does. */
  immLow = 0;
  /** High half of the immediate as int32: for all but mov r64, imm64 the sign of the low half. */
  immHigh = 0;

  /** One bit for each general register that the instruction may change; of system calls rax as well. */
  writes = 0;
  /** One bit for each general register that it reads, base and index included (xor r, r reads r). */
  reads = 0;
  /** One bit for each vector register (0 to 31) that it may change; a superset unless the operation has a name. */
  vectorWrites = 0;
  /** REPEAT.NONE, REP (also repe) or REPNE, of string operations. */
  repeat = 0;
  /** Bits of {@link TRAIT}. */
  traits = 0;

  /** For the decoder only: what the fast pass leaves to the full one. */
  encodingEntry = 0;
  encodingPrefixes = 0;
  encodingExtension = 0;
  encodingVector = 0;
  encodingModrm = 0;
}

/** Where control goes after an instruction. */
export const FLOW = {
  NEXT: 0,
  /** jmp with a target. */
  JUMP: 1,
  /** Conditional: jcc, loop, jrcxz, xbegin. */
  BRANCH: 2,
  CALL: 3,
  /** ret, far ret, iret, sysret, sysexit, uiret. */
  RETURN: 4,
  JUMP_INDIRECT: 5,
  CALL_INDIRECT: 6,
  SYSCALL: 7,
  SYSENTER: 8,
  /** int imm8, the number in `immLow`. */
  INTERRUPT: 9,
  /** Never goes on in user mode: ud0, ud1, ud2, hlt, int3, int1. */
  TRAP: 10,
} as const;

/** Operations with a meaning for value analysis. */
export const OP = {
  OTHER: 0,
  MOV: 1,
  LEA: 2,
  ADD: 3,
  OR: 4,
  ADC: 5,
  SBB: 6,
  AND: 7,
  SUB: 8,
  XOR: 9,
  CMP: 10,
  TEST: 11,
  ROL: 12,
  ROR: 13,
  RCL: 14,
  RCR: 15,
  SHL: 16,
  SHR: 17,
  SAR: 18,
  SHLD: 19,
  SHRD: 20,
  NEG: 21,
  NOT: 22,
  INC: 23,
  DEC: 24,
  /** One operand: rdx:rax = rax * source. */
  MUL: 25,
  /** One operand (destination NONE): rdx:rax; two: destination *= source; three: destination = source * third. */
  IMUL: 26,
  DIV: 27,
  IDIV: 28,
  /** The operand is the source. */
  PUSH: 29,
  /** The operand is the destination. */
  POP: 30,
  MOVZX: 31,
  MOVSX: 32,
  MOVSXD: 33,
  CMOV: 34,
  SETCC: 35,
  XCHG: 36,
  CMPXCHG: 37,
  XADD: 38,
  BSWAP: 39,
  /** cbw, cwde, cdqe: rax sign-extended from half of `size`. */
  CBW: 40,
  /** cwd, cdq, cqo: rdx gets the sign of rax. */
  CWD: 41,
  LEAVE: 42,
  /** nop, multi-byte nop, endbr64, pause, prefetch and further hints. */
  NOP: 43,
  /** String operations; `size` is that of an element. */
  MOVS: 44,
  STOS: 45,
  LODS: 46,
  SCAS: 47,
  CMPS: 48,
  /**
   * Whole-width vector move, the upper part of a vector destination cleared or, with legacy 16-byte moves, absent:
   * movups, movaps, movdqa, movdqu, movntps, lddqu, vector to memory and back, `size` 16, 32 or 64 bytes; and movd,
   * movq between vector and general register or memory, `size` 4 or 8.
   */
  VECTOR_MOVE: 49,
  /** movhps, movhpd: upper 8 bytes of the low 16 from or to memory; the lower are kept (VEX: taken from `third`). */
  VECTOR_MOVE_HIGH: 50,
  /** movlps, movlpd: lower 8 bytes from or to memory; the upper are kept (VEX: taken from `third`). */
  VECTOR_MOVE_LOW: 51,
  /** punpcklqdq, movlhps: low halves of destination (VEX: of `third`) and source side by side, in each 16 bytes. */
  PUNPCKLQDQ: 52,
  /** pinsrq: 8 bytes at half `immLow & 1`; the other half is kept (VEX: taken from `third`). */
  PINSRQ: 53,
  /** xorps, xorpd, pxor: zero if both inputs are the same register. */
  VECTOR_XOR: 54,
} as const;

/** What an operand is. */
export const OPERAND = {
  NONE: 0,
  REGISTER: 1,
  /** ah, ch, dh, bh: bits 8 to 15 of registers 0 to 3. */
  REGISTER_HIGH: 2,
  MEMORY: 3,
  IMMEDIATE: 4,
  VECTOR: 5,
} as const;

/** Segment override of a memory operand, as far as it means something in 64-bit mode. */
export const SEGMENT = { NONE: 0, FS: 1, GS: 2 } as const;

/** Repeat prefix of a string operation. */
export const REPEAT = { NONE: 0, REP: 1, REPNE: 2 } as const;

/** What the fast pass says of an instruction, to tell whether it needs full decoding. */
export const TRAIT = {
  /** A RIP-relative memory operand. */
  RIP_RELATIVE: 1,
  /** A memory operand with a 32-bit displacement: an address in code that is not position-independent. */
  WIDE_DISPLACEMENT: 2,
  /** An immediate of 4 or 8 bytes that is not a jump distance. */
  WIDE_IMMEDIATE: 4,
  /** `flow` is not NEXT. */
  FLOW: 8,
} as const;
