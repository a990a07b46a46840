import { describe, expect, it } from 'vitest';
import { mergeProfiles } from '../profile/merge.ts';
import type { Process } from '../profile/model.ts';
import { formatTree } from './tree.ts';
import { hostileProfile, serverProfile } from './testing/server-profile.ts';

describe('formatTree', () => {
  it('prints what happens to a pid below it, execs as well as children', () => {
    expect(formatTree(serverProfile())).toBe(
      `100 start  /bin/dash: sh -c 'exec ./server --name "a b"'
│    0 ns to 10 ms, replaced by exec; setup: 3 calls
├─ 100 exec  /srv/server: ./server --name 'a b'
│       10 ms to 3 s, exit code 0; setup: 6 calls, main from 40 ms: 3 calls
│       3 further threads: 101-102, 107
│       listens on tcp:8080 from 30 ms
│       listens on unix:/run/server.sock from 32 ms
├─ 103 fork  /srv/server
│       100 ms to 200 ms, killed by SIGKILL; main: 1 call
└─ 104 vfork  (program not known)
        from 300 ms, end not seen; main: 0 calls
`,
    );
  });

  it('knows a program by the name it was started by', () => {
    expect(formatTree(serverProfile(), { program: 'sh' })).toBe(
      formatTree(serverProfile(), { program: '/bin/dash' }),
    );
  });

  it('prints what fits with the way to it', () => {
    expect(formatTree(serverProfile(), { pid: 103 })).toBe(
      `100 start  /bin/dash: sh -c 'exec ./server --name "a b"'
├─ 100 exec  /srv/server: ./server --name 'a b'
└─ 103 fork  /srv/server
        100 ms to 200 ms, killed by SIGKILL; main: 1 call
`,
    );
  });

  it('prints a tree for each run, and only sizes if there are no phases', () => {
    const profile = serverProfile();
    const one = {
      ...profile,
      phases: profile.phases.slice(0, 1),
      processes: profile.processes.slice(0, 1),
    };
    expect(formatTree(mergeProfiles([one, one]))).toBe(
      `run 1: sh -c 'exec ./server --name "a b"'
100 start  /bin/dash: sh -c 'exec ./server --name "a b"'
     0 ns to 10 ms, replaced by exec; 3 calls
run 2: sh -c 'exec ./server --name "a b"'
100 start  /bin/dash: sh -c 'exec ./server --name "a b"'
     0 ns to 10 ms, replaced by exec; 3 calls
`,
    );
  });

  it('says so if there is nothing to draw', () => {
    expect(formatTree({ ...serverProfile(), processes: [] })).toBe('no processes\n');
    expect(formatTree(serverProfile(), { program: 'dash', phase: 'main' })).toBe('no processes\n');
  });

  it('refuses a pid that is not there', () => {
    expect(() => formatTree(serverProfile(), { pid: 1 })).toThrow(
      'pid: no such process, 1 (the profile has 100, 103, 104)',
    );
  });

  it('draws a chain of forks that is deeper than the stack', () => {
    const profile = serverProfile();
    const first = profile.processes[0] as Process;
    const processes = Array.from({ length: 3000 }, (_, index): Process => ({
      ...first,
      pid: index + 1,
      birth: index === 0 ? 'start' : 'fork',
      parent: index === 0 ? null : index - 1,
    }));
    expect(formatTree({ ...profile, processes })).toContain('└─ 3000 fork  /bin/dash');
  });

  it('escapes every text of a hostile profile', () => {
    expect(formatTree(hostileProfile()).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});
