import type { Arch } from './arch.ts';
import { AARCH64_SYSCALLS } from './generated/syscalls-aarch64.ts';
import { I386_SYSCALLS } from './generated/syscalls-i386.ts';
import { X32_SYSCALLS } from './generated/syscalls-x32.ts';
import { X86_64_SYSCALLS } from './generated/syscalls-x86-64.ts';

/** A number that the kernel's headers give a name to, on one arch. */
export interface Syscall {
  /** `__NR_` value; for x32 without bit 30 ({@link X32_SYSCALL_BIT}). */
  readonly nr: number;
  /** Name as in the headers, without `__NR_`. */
  readonly name: string;
  /**
   * First kernel release with a call of this name on any arch, such as `5.9`, but not before the first release of the
   * arch itself; null for reserved numbers that no release has implemented. Development series count as the stable one
   * that followed (2.5.x is `2.6`). Source: syscalls(2), scripts/syscall.tbl and arch/x86/entry/syscalls of the kernel.
   */
  readonly since: string | null;
}

interface Table {
  readonly sorted: readonly Syscall[];
  readonly byNumber: ReadonlyMap<number, Syscall>;
  readonly byName: ReadonlyMap<string, number>;
}

const SOURCES: Readonly<Record<Arch, string>> = {
  x86_64: X86_64_SYSCALLS,
  i386: I386_SYSCALLS,
  x32: X32_SYSCALLS,
  aarch64: AARCH64_SYSCALLS,
};

// Filled on first use of an arch: a run on x86_64 does not pay for the other three.
const tables = new Map<Arch, Table>();

/** Name of a number in the table of `arch`, or null for a number that the table does not have. */
export function syscallName(arch: Arch, nr: number): string | null {
  return table(arch).byNumber.get(nr)?.name ?? null;
}

/** Number of a name in the table of `arch`, or null where the arch has no such call. */
export function syscallNumber(arch: Arch, name: string): number | null {
  return table(arch).byName.get(name) ?? null;
}

/** Every call of the table of `arch`, sorted by number. */
export function syscalls(arch: Arch): readonly Syscall[] {
  return table(arch).sorted;
}

/**
 * Names of `arch` that a mistyped one may have meant, nearest first, at most `max`; empty if none is near.
 * For error messages.
 */
export function nearestSyscallNames(arch: Arch, wrong: string, max: number = 3): string[] {
  const limit = Math.max(1, Math.floor(wrong.length / 3));
  return syscalls(arch)
    .map(({ name }) => ({ name, distance: editDistance(wrong.toLowerCase(), name) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, max)
    .map(({ name }) => name);
}

function table(arch: Arch): Table {
  const known = tables.get(arch);
  if (known !== undefined) return known;
  const sorted: Syscall[] = [];
  const byNumber = new Map<number, Syscall>();
  const byName = new Map<string, number>();
  for (const row of SOURCES[arch].trim().split('\n')) {
    const [nr, name = '', since = null] = row.split(' ');
    const call = { nr: Number(nr), name, since };
    sorted.push(call);
    byNumber.set(call.nr, call);
    byName.set(name, call.nr);
  }
  const fresh = { sorted, byNumber, byName };
  tables.set(arch, fresh);
  return fresh;
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one each. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = a[row - 1] === b[column - 1] ? 0 : 1;
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + substitution,
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}
