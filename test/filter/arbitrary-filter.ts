import * as fc from 'fast-check';
import type { Arch } from '../../src/abi/arch.ts';
import {
  ALLOW,
  KILL_PROCESS,
  KILL_THREAD,
  LOG,
  TRAP,
  USER_NOTIF,
  type Action,
} from '../../src/policy/filter/action.ts';
import {
  COMPARISONS,
  createFilter,
  type Condition,
  type Filter,
  type RuleSpec,
  type SectionSpec,
} from '../../src/policy/filter/ir.ts';

/** Any action. */
export const arbitraryAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Action>(ALLOW, KILL_PROCESS, { kind: 'errno', errno: 1 }) },
  { weight: 1, arbitrary: fc.constantFrom<Action>(KILL_THREAD, LOG, TRAP, USER_NOTIF) },
  { weight: 1, arbitrary: fc.nat(4095).map((errno): Action => ({ kind: 'errno', errno })) },
  { weight: 1, arbitrary: fc.nat(0xffff).map((data): Action => ({ kind: 'trace', data })) },
);

const half = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 0x7fffffffn, 0x80000000n, 0xfffffffen, 0xffffffffn),
  fc.bigInt({ min: 0n, max: 16n }),
  fc.bigInt({ min: 0n, max: 0xffffffffn }),
);

/** An argument value; both halves like to be 0, 1 or all ones, where comparisons go wrong. */
export const arbitraryValue: fc.Arbitrary<bigint> = fc
  .tuple(half, half)
  .map(([high, low]) => (high << 32n) | low);

/** A condition that `createFilter` accepts; `args` limits the arguments to the first few. */
export function arbitraryCondition(args = 6): fc.Arbitrary<Condition> {
  return fc
    .tuple(
      fc.nat(args - 1),
      fc.constantFrom(32, 64),
      fc.constantFrom(...COMPARISONS),
      arbitraryValue,
      arbitraryValue,
    )
    .map(([arg, width, op, value, mask]): Condition => {
      const fit = (operand: bigint): bigint => BigInt.asUintN(width, operand);
      if (op !== 'masked_eq') return { arg, width: width as 32 | 64, op, value: fit(value) };
      const some = fit(mask) === 0n ? 8n : fit(mask);
      return { arg, width: width as 32 | 64, op, value: value & some, mask: some };
    });
}

/** Rules over few numbers, so that alternatives for one number are frequent. */
export function arbitraryRule(maxNr = 24): fc.Arbitrary<RuleSpec> {
  return fc.record({
    nr: fc.oneof(
      { weight: 9, arbitrary: fc.nat(maxNr) },
      { weight: 1, arbitrary: fc.constantFrom(425, 600, 0x3fffffff) },
    ),
    action: arbitraryAction,
    conditions: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 3, arbitrary: fc.array(arbitraryCondition(2), { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.array(arbitraryCondition(), { minLength: 1, maxLength: 6 }) },
    ),
  });
}

/** A filter with one to four sections. */
export const arbitraryFilter: fc.Arbitrary<Filter> = fc
  .tuple(
    fc.subarray<Arch>(['x86_64', 'i386', 'x32', 'aarch64'], { minLength: 1 }),
    fc.array(
      fc.tuple(
        fc.array(arbitraryRule(), { maxLength: 30 }),
        arbitraryAction,
        fc.option(fc.nat(30)),
        arbitraryAction,
      ),
      {
        minLength: 4,
        maxLength: 4,
      },
    ),
    fc.record({ mismatch: arbitraryAction, foreign: arbitraryAction, skipped: arbitraryAction }),
  )
  .map(([arches, sections, rest]) =>
    createFilter({
      ...rest,
      sections: arches.map((arch, index): SectionSpec => {
        const [rules, otherwise, newestKnown, newer] = sections[index]!;
        return { arch, rules, default: otherwise, newer, ...(newestKnown === null ? {} : { newestKnown }) };
      }),
    }),
  );

/** A filter of many rules on one arch, for programs of a few thousand instructions. */
export function arbitraryLargeFilter(maxRules: number): fc.Arbitrary<Filter> {
  return fc
    .tuple(
      fc.array(arbitraryRule(450), { minLength: maxRules >> 1, maxLength: maxRules, size: 'max' }),
      arbitraryAction,
      fc.array(arbitraryCondition(2), { minLength: 1, maxLength: 300, size: 'max' }),
    )
    .map(([rules, otherwise, alternatives]) =>
      createFilter({
        sections: [
          {
            arch: 'x86_64',
            rules: [
              ...rules,
              ...alternatives.map((condition): RuleSpec => ({
                nr: 16,
                action: ALLOW,
                conditions: [condition],
              })),
            ],
            default: otherwise,
            newestKnown: 460,
          },
        ],
      }),
    );
}

/** Options for `assert`: a failure over a large filter is reported after a while, in whatever size it has then. */
export const SHRINK_LIMIT: {
  readonly interruptAfterTimeLimit: number;
  readonly markInterruptAsFailure: boolean;
} = {
  interruptAfterTimeLimit: 30_000,
  markInterruptAsFailure: true,
};
