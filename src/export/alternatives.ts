import type { Condition } from '../policy/filter/ir.ts';
import { callAlternatives } from '../policy/lower.ts';
import type { PolicyArgument, PolicyCall } from '../policy/model.ts';

/** Alternatives of one call beyond which a format that lists them gets too large. */
const ALTERNATIVE_CAP = 512;

/** The argument rules of a call as alternatives; any of them lets it through. */
export interface Alternatives {
  /** Conditions of one alternative hold together, one for each argument at most; no conditions: any arguments. */
  readonly list: readonly (readonly Condition[])[];
  /** Positions of arguments whose rules were left out because there would be too many alternatives. */
  readonly dropped: readonly number[];
}

/**
 * Every combination of the constants that the arguments of a call may have.
 *
 * For formats whose rules compare an argument with one constant. Beyond 512 combinations the argument with the most
 * constants is left out.
 */
export function listAlternatives(call: Pick<PolicyCall, 'args'>): Alternatives {
  let args = call.args;
  const dropped: number[] = [];
  for (;;) {
    const list = callAlternatives({ args }, ALTERNATIVE_CAP);
    if (list !== null) return { list, dropped };
    const widest = args.reduce((most, each) => (each.values.length > most.values.length ? each : most));
    dropped.push(widest.index);
    args = args.filter((each) => each !== widest);
  }
}

/** The bits of an argument that count, within its width. */
export function maskOf({ width, free }: Pick<PolicyArgument, 'width' | 'free'>): bigint {
  return ~free & ((1n << BigInt(width)) - 1n);
}

/** The same condition for formats that only compare all 64 bits of a register: what does not count is masked out. */
export function widen(condition: Condition): Condition {
  const { arg, width, op, value } = condition;
  return width === 64 || op !== 'eq'
    ? { ...condition, width: 64 }
    : { arg, width: 64, op: 'masked_eq', value, mask: 0xffffffffn };
}
