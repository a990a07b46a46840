/** A test of a word, as it came out on a path: `(word & mask) relation k`, unsigned. */
export interface WordTest {
  readonly word: number;
  /** 0xffffffff if the whole word is compared. */
  readonly mask: number;
  readonly relation: Relation;
  readonly k: number;
}

/** How a word stands to a constant, unsigned. */
export type Relation = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** Range and exceptions of one masked word: what a path has found out about it. */
export interface WordConstraint {
  readonly word: number;
  readonly mask: number;
  readonly low: number;
  readonly high: number;
  /** Inside the range, but not at its ends. */
  readonly excluded: readonly number[];
}

/** What a path knows of each masked word that it has tested. */
export type Constraints = ReadonlyMap<string, WordConstraint>;

/**
 * Constraints with one more test that came out true, or null if that cannot be.
 *
 * Different masks of one word are independent unless the word is known; a path may be kept that cannot be.
 */
export function constrain(constraints: Constraints, test: WordTest): Constraints | null {
  const { word, mask, relation, k } = test;
  if (mask === 0) return isTrue(0, relation, k) ? constraints : null;
  const key = `${word} ${mask}`;
  const known = constraints.get(key) ?? { word, mask, low: 0, high: mask >>> 0, excluded: [] };
  const whole = constraints.get(`${word} ${0xffffffff}`);
  if (whole !== undefined && whole.low === whole.high) {
    return isTrue((whole.low & mask) >>> 0, relation, k) ? constraints : null;
  }
  let { low, high, excluded } = known;
  switch (relation) {
    case '==':
      if (k < low || k > high || excluded.includes(k) || (k & ~mask) !== 0) return null;
      low = high = k;
      break;
    case '!=':
      if (!excluded.includes(k)) excluded = [...excluded, k];
      break;
    case '<':
      high = Math.min(high, k - 1);
      break;
    case '<=':
      high = Math.min(high, k);
      break;
    case '>':
      low = Math.max(low, k + 1);
      break;
    case '>=':
      low = Math.max(low, k);
      break;
  }
  while (excluded.includes(low)) low++;
  while (excluded.includes(high)) high--;
  // Of one bit there are two values.
  if ((mask & (mask - 1)) === 0) {
    if (low > 0) low = mask;
    if (high < mask) high = 0;
  }
  if (low > high) return null;
  excluded = excluded.filter((value) => value > low && value < high);
  return new Map(constraints).set(key, { word, mask, low, high, excluded });
}

function isTrue(value: number, relation: Relation, k: number): boolean {
  switch (relation) {
    case '==':
      return value === k;
    case '!=':
      return value !== k;
    case '<':
      return value < k;
    case '<=':
      return value <= k;
    case '>':
      return value > k;
    case '>=':
      return value >= k;
  }
}
