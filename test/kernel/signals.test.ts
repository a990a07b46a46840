import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CALLGATE,
  callNames,
  countOf,
  readProfile,
  run,
  start,
  temporaryDirectory,
  traceCommand,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

let victim = '';

beforeAll(() => {
  victim = compile(readFileSync(new URL('fixtures/signals.c', import.meta.url), 'utf8'), ['-pthread']);
});

describe.each(['seccomp', 'ptrace'])('signals under --method %s', (method) => {
  const traceMode = (...args: string[]): ReturnType<typeof traceCommand> =>
    traceCommand([victim, ...args], ['--method', method]);

  it('delivers each of 1000 queued realtime signals once, with its value', () => {
    expect(traceMode('realtime').stdout).toBe('1000 1000\n');
  });

  it('delivers each of 200 SIGUSR1 once', () => {
    expect(traceMode('usr1').stdout).toBe('200\n');
  });

  it('lets a SIGTRAP that the program raises reach its handler', () => {
    expect(traceMode('trap').stdout).toBe('2\n');
  });

  it('lets int3 of the program reach its handler', () => {
    expect(traceMode('int3').stdout).toBe('10\n');
  });

  it('lets SIGTRAP of the program reach its handler while a symbol trigger waits for another function', () => {
    const { stdout } = traceCommand(
      [victim, 'int3'],
      ['--method', method, '--phase', 'main@symbol:libc.so.6:getenv'],
    );
    expect(stdout).toBe('10\n');
  });

  it('interrupts and restarts every waiting call as without a tracer', () => {
    const alone = run(victim, ['waits']).stdout;
    expect(alone.split('\n')).toHaveLength(23);
    expect(traceMode('waits').stdout).toBe(alone);
  });

  it('keeps mask, dispositions and pending signals as without a tracer', () => {
    expect(traceMode('mask').stdout).toBe(run(victim, ['mask']).stdout);
  });

  it('shows a parent the stops, continuations and deaths of its children', () => {
    const { stdout } = traceMode('children');
    expect(stdout).toBe('stopped 1 by 19\ncontinued 1\nexited 9\nkilled by 9\n');
  });

  it('does not disturb waiting threads when another one installs a filter for all', () => {
    const { stdout, profile } = traceMode('filter');
    // Nor is a call that had to be made again, or its restart, recorded as one of the program's.
    expect(countOf(profile.processes, 'epoll_wait')).toBe(1);
    expect(countOf(profile.processes, 'restart_syscall')).toBe(0);
    expect(stdout.split('\n').filter(Boolean).sort()).toEqual(['epoll_wait 0 errno 0', 'nanosleep 0 long']);
  });

  it.each(['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGPIPE', 'SIGINT', 'SIGABRT', 'SIGUSR2'] as const)(
    'dies by %s as the program did',
    (signal) => {
      const { status, signal: death, profile } = traceMode('die', String(constants.signals[signal]));
      expect({ status, death }).toEqual({ status: null, death: signal });
      expect(profile.processes[0]?.exit).toEqual({ kind: 'signaled', signal, core: false });
      expect(profile.runs[0]?.complete).toBe(true);
    },
  );

  it.each([34, 40, 64])('dies by realtime signal %i as the program did', (signal) => {
    using directory = temporaryDirectory();
    const trace = [CALLGATE, 'trace', '-q', '--method', method, '-o', join(directory.path, 'profile'), '--'];
    const { stdout } = run(victim, ['outcome', ...trace, victim, 'die', String(signal)]);
    expect(stdout).toBe(`signal ${signal}\n`);
  });

  it('records a core dump as strace does', () => {
    using directory = temporaryDirectory();
    const cwd = directory.path;
    run('strace', ['-q', '-o', 'log', victim, 'die', '11', 'core'], { cwd });
    const log = readFileSync(join(cwd, 'log'), 'utf8');
    expect(log).toContain('killed by SIGSEGV');
    const { profile } = traceCommand([victim, 'die', '11', 'core'], ['--method', method], { cwd });
    const core = profile.processes[0]?.exit?.kind === 'signaled' && profile.processes[0].exit.core;
    expect(core).toBe(log.includes('core dumped'));
  });

  it('leaves a program stopped that is stopped from outside, until SIGCONT', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const traced = start(['trace', '--method', method, '-o', file, '--', victim, 'spin']);
    await traced.waitFor(/pid [0-9]+\n/);
    const pid = descendant(traced.pid);
    process.kill(pid, 'SIGSTOP');
    await until(() => /^[Tt]/.test(stateOf(pid)));
    const before = cpuTime(pid);
    await pause(200);
    expect(stateOf(pid)).toMatch(/^[Tt]/);
    expect(cpuTime(pid)).toBe(before);
    process.kill(pid, 'SIGCONT');
    await until(() => cpuTime(pid) > before);
    process.kill(pid, 'SIGTERM');
    expect((await traced.end).signal).toBe('SIGTERM');
  });

  it('restarts a sleep that a stop interrupted, and sees restart_syscall as strace does', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    const log = join(directory.path, 'log');
    const begin = [
      () => start(['trace', '--method', method, '-o', file, '--', victim, 'sleep']),
      () => start(['-qq', '-o', log, victim, 'sleep'], 'strace'),
    ];
    // One after the other: each sleeps for a second only.
    for (const one of begin) {
      const { pid, waitFor, end } = one();
      await waitFor(/pid [0-9]+\n/);
      await pause(100);
      const program = descendant(pid);
      process.kill(program, 'SIGSTOP');
      await until(() => /^[Tt]/.test(stateOf(program)));
      await pause(50);
      process.kill(program, 'SIGCONT');
      expect((await end).stdout).toMatch(/^0 long$/m);
    }
    const restarts = readFileSync(log, 'utf8').match(/^restart_syscall\(/gm)?.length;
    expect(restarts).toBeGreaterThan(0);
    expect(countOf(readProfile(file).processes, 'restart_syscall')).toBe(restarts);
  });
});

