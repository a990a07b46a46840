import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openLibc } from '../../src/sys/libc.ts';
import { spawnImage } from '../../src/sys/spawn.ts';
import { assembleDoorbell } from '../../src/sys/trampoline.ts';
import { Waiter } from '../../src/sys/wait.ts';
import {
  CALLGATE,
  callgate,
  readProfile,
  run,
  start,
  temporaryDirectory,
  type Background,
} from '../support/callgate.ts';
import { policy, phase, statusField, until, writePolicy } from './fixtures/policies.ts';

const METHODS = ['seccomp', 'ptrace', 'adaptive', 'ebpf'] as const;

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const output = join(directory.path, 'profile.json');
const started: Background[] = [];

afterEach(() => {
  for (const running of started.splice(0)) running.kill('SIGKILL');
});

afterAll(() => directory[Symbol.dispose]());

/** A callgate that goes on. */
function begin(args: readonly string[]): Background {
  const running = start(args);
  started.push(running);
  return running;
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** The child of a callgate that runs a program, once it is there. */
async function childOf({ pid }: Background, name: string): Promise<number> {
  let found = 0;
  await until(name, () => {
    found = childrenOf(pid).find((child) => statusField(child, 'Name') === name) ?? 0;
    return found !== 0;
  });
  return found;
}

describe('the thread that traces', () => {
  const tracerOf = (pid: number): number => Number(statusField(pid, 'TracerPid'));
  const trace = ['trace', '-q', '--method', 'ptrace', '-o', output];

  it('is the main one where callgate does nothing else', async () => {
    const running = begin([...trace, '--', 'sleep', '60']);
    expect(tracerOf(await childOf(running, 'sleep'))).toBe(running.pid);
  });

  it('is the main one under a policy', async () => {
    const file = writePolicy(directory.path, policy([phase('setup', null)]));
    const running = begin(['run', '-q', '--policy', file, '--', 'sleep', '60']);
    expect(tracerOf(await childOf(running, 'sleep'))).toBe(running.pid);
  });

  it.each([
    [['--workload', 'sleep 60']],
    [['--workload=sleep 60']],
    [['--phase', 'main@after:50s']],
    [['--ready', 'after:50s']],
    [['--live']],
  ])('is one of its own with %j', async (options) => {
    const running = begin([...trace, ...options, '--', 'sleep', '60']);
    const tracer = tracerOf(await childOf(running, 'sleep'));
    expect(tracer).not.toBe(running.pid);
    expect(readdirSync(`/proc/${running.pid}/task`)).toContain(String(tracer));
  });

  it('is one of its own where code of somebody else runs in the process', async () => {
    const preload = join(directory.path, 'preload.cjs');
    writeFileSync(preload, '');
    const running = start(
      [`NODE_OPTIONS=--require ${preload}`, CALLGATE, ...trace, '--', 'sleep', '60'],
      'env',
    );
    started.push(running);
    expect(tracerOf(await childOf(running, 'sleep'))).not.toBe(running.pid);
  });
});

describe.each(['ptrace', 'ebpf'])('a signal that comes while %s begins to attach', (method) => {
  it('is heard, whenever that is', async () => {
    const sleeper = start(['60'], 'sleep');
    started.push(sleeper);
    const victim = sleeper.pid;
    const ends: (number | string | null)[] = [];
    for (let delay = 25; delay < 85; delay++) {
      const attaching = start(['trace', '-q', '--method', method, '--pid', `${victim}`, '-o', output]);
      await new Promise((resolve) => setTimeout(resolve, delay));
      attaching.kill('SIGTERM');
      const late = new Promise<string>((resolve) => setTimeout(() => resolve('never'), 4000).unref());
      ends.push(await Promise.race([attaching.end.then(() => 'ended'), late]));
      attaching.kill('SIGKILL');
    }
    expect(new Set(ends)).toEqual(new Set(['ended']));
  });
});

describe('a terminal that takes no more output', () => {
  it('does not hold the program up', () => {
    const file = join(directory.path, 'ticks');
    writeFileSync(file, '');
    // Ctrl-S after the progress line has been drawn twice; the sizes of what the program writes, then and three seconds later.
    const script = `
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
def watch(seconds):
    end = time.time() + seconds
    while time.time() < end:
        if select.select([fd], [], [], 0.05)[0]:
            os.read(fd, 4096)
watch(2.5)
os.write(fd, b'\\x13')
watch(0.5)
before = os.path.getsize(${JSON.stringify(file)})
watch(3)
print(os.path.getsize(${JSON.stringify(file)}) - before)
os.kill(pid, 9)`;
    const program = ['sh', '-c', `while :; do echo x >> ${file}; sleep 0.1; done`];
    const words = [CALLGATE, 'trace', '--method', 'seccomp', '-o', output, '--', ...program];
    const { stdout, stderr } = run('python3', ['-c', script, ...words]);
    expect(stderr).toBe('');
    expect(Number(stdout)).toBeGreaterThan(20);
  });
});

describe.each(METHODS)('a trace on the main thread by %s', (method) => {
  const trace = ['trace', '-q', '--method', method, '-o', output];

  it.each([
    ['sleeps', 'sleep 60'],
    ['never rests', 'yes >/dev/null'],
    ['makes processes all the time', 'while :; do /bin/true; done'],
  ])('keeps to its timers while the program %s', (_, script) => {
    const began = Date.now();
    const { signal } = callgate([...trace, '--duration', '400ms', '--', 'sh', '-c', script]);
    expect(signal).toBe('SIGTERM');
    expect(Date.now() - began).toBeLessThan(4000);
    expect(readProfile(output).runs[0]?.duration).toBeGreaterThan(350e6);
  });

  it.each([
    ['sleeps', 'exec sleep 60', 'sleep'],
    ['never rests', 'exec yes >/dev/null', 'yes'],
  ])('hears a signal while the program %s', async (_, script, name) => {
    const running = begin([...trace, '--', 'sh', '-c', script]);
    await childOf(running, name);
    running.kill('SIGINT');
    expect((await running.end).signal).toBe('SIGINT');
    expect(readProfile(output).runs[0]?.incomplete).toEqual([]);
  });

  it('does not wait for children that it had before', () => {
    const began = Date.now();
    const script = `sleep 30 >/dev/null 2>&1 & echo $!; exec "$0" "$@"`;
    const { status, stdout } = run('bash', ['-c', script, CALLGATE, ...trace, '--', 'sh', '-c', 'exit 3']);
    process.kill(Number(stdout), 'SIGKILL');
    expect(status).toBe(3);
    expect(Date.now() - began).toBeLessThan(10_000);
  });

  it('leaves the end of such a child out of the profile', () => {
    const script = `sleep 0.3 >/dev/null 2>&1 & exec "$0" "$@"`;
    const { status } = run('bash', ['-c', script, CALLGATE, ...trace, '--', 'sh', '-c', 'sleep 0.6; exit 4']);
    expect(status).toBe(4);
    const { processes, runs } = readProfile(output);
    expect(processes.map(({ argv }) => argv?.[0] ?? null).filter((name) => name !== null)).toEqual([
      'sh',
      'sleep',
    ]);
    expect(runs[0]).toMatchObject({ complete: true, warnings: [] });
  });
});

describe('as the first process of a pid namespace', () => {
  it('ends with the program, whatever that leaves behind', () => {
    const script = '(sleep 0.2; sleep 0.2) & exit 5';
    const trace = [CALLGATE, 'trace', '-q', '--method', 'seccomp', '-o', output, '--', 'sh', '-c', script];
    const { status } = run('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...trace]);
    expect(status).toBe(5);
    expect(readProfile(output).processes.length).toBeGreaterThanOrEqual(4);
  });
});

describe.each(['SIGTRAP', 'SIGSTOP', 'SIGUSR1', 'SIGCONT', 'SIGURG'] as const)(
  '%s for the helper',
  (signal) => {
    it('does not disturb the trace', async () => {
      const running = begin([
        'trace',
        '-q',
        '--method',
        'seccomp',
        '--duration',
        '700ms',
        '-o',
        output,
        '--',
        'sleep',
        '60',
      ]);
      await childOf(running, 'sleep');
      const helper =
        childrenOf(running.pid).find(
          (pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1') === 'callgate\0',
        ) ?? 0;
      for (let time = 0; time < 20; time++) {
        process.kill(helper, signal);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect((await running.end).signal).toBe('SIGTERM');
      expect(readProfile(output).runs[0]).toMatchObject({ complete: true, warnings: [] });
    });
  },
);

describe('the helper before it is traced', () => {
  it('lives, although there is something to do already', async () => {
    // Readable at once, and for good.
    const descriptor = openSync('/proc/self/mounts', 'r');
    const libc = openLibc();
    const pid = spawnImage(libc, assembleDoorbell(descriptor), {
      argv: ['callgate'],
      env: [],
      descriptors: [{ from: descriptor, to: descriptor }],
      cwd: null,
    });
    closeSync(descriptor);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(statusField(pid, 'State')).toMatch(/^[RS]/);
    process.kill(pid, 'SIGKILL');
    new Waiter(libc).child(pid);
  });
});
