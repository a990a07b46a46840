import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { callgate, start, temporaryDirectory, type Background, type Finished } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { statusField, twoPhases, until, withI386, writePolicy } from './fixtures/policies.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const source: string = readFileSync(new URL('./fixtures/switch.c', import.meta.url), 'utf8');
let native: string;
let i386: string;

beforeAll(() => {
  // Control sockets of other runs on this machine are none of ours.
  process.env['XDG_RUNTIME_DIR'] = directory.path;
  native = compile(source, ['-pthread']);
  i386 = compile(source, ['-pthread', '-m32']);
});

afterAll(() => directory[Symbol.dispose]());

const started: Background[] = [];

afterEach(() => {
  // What a failed test has left behind; it ends with callgate.
  for (const running of started.splice(0)) running.kill('SIGKILL');
});

/** Triggers that the program sets off itself, and one by time. */
const TRIGGERS = ['after:400ms', 'syscall:getppid', 'symbol:turn', 'output:/turn now/'] as const;

/** Runs a mode of the program; it is told by which kind of trigger it has its transition. */
function runMode(
  mode: string,
  trigger: string,
  {
    program = native,
    options = [],
    number = '0',
  }: { program?: string; options?: string[]; number?: string } = {},
): Finished {
  const policy = twoPhases(trigger);
  const file = writePolicy(directory.path, program === i386 ? withI386(policy) : policy);
  const kind = trigger.split(':')[0] as string;
  return callgate(['run', '-q', '--policy', file, ...options, '--', program, mode, kind, number]);
}

/** What the program found wrong, and how it ended; the lines for triggers aside. */
function complaints({ status, stdout, stderr }: Finished): unknown[] {
  const lines = stdout
    .split('\n')
    .filter((line) => !/^(up|turn now|[0-9]+ of [0-9]+ tasks .*|alarms plausible|)$/.test(line));
  return [status, stderr, ...lines];
}

/** Number of tasks with the tighter filter and without a tracer, and of all. */
function tasks({ stdout }: Finished): number[] {
  return (/([0-9]+) of ([0-9]+) tasks/.exec(stdout) ?? []).slice(1).map(Number);
}

