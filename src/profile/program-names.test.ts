import { describe, expect, it } from 'vitest';
import type { Profile } from './model.ts';
import { findPrograms } from './program-names.ts';
import { sampleProfile, sampleRun } from './testing/sample-profile.ts';

const TRACE = sampleProfile([
  { pid: 1, program: '/usr/bin/check', argv0: 'server', calls: { read: [1, 1] } },
  { pid: 2, birth: 'fork', parent: 0, program: '/usr/bin/check', calls: { read: [1, 1] } },
  { pid: 3, program: '/usr/bin/dash', argv0: '/bin/sh', calls: { read: [1, 1] } },
  { pid: 4, program: '/opt/sh', calls: { read: [1, 1] } },
]);

/** Analyses of these programs, given by other names. */
function analysed(...files: readonly (readonly [given: string, path: string])[]): Profile {
  const analysis = { objects: [], entries: [], unresolved: [], assumptions: [] };
  return {
    ...sampleProfile([]),
    runs: files.map(([given]) => sampleRun({ method: 'analyze', command: [given] })),
    programs: files.map(([, path]) => ({ path, buildId: null, calls: [], analysis })),
  };
}

describe('findPrograms', () => {
  it.each([
    { name: 'a path', wanted: '/usr/bin/dash', want: [1] },
    { name: 'the last part of a path', wanted: 'check', want: [0] },
    { name: 'the name under which it was started', wanted: 'server', want: [0] },
    { name: 'the path of the link by which it was started', wanted: '/bin/sh', want: [1] },
    { name: 'a path rather than a name', wanted: 'sh', want: [2] },
    { name: 'nothing', wanted: 'no-such', want: [] },
  ])('knows a program by $name', ({ wanted, want }) => {
    expect([...findPrograms(TRACE, wanted)]).toEqual(want);
  });

  it('knows a program that was analysed by the name that was given', () => {
    const one = analysed(['/usr/bin/server', '/usr/bin/check']);
    expect([...findPrograms(one, 'server')]).toEqual([0]);
    expect([...findPrograms(one, 'client')]).toEqual([]);
  });

  it('does not guess which of several programs was given by a name', () => {
    const two = analysed(['/usr/bin/server', '/usr/bin/check'], ['/bin/sh', '/usr/bin/dash']);
    expect([...findPrograms(two, 'server')]).toEqual([]);
  });
});
