import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../support/callgate.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/workload.mjs', import.meta.url));

it.each([
  {
    name: 'a workload that is not there',
    args: ['nosuch'],
    want: /^workload: cannot read \S+, no such file\n$/,
  },
  {
    name: 'a case that is not there',
    args: ['ls', '--case', '2'],
    want: /^workload ls: no case, "2" \(.*\)\n$/,
  },
  { name: 'an option that there is none of', args: ['--nosuch'], want: /^Unknown option '--nosuch'.*\n$/ },
])('scripts/workload.mjs tells of $name in a line', ({ args, want }) => {
  const { status, stdout, stderr } = run(process.execPath, [SCRIPT, ...args]);
  expect(stderr).toMatch(want);
  expect([status, stdout]).toEqual([2, '']);
});
