import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProfileParser } from './load.ts';
import { mergeProfiles } from './merge.ts';
import type { Profile, Run } from './model.ts';
import { takeRunsOnce } from './repeated-runs.ts';
import { formatProfile } from './save.ts';
import { arbitraryProfile } from './testing/arbitrary-profile.ts';
import { sampleProfile } from './testing/sample-profile.ts';

/** A profile of a run with one process. */
function profileOf(pid: number, fields: Partial<Run> = {}): Profile {
  const profile = sampleProfile([{ pid, program: `/bin/${pid}`, calls: { read: [1, 2] } }]);
  return { ...profile, runs: profile.runs.map((run) => ({ ...run, ...fields })) };
}

describe('runs that are there already', () => {
  it('are left out, with the profile that has no others', () => {
    const one = profileOf(1);
    expect(takeRunsOnce([one, one, profileOf(2), one])).toEqual({
      profiles: [one, profileOf(2)],
      repeated: 2,
    });
  });

  it('are left out of a merge, whose other runs keep their processes and parents', () => {
    const other = sampleProfile([
      { pid: 5, program: '/bin/5', calls: { read: [1, 2] } },
      { pid: 6, birth: 'fork', parent: 0, program: '/bin/5', calls: { write: [1, 2] } },
    ]);
    const { profiles, repeated } = takeRunsOnce([mergeProfiles([profileOf(1), profileOf(1), other])]);
    expect(repeated).toBe(1);
    expect(mergeProfiles(profiles)).toEqual(mergeProfiles([profileOf(1), other]));
  });

  it.each<Partial<Run>>([
    { method: 'seccomp' },
    { command: ['other'] },
    { attached: [7] },
    { start: '2026-01-02T03:04:05.679Z' },
    { duration: 7 },
    { host: { kernel: '6.1.0', arch: 'x86_64', libc: null, distribution: null } },
  ])('are others if they differ in %o', (fields) => {
    const profiles = [profileOf(1), profileOf(1, fields)];
    expect(takeRunsOnce(profiles)).toEqual({ profiles, repeated: 0 });
  });

  it('are not told without processes: lists of other tools have nothing else than a time', () => {
    const list: Profile = { ...profileOf(1), processes: [] };
    expect(takeRunsOnce([list, list]).repeated).toBe(0);
  });

  it('leave a valid document', () => {
    const parse = createProfileParser();
    fc.assert(
      fc.property(arbitraryProfile(), arbitraryProfile(), (a, b) => {
        const { profiles } = takeRunsOnce([mergeProfiles([a, b]), mergeProfiles([b, a])]);
        const merged = mergeProfiles(profiles);
        expect(parse(formatProfile(merged))).toEqual(merged);
      }),
    );
  });
});
