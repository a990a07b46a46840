import { UNKNOWN_OBJECT, type ExecutedCode } from './callgrind.ts';
import type { ReachableCode } from './reachable.ts';

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
  /** Those that cannot be the object's: callgrind names the object of the caller for what follows vfork in it. */
  readonly outside: number;
  /** Functions that ran and are not reachable, by address of the first instruction. */
  readonly missed: readonly MissedFunction[];
}

export interface MissedFunction {
  readonly name: string;
  /** Lowest vaddr that ran. */
  readonly address: number;
  /** Instructions of it that ran. */
  readonly executed: number;
}

/**
 * Holds executed code against reachable code.
 *
 * @param realPath turns a path that callgrind names into that of the file itself; the identity if left out
 */
export function compareCode(
  executed: ExecutedCode,
  reachable: ReachableCode,
  realPath: (path: string) => string = (path) => path,
): CodeComparison {
  const objects: ObjectComparison[] = [];
  const unknown: string[] = [];
  for (const [path, addresses] of executed) {
    if (path === UNKNOWN_OBJECT || isValgrind(path)) continue;
    const object = reachable.get(realPath(path));
    if (object === undefined) {
      unknown.push(path);
      continue;
    }
    const missed = new Map<string, { address: number; executed: number }>();
    let outside = 0;
    for (const address of [...addresses].filter((each) => !object.holds(each)).sort((a, b) => a - b)) {
      if (!object.contains(address)) {
        outside++;
        continue;
      }
      const name = object.functionAt(address);
      const known = missed.get(name);
      if (known === undefined) missed.set(name, { address, executed: 1 });
      else known.executed++;
    }
    objects.push({
      path,
      executed: addresses.size,
      outside,
      missed: [...missed].map(([name, rest]) => ({ name, ...rest })),
    });
  }
  objects.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { objects, unknown: unknown.sort() };
}

/** What valgrind loads into the program is not the program's. */
function isValgrind(path: string): boolean {
  return /\/valgrind\/vgpreload_[^/]*\.so$/.test(path);
}
