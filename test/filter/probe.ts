import { AUDIT_ARCH } from '../../src/abi/arch.ts';
import type { Condition, Filter, Rule } from '../../src/policy/filter/ir.ts';
import type { SeccompData } from '../../src/policy/filter/seccomp-data.ts';

/** AUDIT_ARCH values to try: those that callgate knows, 32-bit ARM, none at all. */
const PROBED_ARCHES: readonly number[] = [...new Set(Object.values(AUDIT_ARCH)), 0x40000028, 0];

const EDGES = [0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xbfffffff, 0xfffffffe, 0xffffffff];

/** Every number from 0 to `last`, the same with bit 30, and the edges of the number space. */
export function everyNumber(last = 600): number[] {
  const numbers = Array.from({ length: last + 1 }, (_, nr) => nr);
  return [...numbers, ...numbers.map((nr) => nr + 0x40000000), ...EDGES];
}

/** The numbers that a filter names and their neighbours, with and without bit 30, and the edges. */
export function numbersOf(filter: Filter): number[] {
  const numbers = new Set<number>(EDGES);
  for (const section of filter.sections) {
    for (const nr of [0, section.newestKnown, ...section.rules.map((rule) => rule.nr)]) {
      for (const near of [nr - 1, nr, nr + 1]) {
        if (near < 0) continue;
        numbers.add(near).add((near | 0x40000000) >>> 0);
      }
    }
  }
  return [...numbers];
}

/** Values of one argument at which a condition may change: neighbours, halves swapped, each half kept, bits flipped. */
export function boundaryValues({ value, mask }: Condition): bigint[] {
  const swapped = (value >> 32n) | (value << 32n);
  const values = [
    value,
    value - 1n,
    value + 1n,
    swapped,
    value ^ (1n << 32n),
    value ^ (1n << 63n),
    ~value,
    0n,
    ~0n,
  ];
  values.push(value - (1n << 32n), value + (1n << 32n), value | 0xffffffffn, value & ~0xffffffffn);
  if (mask !== undefined) {
    values.push(value | ~mask, value ^ mask, mask, ~mask);
    for (let bit = 0n; bit < 64n; bit += 1n)
      if (((mask >> bit) & 1n) === 1n) values.push(value ^ (1n << bit));
  }
  return [...new Set(values.map((each) => BigInt.asUintN(64, each)))];
}

/** Argument vectors around one rule: one that satisfies it as far as can be, then each argument moved. */
function argumentVectors(rule: Rule): bigint[][] {
  const base = Array.from({ length: 6 }, () => 0n);
  for (const condition of rule.conditions) base[condition.arg] = satisfying(condition);
  const vectors = [base];
  for (const condition of rule.conditions) {
    for (const value of boundaryValues(condition)) vectors.push(base.with(condition.arg, value));
  }
  return vectors;
}

/** Calls to try on a filter: all `numbers` on all arches, and every rule's boundary arguments on its number. */
export function* probeFilter(filter: Filter, numbers: readonly number[]): Generator<SeccompData> {
  const instructionPointer = 0x7fff_1234_5678n;
  const zero: bigint[] = [];
  for (const arch of PROBED_ARCHES) {
    for (const nr of numbers) yield { arch, nr, instructionPointer, args: zero };
  }
  for (const section of filter.sections) {
    for (const rule of section.rules) {
      const nr = section.arch === 'x32' ? rule.nr + 0x40000000 : rule.nr;
      for (const args of argumentVectors(rule))
        yield { arch: AUDIT_ARCH[section.arch], nr, instructionPointer, args };
    }
  }
}

function satisfying({ op, value, width }: Condition): bigint {
  switch (op) {
    case 'ne':
    case 'gt':
      return BigInt.asUintN(width, value + 1n);
    case 'lt':
      return BigInt.asUintN(width, value - 1n);
    case 'eq':
    case 'le':
    case 'ge':
    case 'masked_eq':
      return value;
  }
}
