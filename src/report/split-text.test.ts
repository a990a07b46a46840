import { describe, expect, it } from 'vitest';
import type { Profile } from '../profile/model.ts';
import type { SplitRow } from '../profile/split-table.ts';
import { splitAt } from '../profile/splits.ts';
import { formatRecutJson, formatSplitsJson } from './split-json.ts';
import { formatRecut, formatSplits } from './split-text.ts';
import { serverProfile } from './testing/server-profile.ts';

const ROWS: readonly SplitRow[] = [
  {
    split: {
      trigger: 'syscall:epoll_wait',
      source: 'auto',
      reason: 'server (pid 100) waits in epoll_wait from 40 ms on',
      times: new Map([[1, 40e6]]),
    },
    at: 40e6,
    processes: 1,
    setup: 8,
    main: 4,
    blocked: 7,
  },
  {
    split: { trigger: 'listen:8080', source: 'given', reason: null, times: new Map([[1, 30e6]]) },
    at: 30e6,
    processes: 12,
    setup: 7,
    main: 5,
    blocked: 6,
  },
];

describe('formatSplits', () => {
  it('marks the proposal and explains it', () => {
    expect(formatSplits(ROWS, 80)).toBe(
      `   TRIGGER                AT  PROCESSES  SETUP  MAIN  BLOCKED
*  syscall:epoll_wait  40 ms          1      8     4        7
   listen:8080         30 ms         12      7     5        6

* proposed: server (pid 100) waits in epoll_wait from 40 ms on
Sets leave out the execve by which a program was started; BLOCKED is what main
does not need of setup.
`,
    );
  });

  it('says so if there is nothing to propose', () => {
    expect(formatSplits([], 80)).toBe(
      'no proposal: no process was seen to set itself up and then serve others\n',
    );
  });
});

describe('formatRecut', () => {
  it('prints both sets and what main blocks', () => {
    expect(formatRecut(serverProfile(), listen(serverProfile()), 30)).toBe(
      `listen:8080: 1 process switches to main, the first at 30 ms

setup, 7 calls:
  brk exit ioctl mprotect read
  x86_64:600 i386:open

main, 5 calls:
  accept4 epoll_wait listen
  read write

blocked in main, 6 calls:
  brk exit ioctl mprotect
  x86_64:600 i386:open
`,
    );
  });
});

describe('formatSplitsJson', () => {
  it('has the sizes of all sets', () => {
    expect(JSON.parse(formatSplitsJson(ROWS))).toEqual({
      format: 'callgate-splits',
      version: 1,
      splits: [
        {
          trigger: 'syscall:epoll_wait',
          source: 'auto',
          reason: 'server (pid 100) waits in epoll_wait from 40 ms on',
          at: 40e6,
          processes: 1,
          setup: 8,
          main: 4,
          blocked: 7,
        },
        {
          trigger: 'listen:8080',
          source: 'given',
          reason: null,
          at: 30e6,
          processes: 12,
          setup: 7,
          main: 5,
          blocked: 6,
        },
      ],
    });
  });
});

describe('formatRecutJson', () => {
  it('has the sets themselves', () => {
    const document = JSON.parse(formatRecutJson(serverProfile(), listen(serverProfile())));
    expect(document).toMatchObject({
      format: 'callgate-split',
      version: 1,
      split: { trigger: 'listen:8080', source: 'given', reason: null, at: 30e6, processes: 1 },
    });
    expect(document.main[0]).toEqual({ arch: 'x86_64', nr: 288, name: 'accept4' });
    expect(document.blocked.at(-1)).toEqual({ arch: 'i386', nr: 5, name: 'open' });
  });
});

function listen(profile: Profile): ReturnType<typeof splitAt> {
  return splitAt(profile, { kind: 'listen', address: 'tcp:8080' });
}
