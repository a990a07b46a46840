import { ATTRIBUTE, FORM, IMM, ROLE } from './attribute.ts';
import { FLOW, OP } from './instruction.ts';

/** One entry of a map: the attribute word and the general registers that it reads and writes without naming them. */
export type MapEntry = {
  readonly attributes: number;
  readonly reads: number;
  readonly writes: number;
  /** {@link ROLE}. */
  readonly roles?: number;
};

/** A group: the entry for each value of the reg field, for a memory and for a register operand. */
export type MapGroup = {
  readonly memory: readonly (MapEntry | undefined)[];
  readonly register: readonly (MapEntry | readonly (MapEntry | undefined)[] | undefined)[];
};

/**
 * The one-byte opcodes of 64-bit mode, from table of the Intel manual, volume 2; what is missing does not
 * exist there. x87 opcodes D8 to DF are in `x87-map.ts`.
 */
export function oneByteMap(): Map<number, MapEntry | MapGroup> {
  const map = new Map<number, MapEntry | MapGroup>();
  for (const prefix of PREFIXES) map.set(prefix, entry(PREFIX));
  for (const escape of [0x0f, 0x62, 0xc4, 0xc5]) map.set(escape, entry(ESCAPE));

  ALU.forEach((operation, index) => {
    const lock = operation === OP.CMP ? 0 : LOCK;
    const first = index * 8;
    map.set(first, operands(operation, FORM.E_G, BYTE | lock));
    map.set(first + 1, operands(operation, FORM.E_G, lock));
    map.set(first + 2, operands(operation, FORM.G_E, BYTE));
    map.set(first + 3, operands(operation, FORM.G_E, 0));
    map.set(first + 4, plain(operation, FORM.A_I, BYTE | IMM.BYTE | SIGNED));
    map.set(first + 5, plain(operation, FORM.A_I, IMM.Z));
  });
  const immediateAlu = (flags: number): MapGroup =>
    group(ALU.map((operation) => operands(operation, FORM.E_I, flags | (operation === OP.CMP ? 0 : LOCK))));
  map.set(0x80, immediateAlu(BYTE | IMM.BYTE | SIGNED));
  map.set(0x81, immediateAlu(IMM.Z));
  map.set(0x83, immediateAlu(IMM.BYTE | SIGNED));

  for (let register = 0; register < 8; register++) {
    map.set(0x50 + register, plain(OP.PUSH, FORM.Z_SOURCE, WIDE, RSP, RSP));
    map.set(0x58 + register, plain(OP.POP, FORM.Z, WIDE, RSP, RSP));
    map.set(0x90 + register, plain(OP.XCHG, FORM.Z_A, 0));
    map.set(0xb0 + register, plain(OP.MOV, FORM.Z_I, BYTE | IMM.BYTE | SIGNED));
    map.set(0xb8 + register, plain(OP.MOV, FORM.Z_I, IMM.V));
  }
  map.set(0x63, operands(OP.MOVSXD, FORM.G_E4, 0));
  map.set(0x68, plain(OP.PUSH, FORM.I_SOURCE, WIDE | IMM.Z, RSP, RSP));
  map.set(0x6a, plain(OP.PUSH, FORM.I_SOURCE, WIDE | IMM.BYTE | SIGNED, RSP, RSP));
  map.set(0x69, operands(OP.IMUL, FORM.G_E_I, IMM.Z));
  map.set(0x6b, operands(OP.IMUL, FORM.G_E_I, IMM.BYTE | SIGNED));
  for (const byte of [0x6c, 0x6d]) map.set(byte, plain(OP.OTHER, FORM.ROLES, WRITES, RDX | RDI, RDI));
  for (const byte of [0x6e, 0x6f]) map.set(byte, plain(OP.OTHER, FORM.ROLES, READS, RDX | RSI, RSI));
  for (let condition = 0; condition < 16; condition++) map.set(0x70 + condition, flow(FLOW.BRANCH, IMM.BYTE));

  map.set(0x84, operands(OP.TEST, FORM.E_G, BYTE));
  map.set(0x85, operands(OP.TEST, FORM.E_G, 0));
  map.set(0x86, operands(OP.XCHG, FORM.E_G, BYTE | LOCK));
  map.set(0x87, operands(OP.XCHG, FORM.E_G, LOCK));
  map.set(0x88, operands(OP.MOV, FORM.E_G, BYTE));
  map.set(0x89, operands(OP.MOV, FORM.E_G, 0));
  map.set(0x8a, operands(OP.MOV, FORM.G_E, BYTE));
  map.set(0x8b, operands(OP.MOV, FORM.G_E, 0));
  map.set(0x8c, segmentMove(ATTRIBUTE.WRITES, ROLE.RM_WRITTEN, [0, 1, 2, 3, 4, 5]));
  map.set(0x8e, segmentMove(ATTRIBUTE.READS, ROLE.RM_READ, [0, 2, 3, 4, 5]));
  map.set(0x8d, group(eight(operands(OP.LEA, FORM.G_ADDRESS, 0)), []));
  map.set(0x8f, group([operands(OP.POP, FORM.E, WIDE, RSP, RSP)]));

  map.set(0x98, plain(OP.CBW, FORM.ROLES, 0, RAX, RAX));
  map.set(0x99, plain(OP.CWD, FORM.ROLES, 0, RAX, RDX));
  map.set(0x9b, plain(OP.OTHER, FORM.ROLES, 0));
  map.set(0x9c, plain(OP.OTHER, FORM.ROLES, WIDE | WRITES, RSP, RSP));
  map.set(0x9d, plain(OP.OTHER, FORM.ROLES, WIDE | READS, RSP, RSP));
  map.set(0x9e, plain(OP.OTHER, FORM.ROLES, 0, RAX));
  map.set(0x9f, plain(OP.OTHER, FORM.ROLES, 0, 0, RAX));
  map.set(0xa0, plain(OP.MOV, FORM.A_O, BYTE | IMM.OFFSET));
  map.set(0xa1, plain(OP.MOV, FORM.A_O, IMM.OFFSET));
  map.set(0xa2, plain(OP.MOV, FORM.O_A, BYTE | IMM.OFFSET));
  map.set(0xa3, plain(OP.MOV, FORM.O_A, IMM.OFFSET));
  for (const wide of [0, 1]) {
    const size = wide === 0 ? BYTE : 0;
    map.set(0xa4 + wide, plain(OP.MOVS, FORM.ROLES, size | READS | WRITES, RSI | RDI, RSI | RDI));
    map.set(0xa6 + wide, plain(OP.CMPS, FORM.ROLES, size | READS, RSI | RDI, RSI | RDI));
    map.set(0xaa + wide, plain(OP.STOS, FORM.ROLES, size | WRITES, RAX | RDI, RDI));
    map.set(0xac + wide, plain(OP.LODS, FORM.ROLES, size | READS, RSI | RAX, RSI | RAX));
    map.set(0xae + wide, plain(OP.SCAS, FORM.ROLES, size | READS, RAX | RDI, RDI));
    map.set(0xc0 + wide, group(SHIFTS.map((operation) => operands(operation, FORM.E_I, size | IMM.BYTE))));
    map.set(0xd0 + wide, group(SHIFTS.map((operation) => operands(operation, FORM.E_ONE, size))));
    map.set(0xd2 + wide, group(SHIFTS.map((operation) => operands(operation, FORM.E_CL, size, RCX))));
    map.set(0xf6 + wide, unaryGroup(size));
    map.set(0xe4 + wide, plain(OP.OTHER, FORM.ROLES, size | IMM.BYTE, 0, RAX));
    map.set(0xe6 + wide, plain(OP.OTHER, FORM.ROLES, size | IMM.BYTE, RAX));
    map.set(0xec + wide, plain(OP.OTHER, FORM.ROLES, size, RDX, RAX));
    map.set(0xee + wide, plain(OP.OTHER, FORM.ROLES, size, RDX | RAX));
  }
  map.set(0xa8, plain(OP.TEST, FORM.A_I, BYTE | IMM.BYTE | SIGNED));
  map.set(0xa9, plain(OP.TEST, FORM.A_I, IMM.Z));

  map.set(0xc2, flow(FLOW.RETURN, IMM.WORD | READS, RSP, RSP));
  map.set(0xc3, flow(FLOW.RETURN, READS, RSP, RSP));
  map.set(0xca, flow(FLOW.RETURN, IMM.WORD | READS, RSP, RSP));
  map.set(0xcb, flow(FLOW.RETURN, READS, RSP, RSP));
  map.set(0xcf, flow(FLOW.RETURN, READS, RSP, RSP));
  const moveByte = operands(OP.MOV, FORM.E_I, BYTE | IMM.BYTE | SIGNED);
  const move = operands(OP.MOV, FORM.E_I, IMM.Z);
  // /7 with rm 0 and no memory operand: xabort and xbegin; after the latter eax may be the abort status.
  map.set(0xc6, group([moveByte], [moveByte, ...NONE_OF_SIX, [operands(OP.OTHER, FORM.ROLES, IMM.BYTE)]]));
  map.set(0xc7, group([move], [move, ...NONE_OF_SIX, [flow(FLOW.BRANCH, IMM.Z | ATTRIBUTE.MODRM, 0, RAX)]]));
  map.set(0xc8, plain(OP.OTHER, FORM.ROLES, WIDE | IMM.ENTER | WRITES, RSP | RBP, RSP | RBP));
  map.set(0xc9, plain(OP.LEAVE, FORM.ROLES, WIDE | READS, RBP, RSP | RBP));
  map.set(0xcc, flow(FLOW.TRAP, 0));
  map.set(0xcd, flow(FLOW.INTERRUPT, IMM.BYTE, RAX, RAX));
  map.set(0xd7, plain(OP.OTHER, FORM.ROLES, READS, RAX | RBX, RAX));
  for (const loop of [0xe0, 0xe1, 0xe2]) map.set(loop, flow(FLOW.BRANCH, IMM.BYTE, RCX, RCX));
  map.set(0xe3, flow(FLOW.BRANCH, IMM.BYTE, RCX));
  map.set(0xe8, flow(FLOW.CALL, IMM.DOUBLE | WRITES, RSP, RSP));
  map.set(0xe9, flow(FLOW.JUMP, IMM.DOUBLE));
  map.set(0xeb, flow(FLOW.JUMP, IMM.BYTE));
  map.set(0xf1, flow(FLOW.TRAP, 0));
  map.set(0xf4, flow(FLOW.TRAP, 0));
  for (const flag of [0xf5, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd])
    map.set(flag, plain(OP.OTHER, FORM.ROLES, 0));

  map.set(0xfe, group([operands(OP.INC, FORM.E, BYTE | LOCK), operands(OP.DEC, FORM.E, BYTE | LOCK)]));
  const common = [
    operands(OP.INC, FORM.E, LOCK),
    operands(OP.DEC, FORM.E, LOCK),
    indirect(FLOW.CALL_INDIRECT, WRITES, RSP),
  ];
  const farCall = indirect(FLOW.CALL_INDIRECT, WRITES, RSP);
  const push = operands(OP.PUSH, FORM.E_SOURCE, WIDE, RSP, RSP);
  const jump = indirect(FLOW.JUMP_INDIRECT, 0, 0);
  map.set(0xff, group([...common, farCall, jump, jump, push], [...common, undefined, jump, undefined, push]));
  return map;
}

