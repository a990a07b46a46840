import { ATTRIBUTE, DETAIL, IMM, MAP, ROLE } from './attribute.ts';
import { FLOW } from './instruction.ts';

/** One line of `generated/encodings.ts`, where the letters are explained, as the words of the tables. */
export type EncodingRow = {
  /** Entry numbers. */
  readonly entries: readonly number[];
  readonly form: string;
  /** 0, 1 or -1 for both. */
  readonly w: number;
  /** {@link ATTRIBUTE}, {@link DETAIL} and {@link ROLE}. */
  readonly attributes: number;
  readonly detail: number;
  readonly roles: number;
  /** Implied general registers. */
  readonly reads: number;
  readonly writes: number;
};

/** Reads a line; the generator writes no others. */
export function parseRow(line: string): EncodingRow {
  const [space = '', form = '', w = '', lengths = '', flags = '', implied = '', scale = '', ...opcodes] =
    line.split(' ');
  let attributes: number = ATTRIBUTE.VALID | (flags.includes('n') ? 0 : ATTRIBUTE.MODRM);
  let detail = Number.parseInt(lengths, 16);
  // What only the one-byte map and some opcodes of 0F leave alone.
  let roles: number = space === 's1' ? 0 : ROLE.VECTOR;
  for (const flag of flags) {
    attributes |= ATTRIBUTE_FLAGS.get(flag) ?? 0;
    detail |= DETAIL_FLAGS.get(flag) ?? 0;
    roles |= ROLE_FLAGS.get(flag) ?? 0;
  }
  // Of legacy instructions only few have anything to check.
  if (!space.startsWith('s') || detail > DETAIL.LENGTHS) attributes |= ATTRIBUTE.DETAIL;
  const [reads = '0', writes = '0'] = implied.split(':');
  return {
    entries: opcodes.flatMap((opcode) => entriesOf(space, opcode)),
    form,
    w: w === '*' ? -1 : Number(w),
    attributes,
    detail: detail | scaleBits(scale),
    roles,
    reads: Number.parseInt(reads, 16),
    writes: Number.parseInt(writes, 16),
  };
}

function entriesOf(space: string, opcode: string): number[] {
  const start = mapStart(space) + Number.parseInt(opcode.slice(1), 16);
  if (!opcode.startsWith('*')) return [start + Number(opcode[0]) * 256];
  // Of XOP there is only the one without prefix.
  return space.startsWith('x') ? [start] : [start, start + 256, start + 512, start + 768];
}

function scaleBits(scale: string): number {
  const [plain = '', broadcast = '0'] = scale.split('/');
  if (plain === '-') return 0;
  const growth = plain.endsWith('+')
    ? DETAIL.SCALE_BY_LENGTH
    : plain.endsWith('~')
      ? DETAIL.SCALE_DUPLICATE
      : 0;
  return (
    growth |
    (Number.parseInt(plain, 10) << DETAIL.SCALE_SHIFT) |
    (Number(broadcast) << DETAIL.BROADCAST_SHIFT)
  );
}

function mapStart(space: string): number {
  const number = Number.parseInt(space.slice(1), 16);
  const start = { s: MAP.LEGACY_0F - 1024, v: MAP.VEX, e: MAP.EVEX, x: MAP.XOP }[space[0] ?? ''] ?? 0;
  return start + number * 1024;
}

const ATTRIBUTE_FLAGS: ReadonlyMap<string, number> = new Map([
  ['i', IMM.BYTE],
  ['j', IMM.WORD],
  ['J', IMM.DOUBLE],
  ['l', ATTRIBUTE.LOCKABLE],
  ['f', FLOW.RETURN << ATTRIBUTE.FLOW_SHIFT],
  ['<', ATTRIBUTE.READS],
  ['>', ATTRIBUTE.WRITES],
]);

const DETAIL_FLAGS: ReadonlyMap<string, number> = new Map([
  ['v', DETAIL.VVVV],
  ['k', DETAIL.MASK],
  ['K', DETAIL.MASK_REQUIRED],
  ['z', DETAIL.ZEROING],
  ['Z', DETAIL.ZEROING_UNMASKED],
  ['b', DETAIL.BROADCAST],
  ['e', DETAIL.ROUNDING],
  ['g', DETAIL.REG_BELOW_8],
  ['G', DETAIL.REG_BELOW_16],
  ['y', DETAIL.RM_BELOW_8],
  ['Y', DETAIL.RM_BELOW_16],
  ['h', DETAIL.VVVV_BELOW_8],
  ['H', DETAIL.VVVV_BELOW_16],
  ['u', DETAIL.INDEX_DISTINCT],
  ['V', DETAIL.VECTOR_INDEX],
  ['q', DETAIL.DESTINATION_DISTINCT],
  ['Q', DETAIL.ALL_DISTINCT],
  ['p', DETAIL.NO_OPERAND_SIZE],
  ['s', DETAIL.SIB],
  ['r', DETAIL.NOT_RIP_RELATIVE],
]);

const ROLE_FLAGS: ReadonlyMap<string, number> = new Map([
  ['a', ROLE.REG_READ],
  ['A', ROLE.REG_WRITTEN],
  ['c', ROLE.RM_READ],
  ['C', ROLE.RM_WRITTEN],
  ['d', ROLE.VVVV_READ],
  ['D', ROLE.VVVV_WRITTEN],
]);
