import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { start, temporaryDirectory, type Background } from '../support/callgate.ts';
import { statusField, until } from './fixtures/policies.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const started: Background[] = [];

afterEach(() => {
  for (const running of started.splice(0)) running.kill('SIGKILL');
});

afterAll(() => directory[Symbol.dispose]());

/** How long the program is watched while it does nothing, milliseconds. */
const IDLE = 2000;

/** What callgate may use of a processor meanwhile; timers and the garbage collector of Node take some. */
const SHARE = 0.02;

describe('a program that waits', () => {
  it.each(['seccomp', 'ptrace', 'adaptive'])('costs callgate nothing under --method %s', async (method) => {
    const output = join(directory.path, `${method}.json`);
    const running = start(['trace', '-q', '--method', method, '-o', output, '--', 'sleep', '60']);
    started.push(running);
    let sleeper = 0;
    await until('the sleep', () => {
      sleeper = childrenOf(running.pid).find((pid) => statusField(pid, 'Name') === 'sleep') ?? 0;
      return sleeper !== 0 && /nanosleep/.test(readFileSync(`/proc/${sleeper}/wchan`, 'utf8'));
    });
    const before = processorTime(running.pid);
    await new Promise((resolve) => setTimeout(resolve, IDLE));
    const used = processorTime(running.pid) - before;
    process.kill(sleeper, 'SIGTERM');
    expect((await running.end).signal).toBe('SIGTERM');
    expect(used).toBeLessThan(IDLE * SHARE);
  });
});

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** Of all threads, milliseconds; source: Documentation/scheduler/sched-stats.rst. */
function processorTime(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6)
    .reduce((sum, time) => sum + time, 0);
}
