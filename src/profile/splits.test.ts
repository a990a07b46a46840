import { describe, expect, it } from 'vitest';
import { UsageError } from '../base/errors.ts';
import type { Profile } from './model.ts';
import { formatTrigger, splitAt, type SplitTrigger } from './splits.ts';
import { sampleProfile } from './testing/sample-profile.ts';

const PROFILE = sampleProfile([
  {
    pid: 1,
    listens: [
      [4, 'tcp:80'],
      [6, 'unix:/s'],
    ],
    calls: { read: [1, 9], epoll_wait: { uses: [5, 7, 9], waited: 3 } },
  },
  { pid: 2, birth: 'fork', parent: 0, start: 3, calls: { epoll_wait: { uses: [8], waited: 3 } } },
  { pid: 3, run: 1, listens: [[2, 'tcp:80']], calls: { poll: { uses: [3], waited: 1, count: 70 } } },
  { pid: 4, run: 1, birth: 'fork', parent: 2, calls: { read: [1, 20] } },
]);

describe('splitAt', () => {
  it.each<{ trigger: SplitTrigger; text: string; times: [number, number][] }>([
    {
      trigger: { kind: 'syscall', name: 'epoll_wait', n: 1 },
      text: 'syscall:epoll_wait',
      times: [
        [0, 5],
        [1, 8],
      ],
    },
    { trigger: { kind: 'syscall', name: 'epoll_wait', n: 2 }, text: 'syscall:epoll_wait#2', times: [[0, 7]] },
    {
      trigger: { kind: 'syscall', name: 'read', n: 1 },
      text: 'syscall:read',
      times: [
        [0, 1],
        [3, 1],
      ],
    },
    {
      trigger: { kind: 'listen', address: 'tcp:80' },
      text: 'listen:80',
      times: [
        [0, 4],
        [1, 4],
        [2, 2],
        [3, 2],
      ],
    },
    {
      trigger: { kind: 'listen', address: 'unix:/s' },
      text: 'listen:/s',
      times: [
        [0, 6],
        [1, 6],
      ],
    },
    {
      trigger: { kind: 'after', delay: 10e6 },
      text: 'after:10000000ns',
      times: [
        [2, 10],
        [3, 10],
      ],
    },
  ])('finds $text', ({ trigger, text, times }) => {
    const split = splitAt(PROFILE, trigger);
    expect(split).toMatchObject({ trigger: text, source: 'given', reason: null });
    expect([...split.times]).toEqual(times.map(([index, at]) => [index, at * 1e6]));
  });

  it('keeps the text as it was written', () => {
    expect(splitAt(PROFILE, { text: 'after:10ms', kind: 'after', delay: 10e6 }).trigger).toBe('after:10ms');
  });

  it('does not take the launch for a use', () => {
    const base = sampleProfile([{ pid: 1, calls: { execve: [0, 0] } }]);
    const profile: Profile = {
      ...base,
      processes: base.processes.map((process) => ({
        ...process,
        calls: process.calls.map((call) => ({ ...call, launch: true })),
      })),
    };
    expect(() => splitAt(profile, { kind: 'syscall', name: 'execve', n: 1 })).toThrow(UsageError);
  });

  it('needs no time for a process that is born in main', () => {
    const profile = sampleProfile([
      { pid: 1, calls: { poll: { uses: [1, 2], waited: 1 } } },
      { pid: 2, birth: 'fork', parent: 0, start: 3, calls: { poll: { uses: [4], waited: 1, count: 2 } } },
    ]);
    expect([...splitAt(profile, { kind: 'syscall', name: 'poll', n: 2 }).times]).toEqual([[0, 2e6]]);
  });

  it.each<{ trigger: SplitTrigger; want: string }>([
    {
      trigger: { kind: 'syscall', name: 'select', n: 1 },
      want: 'syscall: no process uses select (calls that wait in this profile: epoll_wait, poll)',
    },
    {
      trigger: { kind: 'syscall', name: 'epoll_wait', n: 4 },
      want: 'syscall: no process uses epoll_wait 4 times (3 times at most)',
    },
    {
      trigger: { kind: 'syscall', name: 'poll', n: 65 },
      want: 'syscall: the profile does not hold the time of use 65 of poll (it keeps the first uses of calls that wait, 64 at most)',
    },
    {
      trigger: { kind: 'syscall', name: 'read', n: 2 },
      want: 'syscall: the profile does not hold the time of use 2 of read (it keeps the first uses of calls that wait, 64 at most)',
    },
    {
      trigger: { kind: 'listen', address: 'tcp:81' },
      want: 'listen: no process listens on tcp:81 (addresses in this profile: tcp:80, unix:/s)',
    },
    {
      trigger: { kind: 'after', delay: 20e6 },
      want: 'after: no run lasts longer than 20 ms (the longest takes 20 ms)',
    },
  ])('refuses: $want', ({ trigger, want }) => {
    expect(() => splitAt(PROFILE, trigger)).toThrow(new UsageError(want));
  });
});

it('a trigger is written as on the command line', () => {
  expect(formatTrigger({ kind: 'listen', address: 'unix:@name' })).toBe('listen:@name');
});