/** An entry with an operand in ModRM. */
export function operands(operation: number, form: number, flags: number, reads = 0, writes = 0): MapEntry {
  return plain(operation, form, flags | ATTRIBUTE.MODRM, reads, writes);
}

/** Eight times the same. */
export function eight<T>(value: T): T[] {
  return Array.from({ length: 8 }, () => value);
}

function entry(attributes: number, reads = 0, writes = 0): MapEntry {
  return { attributes: attributes | ATTRIBUTE.VALID, reads, writes };
}

function plain(operation: number, form: number, flags: number, reads = 0, writes = 0): MapEntry {
  return entry((operation << ATTRIBUTE.OP_SHIFT) | (form << ATTRIBUTE.FORM_SHIFT) | flags, reads, writes);
}

function flow(kind: number, flags: number, reads = 0, writes = 0): MapEntry {
  return entry((kind << ATTRIBUTE.FLOW_SHIFT) | flags, reads, writes);
}

function indirect(kind: number, flags: number, stack: number): MapEntry {
  const form = (FORM.E_SOURCE << ATTRIBUTE.FORM_SHIFT) | ATTRIBUTE.MODRM | WIDE;
  return flow(kind, form | flags, stack, stack);
}

function group(memory: MapGroup['memory'], register: MapGroup['register'] = memory): MapGroup {
  return { memory, register };
}

