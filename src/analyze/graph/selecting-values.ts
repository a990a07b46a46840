import { type Arch } from '../../abi/arch.ts';
import { selectingArguments } from '../../abi/selecting-arguments.ts';
import type { ArgumentValues } from '../../profile/model.ts';
import type { ArgumentQuery } from './argument-query.ts';
import type { CallSite } from './sites.ts';

/** Registers of the arguments; source: syscall(2). int 0x80 and sysenter have those of i386, x32 those of x86-64. */
const REGISTERS: Readonly<Partial<Record<Arch, readonly number[]>>> = {
  x86_64: [7, 6, 2, 10, 8, 9],
  x32: [7, 6, 2, 10, 8, 9],
  i386: [3, 1, 2, 6, 7, 5],
};

/** Most values of an argument that are told apart; as in traces. */
const VALUE_LIMIT = 64;

/**
 * The selecting arguments of a call over all its sites: constants where every site has constants, else `any`. What stands behind
 * a pointer is `any`. Null where the call has none.
 */
export function selectingValues(
  query: ArgumentQuery,
  arch: Arch,
  nr: number,
  sites: readonly CallSite[],
): ArgumentValues[] | null {
  const selecting = selectingArguments(arch, nr);
  if (selecting.length === 0) return null;
  return selecting.map(({ index, name, bits, pointee }) => {
    const register = REGISTERS[arch]?.[index];
    if (register === undefined || pointee !== undefined) return { index, name, values: 'any' as const };
    const values = new Set<number>();
    for (const { node, address } of sites) {
      const { numbers, unknown } = query.registerAt(node, address, register);
      if (unknown.length > 0) return { index, name, values: 'any' as const };
      for (const number of numbers.keys()) values.add(number);
      if (values.size > VALUE_LIMIT) return { index, name, values: 'any' as const };
    }
    return { index, name, values: inOrder(values, bits) };
  });
}

/** Ascending, as unsigned integers; those that a double cannot hold as text. */
function inOrder(values: ReadonlySet<number>, bits: 32 | 64): (number | string)[] {
  const modulus = 1n << BigInt(bits);
  const unsigned = [...new Set([...values].map((value) => ((BigInt(value) % modulus) + modulus) % modulus))];
  unsigned.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return unsigned.map((value) =>
    value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `0x${value.toString(16)}`,
  );
}
