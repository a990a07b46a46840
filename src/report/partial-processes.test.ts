import { describe, expect, it } from 'vitest';
import { buildPolicy } from '../policy/build.ts';
import { compareSplit } from './split-sets.ts';
import { createProfileParser } from '../profile/load.ts';
import type { Profile } from '../profile/model.ts';
import { autoSplit } from '../profile/phase-proposals.ts';
import { formatProfile } from '../profile/save.ts';
import { splitAt } from '../profile/splits.ts';
import { splitTable } from '../profile/split-table.ts';
import { sampleCall, sampleProfile } from '../profile/testing/sample-profile.ts';
import { completePartial } from '../profile/unmeasured.ts';

/** A parent whose calls pass by now, and a child that was seen to make one only, by which it goes over to main. */
const PROFILE: Profile = (() => {
  const sample = sampleProfile([
    { pid: 1, calls: {} },
    { pid: 2, birth: 'fork', parent: 0, start: 4, calls: {} },
  ]);
  const [parent, child] = sample.processes;
  if (parent === undefined || child === undefined) throw new Error('the sample has two processes');
  const passed = { count: null, last: null } as const;
  const args = [{ index: 1, name: 'cmd', values: [1, 3] }] as const;
  return {
    ...sample,
    processes: [
      {
        ...parent,
        calls: [
          sampleCall(0, 'read', passed),
          sampleCall(72, 'fcntl', { ...passed, args }),
          sampleCall(59, 'execve', { launch: true }),
        ],
      },
      { ...child, partial: true, calls: [sampleCall(124, 'getsid', { count: 1, first: 5e6, last: 5e6 })] },
    ],
  };
})();

describe('a process of which only new calls were seen', () => {
  it('has all of its run, at times that are not known, but for the launch', () => {
    const [, child] = completePartial(PROFILE).processes;
    expect(
      child?.calls.map(({ name, count, first, last, args }) => ({ name, count, first, last, args })),
    ).toEqual([
      { name: 'getsid', count: 1, first: 5e6, last: 5e6, args: undefined },
      { name: 'read', count: null, first: null, last: null, args: undefined },
      {
        name: 'fcntl',
        count: null,
        first: null,
        last: null,
        args: [{ index: 1, name: 'cmd', values: [1, 3] }],
      },
    ]);
    const whole = { ...PROFILE, processes: PROFILE.processes.slice(0, 1) };
    expect(completePartial(whole)).toBe(whole);
  });

  it('blocks nothing in main that it may make there', () => {
    const split = splitAt(PROFILE, { kind: 'syscall', name: 'getsid', n: 1 });
    const { main, blocked } = compareSplit(PROFILE, split);
    expect(main.map(({ name }) => name)).toEqual(['fcntl', 'getsid', 'read']);
    expect(blocked).toEqual([]);
    expect(autoSplit(PROFILE)).toBeNull();
    expect(splitTable(PROFILE).filter(({ blocked: count }) => count > 0)).toEqual([]);
  });

  it('is held to no less by a policy for its program', () => {
    const programs = ['/one', '/other'].map((path) => ({ path, buildId: null, calls: [] }));
    const processes = PROFILE.processes.map((process, index) => ({ ...process, program: index }));
    const profile: Profile = { ...PROFILE, programs, processes };
    createProfileParser()(formatProfile(profile), 'profile');
    const { policy } = buildPolicy([profile]);
    const set =
      policy.phases[0]?.programs.find(({ path }) => path === '/other')?.calls ??
      policy.phases[0]?.calls ??
      [];
    expect(set.map(({ name }) => name)).toEqual(expect.arrayContaining(['read', 'fcntl', 'getsid']));
  });
});
