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
  for (const letter of flags) {
    const flag = FLAGS.get(letter);
    attributes |= flag?.attributes ?? 0;
    detail |= flag?.detail ?? 0;
    roles |= flag?.roles ?? 0;
  }
  // Of legacy instructions only few have anything to check.
  if (!space.startsWith('s') || detail > DETAIL.LENGTHS) attributes |= ATTRIBUTE.DETAIL;
  const entries: number[] = [];
  const start = mapStart(space);
  for (const opcode of opcodes) addEntries(space, start, opcode, entries);
  const [reads = '0', writes = '0'] = implied.split(':');
  return {
    entries,
    form,
    w: w === '*' ? -1 : Number(w),
    attributes,
    detail: detail | scaleBits(scale),
    roles,
    reads: Number.parseInt(reads, 16),
    writes: Number.parseInt(writes, 16),
  };
}

function addEntries(space: string, start: number, opcode: string, entries: number[]): void {
  if (!opcode.startsWith('*')) {
    // The digit of the prefix is that of the hundreds.
    entries.push(start + Number.parseInt(opcode, 16));
    return;
  }
  const entry = start + Number.parseInt(opcode.slice(1), 16);
  // Of XOP there is only the one without prefix.
  if (space.startsWith('x')) entries.push(entry);
  else entries.push(entry, entry + 0x100, entry + 0x200, entry + 0x300);
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

type Flag = { readonly attributes?: number; readonly detail?: number; readonly roles?: number };

const FLAGS: ReadonlyMap<string, Flag> = new Map<string, Flag>([
  ['i', { attributes: IMM.BYTE }],
  ['j', { attributes: IMM.WORD }],
  ['J', { attributes: IMM.DOUBLE }],
  ['l', { attributes: ATTRIBUTE.LOCKABLE }],
  ['f', { attributes: FLOW.RETURN << ATTRIBUTE.FLOW_SHIFT }],
  ['<', { attributes: ATTRIBUTE.READS }],
  ['>', { attributes: ATTRIBUTE.WRITES }],
  ['v', { detail: DETAIL.VVVV }],
  ['k', { detail: DETAIL.MASK }],
  ['K', { detail: DETAIL.MASK_REQUIRED }],
  ['z', { detail: DETAIL.ZEROING }],
  ['Z', { detail: DETAIL.ZEROING_UNMASKED }],
  ['b', { detail: DETAIL.BROADCAST }],
  ['e', { detail: DETAIL.ROUNDING }],
  ['g', { detail: DETAIL.REG_BELOW_8 }],
  ['G', { detail: DETAIL.REG_BELOW_16 }],
  ['y', { detail: DETAIL.RM_BELOW_8 }],
  ['Y', { detail: DETAIL.RM_BELOW_16 }],
  ['h', { detail: DETAIL.VVVV_BELOW_8 }],
  ['H', { detail: DETAIL.VVVV_BELOW_16 }],
  ['u', { detail: DETAIL.INDEX_DISTINCT }],
  ['V', { detail: DETAIL.VECTOR_INDEX }],
  ['q', { detail: DETAIL.DESTINATION_DISTINCT }],
  ['Q', { detail: DETAIL.ALL_DISTINCT }],
  ['p', { detail: DETAIL.NO_OPERAND_SIZE }],
  ['s', { detail: DETAIL.SIB }],
  ['r', { detail: DETAIL.NOT_RIP_RELATIVE }],
  ['a', { roles: ROLE.REG_READ }],
  ['A', { roles: ROLE.REG_WRITTEN }],
  ['c', { roles: ROLE.RM_READ }],
  ['C', { roles: ROLE.RM_WRITTEN }],
  ['d', { roles: ROLE.VVVV_READ }],
  ['D', { roles: ROLE.VVVV_WRITTEN }],
]);
