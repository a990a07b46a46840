import { ATTRIBUTE, FORM, MAP, ROLE, type Tables, WIDTH } from './attribute.ts';
import { FLOW, OP } from './instruction.ts';

/**
 * Adds meaning to the entries outside the one-byte map: operation, form, flow, and which of them work on vector
 * registers. `members` calls back for every entry behind an opcode.
 */
export function describeOperations(
  tables: Tables,
  members: (entry: number, visit: (member: number) => void) => void,
): void {
  const { attributes, roles, reads, writes, widths } = tables;
  const each = (
    map: number,
    prefixes: string,
    opcodes: readonly number[],
    visit: (member: number) => void,
  ): void => {
    for (const prefix of prefixes) {
      for (const opcode of opcodes) members(map + Number(prefix) * 256 + opcode, visit);
    }
  };
  const set = (member: number, bits: number): void => {
    attributes[member] = (attributes[member] ?? 0) | bits;
  };

  for (const [operation, form, flags, prefixes, opcodes] of GENERAL) {
    each(MAP.LEGACY_0F, prefixes, opcodes, (member) => {
      // What writes a general register is no hint: rdsspq.
      if (operation === OP.NOP && ((roles[member] ?? 0) & ROLE.RM_WRITTEN) !== 0) return;
      set(member, (operation << ATTRIBUTE.OP_SHIFT) | (form << ATTRIBUTE.FORM_SHIFT) | flags);
      if (form !== FORM.ROLES) {
        // The form says it all.
        roles[member] = 0;
        attributes[member] = (attributes[member] ?? 0) & ~(ATTRIBUTE.READS | ATTRIBUTE.WRITES);
      }
      // The register in the opcode is explicit.
      if (form === FORM.Z) reads[member] = writes[member] = 0;
    });
  }
  for (const [kind, map, opcodes] of FLOWS) {
    each(map, '0123', opcodes, (member) => {
      set(member, kind << ATTRIBUTE.FLOW_SHIFT);
    });
  }
  // The kernel answers in rax.
  each(MAP.LEGACY_0F, '0123', [0x05, 0x34], (member) => {
    reads[member] = (reads[member] ?? 0) | 1;
    writes[member] = (writes[member] ?? 0) | 1;
  });

  // crc32 r, r/m8: the byte may be ah.
  each(MAP.LEGACY_0F38, '3', [0xf0], (member) => {
    set(member, ATTRIBUTE.BYTE);
  });

  each(MAP.LEGACY_0F, '0123', VECTOR_0F, (member) => {
    roles[member] = (roles[member] ?? 0) | ROLE.VECTOR;
  });
  for (const [map, prefixes, opcodes] of VECTOR_ALL) {
    each(map, prefixes, opcodes, (member) => {
      roles[member] = (roles[member] ?? 0) | ROLE.VECTOR_ALL;
    });
  }

  for (const [operation, form, prefixes, opcodes, width = WIDTH.FULL, map = 1] of VECTOR) {
    for (const space of [MAP.LEGACY_0F - 1024, MAP.VEX, MAP.EVEX]) {
      const start = space + map * 1024;
      each(start, prefixes, opcodes, (member) => {
        set(member, (operation << ATTRIBUTE.OP_SHIFT) | (form << ATTRIBUTE.FORM_SHIFT));
        widths[member] = width;
      });
    }
  }
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

type GeneralRow = readonly [
  operation: number,
  form: number,
  flags: number,
  prefixes: string,
  opcodes: readonly number[],
];

const GENERAL: readonly GeneralRow[] = [
  [OP.CMOV, FORM.G_E, 0, '0123', range(0x40, 0x4f)],
  [OP.SETCC, FORM.E, ATTRIBUTE.BYTE, '0123', range(0x90, 0x9f)],
  [OP.SHLD, FORM.E_G_I, 0, '0123', [0xa4]],
  [OP.SHLD, FORM.E_G_CL, 0, '0123', [0xa5]],
  [OP.SHRD, FORM.E_G_I, 0, '0123', [0xac]],
  [OP.SHRD, FORM.E_G_CL, 0, '0123', [0xad]],
  [OP.IMUL, FORM.G_E, 0, '0123', [0xaf]],
  [OP.CMPXCHG, FORM.E_G, ATTRIBUTE.BYTE, '0123', [0xb0]],
  [OP.CMPXCHG, FORM.E_G, 0, '0123', [0xb1]],
  [OP.MOVZX, FORM.G_E1, 0, '0123', [0xb6]],
  [OP.MOVZX, FORM.G_E2, 0, '0123', [0xb7]],
  [OP.MOVSX, FORM.G_E1, 0, '0123', [0xbe]],
  [OP.MOVSX, FORM.G_E2, 0, '0123', [0xbf]],
  [OP.XADD, FORM.E_G, ATTRIBUTE.BYTE, '0123', [0xc0]],
  [OP.XADD, FORM.E_G, 0, '0123', [0xc1]],
  [OP.BSWAP, FORM.Z, 0, '0123', range(0xc8, 0xcf)],
  [OP.NOP, FORM.ROLES, 0, '0123', [0x0d, 0x18, 0x19, 0x1c, 0x1d, 0x1e, 0x1f]],
  [OP.OTHER, FORM.ROLES, ATTRIBUTE.DEFAULT_64, '0123', [0xa0, 0xa1, 0xa8, 0xa9]],
];

const FLOWS: readonly (readonly [kind: number, map: number, opcodes: readonly number[]])[] = [
  [FLOW.SYSCALL, MAP.LEGACY_0F, [0x05]],
  [FLOW.SYSENTER, MAP.LEGACY_0F, [0x34]],
  [FLOW.TRAP, MAP.LEGACY_0F, [0x0b, 0xb9, 0xff]],
  [FLOW.BRANCH, MAP.LEGACY_0F, range(0x80, 0x8f)],
];

/** Opcodes of the legacy 0F map whose reg and rm operands may be vector registers. */
const VECTOR_0F: readonly number[] = [
  ...range(0x10, 0x17),
  ...range(0x28, 0x2f),
  ...range(0x50, 0x7f),
  0xc2,
  ...range(0xc4, 0xc6),
  ...range(0xd0, 0xfe),
];

/** emms, vzeroupper and vzeroall; fxrstor and xrstor; xrstors; key locker; pcmpestrm and pcmpistrm. */
const VECTOR_ALL: readonly (readonly [map: number, prefixes: string, opcodes: readonly number[]])[] = [
  [MAP.LEGACY_0F, '0123', [0x77, 0xae, 0xc7]],
  [MAP.VEX + 1024, '0', [0x77]],
  [MAP.LEGACY_0F38, '2', [0xd8, ...range(0xdc, 0xdf), 0xfa, 0xfb]],
  [MAP.LEGACY_0F3A, '1', [0x60, 0x62]],
  [MAP.VEX + 3072, '1', [0x60, 0x62]],
];

type VectorRow = readonly [
  operation: number,
  form: number,
  prefixes: string,
  opcodes: readonly number[],
  width?: number,
  map?: number,
];

/** The same in the legacy, VEX and EVEX maps. */
const VECTOR: readonly VectorRow[] = [
  [OP.VECTOR_MOVE, FORM.V_W, '01', [0x10, 0x28]],
  [OP.VECTOR_MOVE, FORM.W_V, '01', [0x11, 0x29, 0x2b]],
  [OP.VECTOR_MOVE, FORM.V_W, '2', [0x10], WIDTH.SCALAR_4],
  [OP.VECTOR_MOVE, FORM.W_V, '2', [0x11], WIDTH.SCALAR_4],
  [OP.VECTOR_MOVE, FORM.V_W, '3', [0x10], WIDTH.SCALAR_8],
  [OP.VECTOR_MOVE, FORM.W_V, '3', [0x11], WIDTH.SCALAR_8],
  [OP.VECTOR_MOVE_LOW, FORM.V_H_M, '01', [0x12], WIDTH.QUAD],
  [OP.VECTOR_MOVE_LOW, FORM.M_V, '01', [0x13], WIDTH.QUAD],
  [OP.VECTOR_MOVE_HIGH, FORM.V_H_M, '01', [0x16], WIDTH.QUAD],
  [OP.VECTOR_MOVE_HIGH, FORM.M_V, '01', [0x17], WIDTH.QUAD],
  [OP.VECTOR_XOR, FORM.V_H_W, '01', [0x57]],
  [OP.VECTOR_XOR, FORM.V_H_W, '1', [0xef]],
  [OP.PUNPCKLQDQ, FORM.V_H_W, '1', [0x6c]],
  [OP.VECTOR_MOVE, FORM.V_E, '1', [0x6e], WIDTH.BY_W],
  [OP.VECTOR_MOVE, FORM.E_V, '1', [0x7e], WIDTH.BY_W],
  [OP.VECTOR_MOVE, FORM.V_W, '2', [0x7e], WIDTH.QUAD],
  [OP.VECTOR_MOVE, FORM.W_V, '1', [0xd6], WIDTH.QUAD],
  [OP.VECTOR_MOVE, FORM.V_W, '123', [0x6f]],
  [OP.VECTOR_MOVE, FORM.W_V, '123', [0x7f]],
  [OP.VECTOR_MOVE, FORM.W_V, '1', [0xe7]],
  [OP.VECTOR_MOVE, FORM.V_W, '3', [0xf0]],
  [OP.VECTOR_MOVE, FORM.V_W, '1', [0x2a], WIDTH.FULL, 2],
  [OP.PINSRQ, FORM.V_H_E_I, '1', [0x22], WIDTH.BY_W, 3],
];
