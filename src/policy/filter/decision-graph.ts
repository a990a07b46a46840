/** Comparison of a word with a constant: BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET. */
export type Jump = 'jeq' | 'jgt' | 'jge' | 'jset';

/** The end of a decision: the value that the program returns. */
export interface Return {
  readonly kind: 'return';
  readonly id: number;
  readonly value: number;
}

/** A test of one 32-bit word of struct seccomp_data. */
export interface Test {
  readonly kind: 'test';
  readonly id: number;
  /** Index of the word. */
  readonly word: number;
  /** What the word is and-ed with first; null leaves it as it is. */
  readonly mask: number | null;
  readonly jump: Jump;
  readonly k: number;
  readonly whenTrue: Decision;
  readonly whenFalse: Decision;
}

/** What is left to decide: the rest of the way through the program. */
export type Decision = Return | Test;

const WORD_MAX = 0xffffffff;

/**
 * Builds decisions from their ends; equal ones are one object, so that they can be compared with `===` and
 * become one piece of code.
 *
 * A test is left out where its outcome follows from the test before it, or does not matter.
 */
export class DecisionGraph {
  readonly #returns = new Map<number, Return>();
  readonly #tests = new Map<string, Test>();
  #nextId = 0;

  /** The end that returns `value`. */
  return(value: number): Return {
    let node = this.#returns.get(value);
    if (node === undefined) {
      node = { kind: 'return', id: this.#nextId++, value };
      this.#returns.set(value, node);
    }
    return node;
  }

  /** `word jump k ? whenTrue : whenFalse`, unsigned. */
  test(word: number, jump: Jump, k: number, whenTrue: Decision, whenFalse: Decision): Decision {
    switch (jump) {
      case 'jeq': {
        // That a word is not k says something about its range only at the ends.
        const low = k === 0 ? 1 : 0;
        const high = k === WORD_MAX ? WORD_MAX - 1 : WORD_MAX;
        return this.#intern(
          word,
          null,
          jump,
          k,
          within(whenTrue, word, k, k),
          within(whenFalse, word, low, high),
        );
      }
      case 'jge':
        if (k === 0) return whenTrue;
        return this.#intern(
          word,
          null,
          jump,
          k,
          within(whenTrue, word, k, WORD_MAX),
          within(whenFalse, word, 0, k - 1),
        );
      case 'jgt':
        if (k === WORD_MAX) return whenFalse;
        return this.#intern(
          word,
          null,
          jump,
          k,
          within(whenTrue, word, k + 1, WORD_MAX),
          within(whenFalse, word, 0, k),
        );
      case 'jset':
        if (k === 0) return whenFalse;
        return this.#intern(word, null, jump, k, within(whenTrue, word, 1, WORD_MAX), whenFalse);
    }
  }

  /** `(word & mask) == value ? whenTrue : whenFalse`; in the fewest instructions. */
  maskedTest(word: number, mask: number, value: number, whenTrue: Decision, whenFalse: Decision): Decision {
    if ((value & ~mask) !== 0) return whenFalse;
    if (mask === WORD_MAX) return this.test(word, 'jeq', value, whenTrue, whenFalse);
    if (value === 0) return this.test(word, 'jset', mask, whenFalse, whenTrue);
    const oneBit = (mask & (mask - 1)) === 0;
    if (oneBit) return this.test(word, 'jset', mask, whenTrue, whenFalse);
    return this.#intern(word, mask, 'jeq', value, whenTrue, whenFalse);
  }

  #intern(
    word: number,
    mask: number | null,
    jump: Jump,
    k: number,
    whenTrue: Decision,
    whenFalse: Decision,
  ): Decision {
    if (whenTrue === whenFalse) return whenTrue;
    const key = `${word} ${mask} ${jump} ${k} ${whenTrue.id} ${whenFalse.id}`;
    let node = this.#tests.get(key);
    if (node === undefined) {
      node = { kind: 'test', id: this.#nextId++, word, mask, jump, k, whenTrue, whenFalse };
      this.#tests.set(key, node);
    }
    return node;
  }
}

/** What is left of a decision once `word` is known to lie between `low` and `high`, both included. */
export function within(decision: Decision, word: number, low: number, high: number): Decision {
  let node = decision;
  while (node.kind === 'test' && node.word === word) {
    const outcome = outcomeWithin(node, low, high);
    if (outcome === undefined) return node;
    node = outcome ? node.whenTrue : node.whenFalse;
  }
  return node;
}

function outcomeWithin(test: Test, low: number, high: number): boolean | undefined {
  const { jump, k, mask } = test;
  if (low === high) {
    const value = mask === null ? low : (low & mask) >>> 0;
    if (jump === 'jset') return (value & k) !== 0;
    return jump === 'jeq' ? value === k : jump === 'jgt' ? value > k : value >= k;
  }
  if (mask !== null || jump === 'jset') return undefined;
  if (jump === 'jeq') return k < low || k > high ? false : undefined;
  const atLeast = jump === 'jgt' ? k + 1 : k;
  if (low >= atLeast) return true;
  return high < atLeast ? false : undefined;
}
