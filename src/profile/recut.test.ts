import { describe, expect, it } from 'vitest';
import { createProfileParser } from './load.ts';
import { mergeProfiles } from './merge.ts';
import type { Profile } from './model.ts';
import { recut, uncut, type Split } from './recut.ts';
import { formatProfile } from './save.ts';
import { sampleCall, sampleProfile, type SampleProcess } from './testing/sample-profile.ts';

const PARENT: SampleProcess = {
  pid: 1,
  calls: { read: [1, 5], open: [2, 2], poll: { uses: [5, 9], waited: 3 } },
};

describe('recut', () => {
  it('puts a call into setup if its first use is before the split, into main if its last is not', () => {
    const cut = recut(sampleProfile([PARENT]), split({ 0: 5 }));
    expect(phasesOf(cut)).toEqual([{ read: [0, 1], open: [0], poll: [1] }]);
    expect(cut.processes[0]?.transitions).toEqual([
      { phase: 0, at: 0 },
      { phase: 1, at: 5e6 },
    ]);
    expect(cut.phases).toEqual([
      { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
      { name: 'main', trigger: 'key', source: 'given', reason: null, entered: true },
    ]);
  });

  it.each<{ name: string; child: Partial<SampleProcess>; times: Record<number, number>; want: number[] }>([
    { name: 'a fork in main as main', child: { birth: 'fork', start: 5 }, times: { 0: 5 }, want: [1] },
    { name: 'a fork in setup as setup', child: { birth: 'fork', start: 4 }, times: { 0: 5 }, want: [0] },
    {
      name: 'a fork with a time of its own',
      child: { birth: 'fork', start: 4 },
      times: { 0: 5, 1: 7 },
      want: [0, 1],
    },
    {
      name: 'a fork in main as main, whatever its own time',
      child: { birth: 'fork', start: 6 },
      times: { 0: 5, 1: 7 },
      want: [1],
    },
    {
      name: 'an exec in main as main',
      child: { birth: 'exec', pid: 1, start: 6 },
      times: { 0: 5 },
      want: [1],
    },
    {
      name: 'an exec in setup as setup',
      child: { birth: 'exec', pid: 1, start: 4 },
      times: { 0: 5 },
      want: [0],
    },
    { name: 'a split at its birth as main', child: { birth: 'fork', start: 4 }, times: { 1: 4 }, want: [1] },
    {
      name: 'a split after its end as setup',
      child: { birth: 'fork', start: 4 },
      times: { 1: 99 },
      want: [0],
    },
  ])('takes $name', ({ child, times, want }) => {
    const profile = sampleProfile([PARENT, { pid: 2, parent: 0, calls: { read: [6, 8] }, ...child }]);
    const cut = recut(profile, split(times));
    expect(cut.processes[1]?.calls.map(({ phases }) => phases)).toEqual([want]);
    expect(cut.processes[1]?.transitions.map(({ phase }) => phase)).toEqual(want);
  });

  it('passes main on through generations', () => {
    const profile = sampleProfile([
      PARENT,
      { pid: 2, birth: 'fork', parent: 0, start: 6, calls: { read: [6, 6] } },
      { pid: 2, birth: 'exec', parent: 1, start: 7, calls: { read: [7, 7] } },
    ]);
    expect(phasesOf(recut(profile, split({ 0: 5 })))[2]).toEqual({ read: [1] });
  });

  it('counts what has no time for both phases', () => {
    const base = sampleProfile([PARENT]);
    const profile: Profile = {
      ...base,
      programs: [{ path: '/a', buildId: null, calls: [sampleCall(0, 'read')] }],
      processes: base.processes.map((process) => ({
        ...process,
        calls: process.calls.map((call) => ({ ...call, first: null, last: null })),
      })),
    };
    const cut = recut(profile, split({ 0: 5 }));
    expect(phasesOf(cut)).toEqual([{ read: [0, 1], open: [0, 1], poll: [0, 1] }]);
    expect(cut.programs[0]?.calls[0]?.phases).toEqual([0, 1]);
    expect(phasesOf(recut(profile, split({})))).toEqual([{ read: [0], open: [0], poll: [0] }]);
  });

  it('says that main was not entered if no process got there', () => {
    expect(recut(sampleProfile([PARENT]), split({})).phases[1]?.entered).toBe(false);
  });

  it('gives a valid document, and cutting again at the same split changes nothing', () => {
    const cut = recut(sampleProfile([PARENT]), split({ 0: 5 }));
    expect(createProfileParser()(formatProfile(cut))).toEqual(cut);
    expect(recut(cut, split({ 0: 5 }))).toEqual(cut);
  });

  it('forgets by which phases a run was cut before', () => {
    const profile = sampleProfile([PARENT]);
    const cut = recut(profile, split({ 0: 5 }));
    const merged = mergeProfiles([cut, profile]);
    expect(merged.runs.map(({ phases }) => phases)).toEqual([undefined, [0]]);
    expect(recut(merged, split({ 0: 5, 1: 5 }))).toEqual(mergeProfiles([cut, cut]));
    expect(uncut(merged)).toEqual(mergeProfiles([profile, profile]));
  });

  it('can be undone', () => {
    const profile = sampleProfile([PARENT, { ...PARENT, pid: 2, birth: 'fork', parent: 0 }]);
    expect(uncut(recut(profile, split({ 0: 5 })))).toEqual(profile);
  });
});

function split(times: Readonly<Record<number, number>>): Split {
  const entries = Object.entries(times).map(([index, at]) => [Number(index), at * 1e6] as const);
  return { trigger: 'key', source: 'given', reason: null, times: new Map(entries) };
}

function phasesOf(profile: Profile): Record<string, readonly number[]>[] {
  return profile.processes.map(({ calls }) =>
    Object.fromEntries(calls.map(({ name, phases }) => [name ?? '', phases])),
  );
}
