import type { RootFileSystem } from './root.ts';

/**
 * The paths of all regular files in a directory and in those below it, sorted within each, directories last; each file once, by the first of its names.
 *
 * Links are followed. Empty when it is no directory.
 */
export function filesBelow(root: RootFileSystem, directory: string): string[] {
  const files = new Map<string, string>();
  const seen = new Set<string>();
  const waiting = [directory];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const real = root.realPath(next);
    if (real === null || seen.has(real)) continue;
    seen.add(real);
    for (const name of root.list(next)) {
      const path = `${next === '/' ? '' : next}/${name}`;
      const identity = root.identity(path);
      if (identity === null) waiting.push(path);
      else if (!files.has(identity)) files.set(identity, path);
    }
    if (files.size > MOST_FILES) break;
  }
  return [...files.values()];
}

/** More than any directory of plug-ins has; few enough that one given by mistake is gone through soon. */
const MOST_FILES = 100_000;
