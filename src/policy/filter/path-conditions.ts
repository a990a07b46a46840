import type { Condition } from './ir.ts';
import type { Constraints, WordConstraint } from './word-constraint.ts';

/**
 * The conditions of the filter's own form that say the same as a path's constraints, or null if they have no
 * such form (a high half that differs from a value other than 0, a mask of several bits that does not match,
 * the instruction pointer).
 */
export function expressConstraints(constraints: Constraints): Condition[] | null {
  const conditions: Condition[] = [];
  for (let arg = 0; arg < 6; arg++) {
    const expressed = expressArgument(constraints, arg);
    if (expressed === null) return null;
    conditions.push(...expressed);
  }
  const onlyArguments = [...constraints.values()].every(({ word }) => word >= FIRST_ARGUMENT);
  return onlyArguments ? conditions : null;
}

const FIRST_ARGUMENT = 4;
const WORD_MAX = 0xffffffff;

function expressArgument(constraints: Constraints, arg: number): Condition[] | null {
  const word = FIRST_ARGUMENT + 2 * arg;
  const low = constraints.get(`${word} ${WORD_MAX}`);
  const high = constraints.get(`${word + 1} ${WORD_MAX}`);
  const conditions: Condition[] = [];
  if (low !== undefined && high !== undefined && isOne(low) && isOne(high)) {
    conditions.push({ arg, width: 64, op: 'eq', value: join(high.low, low.low) });
  } else {
    for (const half of [high, low]) {
      const expressed = half === undefined ? [] : expressRange(half, arg);
      if (expressed === null) return null;
      conditions.push(...expressed);
    }
  }
  for (const constraint of constraints.values()) {
    if (constraint.mask === WORD_MAX || (constraint.word !== word && constraint.word !== word + 1)) continue;
    const expressed = expressMasked(constraint, arg);
    if (expressed === null) return null;
    conditions.push(...expressed);
  }
  return conditions;
}

function expressRange({ word, low, high, excluded }: WordConstraint, arg: number): Condition[] | null {
  const conditions: Condition[] = [];
  if (word % 2 === 0) {
    if (low === high) return [{ arg, width: 32, op: 'eq', value: BigInt(low) }];
    if (low > 0) conditions.push({ arg, width: 32, op: 'ge', value: BigInt(low) });
    if (high < WORD_MAX) conditions.push({ arg, width: 32, op: 'le', value: BigInt(high) });
    for (const value of excluded) conditions.push({ arg, width: 32, op: 'ne', value: BigInt(value) });
    return conditions;
  }
  if (excluded.length > 0) return null;
  if (low > 0) conditions.push({ arg, width: 64, op: 'ge', value: join(low, 0) });
  if (high < WORD_MAX) conditions.push({ arg, width: 64, op: 'le', value: join(high, WORD_MAX) });
  return conditions;
}

function expressMasked(constraint: WordConstraint, arg: number): Condition[] | null {
  const { word, mask, low, high, excluded } = constraint;
  const masked = (value: number): Condition =>
    word % 2 === 0
      ? { arg, width: 32, op: 'masked_eq', value: BigInt(value), mask: BigInt(mask) }
      : { arg, width: 64, op: 'masked_eq', value: join(value, 0), mask: join(mask, 0) };
  if (low === high) return [masked(low)];
  if (low === 0 && high === mask && excluded.length === 0) return [];
  return null;
}

function isOne({ low, high }: WordConstraint): boolean {
  return low === high;
}

function join(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
