import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Where something that can be made anew is kept: below XDG_CACHE_HOME if that is absolute, else below ~/.cache (XDG Base Directory
 * Specification). Null if there is no home either: a relative one would be another in each working directory.
 */
export function cacheDirectory(
  kind: string,
  env: NodeJS.ProcessEnv = process.env,
  home: string = homedir(),
): string | null {
  const base = [env['XDG_CACHE_HOME'] ?? '', join(home, '.cache')].find(isAbsolute);
  return base === undefined ? null : join(base, 'callgate', kind);
}