describe('a filter that is put into a running process', () => {
  it.each(TRIGGERS)('comes unseen by threads that wait, each in another call, at %s', (trigger) => {
    const result = runMode('waits', trigger);
    expect(complaints(result)).toEqual([0, '']);
    const [filtered, all] = tasks(result);
    expect(filtered).toBe(all);
    expect(all).toBeGreaterThanOrEqual(8);
  });

  it.each(TRIGGERS.slice(0, 3))('comes unseen by the threads of a 32-bit program at %s', (trigger) => {
    const result = runMode('waits', trigger, { program: i386 });
    expect(complaints(result)).toEqual([0, '']);
    const [filtered, all] = tasks(result);
    expect(filtered).toBe(all);
    expect(all).toBeGreaterThanOrEqual(8);
  });

  it.each(TRIGGERS.slice(0, 3))(
    'loses no signal of a thousand a second at %s, and invents none',
    (trigger) => {
      const result = runMode('storm', trigger);
      expect(complaints(result)).toEqual([0, '']);
      expect(tasks(result)).toEqual([1, 1]);
      expect(result.stdout).toContain('alarms plausible');
    },
  );

  it('loses no signal of a 32-bit program', () => {
    const result = runMode('storm', 'syscall:getppid', { program: i386 });
    expect(complaints(result)).toEqual([0, '']);
    expect(result.stdout).toContain('alarms plausible');
  });

  it.each(['after:900ms', 'syscall:getppid'])('holds all of 1,000 threads at %s', (trigger) => {
    const result = runMode('crowd', trigger, { number: '1000' });
    expect(complaints(result)).toEqual([0, '']);
    expect(tasks(result)).toEqual([1001, 1001]);
  });

  it.each(['syscall:getppid', 'symbol:turn'])(
    'comes unseen in 100 processes at random moments, at %s',
    (trigger) => {
      // Four threads each go in and out of calls all the time, and check every result.
      const result = runMode('often', trigger, { number: '100' });
      expect(complaints(result)).toEqual([0, '', '100 processes, 0 failed']);
    },
  );

  it('comes unseen in 32-bit processes at random moments', () => {
    const result = runMode('often', 'syscall:getppid', { program: i386, number: '12' });
    expect(complaints(result)).toEqual([0, '', '12 processes, 0 failed']);
  });

  it('comes unseen in a whole tree of restless processes at once', () => {
    const result = runMode('often', 'after:300ms', { number: '8' });
    expect(complaints(result)).toEqual([0, '', '8 processes, 0 failed']);
  });

  it.each(['64-bit', '32-bit'])('is put into a %s process that makes no call', (bits) => {
    const result = runMode('spins', 'after:400ms', { program: bits === '32-bit' ? i386 : native });
    expect(complaints(result)).toEqual([0, '', '2 filters']);
  });

  it('reaches every child, however close to the transition it is born', () => {
    const result = runMode('births', 'after:300ms');
    expect(result.stdout).toMatch(/^0 of [0-9]+ children without the tighter filter$/m);
    expect(result.stdout).not.toContain('too few');
    expect([result.status, result.stderr]).toEqual([0, '']);
  });

  it('stays over an exec right after the transition', () => {
    const result = runMode('exec', 'syscall:getppid');
    expect([complaints(result), tasks(result)]).toEqual([
      [0, ''],
      [1, 1],
    ]);
  });

  it.each(['0', '300', '1000', '3000'])(
    'is there after an exec by another thread %s us around the transition',
    (delay) => {
      const result = runMode('execnear', 'syscall:getppid', { number: delay });
      // Where the exec comes first, the transition does not come at all.
      const expected = result.stderr.includes('main never began') ? [0, 1] : [1, 1];
      expect([result.status, tasks(result)]).toEqual([0, expected]);
    },
  );

  it('is put in at a request from outside', async () => {
    const file = writePolicy(directory.path, twoPhases('key'));
    const running = start(['run', '--policy', file, '--', native, 'waits', 'key']);
    started.push(running);
    await running.waitFor('up');
    const { status, stderr } = callgate(['phase', 'main', '--trace', `${running.pid}`]);
    expect([status, stderr]).toEqual([0, 'callgate: phase main begins\n']);
    const result = await running.end;
    expect(complaints({ ...result, stderr: '' })).toEqual([0, '']);
    expect(result.stderr).toMatch(/phase main: pid [0-9]+ is held to [0-9]+ calls now/);
    const [filtered, all] = tasks(result);
    expect(filtered).toBe(all);
  });
});

describe('a stopped process', () => {
  it('stays stopped through the transition, and is filtered before it goes on', async () => {
    const file = writePolicy(directory.path, twoPhases('key'));
    const running = start(['run', '--policy', file, '--', native, 'pause', 'key']);
    started.push(running);
    await running.waitFor('up');
    const pid = await childOf(running.pid);
    process.kill(pid, 'SIGSTOP');
    await until('the stop', () => statusField(pid, 'State').startsWith('t'));
    expect(callgate(['phase', 'main', '--trace', `${running.pid}`]).status).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(statusField(pid, 'State')).toMatch(/^[tT]/);
    process.kill(pid, 'SIGCONT');
    await until('the filter', () => statusField(pid, 'Seccomp_filters') === '2');
    await until('the release', () => statusField(pid, 'TracerPid') === '0');
    await until('the program to wait again', () => statusField(pid, 'State').startsWith('S'));
    process.kill(pid, 'SIGTERM');
    expect((await running.end).signal).toBe('SIGTERM');
  });
});

describe('a thread with a filter of its own', () => {
  it('means the end of the process, which is said', () => {
    const result = runMode('diverged', 'syscall:getppid');
    expect([result.signal, result.stdout]).toEqual(['SIGKILL', '']);
    expect(result.stderr).toMatch(
      /^callgate: phase main: pid [0-9]+ could not be held to it, thread [0-9]+ has a filter of its own.*it is killed/,
    );
  });

  it('is tolerated with --if-stuck keep, which is said too', () => {
    const result = runMode('diverged', 'syscall:getppid', { options: ['--if-stuck', 'keep'] });
    expect([result.status, result.stdout]).toEqual([5, 'lived on\n']);
    expect(result.stderr).toMatch(
      /could not be held to it, thread [0-9]+ has a filter of its own.*it goes on/,
    );
  });
});

/** The program that a callgate runs: the child that executes this file. */
async function childOf(pid: number): Promise<number> {
  let found: number | undefined;
  await until('the program', () => {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
      readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    found = children.find((child) => readlinkSync(`/proc/${child}/exe`) === native);
    return found !== undefined;
  });
  return found as number;
}
