import { describe, expect, it } from 'vitest';
import type { Run } from '../profile/model.ts';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import { describeIncomplete } from './incomplete-runs.ts';

const [SAMPLE] = sampleProfile([{ pid: 1, program: '/usr/bin/server', end: 9, calls: { read: [1, 2] } }])
  .runs as [Run];

function run(incomplete: readonly string[], more: Partial<Run> = {}): Run {
  return { ...SAMPLE, command: ['server'], complete: incomplete.length === 0, incomplete, ...more };
}

const START_UP =
  'start-up of server was not seen: what is called only then is denied (trace it from its start, and give both profiles)';

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
    {
      name: 'a program that was attached to',
      runs: [run(['attached'], { attached: [7] })],
      want: ['not complete: attached', START_UP],
    },
    {
      name: 'a program that was attached to, and started in another run',
      runs: [run(['attached'], { attached: [7] }), run([], { command: ['/opt/server'] })],
      want: ['not complete in 1 of 2 runs: attached'],
    },
    {
      name: 'a program that was attached to, and analysed',
      runs: [run(['attached'], { attached: [7] }), run([], { method: 'analyze' })],
      want: ['not complete in 1 of 2 runs: attached', START_UP],
    },
    {
      name: 'several programs that were attached to',
      runs: [run([], { attached: [7] }), run([], { attached: [8], command: ['other'] })],
      want: [START_UP.replace('server', '2 programs')],
    },
  ])('tells of $name', ({ runs, want }) => {
    expect(describeIncomplete(runs)).toEqual(want);
  });
});
