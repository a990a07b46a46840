import { describe, expect, it } from 'vitest';
import type { Run } from '../profile/model.ts';
import {
  sampleCall,
  sampleProfile,
  sampleRun,
  type SampleProcess,
} from '../profile/testing/sample-profile.ts';
import { describeIncomplete } from './incomplete-runs.ts';

const BARE = sampleProfile([]);
const SERVER = '/usr/bin/server';

function run(incomplete: readonly string[], more: Partial<Run> = {}): Run {
  return { ...sampleRun(), command: ['server'], complete: incomplete.length === 0, incomplete, ...more };
}

const START_UP =
  'start-up of server was not seen: what is called only then is not allowed (trace it from its start, and give both profiles)';

describe('describeIncomplete', () => {
  it.each([
    { name: 'a complete run', runs: [run([])], want: [] },
    { name: 'one run', runs: [run(['it was cut off'])], want: ['not complete: it was cut off'] },
    {
      name: 'many runs with the same reasons, each once',
      runs: [
        ...Array.from({ length: 300 }, () => run(['late', 'late'])),
        ...Array.from({ length: 100 }, () => run(['early'])),
      ],
      want: ['not complete in 300 of 400 runs: late', 'not complete in 100 of 400 runs: early'],
    },
    {
      name: 'more reasons than anybody reads',
      runs: Array.from({ length: 7 }, (_, index) => run([`${index}`])),
      want: [
        ...[0, 1, 2, 3, 4].map((index) => `not complete in 1 of 7 runs: ${index}`),
        'not complete for 2 more reasons',
      ],
    },
  ])('tells of $name', ({ runs, want }) => {
    expect(describeIncomplete({ ...BARE, runs }, 'balanced')).toEqual(want);
  });

  const attached = { pid: 7, birth: 'attach', program: SERVER, argv0: 'server: worker', calls: {} } as const;
  it.each<{ name: string; processes: readonly SampleProcess[]; want: readonly string[] }>([
    { name: 'was attached to', processes: [attached], want: [START_UP] },
    {
      name: 'was attached to under another name, and started in another run',
      processes: [attached, { pid: 8, run: 1, program: SERVER, calls: {} }],
      want: [],
    },
    {
      name: 'was attached to, and executed later',
      processes: [
        attached,
        { pid: 8, program: '/bin/sh', calls: {} },
        { pid: 8, birth: 'exec', parent: 1, program: SERVER, calls: {} },
      ],
      want: [],
    },
    {
      name: 'was attached to, and forked since',
      processes: [attached, { pid: 8, birth: 'fork', parent: 0, program: SERVER, calls: {} }],
      want: [START_UP],
    },
    {
      name: 'was attached to, as another was',
      processes: [attached, { ...attached, pid: 8, program: '/usr/bin/other' }],
      want: [START_UP.replace('server', '2 programs')],
    },
    { name: 'was started', processes: [{ pid: 8, program: SERVER, calls: {} }], want: [] },
  ])('of a program that $name', ({ processes, want }) => {
    expect(describeIncomplete(sampleProfile(processes), 'balanced')).toEqual(want);
  });

  it('lets an analysis stand for the start-up where what it found is allowed', () => {
    const profile = sampleProfile([attached]);
    const programs = profile.programs.map((program) => ({ ...program, calls: [sampleCall(41, 'socket')] }));
    expect(describeIncomplete({ ...profile, programs }, 'balanced')).toEqual([START_UP]);
    expect(describeIncomplete({ ...profile, programs }, 'sound')).toEqual([]);
  });
});
