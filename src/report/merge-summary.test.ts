import { describe, expect, it } from 'vitest';
import { mergeProfiles } from '../profile/merge.ts';
import { uncut } from '../profile/recut.ts';
import { describeUnlikePhases, formatMergeSummary } from './merge-summary.ts';
import { serverProfile } from './testing/server-profile.ts';

describe('formatMergeSummary', () => {
  it('says how alike the runs are', () => {
    const profile = serverProfile();
    const short = { ...profile, processes: profile.processes.slice(0, 1) };
    expect(formatMergeSummary(mergeProfiles([profile, short]))).toBe(
      '2 runs, 4 processes, 12 distinct system calls, 3 seen in every run, 9 in just one',
    );
    expect(formatMergeSummary(profile)).toBe('1 run, 3 processes, 12 distinct system calls');
  });
});

describe('describeUnlikePhases', () => {
  it('warns of profiles that were not cut alike', () => {
    const profile = serverProfile();
    expect(describeUnlikePhases([profile, profile])).toBeNull();
    expect(describeUnlikePhases([profile, uncut(profile)])).toMatch(
      /^the profiles were not cut alike: setup main@syscall:epoll_wait \/ setup \(/,
    );
  });
});
