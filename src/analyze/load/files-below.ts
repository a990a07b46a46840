import { directoryOf } from './dynamic-string.ts';
import { cannotList, cannotLook } from './object-reader.ts';
import type { RootFileSystem } from './root.ts';

/** What is in a directory; `problems` are sentences about what could not be gone through, so that there may be more. */
export interface FilesBelow {
  readonly files: readonly string[];
  readonly problems: readonly string[];
}

/**
 * The paths of all regular files in a directory and in those below it, sorted within each, directories last; each file once, by the first of its names.
 *
 * Links are followed. Empty when it is no directory. Past `most` files the directories that are left are a problem.
 */
export function filesBelow(root: RootFileSystem, directory: string, most: number = MOST_FILES): FilesBelow {
  const files = new Map<string, string>();
  const problems = new Set<string>();
  const seen = new Set<string>();
  const waiting = [directory];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { real, failure } = root.lookUp(next);
    if (failure !== null) {
      // Where one name cannot be looked at, often none can: one sentence for all.
      const place = next === directory ? next : `what is in ${directoryOf(next)}`;
      problems.add(cannotLook(place, failure));
    }
    if (real === null || seen.has(real)) continue;
    if (files.size > most) {
      problems.add(`${directory} has more than ${most} files, and those in ${next} and others were left out`);
      break;
    }
    seen.add(real);
    const unlisted = root.listFailure(next);
    if (unlisted !== null) problems.add(cannotList(next, unlisted));
    for (const name of root.list(next)) {
      const path = `${next === '/' ? '' : next}/${name}`;
      const identity = root.identity(path);
      if (identity === null) waiting.push(path);
      else if (!files.has(identity)) files.set(identity, path);
    }
  }
  return { files: [...files.values()], problems: [...problems] };
}

/** More than any directory of plug-ins has; few enough that one given by mistake is gone through soon. */
const MOST_FILES = 100_000;
