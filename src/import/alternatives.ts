import { createArgument, isOpen, uniteRules } from '../policy/argument-rules.ts';
import { visibleArguments } from '../policy/argument-constants.ts';
import { holds } from '../policy/filter/evaluate.ts';
import type { Condition } from '../policy/filter/ir.ts';
import { ARGUMENT_VALUE_CAP, type PolicyArgument } from '../policy/model.ts';
import type { CallIdentity } from '../policy/call-label.ts';

/** Argument rules of a policy for what a foreign filter says of a call. */
export interface UnitedRules {
  readonly args: readonly PolicyArgument[];
  /** False if they let more through than the filter did. */
  readonly isExact: boolean;
}

/**
 * The rules that let all of some alternatives through, as tight as a policy can say it.
 *
 * @param alternatives the conditions of one hold together
 */
export function uniteAlternatives(
  call: CallIdentity,
  alternatives: readonly (readonly Condition[])[],
): UnitedRules {
  if (alternatives.some((conditions) => conditions.length === 0)) return { args: [], isExact: true };
  const possible = alternatives.filter(isPossible);
  const parts = (possible.length === 0 ? alternatives : possible).map((conditions) =>
    ruleList(call, conditions),
  );
  const args = parts
    .map((part) => part.args)
    .reduce(uniteRules, parts[0]?.args ?? [])
    .filter((argument) => !isOpen(argument));
  const distinct = new Set(parts.map((part) => keyOf(part.args)));
  // Independent arguments let every combination of their values through.
  const combinations = args.reduce((product, { values }) => product * values.length, 1);
  const isExact =
    parts.every((part) => part.isExact) &&
    parts.every((part) => part.args.length === args.length && sameBits(part.args, args)) &&
    combinations === distinct.size &&
    parts.every((part) => part.args.every(({ values }) => values.length === 1) || parts.length === 1);
  return { args, isExact: isExact || (parts.length === 1 && parts[0]!.isExact) };
}

function ruleList(call: CallIdentity, conditions: readonly Condition[]): UnitedRules {
  const byIndex = new Map<number, Condition[]>();
  for (const condition of conditions) {
    byIndex.set(condition.arg, [...(byIndex.get(condition.arg) ?? []), condition]);
  }
  let isExact = true;
  const args: PolicyArgument[] = [];
  for (const found of byIndex.values()) {
    const all = withoutImplied(found);
    const joined = all.length === 1 ? all[0]! : joinMasks(all);
    const rules = (joined === null ? all : [joined]).flatMap((condition) => ruleOf(call, condition) ?? []);
    if (joined === null || rules.length === 0) isExact = false;
    args.push(...rules.slice(0, 1));
  }
  return { args: args.sort((a, b) => a.index - b.index), isExact };
}

/** Comparisons of one argument but for those that hold anyway where it equals a value: a program may ask for others before. */
function withoutImplied(conditions: readonly Condition[]): readonly Condition[] {
  const exact = conditions.find(({ op }) => op === 'eq');
  if (exact === undefined) return conditions;
  return conditions.filter(
    (each) => each === exact || each.width > exact.width || !holdsAt(each, exact.value),
  );
}

/** False where no value of an argument meets all that is asked of it, as what is left of a denial turned round may do. */
function isPossible(conditions: readonly Condition[]): boolean {
  return conditions.every((condition) => {
    const values = valuesOf(condition);
    if (values === null) return true;
    const others = conditions.filter(({ arg, width }) => arg === condition.arg && width === condition.width);
    return values.some((value) => others.every((other) => holdsAt(other, value)));
  });
}

/** All values that meet a comparison, if they are few; else null. */
function valuesOf({ op, value }: Condition): readonly bigint[] | null {
  if (op === 'eq') return [value];
  const end = op === 'lt' ? value : op === 'le' ? value + 1n : -1n;
  if (end < 0n || end > BigInt(ARGUMENT_VALUE_CAP)) return null;
  return Array.from({ length: Number(end) }, (_, k) => BigInt(k));
}

function holdsAt(condition: Condition, value: bigint): boolean {
  return holds(
    condition,
    Array.from({ length: 6 }, () => value),
  );
}

/** Comparisons of parts of an argument as one; null if they are not all for bits. */
function joinMasks(conditions: readonly Condition[]): Condition | null {
  let [mask, value] = [0n, 0n];
  for (const condition of conditions) {
    const own = maskOf(condition);
    if (own === null || ((value ^ own.value) & mask & own.mask) !== 0n) return null;
    [mask, value] = [mask | own.mask, value | own.value];
  }
  return { arg: conditions[0]!.arg, width: 64, op: 'masked_eq', value, mask };
}

/** A comparison as one of some bits; below a power of two means that all higher bits are clear. */
function maskOf({ op, width, value, mask }: Condition): { mask: bigint; value: bigint } | null {
  const full = (1n << BigInt(width)) - 1n;
  if (op === 'eq' || op === 'masked_eq') return { mask: mask ?? full, value };
  const end = op === 'lt' ? value : op === 'le' ? value + 1n : 0n;
  return end > 0n && (end & (end - 1n)) === 0n ? { mask: full & ~(end - 1n), value: 0n } : null;
}

/** Null for comparisons that a list of constants cannot stand for. */
function ruleOf(call: CallIdentity, condition: Condition): PolicyArgument | null {
  const { arg, op, value } = condition;
  const selecting = visibleArguments(call).find(({ index }) => index === arg);
  const full = (1n << BigInt(condition.width)) - 1n;
  const bits = maskOf(condition);
  let free = bits === null ? 0n : ~bits.mask & full;
  let values = [bits?.value ?? value];
  if (op === 'lt' || op === 'le') {
    const end = op === 'lt' ? value : value + 1n;
    if (end > 0n && end <= BigInt(ARGUMENT_VALUE_CAP)) {
      [values, free] = [Array.from({ length: Number(end) }, (_, k) => BigInt(k)), 0n];
    } else if (bits === null) {
      return null;
    }
  } else if (bits === null) {
    return null;
  }
  const upper = 0xffffffff_00000000n;
  const isLowOnly = condition.width === 32 || (free & upper) === upper;
  // Of an int the kernel looks at the low half only, and so does a policy: the upper half is what was left in it.
  const isInt = selecting?.bits === 32 && values.every((each) => each <= 0xffffffffn);
  if (isInt || (isLowOnly && selecting?.bits !== 64)) {
    const name = isInt ? selecting.name : null;
    return createArgument({ index: arg, name, width: 32, values, free });
  }
  const name = selecting?.bits === 64 ? selecting.name : null;
  return createArgument({ index: arg, name, width: 64, values, free: isLowOnly ? free | upper : free });
}

function sameBits(a: readonly PolicyArgument[], b: readonly PolicyArgument[]): boolean {
  return a.every((each, k) => each.index === b[k]?.index && each.free === b[k].free);
}

function keyOf(args: readonly PolicyArgument[]): string {
  return args.map(({ index, values, free }) => `${index}:${values.join()}/${free}`).join(';');
}
