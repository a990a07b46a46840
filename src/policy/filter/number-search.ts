import type { Decision, DecisionGraph } from './decision-graph.ts';
import { WORD } from './seccomp-data.ts';

/** What is decided for the numbers from `first` up to the next range's. */
export interface NumberRange {
  readonly first: number;
  readonly decision: Decision;
}

/** Ascending ranges of numbers; neighbours that are decided alike become one. */
export class NumberLine {
  readonly #ranges: NumberRange[] = [];

  /** Numbers from `first` on; not below the last one appended, which it replaces if it is the same. */
  append(first: number, decision: Decision): void {
    const previous = this.#ranges.at(-1);
    if (previous?.first === first) this.#ranges.pop();
    if (this.#ranges.at(-1)?.decision !== decision) this.#ranges.push({ first, decision });
  }

  /** What has been appended so far. */
  get ranges(): readonly NumberRange[] {
    return this.#ranges;
  }
}

/** A search for the range that the number is in: about log2(ranges) tests, fewer in code for lone exceptions. */
export function searchNumber(graph: DecisionGraph, ranges: readonly NumberRange[], end: number): Decision {
  const exceptions = exceptionsToOne(ranges, end);
  if (exceptions !== undefined) {
    return exceptions.numbers.reduceRight<Decision>(
      (rest, { first, decision }) => graph.test(WORD.nr, 'jeq', first, decision, rest),
      exceptions.usual,
    );
  }
  const middle = ranges.length >> 1;
  const pivot = ranges[middle]!.first;
  return graph.test(
    WORD.nr,
    'jge',
    pivot,
    searchNumber(graph, ranges.slice(middle), end),
    searchNumber(graph, ranges.slice(0, middle), pivot),
  );
}

/** Beyond this many, a chain of comparisons costs more time than it saves space. */
const LONGEST_CHAIN = 3;

/** If all but a few single numbers have one decision, that decision and those numbers. */
function exceptionsToOne(
  ranges: readonly NumberRange[],
  end: number,
): { usual: Decision; numbers: readonly NumberRange[] } | undefined {
  // Neighbours differ, so with n exceptions there are at most 2n + 1 ranges.
  if (ranges.length > 2 * LONGEST_CHAIN + 1) return undefined;
  const size = (index: number): number => (ranges[index + 1]?.first ?? end) - ranges[index]!.first;
  let best: { usual: Decision; numbers: readonly NumberRange[] } | undefined;
  for (const { decision: usual } of ranges) {
    const numbers = ranges.filter(({ decision }) => decision !== usual);
    const single = ranges.every(({ decision }, index) => decision === usual || size(index) === 1);
    if (single && numbers.length <= LONGEST_CHAIN && numbers.length < (best?.numbers.length ?? Infinity)) {
      best = { usual, numbers };
    }
  }
  return best;
}
