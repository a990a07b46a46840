import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it that are missing. Not by `recursive`: where the file system has no room for directories, as
 * /proc, Node 20 then tries without end.
 *
 * @returns what was made, from the outermost to the innermost
 * @throws what mkdir or stat throw; EEXIST or ENOTDIR where something else has a name
 */
export function makeDirectories(path: string, mode = 0o777): string[] {
  if (isDirectory(path)) return [];
  const above = dirname(path);
  const made = above === path ? [] : makeDirectories(above, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else may have been quicker.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && isDirectory(path)) return made;
    throw error;
  }
  return [...made, path];
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
