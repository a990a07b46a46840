import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../base/errors.ts';
import { mergeProfiles } from './merge.ts';
import type { Call, Process, Profile } from './model.ts';
import { recut } from './recut.ts';
import { callSet, callTotals, countProcesses, runIncidence, type CallFilter } from './sets.ts';
import { splitAt } from './splits.ts';
import { arbitraryProfile } from './testing/arbitrary-profile.ts';
import { sampleCall, sampleProfile, sampleRun } from './testing/sample-profile.ts';

const TRACE = sampleProfile([
  { pid: 1, program: '/bin/a', calls: { execve: [0, 0], read: [1, 9], open: [2, 2] } },
  {
    pid: 2,
    program: '/usr/bin/b',
    argv0: '/opt/link',
    run: 1,
    calls: { read: [3, 3], poll: { uses: [4], waited: 1 } },
  },
]);

const STATIC: Profile = {
  ...sampleProfile([]),
  runs: [sampleRun({ method: 'analyze' })],
  programs: [{ path: '/bin/a', buildId: null, calls: [sampleCall(0, 'read'), sampleCall(3, 'close')] }],
};

const BOTH = mergeProfiles([launched(TRACE), STATIC]);

describe('countProcesses', () => {
  it.each<{ name: string; processes: Parameters<typeof sampleProfile>[0]; want: number }>([
    {
      name: 'a pid that was given out again is another process',
      processes: [
        { pid: 1, program: '/bin/a', calls: {} },
        { pid: 2, birth: 'fork', parent: 0, program: '/bin/a', end: 5, calls: {} },
        { pid: 2, birth: 'fork', parent: 0, program: '/bin/a', start: 7, calls: {} },
      ],
      want: 3,
    },
    {
      name: 'an exec goes on with its process',
      processes: [
        { pid: 1, program: '/bin/a', end: 5, calls: {} },
        { pid: 1, birth: 'exec', parent: 0, program: '/bin/b', start: 5, calls: {} },
      ],
      want: 1,
    },
  ])('$name', ({ processes, want }) => {
    expect(countProcesses(sampleProfile(processes))).toBe(want);
  });
});

