import type { Condition } from '../policy/filter/ir.ts';

/** Alternatives beyond which a negation is given up. */
const CAP = 256;

/**
 * When none of some conjunctions holds, as alternatives; null if there are too many.
 *
 * What has no opposite among the comparisons comes as `ne`, which no list of constants can stand for either.
 */
export function negate(
  conjunctions: readonly (readonly Condition[])[],
): readonly (readonly Condition[])[] | null {
  let alternatives: readonly (readonly Condition[])[] = [[]];
  for (const conditions of conjunctions) {
    if (alternatives.length * conditions.length > CAP) return null;
    alternatives = alternatives.flatMap((known) => conditions.map((each) => [...known, opposite(each)]));
  }
  return alternatives;
}

function opposite(condition: Condition): Condition {
  const { arg, width, op, value } = condition;
  switch (op) {
    case 'ne':
      return { arg, width, op: 'eq', value };
    case 'gt':
      return { arg, width, op: 'le', value };
    case 'ge':
      return { arg, width, op: 'lt', value };
    case 'lt':
      return { arg, width, op: 'ge', value };
    case 'le':
      return { arg, width, op: 'gt', value };
    case 'masked_eq': {
      const mask = condition.mask!;
      // Of a single bit there is one other value.
      return (mask & (mask - 1n)) === 0n
        ? { arg, width, op, mask, value: value ^ mask }
        : { arg, width, op: 'ne', value };
    }
    case 'eq':
      return { arg, width, op: 'ne', value };
  }
}
