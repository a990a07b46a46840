import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Process, Profile } from '../../src/profile/model.ts';
import { callgate, countOf, run, temporaryDirectory, traceCommand } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { phase, policy, writePolicy } from './fixtures/policies.ts';

let family = '';

beforeAll(() => {
  family = compile(readFileSync(new URL('fixtures/family.c', import.meta.url), 'utf8'), [
    '-pthread',
    '-Wl,--build-id',
  ]);
});

/** What of a process does not depend on pids and time. */
function shape(process: Process): object {
  const { birth, parent, exit, threads } = process;
  return { birth, parent, exit, threads: threads.length, rare: countOf([process], 'getppid') };
}

function exited(code: number): object {
  return { kind: 'exited', code };
}

/** Shapes in the order of birth. */
function shapes(profile: Profile): object[] {
  return profile.processes.map(shape);
}

describe.each(['seccomp', 'ptrace', 'ebpf'])('following under --method %s', (method) => {
  const traceMode = (...args: string[]): ReturnType<typeof traceCommand> =>
    traceCommand([family, ...args], ['--method', method]);

  it('records three forks with their exit codes and every call of each', () => {
    const { profile, status } = traceMode('fork');
    expect(status).toBe(0);
    expect(shapes(profile)).toEqual([
      { birth: 'start', parent: null, exit: exited(0), threads: 0, rare: 0 },
      { birth: 'fork', parent: 0, exit: exited(1), threads: 0, rare: 10 },
      { birth: 'fork', parent: 0, exit: exited(2), threads: 0, rare: 20 },
      { birth: 'fork', parent: 0, exit: exited(3), threads: 0, rare: 30 },
    ]);
  });

  it('records a vfork child', () => {
    const { profile } = traceMode('vfork');
    expect(shapes(profile)[1]).toEqual({ birth: 'vfork', parent: 0, exit: exited(3), threads: 0, rare: 1 });
  });

  it('records clone with and without CLONE_VM and CLONE_VFORK as processes', () => {
    const { profile } = traceMode('clone');
    expect(shapes(profile).slice(1)).toEqual([
      { birth: 'clone', parent: 0, exit: exited(7), threads: 0, rare: 11 },
      { birth: 'clone', parent: 0, exit: exited(7), threads: 0, rare: 12 },
      { birth: 'fork', parent: 0, exit: exited(7), threads: 0, rare: 13 },
      { birth: 'vfork', parent: 0, exit: exited(7), threads: 0, rare: 14 },
    ]);
  });

  it('records the children of clone3', () => {
    const { profile } = traceMode('clone3');
    expect(shapes(profile).slice(1)).toEqual([
      { birth: 'clone', parent: 0, exit: exited(7), threads: 0, rare: 21 },
      { birth: 'fork', parent: 0, exit: exited(7), threads: 0, rare: 22 },
    ]);
  });

  it('follows children that were made with CLONE_UNTRACED, and they work', () => {
    const { profile, status } = traceMode('untraced');
    expect(status).toBe(0);
    expect(shapes(profile).slice(1)).toEqual([
      { birth: 'fork', parent: 0, exit: exited(7), threads: 0, rare: 31 },
      { birth: 'fork', parent: 0, exit: exited(7), threads: 0, rare: 32 },
    ]);
  });

  it('leaves the arguments of a clone with CLONE_UNTRACED as they were', () => {
    const { profile, status } = traceMode('untraced-arguments');
    expect(status).toBe(0);
    expect(profile.processes).toHaveLength(3);
  });

  it('gives a CLONE_PARENT child to the process that made it', () => {
    const { profile } = traceMode('parent');
    expect(shapes(profile)).toEqual([
      { birth: 'start', parent: null, exit: exited(0), threads: 0, rare: 0 },
      { birth: 'fork', parent: 0, exit: exited(0), threads: 0, rare: 0 },
      expect.objectContaining({ parent: 1, exit: exited(7), rare: 41 }),
    ]);
  });

  it('records posix_spawn as a vfork child and its exec as a second entry of the same pid', () => {
    const { profile } = traceMode('spawn');
    const [, child, executed] = profile.processes as [Process, Process, Process];
    expect(shapes(profile).slice(1)).toEqual([
      { birth: 'vfork', parent: 0, exit: { kind: 'exec' }, threads: 0, rare: 0 },
      { birth: 'exec', parent: 1, exit: exited(5), threads: 0, rare: 9 },
    ]);
    expect(executed.pid).toBe(child.pid);
    expect(executed.argv).toEqual([family, 'rare', '9']);
    expect(child.argv).toBeNull();
  });

  it('names the program by its path and its build-id', () => {
    const { profile } = traceMode('rare', '1');
    const notes = run('readelf', ['-n', family]).stdout;
    const noted = /Build ID: ([0-9a-f]+)/.exec(notes)?.[1];
    expect(noted).toMatch(/^[0-9a-f]{40}$/);
    expect(profile.programs.map(({ path, buildId }) => ({ path, buildId }))).toEqual([
      { path: family, buildId: noted },
    ]);
    expect(profile.processes[0]?.program).toBe(0);
    expect(profile.processes[0]?.argv).toEqual([family, 'rare', '1']);
  });

  it('lists threads with their creator and counts their calls in the process', () => {
    const { profile } = traceMode('threads');
    expect(shapes(profile)).toEqual([
      { birth: 'start', parent: null, exit: exited(0), threads: 5, rare: 15 },
    ]);
    const [process] = profile.processes as [Process];
    for (const thread of process.threads) {
      expect(thread.creator).toBe(process.pid);
      expect(thread.tid).not.toBe(process.pid);
      expect(thread.end).toBeGreaterThanOrEqual(thread.start);
      expect(thread.start).toBeGreaterThan(process.start);
    }
    expect(new Set(process.threads.map(({ tid }) => tid)).size).toBe(5);
  });

  it('follows threads whose leader has ended', () => {
    const { profile, status } = traceMode('threads-exit');
    expect(status).toBe(0);
    expect(shapes(profile)).toEqual([
      { birth: 'start', parent: null, exit: exited(0), threads: 3, rare: 18 },
    ]);
  });

  it.each(['exec-thread', 'exec-thread-leaderless'])(
    'goes on with the pid when another thread than the leader executes: %s',
    (mode) => {
      const { profile, status } = traceMode(mode);
      const [before, after] = profile.processes as [Process, Process];
      expect(status).toBe(5);
      expect(shapes(profile)).toEqual([
        {
          birth: 'start',
          parent: null,
          exit: { kind: 'exec' },
          threads: mode === 'exec-thread' ? 4 : 1,
          rare: 0,
        },
        { birth: 'exec', parent: 0, exit: exited(5), threads: 0, rare: 4 },
      ]);
      expect(after.pid).toBe(before.pid);
      expect(after.argv).toEqual([family, 'rare', '4']);
      for (const thread of before.threads) expect(thread.end).not.toBeNull();
    },
  );

  it('records a chain of execs as entries that follow one another', () => {
    const { profile, status } = traceMode('chain', '5');
    expect(status).toBe(6);
    expect(shapes(profile)).toEqual(
      [0, 1, 2, 3, 4, 5].map((index) => ({
        birth: index === 0 ? 'start' : 'exec',
        parent: index === 0 ? null : index - 1,
        exit: index === 5 ? exited(6) : { kind: 'exec' },
        threads: 0,
        rare: 1,
      })),
    );
    expect(new Set(profile.processes.map(({ pid }) => pid)).size).toBe(1);
  });

  it('traces a daemon until it ends, although its parents are gone', () => {
    const { profile, status } = traceMode('daemon');
    expect(status).toBe(0);
    expect(shapes(profile)).toEqual([
      { birth: 'start', parent: null, exit: exited(0), threads: 0, rare: 0 },
      { birth: 'fork', parent: 0, exit: exited(0), threads: 0, rare: 0 },
      { birth: 'fork', parent: 1, exit: exited(8), threads: 0, rare: 17 },
    ]);
  });

  it('traces generations of which each outlives the one before', () => {
    const { profile, status } = traceMode('generations');
    expect(status).toBe(0);
    expect(shapes(profile)).toEqual(
      [0, 1, 2, 3, 4, 5].map((index) => ({
        birth: index === 0 ? 'start' : 'fork',
        parent: index === 0 ? null : index - 1,
        exit: exited(index === 5 ? 0 : index),
        threads: 0,
        rare: index === 0 ? 0 : 1,
      })),
    );
  });

  it('records children that kill themselves at once', () => {
    const { profile, status } = traceMode('suicide');
    const children = profile.processes.slice(1);
    expect(status).toBe(0);
    expect(children).toHaveLength(20);
    for (const { birth, exit } of children) {
      expect({ birth, exit }).toEqual({
        birth: 'vfork',
        exit: { kind: 'signaled', signal: 'SIGKILL', core: false },
      });
    }
  });

  it('records children that are killed before their first call', () => {
    const { profile, status } = traceMode('infanticide');
    const children = profile.processes.slice(1);
    expect(status).toBe(0);
    expect(children).toHaveLength(50);
    for (const { birth, parent, exit } of children) {
      expect({ birth, parent, killed: exit?.kind }).toEqual({
        birth: 'fork',
        parent: 0,
        killed: expect.stringMatching(/signaled|exited/),
      });
    }
  });

  it('loses no call of a child whose parent is killed while it forks', () => {
    const { profile, status, stdout } = traceMode('parricide', '150');
    expect(status).toBe(0);
    expect(Number(stdout)).toBeGreaterThan(0);
    // A grandchild is counted by itself after its call, so none that it counted may be missing here.
    expect(countOf(profile.processes, 'getppid')).toBe(Number(stdout));
    for (const { end, exit } of profile.processes)
      expect({ end, exit }).not.toEqual({ end: null, exit: null });
  });

  it.each([0, 1])('traces what a killed program left behind to its end, try %s', (attempt) => {
    const { profile, signal, stdout } = traceMode('parricide-root', String(attempt));
    expect(signal).toBe('SIGKILL');
    expect(stdout).toMatch(/^[0-9]+\n$/);
    expect(countOf(profile.processes, 'getpgid')).toBe(Number(stdout));
    for (const process of profile.processes) expect(process.exit).not.toBeNull();
  });
});