describe('callSet', () => {
  it.each<{ name: string; filter: CallFilter; want: string[] }>([
    { name: 'all', filter: {}, want: ['read', 'open', 'close', 'poll', 'execve'] },
    { name: 'a pid', filter: { pid: 1 }, want: ['read', 'open', 'execve'] },
    { name: 'a program by path', filter: { program: '/bin/a' }, want: ['read', 'open', 'close', 'execve'] },
    { name: 'a program by the name it was started by', filter: { program: 'link' }, want: ['read', 'poll'] },
    { name: 'a program by its last part', filter: { program: 'b' }, want: ['read', 'poll'] },
    { name: 'a run of a tracer', filter: { run: 1 }, want: ['read', 'poll'] },
    { name: 'a run of an analysis', filter: { run: 2 }, want: ['read', 'close'] },
    { name: 'an origin', filter: { origin: 'possible' }, want: ['read', 'close'] },
    {
      name: 'two conditions',
      filter: { program: 'a', origin: 'observed' },
      want: ['read', 'open', 'execve'],
    },
    { name: 'conditions that nothing meets', filter: { pid: 1, run: 1 }, want: [] },
  ])('picks by $name', ({ filter, want }) => {
    expect(callSet(BOTH, filter).map(({ name }) => name)).toEqual(want);
  });

  it('picks by phase', () => {
    const cut = recut(TRACE, splitAt(TRACE, { kind: 'after', delay: 3e6 }));
    expect(callSet(cut, { phase: 'main' }).map(({ name }) => name)).toEqual(['read', 'poll']);
    expect(callSet(cut, { phase: 'setup' }).map(({ name }) => name)).toEqual(['read', 'open', 'execve']);
  });

  it('unites what all parts say of a call', () => {
    expect(callSet(TRACE)[0]).toEqual({
      arch: 'x86_64',
      nr: 0,
      name: 'read',
      origins: ['observed'],
      count: 3,
      first: 1e6,
      last: 9e6,
      phases: [0],
      runs: [0, 1],
    });
    expect(callSet(BOTH)[0]).toMatchObject({
      origins: ['observed', 'possible'],
      count: null,
      runs: [0, 1, 2],
    });
  });

  it('calls a launch what is a launch everywhere', () => {
    const find = (profile: Profile): boolean | undefined =>
      callSet(profile).find(({ nr }) => nr === 59)?.launch;
    const own = sampleProfile([{ pid: 5, calls: { execve: [1, 1] } }]);
    expect(find(BOTH)).toBe(true);
    expect(find(mergeProfiles([BOTH, own]))).toBeUndefined();
  });

  it.each<{ filter: CallFilter; want: string }>([
    { filter: { phase: 'main' }, want: 'phase: no such phase, "main" (the profile has setup)' },
    { filter: { pid: 3 }, want: 'pid: no such process, 3 (the profile has 1, 2)' },
    { filter: { program: 'c' }, want: 'program: no such program, "c" (the profile has /bin/a, /usr/bin/b)' },
    {
      filter: { program: 'in/a' },
      want: 'program: no such program, "in/a" (the profile has /bin/a, /usr/bin/b)',
    },
    { filter: { run: 3 }, want: 'run: no such run, 3 (the profile has 0, 1, 2)' },
  ])('says what there is: $want', ({ filter, want }) => {
    expect(() => callSet(BOTH, filter)).toThrow(new UsageError(want));
  });

  it('names twenty at most', () => {
    const many = sampleProfile(Array.from({ length: 25 }, (_, pid) => ({ pid, calls: {} })));
    expect(() => callSet(many, { pid: 99 })).toThrow(/, 18, 19 and 5 more\)$/);
  });
});

describe('runIncidence', () => {
  it('counts the runs that show a call', () => {
    const incidence = runIncidence(TRACE).map(({ name, runs, total }) => [name, runs, total]);
    expect(incidence).toEqual([
      ['read', [0, 1], 2],
      ['open', [0], 2],
      ['poll', [1], 2],
      ['execve', [0], 2],
    ]);
  });

  it('leaves out runs that cannot show it', () => {
    expect(runIncidence(TRACE, { program: 'a' }).map(({ total }) => total)).toEqual([1, 1, 1]);
  });
});

/** The profile with its execve marked as the launcher's. */
function launched(profile: Profile): Profile {
  const processes = profile.processes.map((process) => ({
    ...process,
    calls: process.calls.map((call) => (call.name === 'execve' ? { ...call, launch: true as const } : call)),
  }));
  return { ...profile, processes };
}

describe('callTotals', () => {
  it('are the sizes of the sets', () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const set = callSet(profile);
        const { distinct, uses, isCounted, inPhase } = callTotals(profile);
        expect(distinct).toBe(set.length);
        expect(isCounted).toBe(set.every(({ count }) => count !== null));
        if (isCounted) expect(uses).toBe(set.reduce((sum, { count }) => sum + (count ?? 0), 0));
        expect(inPhase).toEqual(profile.phases.map(({ name }) => callSet(profile, { phase: name }).length));
      }),
    );
  });

  it('have the uses that were counted of a call of which others were not', () => {
    const profile = sampleProfile([
      { pid: 1, calls: { read: [1, 9] } },
      { pid: 2, calls: { read: [2, 2] } },
    ]);
    const [first, second] = profile.processes as [Process, Process];
    const [read] = second.calls as [Call];
    const passed = { ...second, calls: [{ ...read, count: null }] };
    const counted = first.calls[0]?.count ?? 0;
    expect(counted).toBeGreaterThan(0);
    expect(callTotals({ ...profile, processes: [first, passed] })).toMatchObject({
      distinct: 1,
      uses: counted,
      isCounted: false,
    });
  });
});
