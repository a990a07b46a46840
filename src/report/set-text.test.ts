import { describe, expect, it } from 'vitest';
import { mergeProfiles } from '../profile/merge.ts';
import { formatSet } from './set-text.ts';
import { hostileProfile, serverProfile } from './testing/server-profile.ts';

describe('formatSet', () => {
  it('prints runs, phases and one call a row', () => {
    expect(formatSet(serverProfile(), {}, 100)).toBe(
      `run        sh -c 'exec ./server --name "a b"'
           ptrace, 2026-01-02T03:04:05.678Z, 3 s, complete
           workload: client --count 3 (exit code 0)
host       Linux 6.1.0 x86_64, glibc 2.36, Debian GNU/Linux 12 (bookworm)
processes  3, with 3 further threads
programs   /bin/dash
           /srv/server

PHASE  CALLS  BEGINS
setup      9  at the start
main       4  syscall:epoll_wait (proposed)
main: server (pid 100) waits in epoll_wait

CALL        COUNT   FIRST    LAST  PHASES      DETAILS
accept4         3   60 ms     2 s  main
brk             2    1 ms    2 ms  setup
epoll_wait    999   40 ms  2.95 s  main
execve          1    0 ns    0 ns  setup       only to start the program
exit            1    9 ms    9 ms  setup
ioctl           2   14 ms   15 ms  setup       request: any value
listen          2   30 ms   31 ms  setup
mprotect        3   12 ms   13 ms  setup       prot: PROT_READ, PROT_READ|PROT_WRITE,
                                                 0xffffffff00000000
read         2000   11 ms   2.9 s  setup,main  errors: EINTR 30, EAGAIN 12
write           5  110 ms  150 ms  main
x86_64:600      1   17 ms   17 ms  setup
i386:open       1   16 ms   16 ms  setup

10 of 356 system calls of x86_64 are used, and 1 number without a name; 346 are not
1 of 426 system calls of i386 is used; 425 are not
completeness: cannot be estimated from 1 run (3 or more of different inputs)
`,
    );
  });

  it('says in how many runs a call was seen if there are several', () => {
    const profile = serverProfile();
    const short = {
      ...profile,
      processes: profile.processes.slice(0, 1),
      runs: profile.runs.map((run) => ({
        ...run,
        complete: false,
        incomplete: ['interrupted by SIGINT'],
        warnings: ['phase main never began'],
      })),
    };
    const text = formatSet(mergeProfiles([profile, short]), { program: '/bin/dash' }, 100);
    expect(text).toContain(`
run 2      sh -c 'exec ./server --name "a b"'
           ptrace, 2026-01-02T03:04:05.678Z, 3 s, not complete
           not complete: interrupted by SIGINT
           warning: phase main never began
           workload: client --count 3 (exit code 0)
processes  4, with 3 further threads
`);
    expect(text).toContain('brk         4   1 ms  2 ms  setup   2 of 2\n');
    expect(text).toContain('3 of 356 system calls of x86_64 are used by program /bin/dash; 353 are not\n');
    expect(formatSet(mergeProfiles([profile, short]))).toContain(
      'epoll_wait    999   40 ms  2.95 s  main        1 of 2\n',
    );
  });

  it('has no columns for what the method does not know, and says what is only possible', () => {
    const profile = serverProfile();
    const calls = profile.processes[0]?.calls.map((call) => ({
      ...call,
      origin: 'possible' as const,
      count: null,
      first: null,
      last: null,
    }));
    const text = formatSet({
      ...profile,
      runs: profile.runs.map((run) => ({ ...run, method: 'analyze' })),
      phases: profile.phases.slice(0, 1),
      programs: [{ path: '/bin/dash', buildId: null, calls: calls?.slice(0, 1) ?? [] }],
      processes: [],
    });
    expect(text).toContain(`
CALL  COUNT  KNOWN AS  DETAILS
brk       -  possible

1 of 356 system calls of x86_64 is used or possible; 355 are not
`);
  });

  it('keeps lines within the width where flags are many', () => {
    const profile = serverProfile();
    const [first] = profile.processes;
    if (first === undefined) throw new Error('no process');
    const clone = {
      ...first.calls[0],
      nr: 56,
      name: 'clone',
      args: [{ index: 0, name: 'flags', values: [0x3d0f00] }],
    } as (typeof first.calls)[number];
    const text = formatSet({ ...profile, processes: [{ ...first, calls: [clone] }] }, {}, 90);
    expect(text).toContain(`
clone      2   1 ms  2 ms  setup   flags: CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|
                                     CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|
                                     CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID
`);
  });

  it('escapes every text of a hostile profile', () => {
    const text = formatSet(hostileProfile());
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).toContain("run        $'\\x1b]0;owned\\x07\\u009b31m\\u202etxt\\r\\n' 'it'\\''s'\n");
  });
});
