import { OP } from '../x86/instruction.ts';
import { low, low32 } from './state.ts';
import { DERIVED, TOP, VALUE, type ValuePool } from './value.ts';

/** Most pairs of set members that are combined. */
const PAIR_LIMIT = 64;

/** The low `size` bytes of a value, zero-extended. */
export function truncate(pool: ValuePool, id: number, size: number): number {
  if (size === 8) return id;
  if (size === 4) return low(pool, id);
  if (id === TOP) return TOP;
  const mask = size === 2 ? 0xffff : 0xff;
  return mapMembers(pool, id, (member) => {
    const kind = pool.kind(member);
    if (kind === VALUE.CONST) return pool.constant(low32(pool.payload(member)) & mask);
    if (kind === VALUE.RANGE && pool.payload(member) <= mask) return member;
    return TOP;
  });
}

/** A value whose low `from` bytes are sign-extended to `to` bytes (4 results are zero-extended to 8). */
export function signExtend(pool: ValuePool, id: number, from: number, to: number): number {
  return mapMembers(pool, id, (member) => {
    const payload = pool.payload(member);
    switch (pool.kind(member)) {
      case VALUE.CONST: {
        const bits = low32(payload) | 0;
        const number = from === 4 ? bits : from === 2 ? (bits << 16) >> 16 : (bits << 24) >> 24;
        return pool.constant(to === 4 ? number >>> 0 : number);
      }
      case VALUE.RANGE:
        return payload < (from === 4 ? 0x8000_0000 : from === 2 ? 0x8000 : 0x80) ? member : TOP;
      // An int in a register: the kernel and all comparisons of ints look at its low half only.
      case VALUE.ENTRY_LOW:
      case VALUE.ARGUMENT_LOW:
        return from === 4 ? member : TOP;
      case VALUE.ENTRY:
        return from === 4 ? pool.of(VALUE.ENTRY_LOW, payload) : TOP;
      case VALUE.ENTRY4:
        return member;
      default:
        return TOP;
    }
  });
}

/** Sum of two values. */
export function addValues(pool: ValuePool, a: number, b: number): number {
  const kindA = pool.kind(a);
  const kindB = pool.kind(b);
  if (kindA === VALUE.SET || kindB === VALUE.SET) return combine(pool, a, b, addValues);
  if (kindB === VALUE.CONST) return addConstant(pool, a, pool.payload(b));
  if (kindA === VALUE.CONST) return addConstant(pool, b, pool.payload(a));
  if (kindA === VALUE.ADDRESS) return addToAddress(pool, a, b);
  if (kindB === VALUE.ADDRESS) return addToAddress(pool, b, a);
  if (kindA === VALUE.ELEMENT) return pool.element(pool.payload(a), -1);
  if (kindB === VALUE.ELEMENT) return pool.element(pool.payload(b), -1);
  return isCodeLike(kindA) || isCodeLike(kindB) ? DERIVED : TOP;
}

/** Difference of two values. */
export function subtractValues(pool: ValuePool, a: number, b: number): number {
  const kindA = pool.kind(a);
  const kindB = pool.kind(b);
  if (kindA === VALUE.SET || kindB === VALUE.SET) return combine(pool, a, b, subtractValues);
  if (kindB === VALUE.CONST) return addConstant(pool, a, -pool.payload(b));
  if (kindA === kindB && (kindA === VALUE.ADDRESS || kindA === VALUE.FRAME)) {
    return pool.constant(pool.payload(a) - pool.payload(b));
  }
  return kindA === VALUE.ADDRESS || isCodeLike(kindA) ? DERIVED : TOP;
}

/** Product of two values. */
export function multiply(pool: ValuePool, a: number, b: number): number {
  if (pool.kind(a) === VALUE.SET || pool.kind(b) === VALUE.SET) return combine(pool, a, b, multiply);
  if (pool.kind(a) === VALUE.CONST && pool.kind(b) === VALUE.CONST) {
    return pool.constant(pool.payload(a) * pool.payload(b));
  }
  return TOP;
}

/** An index times the scale of an address. */
export function scaleShift(pool: ValuePool, id: number, scale: number): number {
  if (scale === 1) return id;
  return mapMembers(pool, id, (member) => {
    const payload = pool.payload(member);
    switch (pool.kind(member)) {
      case VALUE.CONST:
        return pool.constant(payload * scale);
      case VALUE.RANGE:
        return pool.of(VALUE.RANGE, payload * scale);
      default:
        return TOP;
    }
  });
}

