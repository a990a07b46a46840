import { ARCHES, type Arch } from '../abi/arch.ts';
import { nearestSyscallNames, syscallName, syscallNumber } from '../abi/syscalls.ts';
import { MAX_NR } from './filter/ir.ts';

/** What identifies a call. */
export interface CallIdentity {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
}

/** Identity of a call, as a key for maps. */
export function callKey({ arch, nr }: Pick<CallIdentity, 'arch' | 'nr'>): string {
  return `${arch} ${nr}`;
}

/** The call of this number, with its name in the table of `arch`. */
export function identify(arch: Arch, nr: number): CallIdentity {
  return { arch, nr, name: syscallName(arch, nr) };
}

/** The call of this name, or null where the arch has none. */
export function identifyName(arch: Arch, name: string): CallIdentity | null {
  const nr = syscallNumber(arch, name);
  return nr === null ? null : { arch, nr, name };
}

/** Order of calls in policies: arches as in the list, names before numbers, both ascending. */
export function compareLabels(a: CallIdentity, b: CallIdentity, arches: readonly Arch[]): number {
  return (
    arches.indexOf(a.arch) - arches.indexOf(b.arch) ||
    ARCHES.indexOf(a.arch) - ARCHES.indexOf(b.arch) ||
    Number(a.name === null) - Number(b.name === null) ||
    compareText(a.name ?? '', b.name ?? '') ||
    a.nr - b.nr
  );
}

/** A call in a document: `openat`, of another arch than `native` `i386:open`, without a name `x86_64:600`. */
export function formatLabel({ arch, nr, name }: CallIdentity, native: Arch): string {
  if (name === null) return `${arch}:${nr}`;
  return arch === native ? name : `${arch}:${name}`;
}

/**
 * The call that a label means, or why it means none. A number alone is one of `native`.
 *
 * @param hasHint false for no neighbours of an unknown name, which take a while to find
 */
export function parseLabel(label: string | number, native: Arch, hasHint = true): CallIdentity | string {
  const text = `${label}`;
  const colon = text.indexOf(':');
  const prefix = colon === -1 ? native : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  const arch = ARCHES.find((each) => each === prefix);
  if (arch === undefined) return `unknown arch, ${quote(prefix)} (${ARCHES.join(', ')})`;
  if (/^[0-9]+$/.test(rest)) {
    const nr = Number(rest);
    return nr > MAX_NR ? `system call number out of range, ${rest} (${MAX_NR})` : identify(arch, nr);
  }
  return identifyName(arch, rest) ?? describeUnknownName(arch, rest, hasHint);
}

/** What to say of a name that the table of `arch` does not have. */
export function describeUnknownName(arch: Arch, name: string, hasHint = true): string {
  // Looking for neighbours of a name takes time that grows with its length.
  const near = !hasHint || name.length > 64 ? [] : nearestSyscallNames(arch, name);
  const elsewhere = ARCHES.filter((each) => each !== arch && syscallNumber(each, name) !== null);
  const hint =
    elsewhere.length > 0
      ? ` (${elsewhere.map((each) => `${each}:${name}`).join(', ')} exists)`
      : near.length > 0
        ? ` (nearest: ${near.join(', ')})`
        : '';
  return `unknown system call of ${arch}, ${quote(name)}${hint}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
