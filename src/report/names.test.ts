import { describe, expect, it } from 'vitest';
import { formatNames } from './names.ts';
import { serverProfile } from './testing/server-profile.ts';

describe('formatNames', () => {
  it('prints one name a line in the order of sort, other arches and numbers with a prefix', () => {
    expect(formatNames(serverProfile())).toBe(
      'accept4\nbrk\nepoll_wait\nexecve\nexit\ni386:open\nioctl\nlisten\nmprotect\nread\nwrite\nx86_64:600\n',
    );
  });

  it('prints only what fits the filter', () => {
    expect(formatNames(serverProfile(), { phase: 'main', pid: 100 })).toBe('accept4\nepoll_wait\nread\n');
  });

  it('prints nothing if nothing fits', () => {
    expect(formatNames(serverProfile(), { phase: 'main', program: 'dash' })).toBe('');
  });
});
