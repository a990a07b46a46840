import { describe, expect, it } from 'vitest';
import { createProfileParser } from './load.ts';
import { applyAuto, proposeSplits } from './phase-proposals.ts';
import { splitAt } from './splits.ts';
import { recut } from './recut.ts';
import { formatProfile } from './save.ts';
import { sampleProfile, type SampleProcess, type SampleWait } from './testing/sample-profile.ts';

/** What every dynamic program does first. */
const LOADER = { mmap: [1, 5], openat: [1, 4], mprotect: [2, 3] } as const;

const REDIS: readonly SampleProcess[] = [
  {
    pid: 123,
    program: '/usr/bin/redis-server',
    listens: [
      [20, 'tcp:6379'],
      [21, 'tcp:6379'],
    ],
    end: 1045,
    calls: {
      ...LOADER,
      bind: [19, 20],
      listen: [20, 21],
      clone3: [30, 31],
      read: [2, 900],
      epoll_wait: wait(970, 45, 46, 146, 246, 346, 446, 546),
      accept4: [346, 900],
      wait4: [600, 1000],
    },
  },
  // A save in the background, from the loop.
  {
    pid: 200,
    birth: 'fork',
    parent: 0,
    program: '/usr/bin/redis-server',
    start: 500,
    calls: { openat: [501, 502] },
  },
];

const WORKER = {
  birth: 'fork',
  parent: 0,
  program: '/usr/sbin/nginx',
  start: 30,
  end: 2000,
} as const;

/** Use 1 of epoll_wait is a self-test; a message of the master comes in after use 2. */
const WORKER_CALLS = {
  setgid: [31, 31],
  setuid: [32, 32],
  epoll_create: [33, 33],
  prctl: [31, 42],
  recvmsg: [44, 44],
  epoll_ctl: [35, 1900],
} as const;

const NGINX: readonly SampleProcess[] = [
  {
    pid: 1,
    program: '/usr/sbin/nginx',
    listens: [[20, 'tcp:80']],
    end: 2001,
    calls: {
      ...LOADER,
      bind: [19, 19],
      listen: [20, 20],
      clone: [29, 35],
      rt_sigsuspend: wait(1950, 36, 1990, 1995),
      wait4: wait(0, 1991),
      kill: [21, 1992],
    },
  },
  {
    ...WORKER,
    pid: 2,
    calls: { ...WORKER_CALLS, epoll_wait: wait(1900, 40, 43, 45, 1000), accept4: [1000, 1000] },
  },
  // This one got no connection, and got its message at a time when it waited already.
  { ...WORKER, pid: 3, calls: { ...WORKER_CALLS, epoll_wait: wait(1940, 41, 43, 1998) } },
];

const MEMCACHED: readonly SampleProcess[] = [
  {
    pid: 9,
    program: '/usr/bin/memcached',
    listens: [
      [79, 'tcp:11211'],
      [81, 'tcp:11211'],
    ],
    end: 2083,
    calls: {
      ...LOADER,
      clone3: [50, 70],
      setgid: [82, 82],
      bind: [79, 81],
      // Four worker threads wait before the sockets are there; the last use belongs to the shutdown.
      epoll_wait: wait(9900, 58, 60, 62, 64, 83, 1083, 2080),
      epoll_ctl: [55, 2081],
      futex: wait(4000, 52, 1500),
      exit_group: [2083, 2083],
      munmap: [60, 2079],
    },
  },
];

