import { UNKNOWN_OBJECT, type ExecutedCode } from './callgrind.ts';
import { isReachable, type ReachableCode } from './reachable.ts';

/** What ran although the analysis held it for unreachable. */
export interface CodeComparison {
  readonly objects: readonly ObjectComparison[];
  /** Objects of which code ran, and which the analysis does not have at all. */
  readonly unknown: readonly string[];
}

/** One object that both sides have. */
export interface ObjectComparison {
  readonly path: string;
  /** Instructions that ran. */
  readonly executed: number;
  /** vaddrs of those among them that are not reachable, ascending. */
  readonly missed: readonly number[];
}

/**
 * Holds executed code against reachable code.
 *
 * @param sameFile gives paths that name one file the same text, as links do; the identity if left out
 */
export function compareCode(
  executed: ExecutedCode,
  reachable: ReachableCode,
  sameFile: (path: string) => string = (path) => path,
): CodeComparison {
  const known = new Map(reachable.objects.map((object) => [sameFile(object.path), object]));
  const objects: ObjectComparison[] = [];
  const unknown: string[] = [];
  for (const [path, addresses] of executed) {
    if (path === UNKNOWN_OBJECT || isValgrind(path)) continue;
    const object = known.get(sameFile(path));
    if (object === undefined) {
      unknown.push(path);
      continue;
    }
    const missed = [...addresses].filter((address) => !isReachable(object, address)).sort((a, b) => a - b);
    objects.push({ path, executed: addresses.size, missed });
  }
  objects.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { objects, unknown: unknown.sort() };
}

/** Addresses that lie close together, as first and last: a function's worth each, for people. */
export function groupAddresses(
  addresses: readonly number[],
  gap = 256,
): readonly (readonly [number, number])[] {
  const groups: [number, number][] = [];
  for (const address of addresses) {
    const last = groups.at(-1);
    if (last !== undefined && address - last[1] <= gap) last[1] = address;
    else groups.push([address, address]);
  }
  return groups;
}

/** What valgrind loads into the program is not the program's. */
function isValgrind(path: string): boolean {
  return /\/valgrind\/vgpreload_[^/]*\.so$/.test(path);
}
