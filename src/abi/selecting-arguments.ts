import type { Arch } from './arch.ts';
import { ROWS } from './selecting-argument-rows.ts';
import { syscallNumber } from './syscalls.ts';

/** An argument, or a field of a structure behind one, whose value selects what a call does. */
export interface SelectingArgument {
  /** Position, 0 to 5. */
  readonly index: number;
  /** Name as the kernel or the manual page has it, or of the field; unique within the call. */
  readonly name: string;
  /**
   * How many low bits of the register the kernel looks at: 32 for int and unsigned int, whose upper half a program may
   * leave dirty, 64 for unsigned long and pointers. Always 32 on i386.
   */
  readonly bits: 32 | 64;
  /** Present if the argument is a pointer: the field there, `offset` in bytes; seccomp filters cannot see it. */
  readonly pointee?: { readonly offset: number; readonly bits: 32 | 64 };
  /** The set of constants that name its values; see {@link argumentValueName}. Absent where none do. */
  readonly values?: string;
}

/** The selecting arguments of the calls of this name, on the arches given or on all. */
export interface SelectingRow {
  readonly name: string;
  /** Absent: on every arch that has the call and no row of its own. */
  readonly arches?: readonly Arch[];
  readonly args: readonly SelectingArgument[];
}

const NONE: readonly SelectingArgument[] = [];

const byArch = new Map<Arch, readonly (readonly SelectingArgument[] | undefined)[]>();

/** Selecting arguments of a call in the order of their positions; empty for calls without one and unknown numbers. */
export function selectingArguments(arch: Arch, nr: number): readonly SelectingArgument[] {
  return (byArch.get(arch) ?? load(arch))[nr] ?? NONE;
}

/** The numbers of `arch` that have selecting arguments, with them. */
export function selectingCalls(arch: Arch): readonly (readonly [nr: number, readonly SelectingArgument[]])[] {
  const table = byArch.get(arch) ?? load(arch);
  return [...table.entries()].flatMap(([nr, args]) => (args === undefined ? [] : [[nr, args] as const]));
}

function load(arch: Arch): readonly (readonly SelectingArgument[] | undefined)[] {
  const fresh: (readonly SelectingArgument[] | undefined)[] = [];
  for (const row of [
    ...ROWS.filter((each) => each.arches === undefined),
    ...ROWS.filter((each) => each.arches?.includes(arch)),
  ]) {
    const nr = syscallNumber(arch, row.name);
    if (nr === null) continue;
    fresh[nr] = arch === 'i386' ? row.args.map((argument) => ({ ...argument, bits: 32 as const })) : row.args;
  }
  byArch.set(arch, fresh);
  return fresh;
}
