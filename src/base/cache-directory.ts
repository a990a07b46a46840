import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where something that can be made anew is kept: below XDG_CACHE_HOME if that is absolute, else below ~/.cache (XDG Base Directory
 * Specification).
 */
export function cacheDirectory(kind: string, env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.cache'), 'callgate', kind);
}
