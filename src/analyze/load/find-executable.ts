import { absolutePath } from './dynamic-string.ts';
import type { RootFileSystem } from './root.ts';

/** The path of a program as execvp(3) finds it below a root; null if there is none. An empty directory of the search path is the working directory. */
export function findExecutable(
  root: RootFileSystem,
  name: string,
  searchPath: readonly string[],
  workingDirectory: string,
): string | null {
  if (name === '') return null;
  const names = name.includes('/') ? [name] : searchPath.map((directory) => `${directory || '.'}/${name}`);
  return (
    names.map((each) => absolutePath(each, workingDirectory)).find((path) => root.identity(path) !== null) ??
    null
  );
}