describe('proposeSplits', () => {
  it('finds the loop of redis', () => {
    const [proposal, ...others] = proposeSplits(sampleProfile(REDIS));
    expect(others).toEqual([]);
    expect(proposal).toEqual({
      process: 0,
      call: 'epoll_wait',
      n: 1,
      at: 45e6,
      trigger: 'syscall:epoll_wait',
      uses: 7,
      share: 0.97,
      blocked: 5,
      total: 10,
      reason:
        'redis-server (pid 123) waits in epoll_wait from 45 ms on, 7 times, 97 % of its time; main never uses 5 of 10 calls',
    });
  });

  it('calls a program by the name by which it was started', () => {
    const [server] = REDIS as [SampleProcess];
    const renamed = sampleProfile([
      { ...server, program: '/usr/bin/redis-check-rdb', argv0: './redis-server' },
    ]);
    expect(proposeSplits(renamed)[0]?.reason).toMatch(/^redis-server \(pid 123\) waits /);
  });

  it('counts for the main phase what children that are born there use', () => {
    // openat is over in the server itself, but the background save needs it.
    const cut = applyAuto(sampleProfile(REDIS));
    expect(cut.processes[1]?.transitions).toEqual([{ phase: 1, at: 500e6 }]);
    const alone = proposeSplits(sampleProfile(REDIS.slice(0, 1)));
    expect(alone[0]?.blocked).toBe(6);
  });

  it('finds the loops of nginx: of the master, which waits for signals, and of its workers after their self-test', () => {
    const proposals = proposeSplits(sampleProfile(NGINX));
    expect(proposals.map(({ process, trigger, at }) => [process, trigger, at])).toEqual([
      [0, 'syscall:rt_sigsuspend', 36e6],
      [1, 'syscall:epoll_wait#2', 43e6],
      [2, 'syscall:epoll_wait#2', 43e6],
    ]);
  });

  it('does not take the end of the loop for its beginning', () => {
    const [proposal] = proposeSplits(sampleProfile(MEMCACHED));
    expect(proposal).toMatchObject({ trigger: 'syscall:epoll_wait#5', at: 83e6, uses: 3, share: 1 });
  });

  it('does not take for set-up what the loop does only once', () => {
    // The message between uses 2 and 3 is over at use 3, but it came after the loop had begun.
    const proposals = proposeSplits(sampleProfile(NGINX.slice(0, 2)));
    expect(proposals.map(({ trigger }) => trigger)).toEqual([
      'syscall:rt_sigsuspend',
      'syscall:epoll_wait#2',
    ]);
  });

  it('gives workers of one program the same use', () => {
    const eager: SampleProcess = {
      ...WORKER,
      pid: 4,
      calls: { ...WORKER_CALLS, prctl: [31, 31], epoll_wait: wait(1900, 40, 43) },
    };
    const triggers = (samples: readonly SampleProcess[]): string[] =>
      proposeSplits(sampleProfile(samples)).map(({ trigger }) => trigger);
    expect(triggers([...NGINX.slice(0, 1), eager])[1]).toBe('syscall:epoll_wait');
    expect(triggers([...NGINX, eager]).slice(1)).toEqual(Array(3).fill('syscall:epoll_wait#2'));
  });

  it('leaves a worker out that was born in main, whatever it does', () => {
    const late: SampleProcess = {
      ...WORKER,
      pid: 5,
      start: 1990,
      calls: { epoll_wait: wait(9, 1992), setgid: [1991, 1991] },
    };
    const proposals = proposeSplits(sampleProfile([...NGINX, late]));
    expect(proposals.map(({ process, n }) => [process, n])).toEqual([
      [0, 1],
      [1, 2],
      [2, 2],
    ]);
  });

  it('ends the set-up when the first client is served', () => {
    const profile = sampleProfile([
      {
        pid: 1,
        listens: [[9, 'tcp:1']],
        end: 900,
        calls: {
          ...LOADER,
          setuid: [6, 13],
          poll: wait(880, 10, 12, 14, 500),
          accept: [11, 600],
          mremap: [6, 7],
        },
      },
    ]);
    expect(proposeSplits(profile)).toMatchObject([{ trigger: 'syscall:poll' }]);
  });

  it('lets a server open more sockets while it serves', () => {
    const profile = sampleProfile([
      {
        pid: 1,
        listens: [
          [9, 'tcp:21'],
          [300, 'tcp:40000'],
        ],
        end: 900,
        calls: { ...LOADER, poll: wait(880, 10, 200, 301), accept: [200, 310] },
      },
    ]);
    expect(proposeSplits(profile)).toMatchObject([{ trigger: 'syscall:poll', at: 10e6 }]);
  });

  it('finds a server that blocks in accept', () => {
    const profile = sampleProfile([
      {
        pid: 1,
        listens: [[9, 'tcp:1']],
        end: 500,
        calls: { ...LOADER, accept: wait(400, 10, 200), read: [2, 300] },
      },
    ]);
    expect(proposeSplits(profile)).toMatchObject([{ trigger: 'syscall:accept' }]);
  });

  it('finds a server that got no client before it was stopped', () => {
    const profile = sampleProfile([
      { pid: 1, listens: [[9, 'tcp:1']], end: 500, calls: { ...LOADER, poll: wait(480, 10) } },
    ]);
    expect(proposeSplits(profile)[0]?.reason).toMatch(/ from 10 ms on, once, 98 % of its time; /);
  });

  it('finds a server of datagrams', () => {
    const profile = sampleProfile([
      {
        pid: 1,
        end: 500,
        calls: { ...LOADER, bind: [3, 9], sendto: [4, 400], recvfrom: wait(450, 5, 10, 100) },
      },
    ]);
    expect(proposeSplits(profile)).toMatchObject([{ trigger: 'syscall:recvfrom#2', at: 10e6 }]);
  });

  it('finds workers that were executed with an open socket', () => {
    const profile = sampleProfile([
      { pid: 1, listens: [[9, 'tcp:1']], end: 10, calls: LOADER },
      {
        pid: 1,
        birth: 'exec',
        parent: 0,
        start: 10,
        end: 500,
        calls: { openat: [11, 12], accept4: [40, 40], poll: wait(400, 20, 50) },
      },
    ]);
    expect(proposeSplits(profile)).toMatchObject([{ process: 1, trigger: 'syscall:poll' }]);
  });

  it('finds a master that waits for workers', () => {
    const profile = sampleProfile([
      { pid: 1, listens: [[9, 'tcp:1']], end: 500, calls: { ...LOADER, wait4: wait(480, 15) } },
      {
        pid: 2,
        birth: 'fork',
        parent: 0,
        start: 11,
        end: 500,
        calls: { setuid: [12, 12], poll: wait(400, 20, 30) },
      },
    ]);
    expect(proposeSplits(profile).map(({ trigger }) => trigger)).toEqual(['syscall:wait4', 'syscall:poll']);
  });

  it.each<{ name: string; samples: readonly SampleProcess[] }>([
    { name: 'ls', samples: [{ pid: 1, calls: { ...LOADER, getdents64: [6, 7], write: [7, 8] } }] },
    {
      name: 'sqlite3, which reads from a terminal',
      samples: [{ pid: 1, end: 900, calls: { ...LOADER, read: wait(890, 2, 10, 400), write: [9, 401] } }],
    },
    {
      name: 'a shell, which waits for its children',
      samples: [
        { pid: 1, end: 900, calls: { ...LOADER, wait4: wait(890, 10, 300, 600), clone: [9, 599] } },
        { pid: 2, birth: 'fork', parent: 0, start: 9, calls: { execve: [10, 10] } },
      ],
    },
    {
      name: 'make, which waits for its job tokens',
      samples: [
        { pid: 1, end: 900, calls: { ...LOADER, pselect6: wait(700, 20, 300), wait4: wait(100, 200) } },
      ],
    },
    {
      name: 'curl, whose resolver binds a netlink socket',
      samples: [
        {
          pid: 1,
          end: 300,
          calls: {
            ...LOADER,
            bind: [9, 9],
            sendto: [10, 30],
            recvmsg: wait(0, 11),
            connect: [20, 25],
            poll: wait(250, 8, 12, 26, 40),
            recvfrom: wait(0, 50, 90),
          },
        },
      ],
    },
    {
      name: 'a client that polls while a thread of it resolves a name',
      samples: [
        {
          pid: 1,
          end: 300,
          calls: {
            ...LOADER,
            bind: [9, 9],
            recvmsg: wait(0, 11),
            connect: [20, 25],
            poll: wait(250, 8, 10, 26, 40),
          },
        },
      ],
    },
    {
      name: 'a client of datagrams',
      samples: [
        { pid: 1, end: 300, calls: { ...LOADER, bind: [6, 6], sendto: [7, 99], recvfrom: wait(280, 8, 50) } },
      ],
    },
    {
      name: 'a shell that starts a server',
      samples: [
        { pid: 1, end: 1100, calls: { ...LOADER, wait4: wait(1090, 5) } },
        { pid: 2, birth: 'fork', parent: 0, start: 5, calls: { execve: [6, 6] } },
      ],
    },
    {
      name: 'a client that a server started',
      samples: [
        { pid: 1, listens: [[9, 'tcp:1']], end: 500, calls: LOADER },
        { pid: 2, birth: 'fork', parent: 0, start: 11, end: 12, calls: { close: [11, 11] } },
        {
          pid: 2,
          birth: 'exec',
          parent: 1,
          start: 12,
          end: 500,
          calls: { ...LOADER, poll: wait(400, 20, 30) },
        },
      ],
    },
    {
      name: 'a program that reads tables from a netlink socket',
      samples: [{ pid: 1, end: 100, calls: { ...LOADER, bind: [6, 6], recvmsg: wait(1, 8, 9, 10) } }],
    },
    {
      name: 'a program that listens and waits for a child that does not serve',
      samples: [
        { pid: 1, listens: [[9, 'tcp:1']], end: 500, calls: { ...LOADER, wait4: wait(480, 15, 20) } },
        { pid: 2, birth: 'fork', parent: 0, start: 11, end: 12, calls: { close: [11, 11] } },
      ],
    },
    {
      name: 'a program that listens but never waits',
      samples: [{ pid: 1, listens: [[9, 'tcp:1']], end: 500, calls: { ...LOADER, poll: wait(1, 10) } }],
    },
    {
      name: 'a server whose set-up nobody saw',
      samples: [
        {
          pid: 1,
          birth: 'attach',
          end: 500,
          calls: { ...LOADER, accept4: [10, 400], epoll_wait: wait(480, 6, 100) },
        },
      ],
    },
    {
      name: 'a server that blocks nothing',
      samples: [
        { pid: 1, listens: [[9, 'tcp:1']], end: 500, calls: { listen: [9, 400], poll: wait(480, 10, 20) } },
      ],
    },
  ])('invents nothing for $name', ({ samples }) => {
    expect(proposeSplits(sampleProfile(samples))).toEqual([]);
  });

  it('invents nothing where waiting was not recorded', () => {
    const profile = sampleProfile(REDIS);
    const processes = profile.processes.map((process) => ({
      ...process,
      calls: process.calls.map(({ waits: _waits, ...call }) => call),
    }));
    expect(proposeSplits({ ...profile, processes })).toEqual([]);
  });
});

