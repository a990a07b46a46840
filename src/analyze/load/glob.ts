import { cannotList } from './object-reader.ts';
import type { RootFileSystem } from './root.ts';
import type { LibraryList } from './run-time-library.ts';

/**
 * The paths below a root that fit a pattern with `*`, `?` and `[...]` (glob(7)), sorted; the pattern itself when it has none of them and is there.
 *
 * A directory that cannot be listed, and paths past a limit, are problems of the list.
 */
export function globFiles(root: RootFileSystem, pattern: string, list: LibraryList): string[] {
  let paths = [''];
  for (const part of pattern.split('/').filter((name) => name !== '')) {
    if (/[*?[]/.test(part)) {
      const fits = expressionOf(part);
      for (const path of paths) {
        const failure = root.listFailure(path === '' ? '/' : path);
        if (failure !== null) list.addProblem(cannotList(path === '' ? '/' : path, failure));
      }
      paths = paths.flatMap((path) =>
        root
          .list(path === '' ? '/' : path)
          .filter((name) => fits(name))
          .map((name) => `${path}/${name}`),
      );
      if (paths.length > MOST_PATHS) {
        list.addProblem(`${pattern} fits more than ${MOST_PATHS} paths, and the others were left out`);
        paths.length = MOST_PATHS;
      }
    } else paths = paths.map((path) => `${path}/${part}`);
  }
  return paths.filter((path) => !root.isAbsent(path));
}

const MOST_PATHS = 10_000;

/** Matched without a regular expression, which a pattern of many stars could make slow. */
function expressionOf(part: string): (name: string) => boolean {
  return (name) => (name.startsWith('.') && !part.startsWith('.') ? false : matches(part, name));
}

function matches(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let index = 0;
  while (index < name.length) {
    const step = at < pattern.length && pattern[at] !== '*' ? stepOf(pattern, at, name[index] as string) : 0;
    if (step > 0) {
      at += step;
      index++;
    } else if (pattern[at] === '*') {
      star = at++;
      resume = index;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

/** How much of the pattern one character takes; 0 when it does not fit. */
function stepOf(pattern: string, at: number, character: string): number {
  const sign = pattern[at];
  const end = sign === '[' ? pattern.indexOf(']', at + 2) : -1;
  if (end < 0) return sign === '?' || sign === character ? 1 : 0;
  const body = pattern.slice(at + 1, end);
  const isNegated = body.startsWith('!') || body.startsWith('^');
  const set = isNegated ? body.slice(1) : body;
  let isIn = false;
  for (let index = 0; index < set.length; index++) {
    const isRange = set[index + 1] === '-' && index + 2 < set.length;
    const last = isRange ? (set[index + 2] as string) : (set[index] as string);
    isIn ||= character >= (set[index] as string) && character <= last;
    if (isRange) index += 2;
  }
  return isIn === isNegated ? 0 : end + 1 - at;
}