/** AND, OR, XOR, SHL, SHR and SAR. */
export function bitwise(pool: ValuePool, operation: number, a: number, b: number, size: number): number {
  const kindA = pool.kind(a);
  const kindB = pool.kind(b);
  if (kindA === VALUE.SET || kindB === VALUE.SET) {
    return combine(pool, a, b, (_pool, one, other) => bitwise(pool, operation, one, other, size));
  }
  if (kindA === VALUE.CONST && kindB === VALUE.CONST) {
    return bitwiseConstants(pool, operation, pool.payload(a), pool.payload(b), size);
  }
  if (operation === OP.AND) {
    const mask = kindB === VALUE.CONST ? pool.payload(b) : kindA === VALUE.CONST ? pool.payload(a) : -1;
    if (mask === 0) return pool.constant(0);
    if (mask > 0 && mask < 0x1_0000) return pool.of(VALUE.RANGE, mask);
  }
  if (operation === OP.SHL && kindA === VALUE.RANGE && kindB === VALUE.CONST && pool.payload(b) < 8) {
    return pool.of(VALUE.RANGE, pool.payload(a) * 2 ** pool.payload(b));
  }
  return isCodeLike(kindA) || kindA === VALUE.ADDRESS ? DERIVED : TOP;
}

function bitwiseConstants(pool: ValuePool, operation: number, x: number, y: number, size: number): number {
  if (operation === OP.SHL || operation === OP.SHR || operation === OP.SAR) {
    const count = y & (size === 8 ? 63 : 31);
    if (operation === OP.SHL) {
      const shifted = x * 2 ** count;
      return size === 8 ? pool.constant(shifted) : pool.constant(low32(shifted));
    }
    if (operation === OP.SHR) return x >= 0 ? pool.constant(Math.floor(x / 2 ** count)) : TOP;
    return pool.constant(Math.floor((size === 4 ? x | 0 : x) / 2 ** count));
  }
  const isInt = (value: number): boolean => value >= -0x8000_0000 && value <= 0xffff_ffff;
  if (!isInt(x) || !isInt(y)) return TOP;
  if (size === 8 && (x > 0x7fff_ffff || y > 0x7fff_ffff) && (x < 0 || y < 0)) return TOP;
  const result = operation === OP.AND ? x & y : operation === OP.OR ? x | y : x ^ y;
  return pool.constant(size === 8 && x < 0x8000_0000 && y < 0x8000_0000 ? result : result >>> 0);
}

function addConstant(pool: ValuePool, id: number, delta: number): number {
  const payload = pool.payload(id);
  switch (pool.kind(id)) {
    case VALUE.CONST:
      return pool.constant(payload + delta);
    case VALUE.ADDRESS:
      return pool.address(payload + delta);
    case VALUE.FRAME:
      return pool.of(VALUE.FRAME, payload + delta);
    case VALUE.ELEMENT:
      return pool.element(payload + delta, pool.extra(id));
    case VALUE.RANGE:
      return delta === 0 ? id : TOP;
    default:
      if (delta === 0) return id;
      return isCodeLike(pool.kind(id)) ? DERIVED : TOP;
  }
}

function addToAddress(pool: ValuePool, address: number, index: number): number {
  const kind = pool.kind(index);
  if (kind === VALUE.ENTRY4 || kind === VALUE.ENTRY8) return pool.tableSum(index, pool.payload(address));
  if (kind === VALUE.RANGE) return pool.element(pool.payload(address), pool.payload(index));
  if (kind === VALUE.DERIVED || kind === VALUE.SUM) return DERIVED;
  return pool.element(pool.payload(address), -1);
}

function isCodeLike(kind: number): boolean {
  return kind === VALUE.DERIVED || kind === VALUE.SUM || kind === VALUE.ENTRY4;
}

function mapMembers(pool: ValuePool, id: number, change: (member: number) => number): number {
  if (pool.kind(id) !== VALUE.SET) return change(id);
  return pool.union(pool.members(id).map(change));
}

function combine(
  pool: ValuePool,
  a: number,
  b: number,
  operation: (pool: ValuePool, a: number, b: number) => number,
): number {
  const left = pool.members(a);
  const right = pool.members(b);
  if (left.length * right.length > PAIR_LIMIT) return TOP;
  return pool.union(left.flatMap((one) => right.map((other) => operation(pool, one, other))));
}
