import type { SelectingArgument } from '../abi/selecting-arguments.ts';
import { uniteArguments } from '../profile/call-union.ts';
import type { Call } from '../profile/model.ts';
import { visibleArguments } from './argument-constants.ts';
import type { CallIdentity } from './call-label.ts';
import { ARGUMENT_VALUE_CAP, type PolicyArgument } from './model.ts';

/**
 * Sets of flags of which any combination of the seen bits is let through, with the bits among them that are a number.
 *
 * A later run joins known flags in a new way more often than it brings a new one, and nothing is gained by joining
 * these. Where the combination is the danger (PROT_WRITE with PROT_EXEC, the flags of clone and of mounts), and for
 * everything that is not listed, only the values that were seen are let through.
 */
const COMBINED: Readonly<Record<string, bigint>> = {
  'access-at': 0n,
  'at-flags': 0n,
  'epoll-create-flags': 0n,
  'eventfd-flags': 0n,
  'fd-flags': 0n,
  'futex-op': 0x7fn,
  'getrandom-flags': 0n,
  'inotify-flags': 0n,
  'map-flags': 0xfn,
  'memfd-flags': 0n,
  'msg-flags': 0n,
  'msync-flags': 0n,
  'open-flags': 0x3n,
  'rw-flags': 0n,
  'signalfd-flags': 0n,
  'socket-flags': 0n,
  'socket-type': 0xfn,
  'splice-flags': 0n,
  'timer-flags': 0n,
  'timerfd-flags': 0n,
  'timerfd-timer-flags': 0n,
  'wait-options': 0n,
};

/**
 * Rules that let all of the recorded uses of a call through: one for each selecting argument that a filter can see and
 * of which every use lists its values; another argument may be anything.
 */
export function argumentRules(call: CallIdentity, uses: readonly Call[]): readonly PolicyArgument[] {
  const united = uniteArguments(uses) ?? [];
  return visibleArguments(call).flatMap((selecting) => {
    const found = united.find(({ index, name }) => index === selecting.index && name === selecting.name);
    if (found === undefined || found.values === 'any' || found.values.length === 0) return [];
    return [ruleFor(selecting, found.values.map(BigInt))];
  });
}

/** The rule that lets these values of an argument through, and combinations of them where that is harmless. */
export function ruleFor(selecting: SelectingArgument, values: readonly bigint[]): PolicyArgument {
  const { index, name, bits } = selecting;
  const seen = values.map((value) => BigInt.asUintN(bits, value));
  const field = selecting.values === undefined ? undefined : COMBINED[selecting.values];
  const free = field === undefined ? 0n : seen.reduce((all, value) => all | value, 0n) & ~field;
  return createArgument({ index, name, width: bits, values: seen, free });
}

/** The same rule in its one form: values ascending, each once, without the bits that do not matter. */
export function createArgument(argument: PolicyArgument): PolicyArgument {
  const { index, name, width, values } = argument;
  const free = BigInt.asUintN(width, argument.free);
  const distinct = new Set(values.map((value) => BigInt.asUintN(width, value) & ~free));
  return { index, name, width, values: [...distinct].sort(compareBigints), free };
}

/** Rules that let through whatever either of two lists does; an argument that one of them leaves open is open. */
export function uniteRules(
  a: readonly PolicyArgument[],
  b: readonly PolicyArgument[],
): readonly PolicyArgument[] {
  return a.flatMap((left) => {
    const right = b.find(({ index, width }) => index === left.index && width === left.width);
    if (right === undefined) return [];
    const free = left.free | right.free;
    const united = createArgument({ ...left, values: [...left.values, ...right.values], free });
    return united.values.length > ARGUMENT_VALUE_CAP ? [] : [united];
  });
}

/** Whether `a` lets through all that `b` does, as far as that can be told argument by argument. */
export function coversRules(a: readonly PolicyArgument[], b: readonly PolicyArgument[]): boolean {
  return a.every((wide) => {
    if (isOpen(wide)) return true;
    return b.some((narrow) => narrow.index === wide.index && coversRule(wide, narrow));
  });
}

/** Whether every value that the second rule lets through is one that the first does. */
function coversRule(wide: PolicyArgument, narrow: PolicyArgument): boolean {
  const free = freeBits(wide);
  const combined = bitsOf(freeBits(narrow) & ~free, wide.values.length);
  // Each value comes with all combinations of these bits, and the other rule would have to list as many.
  if (combined === null) return false;
  const combinations = combined.reduce<readonly bigint[]>(
    (found, bit) => [...found, ...found.map((value) => value | bit)],
    [0n],
  );
  const values = new Set(wide.values);
  return narrow.values.every((value) =>
    combinations.every((combination) => values.has((value & ~free) | combination)),
  );
}

/** The bits of a register that do not matter to a rule: one of 32 bits does not look at the upper half. */
export function freeBits({ width, free }: Pick<PolicyArgument, 'width' | 'free'>): bigint {
  return width === 64 ? free : free | UPPER_HALF;
}

/** Bits above those that a rule of 32 bits looks at. */
export const UPPER_HALF = 0xffff_ffff_0000_0000n;

/** The single bits of a mask; null if they have more than this many combinations. */
function bitsOf(mask: bigint, most: number): readonly bigint[] | null {
  const bits: bigint[] = [];
  for (let left = mask; left !== 0n; left &= left - 1n) {
    if (2 ** (bits.length + 1) > most) return null;
    bits.push(left & -left);
  }
  return bits;
}

/** Whether a rule lets every value through. */
export function isOpen({ width, free }: PolicyArgument): boolean {
  return free === (1n << BigInt(width)) - 1n;
}

function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