describe('on a terminal', () => {
  it('leaves job control to an interactive shell', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    using terminal = openTerminal(
      `PS1='ready> ' ${CALLGATE} trace -o ${file} -- bash --norc --noprofile -i; echo ended $?`,
    );
    await terminal.shows(/ready>$/);
    terminal.type('sleep 100 &', 'Enter');
    await terminal.shows(/\[1\] [0-9]+/);
    terminal.type('jobs', 'Enter');
    await terminal.shows(/\[1\]\+ +Running +sleep 100 &/);
    terminal.type('fg', 'Enter');
    await terminal.shows(/^fg\nsleep 100|fg\nsleep 100$/m);
    await pause(200);
    terminal.type('C-z');
    await terminal.shows(/\[1\]\+ +Stopped +sleep 100/);
    terminal.type('bg', 'Enter');
    await terminal.shows(/\[1\]\+ sleep 100 &/);
    terminal.type('kill %1; wait; echo go""ne', 'Enter');
    await terminal.shows(/^gone$/m);
    terminal.type('exit 3', 'Enter');
    await terminal.shows(/^ended 3$/m);
    expect(callNames(readProfile(file).processes)).toContain('x86_64:setpgid');
  });

  it('can be stopped with the program by Ctrl-Z and goes on with it', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    using terminal = openTerminal(`PS1='ready> ' bash --norc --noprofile -i`);
    await terminal.shows(/ready>$/);
    terminal.type(`${CALLGATE} trace -q -o ${file} -- sh -c 'echo began; exec cat'`, 'Enter');
    await terminal.shows(/^began$/m);
    terminal.type('one', 'Enter');
    await terminal.shows(/^one\none$/m);
    terminal.type('C-z');
    await terminal.shows(/Stopped/);
    terminal.type('fg', 'Enter');
    await pause(100);
    terminal.type('two', 'Enter');
    await terminal.shows(/^two\ntwo$/m);
    terminal.type('C-d');
    terminal.type('echo status $?', 'Enter');
    await terminal.shows(/^status 0$/m);
    expect(readProfile(file).runs[0]?.complete).toBe(true);
  });

  it('lets vim edit and write a file', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'text');
    using terminal = openTerminal(
      `${CALLGATE} trace -o ${directory.path}/profile -- vim.tiny -u NONE ${file}; echo ended $?`,
    );
    await terminal.shows(/^~$/m);
    terminal.type('i', 'hello from vim', 'Escape');
    await terminal.shows(/^hello from vim$/m);
    // Long enough for a progress line to be drawn, were it not known that the editor has the terminal.
    await pause(1300);
    expect(terminal.screen()).not.toContain('callgate: ');
    terminal.type(':wq', 'Enter');
    await terminal.shows(/^ended 0$/m);
    expect(readFileSync(file, 'utf8')).toBe('hello from vim\n');
  });

  it('lets less page through a file, and survive Ctrl-C', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'text');
    writeFileSync(file, Array.from({ length: 500 }, (_, i) => `line ${i + 1}\n`).join(''));
    using terminal = openTerminal(
      `LESS= ${CALLGATE} trace -q -o ${directory.path}/profile -- less ${file}; echo ended $?`,
    );
    await terminal.shows(/^line 1$/m);
    terminal.type('C-c');
    await pause(300);
    terminal.type('G');
    await terminal.shows(/^line 500$/m);
    terminal.type('q');
    await terminal.shows(/^ended 0$/m);
  });
});

/** Field 3 of /proc/PID/stat. */
function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')[0] ?? '';
}

/** Clock ticks in user and kernel mode. */
function cpuTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** The victim below a tracer. */
function descendant(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  for (const thread of threads) {
    for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')
      .split(' ')
      .filter(Boolean)) {
      if (readFileSync(`/proc/${child}/cmdline`, 'latin1').startsWith(`${victim}\0`)) return Number(child);
    }
  }
  throw new Error(`${pid} has no victim below it`);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await pause(10)) {
    if (Date.now() > deadline) throw new Error('did not come true within 10 s');
  }
}

interface Terminal extends Disposable {
  /** tmux key names or text. */
  type(...keys: string[]): void;
  screen(): string;
  shows(text: RegExp): Promise<void>;
}

/** Runs a shell command in a terminal of its own, by tmux. */
function openTerminal(command: string): Terminal {
  const name = `callgate-test-${process.pid}-${Date.now()}`;
  const tmux = (...args: string[]): string => {
    const { status, stdout, stderr, error } = spawnSync('tmux', ['-L', name, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
    });
    if (error !== undefined) throw new Error(`tmux (Debian package tmux): ${error.message}`);
    if (status !== 0) throw new Error(`tmux ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  tmux('new-session', '-d', '-x', '100', '-y', '24', `${command}; sleep 1000`);
  const screen = (): string => tmux('capture-pane', '-p').trimEnd();
  return {
    screen,
    type: (...keys) => {
      tmux('send-keys', ...keys);
    },
    shows: async (text) => {
      for (const deadline = Date.now() + 15_000; !text.test(screen()); await pause(50)) {
        if (Date.now() > deadline)
          throw new Error(`the terminal does not show ${String(text)} but:\n${screen()}`);
      }
    },
    [Symbol.dispose]: () => {
      tmux('kill-server');
    },
  };
}
