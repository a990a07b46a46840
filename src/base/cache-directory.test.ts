import { describe, expect, it } from 'vitest';
import { cacheDirectory } from './cache-directory.ts';

describe('the directory of a cache', () => {
  it.each([
    { name: 'an absolute XDG_CACHE_HOME', env: { XDG_CACHE_HOME: '/x' }, want: /^\/x\/callgate\/kernel$/ },
    { name: 'a relative one', env: { XDG_CACHE_HOME: 'x' }, want: /^\/.*\/\.cache\/callgate\/kernel$/ },
    { name: 'none', env: {}, want: /^\/.*\/\.cache\/callgate\/kernel$/ },
  ])('follows $name', ({ env, want }) => {
    expect(cacheDirectory('kernel', env)).toMatch(want);
  });

  it.each(['', 'home'])('is none below the home %j, which is not absolute', (home) => {
    expect(cacheDirectory('kernel', {}, home)).toBeNull();
    expect(cacheDirectory('kernel', { XDG_CACHE_HOME: '/x' }, home)).toBe('/x/callgate/kernel');
  });
});
