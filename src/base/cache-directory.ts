import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Where something that can be made anew is kept: below XDG_CACHE_HOME if that is absolute, else below ~/.cache (XDG Base Directory
 * Specification).
 */
export function cacheDirectory(kind: string, env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.cache'), 'callgate', kind);
}

/**
 * Makes a directory and those above it that are missing, for its owner alone. Not by `recursive`: where the file system has no room for
 * directories, as /proc, Node 20 then tries without end.
 *
 * @throws what mkdir throws
 */
export function makeCacheDirectory(path: string): void {
  if (existsSync(path)) return;
  makeCacheDirectory(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
