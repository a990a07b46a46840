import { ARCHES } from '../abi/arch.ts';
import type { ArgumentValues, Call, Origin } from './model.ts';

/** Distinct values of one selecting argument that a union keeps; one more makes it `any`. */
export const ARGUMENT_CAP = 32;

/** Identity of a call, as a key for maps. */
export function callKey(call: Pick<Call, 'arch' | 'nr'>): string {
  return `${call.arch} ${call.nr}`;
}

/** Order of calls in documents: arch as in `ARCHES`, then number. */
export function compareCalls(a: Pick<Call, 'arch' | 'nr'>, b: Pick<Call, 'arch' | 'nr'>): number {
  return ARCHES.indexOf(a.arch) - ARCHES.indexOf(b.arch) || a.nr - b.nr;
}

/** Order of origins, strongest first: what was seen needs no argument, another tool's word is only a word. */
export const ORIGINS: readonly Origin[] = ['observed', 'possible', 'imported'];

/** Order of argument values: numeric, whatever their spelling. */
export function compareValues(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const difference = BigInt(a) - BigInt(b);
  return difference < 0n ? -1 : Number(difference > 0n);
}

/** Order of selecting arguments of one call. */
export function compareArguments(a: ArgumentValues, b: ArgumentValues): number {
  return a.index - b.index || compareText(a.name, b.name);
}

/** Order of strings by code unit, which no locale changes. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/**
 * Union of the selecting arguments of several uses of the same call, in canonical order.
 *
 * An argument that one of the uses does not list was not looked at there, so it may have had `any` value.
 * Undefined if none lists any.
 */
export function uniteArguments(uses: readonly Pick<Call, 'args'>[]): readonly ArgumentValues[] | undefined {
  const slots = new Map<string, { index: number; name: string; lists: ArgumentValues[] }>();
  for (const argument of uses.flatMap((use) => use.args ?? [])) {
    const { index, name } = argument;
    const key = `${index} ${name}`;
    const slot = slots.get(key) ?? { index, name, lists: [] };
    slot.lists.push(argument);
    slots.set(key, slot);
  }
  if (slots.size === 0) return undefined;
  return [...slots.values()]
    .map(({ index, name, lists }) => ({
      index,
      name,
      ...(lists.length < uses.length ? { values: 'any' as const } : uniteValues(lists)),
    }))
    .sort(compareArguments);
}

/** Sums of errno counts, names in canonical order; undefined if no use has any. */
export function uniteErrnos(
  uses: readonly Pick<Call, 'errnos'>[],
): Readonly<Record<string, number>> | undefined {
  const sums = new Map<string, number>();
  let seen = false;
  for (const { errnos } of uses) {
    if (errnos === undefined) continue;
    seen = true;
    for (const [name, count] of Object.entries(errnos)) sums.set(name, (sums.get(name) ?? 0) + count);
  }
  if (!seen) return undefined;
  return Object.fromEntries([...sums].sort(([a], [b]) => compareText(a, b)));
}

/** Sum of counts, null as soon as one is not known. */
export function uniteCounts(uses: readonly Pick<Call, 'count'>[]): number | null {
  let sum = 0;
  for (const { count } of uses) {
    if (count === null) return null;
    sum += count;
  }
  return sum;
}

/**
 * Earliest first and latest last use among those that have times; null if none has.
 *
 * The last use is not known as soon as it is not known of one that was observed.
 */
export function uniteTimes(uses: readonly Pick<Call, 'origin' | 'first' | 'last'>[]): {
  first: number | null;
  last: number | null;
} {
  let first: number | null = null;
  let last: number | null = null;
  let isOpen = false;
  for (const use of uses) {
    isOpen ||= use.last === null && (use.first !== null || use.origin === 'observed');
    if (use.first !== null) first = first === null ? use.first : Math.min(first, use.first);
    if (use.last !== null) last = last === null ? use.last : Math.max(last, use.last);
  }
  return { first, last: isOpen ? null : last };
}

/** Distinct numbers, ascending. */
export function uniteIndices(lists: Iterable<readonly number[]>): readonly number[] {
  const all = new Set<number>();
  for (const list of lists) for (const index of list) all.add(index);
  return [...all].sort((a, b) => a - b);
}

/** Values with their earliest first and latest last use; uses only if every list has them. */
function uniteValues(lists: readonly ArgumentValues[]): Pick<ArgumentValues, 'values' | 'uses'> {
  const all = new Map<number | string, [number, number]>();
  let isTimed = true;
  for (const { values, uses } of lists) {
    if (values === 'any') return { values };
    isTimed &&= uses !== undefined;
    for (const [place, value] of values.entries()) {
      const [first, last] = uses?.[place] ?? [0, 0];
      const before = all.get(value);
      all.set(
        value,
        before === undefined ? [first, last] : [Math.min(before[0], first), Math.max(before[1], last)],
      );
    }
    if (all.size > ARGUMENT_CAP) return { values: 'any' };
  }
  const ordered = [...all].sort(([a], [b]) => compareValues(a, b));
  const values = ordered.map(([value]) => value);
  return isTimed ? { values, uses: ordered.map(([, use]) => use) } : { values };
}
