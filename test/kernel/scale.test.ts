import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { countOf, traceCommand } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

let crowd = '';
let rare = '';

beforeAll(() => {
  const fixture = (name: string): string =>
    readFileSync(new URL(`fixtures/${name}.c`, import.meta.url), 'utf8');
  crowd = compile(fixture('crowd'), ['-pthread']);
  rare = compile(fixture('rare'));
});

/**
 * Calls among which the rare ones are made. A method that stops at each takes minutes for ten million: those are for
 * CALLGATE_TEST_CALLS=10000000. The methods that do not stop have tests of their own with as many.
 */
const CALLS = Number(process.env['CALLGATE_TEST_CALLS'] ?? 100_000);

it.each(['seccomp', 'ptrace'])(
  'a call is not lost among many others under --method %s, and keeps its time',
  (method) => {
    const { profile, status } = traceCommand([rare, `${CALLS}`], ['-q', '--method', method], {
      timeout: 3_600_000,
    });
    expect(status).toBe(0);
    expect(countOf(profile.processes, 'getppid')).toBe(CALLS);
    const names = 'getpgid getsid getuid geteuid getgid getegid getpgrp sched_yield getpriority alarm';
    const calls = profile.processes[0]?.calls ?? [];
    const found = names.split(' ').map((name) => calls.find((call) => call.name === name));
    expect(found.map((call) => call?.count)).toEqual(Array.from({ length: 10 }, () => 1));
    const times = found.map((call) => call?.first ?? -1);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(profile.runs[0]).toMatchObject({ complete: true, lost: 0, warnings: [] });
  },
  3_600_000,
);

describe.each(['seccomp', 'ptrace', 'ebpf'])('many at once under --method %s', (method) => {
  const traceMode = (...args: string[]): ReturnType<typeof traceCommand> =>
    traceCommand([crowd, ...args], ['--method', method]);

  it('counts each of 200 processes that live at the same time by itself', () => {
    const { profile, status } = traceMode('processes', '200');
    expect(status).toBe(0);
    const counts = profile.processes.slice(1).map((process) => ({
      made: countOf([process], 'getppid'),
      told: process.exit?.kind === 'exited' ? process.exit.code : null,
    }));
    expect(counts).toHaveLength(200);
    expect(counts.map(({ made }) => made)).toEqual(counts.map(({ told }) => told));
    expect(counts.map(({ told }) => told).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
  });

  it('lists 200 threads that live at the same time and counts their calls', () => {
    const { profile, status } = traceMode('threads', '200');
    expect(status).toBe(0);
    expect(profile.processes).toHaveLength(1);
    expect(new Set(profile.processes[0]?.threads.map(({ tid }) => tid)).size).toBe(200);
    expect(countOf(profile.processes, 'getppid')).toBe((200 * 201) / 2);
  });

  it('records 1000 children that live shortly, one after another', () => {
    const { profile, status } = traceMode('children', '1000');
    expect(status).toBe(0);
    expect(profile.processes).toHaveLength(1001);
    for (const child of profile.processes.slice(1)) {
      expect({ parent: child.parent, exit: child.exit, rare: countOf([child], 'getppid') }).toEqual({
        parent: 0,
        exit: { kind: 'exited', code: 0 },
        rare: 1,
      });
    }
  });

  it('loses no call and no signal in a storm of signals', () => {
    // Not stopped, the program makes 3000 calls before the first signal comes.
    const calls = method === 'ebpf' ? 300_000 : 3000;
    const { profile, status, stdout } = traceMode('storm', `${calls}`);
    expect(status).toBe(0);
    const handled = Number(stdout);
    expect(handled).toBeGreaterThan(0);
    expect(countOf(profile.processes, 'getppid')).toBe(calls);
    expect(countOf(profile.processes, 'getpgid')).toBe(handled);
    expect(countOf(profile.processes, 'rt_sigreturn')).toBe(handled);
  });

  it('follows a chain of 50 execs', () => {
    const { profile, status } = traceMode('chain', '50');
    expect(status).toBe(0);
    expect(profile.processes.map(({ parent }) => parent)).toEqual([
      null,
      ...Array.from({ length: 50 }, (_, i) => i),
    ]);
    expect(countOf(profile.processes, 'getppid')).toBe(51);
  });
});