describe('applyAuto', () => {
  it('cuts at all proposals at once', () => {
    const cut = applyAuto(sampleProfile(NGINX));
    expect(cut.phases[1]).toMatchObject({
      name: 'main',
      trigger: 'syscall:rt_sigsuspend | syscall:epoll_wait#2',
      source: 'auto',
      entered: true,
    });
    expect(cut.phases[1]?.reason).toMatch(
      /^nginx \(pid 1\) waits in .*; nginx \(pid 2\) .* \(1 more process alike\)$/,
    );
    expect(cut.processes.map(({ transitions }) => transitions.at(-1)?.at)).toEqual([36e6, 43e6, 43e6]);
    expect(createProfileParser()(formatProfile(cut))).toEqual(cut);
  });

  it('leaves a profile alone that has nothing to cut', () => {
    const profile = sampleProfile([{ pid: 1, calls: LOADER }]);
    expect(applyAuto(profile)).toBe(profile);
  });

  it('takes phases away that have no ground', () => {
    const profile = sampleProfile([{ pid: 1, calls: LOADER }]);
    expect(applyAuto(recut(profile, splitAt(profile, { kind: 'after', delay: 2e6 })))).toEqual(profile);
  });
});

function wait(waited: number, ...uses: number[]): SampleWait {
  return { uses, waited };
}
