import { FormatError } from '../../base/errors.ts';

/** One cBPF instruction: struct sock_filter of include/uapi/linux/filter.h. */
export interface Instruction {
  /** 16 bits: class, and size and mode or operation and source. */
  readonly code: number;
  /** Instructions to skip if the jump's condition holds, 0 to 255; 0 for anything but a jump. */
  readonly jt: number;
  /** Instructions to skip if it does not. */
  readonly jf: number;
  /** Operand, unsigned 32 bits. */
  readonly k: number;
}

/** Parts of an instruction code; source: include/uapi/linux/bpf_common.h and filter.h. */
export const BPF = {
  LD: 0x00,
  LDX: 0x01,
  ST: 0x02,
  STX: 0x03,
  ALU: 0x04,
  JMP: 0x05,
  RET: 0x06,
  MISC: 0x07,

  W: 0x00,
  IMM: 0x00,
  ABS: 0x20,
  MEM: 0x60,
  LEN: 0x80,

  ADD: 0x00,
  SUB: 0x10,
  MUL: 0x20,
  DIV: 0x30,
  OR: 0x40,
  AND: 0x50,
  LSH: 0x60,
  RSH: 0x70,
  NEG: 0x80,
  XOR: 0xa0,

  JA: 0x00,
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,

  K: 0x00,
  X: 0x08,
  A: 0x10,

  TAX: 0x00,
  TXA: 0x80,
} as const;

/** Mask of the class in an instruction code: BPF_CLASS. */
export const BPF_CLASS = 0x07;

/** Mask of the operation of ALU and JMP instructions: BPF_OP. */
export const BPF_OP = 0xf0;

/** Most instructions that a filter may have; source: include/uapi/linux/bpf_common.h. */
export const BPF_MAXINSNS = 4096;

/** Cells of the scratch memory; source: include/uapi/linux/filter.h. */
export const BPF_MEMWORDS = 16;

/** sizeof(struct sock_filter), in bytes. */
const INSTRUCTION_SIZE = 8;

/** An instruction that does not jump: BPF_STMT. */
export function statement(code: number, k: number): Instruction {
  return { code, jt: 0, jf: 0, k: k >>> 0 };
}

/** A program as the little-endian array of struct sock_filter that the kernel reads. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    const offset = index * INSTRUCTION_SIZE;
    view.setUint16(offset, code, true);
    view.setUint8(offset + 2, jt);
    view.setUint8(offset + 3, jf);
    view.setUint32(offset + 4, k, true);
  }
  return bytes;
}

/**
 * Reads a little-endian array of struct sock_filter; any bytes of the right length are instructions, see
 * `validateProgram` for what the kernel accepts.
 *
 * @throws {FormatError} if the length is not a multiple of 8.
 */
export function decodeProgram(bytes: Uint8Array): Instruction[] {
  if (bytes.length % INSTRUCTION_SIZE !== 0) {
    throw new FormatError(
      `cbpf: length ${bytes.length} is not a multiple of an instruction's (${INSTRUCTION_SIZE})`,
      {
        offset: bytes.length - (bytes.length % INSTRUCTION_SIZE),
        value: bytes.length,
      },
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / INSTRUCTION_SIZE }, (_, index) => {
    const offset = index * INSTRUCTION_SIZE;
    return {
      code: view.getUint16(offset, true),
      jt: view.getUint8(offset + 2),
      jf: view.getUint8(offset + 3),
      k: view.getUint32(offset + 4, true),
    };
  });
}
