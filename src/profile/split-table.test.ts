import { describe, expect, it } from 'vitest';
import { ROW_CAP, splitTable, type SplitRow } from './split-table.ts';
import { sampleProfile, type SampleProcess } from './testing/sample-profile.ts';

const SERVER: SampleProcess = {
  pid: 1,
  listens: [[20, 'tcp:1']],
  end: 500,
  calls: {
    openat: [1, 3],
    bind: [19, 19],
    listen: [20, 20],
    setuid: [21, 21],
    poll: { uses: [10, 30, 40, 400], waited: 450 },
    accept4: { uses: [399], waited: 0 },
    close: [3, 450],
  },
};

describe('splitTable', () => {
  it('lists the proposal, then in order of time what blocks more and more', () => {
    expect(splitTable(sampleProfile([SERVER])).map(line)).toEqual([
      'syscall:poll#2 at 30: 6 in setup, 3 in main, 4 blocked, 1 switched',
      'syscall:poll at 10: 2 in setup, 6 in main, 1 blocked, 1 switched',
      'listen:1 at 20: 4 in setup, 5 in main, 2 blocked, 1 switched',
      'syscall:poll#4 at 400: 7 in setup, 2 in main, 5 blocked, 1 switched',
    ]);
  });

  it('helps with programs that have no proposal', () => {
    const { listens: _listens, ...client } = SERVER;
    const { accept4: _accept, ...calls } = SERVER.calls;
    expect(splitTable(sampleProfile([{ ...client, calls }])).map(({ split }) => split.trigger)).toEqual([
      'syscall:poll',
      'syscall:poll#2',
    ]);
  });

  it('is empty for a profile without processes or waiting', () => {
    expect(splitTable(sampleProfile([]))).toEqual([]);
    expect(splitTable(sampleProfile([{ pid: 1, calls: { write: [1, 2] } }]))).toEqual([]);
  });

  it('stays short, and keeps the rows that gain most', () => {
    const names = [
      'read',
      'write',
      'open',
      'close',
      'stat',
      'fstat',
      'lstat',
      'lseek',
      'mmap',
      'brk',
      'pipe',
      'dup',
    ];
    const more = [
      'dup2',
      'alarm',
      'getpid',
      'sendfile',
      'socket',
      'connect',
      'bind',
      'listen',
      'fork',
      'kill',
    ];
    const calls = [...names, ...more].map((name, at) => [name, [1, 10 * at + 5]] as const);
    const uses = calls.map((_, at) => 10 * at + 10);
    const profile = sampleProfile([
      { pid: 1, calls: { ...Object.fromEntries(calls), flock: [1, 5], poll: { uses, waited: 1 } } },
    ]);
    const rows = splitTable(profile);
    expect(rows).toHaveLength(ROW_CAP);
    expect(rows[0]).toMatchObject({ at: 10e6, blocked: 2 });
  });
});

function line({ split, at, setup, main, blocked, processes }: SplitRow): string {
  return `${split.trigger} at ${at / 1e6}: ${setup} in setup, ${main} in main, ${blocked} blocked, ${processes} switched`;
}
