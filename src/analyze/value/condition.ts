import { COMPARE, STATE } from './state.ts';
import { TOP, VALUE, type ValuePool } from './value.ts';

/** Most pairs of set members that are compared. */
const PAIR_LIMIT = 64;

/** What a conditional branch does in a state: 1 taken, 0 not taken, -1 unknown. */
export function decideBranch(pool: ValuePool, state: Int32Array, condition: number): number {
  const kind = state[STATE.FLAG_KIND] as number;
  if (kind === COMPARE.NONE || condition < 0) return -1;
  const a = state[STATE.FLAG_A] as number;
  const b = state[STATE.FLAG_B] as number;
  const size = state[STATE.FLAG_SIZE] as number;
  if (a === TOP || b === TOP) return -1;
  const left = pool.members(a);
  const right = pool.members(b);
  if (left.length * right.length > PAIR_LIMIT) return -1;
  let result = -2;
  for (const one of left) {
    for (const other of right) {
      const outcome = decideOne(pool, kind, one, other, size, condition);
      if (outcome < 0 || (result !== -2 && result !== outcome)) return -1;
      result = outcome;
    }
  }
  return result;
}

/** 1, 0 or -1 (unknown) for single values. */
export function decideOne(
  pool: ValuePool,
  kind: number,
  a: number,
  b: number,
  size: number,
  condition: number,
): number {
  const kindA = pool.kind(a);
  const kindB = pool.kind(b);
  // An address is never null, and never a small number.
  const isNullTest = kind === COMPARE.TEST ? a === b : kindB === VALUE.CONST && pool.payload(b) === 0;
  if ((kindA === VALUE.ADDRESS || kindA === VALUE.FRAME) && size === 8 && isNullTest) {
    if (condition === 4) return 0;
    if (condition === 5) return 1;
    return -1;
  }
  if (kindA !== VALUE.CONST || kindB !== VALUE.CONST) return -1;
  const x = signed(pool.payload(a), size);
  const y = signed(pool.payload(b), size);
  if (kind === COMPARE.TEST) return decideTest(x, y, condition);
  const ux = unsigned(x, size);
  const uy = unsigned(y, size);
  switch (condition) {
    case 2:
      return ux < uy ? 1 : 0;
    case 3:
      return ux >= uy ? 1 : 0;
    case 4:
      return x === y ? 1 : 0;
    case 5:
      return x === y ? 0 : 1;
    case 6:
      return ux <= uy ? 1 : 0;
    case 7:
      return ux > uy ? 1 : 0;
    case 12:
      return x < y ? 1 : 0;
    case 13:
      return x >= y ? 1 : 0;
    case 14:
      return x <= y ? 1 : 0;
    case 15:
      return x > y ? 1 : 0;
    case 8:
    case 9: {
      const difference = signed(x - y, size);
      return difference < 0 === (condition === 8) ? 1 : 0;
    }
    default:
      return -1;
  }
}

function decideTest(x: number, y: number, condition: number): number {
  const isSmall = (value: number): boolean => value >= -0x8000_0000 && value <= 0x7fff_ffff;
  if (x !== y && !(isSmall(x) && isSmall(y))) return -1;
  const both = x === y ? x : x & y;
  switch (condition) {
    case 2:
      return 0;
    case 3:
      return 1;
    case 4:
    case 6:
      return condition === 4 ? Number(both === 0) : Number(both === 0);
    case 5:
    case 7:
      return Number(both !== 0);
    case 8:
    case 12:
      return Number(both < 0);
    case 9:
    case 13:
      return Number(both >= 0);
    case 14:
      return Number(both <= 0);
    case 15:
      return Number(both > 0);
    default:
      return -1;
  }
}

/** The low `size` bytes as a signed number. */
export function signed(value: number, size: number): number {
  if (size === 8) return value;
  if (size === 4) return value | 0;
  return size === 2 ? (value << 16) >> 16 : (value << 24) >> 24;
}

/** For comparisons only: of 8 bytes negative numbers become large ones, not exactly 2^64 more. */
function unsigned(value: number, size: number): number {
  if (value >= 0) return value;
  return size === 8 ? value + 2 ** 64 : value + 2 ** (size * 8);
}
