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

/**
 * What callgate may use of a processor meanwhile, and how often its threads may be woken. A thread that polls spends all of a processor, and
 * one that looks every 10 ms is woken 200 times. The time alone does not tell: on a virtual machine whose host takes idle memory away a
 * single look costs 10 to 25 ms, as it has been measured.
 */
const SHARE = 0.1;
const WAKES = 50;

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
    const before = spentBy(running.pid);
    await new Promise((resolve) => setTimeout(resolve, IDLE));
    const after = spentBy(running.pid);
    process.kill(sleeper, 'SIGTERM');
    expect((await running.end).signal).toBe('SIGTERM');
    expect(after.time - before.time).toBeLessThan(IDLE * SHARE);
    expect(after.wakes - before.wakes).toBeLessThan(WAKES);
  });
});

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** Processor time of all threads, milliseconds, and how often they came to a processor; source: Documentation/scheduler/sched-stats.rst. */
function spentBy(pid: number): { readonly time: number; readonly wakes: number } {
  const fields = readdirSync(`/proc/${pid}/task`).map((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ').map(Number),
  );
  return {
    time: fields.reduce((sum, [time]) => sum + (time as number) / 1e6, 0),
    wakes: fields.reduce((sum, [, , wakes]) => sum + (wakes as number), 0),
  };
}