function segmentMove(access: number, roles: number, registers: readonly number[]): MapGroup {
  const pick = (flags: number): (MapEntry | undefined)[] =>
    eight(0).map((_, register) =>
      registers.includes(register) ? { ...operands(OP.OTHER, FORM.ROLES, flags), roles } : undefined,
    );
  return group(pick(access), pick(0));
}

function unaryGroup(size: number): MapGroup {
  const immediate = size === 0 ? IMM.Z : IMM.BYTE | SIGNED;
  const test = operands(OP.TEST, FORM.E_I, size | immediate);
  // Of a byte, product and dividend are ax alone.
  const high = size === 0 ? RDX : 0;
  return group([
    test,
    test,
    operands(OP.NOT, FORM.E, size | LOCK),
    operands(OP.NEG, FORM.E, size | LOCK),
    operands(OP.MUL, FORM.E_SOURCE, size, RAX, RAX | high),
    operands(OP.IMUL, FORM.E_SOURCE, size, RAX, RAX | high),
    operands(OP.DIV, FORM.E_SOURCE, size, RAX | high, RAX | high),
    operands(OP.IDIV, FORM.E_SOURCE, size, RAX | high, RAX | high),
  ]);
}

const { BYTE, SIGNED, READS, WRITES, PREFIX, ESCAPE, LOCKABLE: LOCK, DEFAULT_64: WIDE } = ATTRIBUTE;
const RAX = 1;
const RCX = 2;
const RDX = 4;
const RBX = 8;
const RSP = 16;
const RBP = 32;
const RSI = 64;
const RDI = 128;

const PREFIXES: readonly number[] = [
  0x26,
  0x2e,
  0x36,
  0x3e,
  0x64,
  0x65,
  0x66,
  0x67,
  0xf0,
  0xf2,
  0xf3,
  ...Array.from({ length: 16 }, (_, index) => 0x40 + index),
];
const ALU: readonly number[] = [OP.ADD, OP.OR, OP.ADC, OP.SBB, OP.AND, OP.SUB, OP.XOR, OP.CMP];
/** /6 is an alias of /4. */
const SHIFTS: readonly number[] = [OP.ROL, OP.ROR, OP.RCL, OP.RCR, OP.SHL, OP.SHR, OP.SHL, OP.SAR];
const NONE_OF_SIX: readonly undefined[] = [undefined, undefined, undefined, undefined, undefined, undefined];