describe('a thread that is killed while it takes the place of the first one by an exec', () => {
  it.each(['seccomp', 'ptrace', 'adaptive', 'ebpf'])('ends with its process under --method %s', (method) => {
    const options = ['--method', method, '--phases', 'none'];
    const { profile, status } = traceCommand([family, 'exec-killed', '200'], options, { timeout: 60_000 });
    expect(status).toBe(0);
    const born = profile.processes.filter(({ birth }) => birth === 'fork');
    expect(born).toHaveLength(200);
    // Whoever was first: the signal, or true's own end.
    for (const { end, exit } of profile.processes) {
      expect(end).not.toBeNull();
      expect(['signaled', 'exited', 'exec']).toContain(exit?.kind);
    }
  });

  it('does not keep callgate from ending under a policy', () => {
    using directory = temporaryDirectory();
    const file = writePolicy(directory.path, policy([phase('all', null, ['kexec_load'])]));
    const command = ['run', '--policy', file, '--', family, 'exec-killed', '200'];
    expect(callgate(command, { timeout: 60_000 })).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('children that are killed before callgate hears of their birth', () => {
  it.each(['seccomp', 'ptrace', 'adaptive', 'ebpf'])('end under --method %s', (method) => {
    const command = ['unshare', '--pid', '--fork', family, 'shutdown', '100'];
    const { profile, status } = traceCommand(command, ['--method', method], { timeout: 60_000 });
    expect(status).toBe(0);
    const first = profile.processes.findIndex(({ parent }) => parent !== null);
    const born = profile.processes.filter(({ birth, parent }) => birth === 'fork' && parent !== null);
    // unshare's child, the killer, and what it killed or did not get.
    expect(born.length).toBeGreaterThanOrEqual(first + 101);
    for (const { end, exit } of profile.processes) {
      expect(end).not.toBeNull();
      expect(['signaled', 'exited', 'exec']).toContain(exit?.kind);
    }
  });
});

it('leaves no process of these behind', () => {
  const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  expect(stdout.split('\n').filter((line) => family !== '' && line.startsWith(family))).toEqual([]);
});
