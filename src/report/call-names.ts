import { ARCHES, type Arch } from '../abi/arch.ts';
import type { Call, Profile } from '../profile/model.ts';

/** What identifies a call for people. */
export type NamedCall = Pick<Call, 'arch' | 'nr' | 'name'>;

/**
 * The arch whose names need no prefix: that of the machine of the first run.
 *
 * `x86_64` if there is no run or its machine is not known.
 */
export function nativeArch(profile: Profile): Arch {
  const machine = profile.runs[0]?.host.arch ?? '';
  if (/^i[3-6]86$/.test(machine)) return 'i386';
  return ARCHES.find((arch) => arch === machine) ?? 'x86_64';
}

/** A call for people and scripts: `openat`, of another arch `i386:open`, without a name `x86_64:600`. */
export function callLabel({ arch, nr, name }: NamedCall, native: Arch): string {
  if (name === null) return `${arch}:${nr}`;
  return arch === native ? name : `${arch}:${name}`;
}

/** The same calls in the order of their labels: the native ones first, then arch by arch; numbers without names at the end. */
export function sortByLabel<Item extends NamedCall>(calls: readonly Item[], native: Arch): readonly Item[] {
  const rank = ({ arch }: Item): number => (arch === native ? -1 : ARCHES.indexOf(arch));
  return [...calls].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      Number(a.name === null) - Number(b.name === null) ||
      compare(a.name ?? '', b.name ?? '') ||
      a.nr - b.nr,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
