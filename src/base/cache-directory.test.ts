import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheDirectory, makeCacheDirectory } from './cache-directory.ts';

describe('the directory of a cache', () => {
  it.each([
    { name: 'an absolute XDG_CACHE_HOME', env: { XDG_CACHE_HOME: '/x' }, want: /^\/x\/callgate\/kernel$/ },
    { name: 'a relative one', env: { XDG_CACHE_HOME: 'x' }, want: /^\/.*\/\.cache\/callgate\/kernel$/ },
    { name: 'none', env: {}, want: /^\/.*\/\.cache\/callgate\/kernel$/ },
  ])('follows $name', ({ env, want }) => {
    expect(cacheDirectory('kernel', env)).toMatch(want);
  });

  it('is made with those above it, for its owner alone, and may be there already', () => {
    const top = mkdtempSync(join(tmpdir(), 'callgate-cache-'));
    const path = join(top, 'a', 'b');
    makeCacheDirectory(path);
    makeCacheDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    rmSync(top, { recursive: true });
  });

  it('that cannot be made is an error at once, also below /proc', () => {
    expect(() => makeCacheDirectory('/proc/callgate/kernel')).toThrow(/ENOENT|EACCES|EPERM/);
    expect(existsSync('/proc/callgate')).toBe(false);
  });
});
