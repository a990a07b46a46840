import { FormatError } from '../base/errors.ts';
import type { Comparison, Condition } from '../policy/filter/ir.ts';
import { quoteText } from './text-input.ts';

const OPERATORS: Readonly<Record<string, Comparison>> = {
  SCMP_CMP_NE: 'ne',
  SCMP_CMP_LT: 'lt',
  SCMP_CMP_LE: 'le',
  SCMP_CMP_EQ: 'eq',
  SCMP_CMP_GE: 'ge',
  SCMP_CMP_GT: 'gt',
  SCMP_CMP_MASKED_EQ: 'masked_eq',
};

/**
 * The `args` of an entry as alternatives; empty if there are none.
 *
 * They hold together, but if two look at the same argument runc makes an alternative of each (matchCall of
 * libcontainer/seccomp).
 */
export function readOciConditions(
  args: readonly unknown[],
  source: string,
): readonly (readonly Condition[])[] {
  const conditions = args.map((arg) => readCondition(arg, source));
  if (conditions.length === 0) return [];
  const isRepeated = new Set(conditions.map(({ arg }) => arg)).size < conditions.length;
  return isRepeated ? conditions.map((condition) => [condition]) : [conditions];
}

function readCondition(arg: unknown, source: string): Condition {
  const { index, value, valueTwo, op } = (arg ?? {}) as Record<string, unknown>;
  const operator = OPERATORS[String(op)];
  const position = Number(index);
  if (operator === undefined)
    throw new FormatError(`${source}: unknown operator, ${quoteText(String(op))} (SCMP_CMP_*)`);
  if (!Number.isInteger(position) || position < 0 || position > 5) {
    throw new FormatError(`${source}: argument out of range, ${quoteText(String(index))} (0 to 5)`);
  }
  const first = readValue(value, source);
  if (operator !== 'masked_eq') return { arg: position, width: 64, op: operator, value: first };
  // A mask of 0 lets everything match whose other value is 0, and nothing else.
  return {
    arg: position,
    width: 64,
    op: 'masked_eq',
    mask: first,
    value: readValue(valueTwo, source) & first,
  };
}

function readValue(value: unknown, source: string): bigint {
  if (value === undefined) return 0n;
  if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return BigInt(value);
  throw new FormatError(
    `${source}: value is not an unsigned 64-bit integer, ${quoteText(JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}` : each)))}`,
    {
      value,
    },
  );
}
