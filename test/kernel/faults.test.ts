import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CALLGATE,
  callgate,
  countOf,
  readProfile,
  run,
  start,
  temporaryDirectory,
  traceCommand,
} from '../support/callgate.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';
import { compile } from '../support/compile.ts';

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const;

let victim = '';

beforeAll(() => {
  victim = compile(readFileSync(new URL('fixtures/fault.c', import.meta.url), 'utf8'), ['-pthread']);
  chmodSync(dirname(victim), 0o755);
});

/** Nothing that these tests started may outlive them. */
afterEach(async () => {
  await until(() => victims().length === 0);
});

/** Command lines of living processes that run the victim. */
function victims(): string[] {
  return commandLines().filter((line) => line.startsWith(`${victim}\0`));
}

function commandLines(): string[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^[0-9]+$/.test(name) ? [readFileSync(`/proc/${name}/cmdline`, 'latin1')] : [];
    } catch {
      return [];
    }
  });
}

// Under adaptive that is before, in or after the injection of a filter.
describe.each(['seccomp', 'ptrace', 'adaptive'])('a program that is killed under --method %s', (method) => {
  it('is recorded as killed, at whatever moment that happens', async () => {
    using directory = temporaryDirectory();
    for (let attempt = 0; attempt < 10; attempt++) {
      const file = join(directory.path, `profile${attempt}`);
      const options = ['-q', '--phases', 'none', '--method', method, '-o', file];
      const traced = start(['trace', ...options, '--', victim, 'busy']);
      await traced.waitFor(/pid [0-9]+\n/);
      const pid = programOf(traced.pid);
      await pause(Math.random() * 20);
      process.kill(pid, 'SIGKILL');
      await until(() => victims().length <= 1);
      for (const other of pidsOfVictims()) process.kill(other, 'SIGKILL');
      const { signal, stderr } = await traced.end;
      expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
      const { processes, runs } = readProfile(file);
      expect(runs[0]?.complete).toBe(true);
      expect(processes.map(({ exit }) => exit)).toEqual([
        { kind: 'signaled', signal: 'SIGKILL', core: false },
        { kind: 'signaled', signal: 'SIGKILL', core: false },
      ]);
    }
  });

  it('dies with callgate, as do its descendants, when that is killed', async () => {
    using directory = temporaryDirectory();
    const traced = start([
      'trace',
      '-q',
      '--method',
      method,
      '-o',
      join(directory.path, 'profile'),
      '--',
      victim,
      'family',
    ]);
    await traced.waitFor('began');
    expect(victims()).toHaveLength(3);
    traced.kill('SIGKILL');
    await until(() => victims().length === 0);
    expect(victims()).toEqual([]);
    expect(readdirSync(directory.path)).toEqual([]);
  });
});

describe('a signal to callgate', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends the program by %s, which was watched to its end',
    async (signal) => {
      using directory = temporaryDirectory();
      const file = join(directory.path, 'profile');
      const traced = start(['trace', '-o', file, '--', victim, 'wait']);
      await traced.waitFor('began');
      traced.kill(signal);
      const { status, signal: death } = await traced.end;
      expect({ status, death }).toEqual({ status: null, death: signal });
      expect(readProfile(file).runs[0]).toMatchObject({
        complete: true,
        incomplete: [],
      });
    },
  );

  it('reaches the program although the helper that wakes the tracer has been killed', async () => {
    using directory = temporaryDirectory();
    const traced = start([
      'trace',
      '-q',
      '--method',
      'seccomp',
      '-o',
      join(directory.path, 'profile'),
      '--',
      victim,
      'wait',
    ]);
    await traced.waitFor('began');
    const helper = (): number | undefined =>
      childrenOf(traced.pid).find((pid) => commandLine(pid) === 'callgate\0');
    const old = helper() as number;
    process.kill(old, 'SIGKILL');
    await until(() => ![undefined, old].includes(helper()));
    traced.kill('SIGTERM');
    expect((await traced.end).signal).toBe('SIGTERM');
  });

  it('that comes at any moment of its start leaves neither a process nor a file behind', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'profile');
    for (let attempt = 0; attempt < 25; attempt++) {
      const traced = start(['trace', '-q', '-o', file, '--', victim, 'wait']);
      await pause(attempt * 8);
      traced.kill('SIGINT');
      const { status, signal, stderr } = await traced.end;
      expect({ attempt, status, signal, stderr }).toEqual({
        attempt,
        status: null,
        signal: 'SIGINT',
        stderr: '',
      });
      await until(() => victims().length === 0);
      expect({ attempt, left: readdirSync(directory.path).filter((name) => name !== 'profile') }).toEqual({
        attempt,
        left: [],
      });
    }
  });
});

describe('a profile that cannot be written', () => {
  it('is told before the program starts if the disk is full', () => {
    using directory = temporaryDirectory();
    const { status, stdout, stderr } = onTinyDisk(
      directory.path,
      `dd if=/dev/zero of=fill bs=1k status=none 2>/dev/null; ${CALLGATE} trace -o profile -- echo ran`,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe(
      'callgate: output: cannot write profile: ENOSPC: no space left on device, write (choose another file with -o)\n',
    );
  });

  it('is rescued to the directory for temporary files if the disk becomes full meanwhile', () => {
    using directory = temporaryDirectory();
    using temporary = temporaryDirectory();
    // The reserve, which has no name, is given back by truncating it: then the program takes the space.
    const truncate =
      'for fd in /proc/$PPID/fd/*; do case $(readlink $fd) in *.profile.*deleted*) truncate -s 0 $fd ;; esac; done';
    const { status, stdout, stderr } = onTinyDisk(
      directory.path,
      `TMPDIR=${temporary.path} ${CALLGATE} trace -q -o profile -- sh -c '${truncate}; dd if=/dev/zero of=fill bs=1k status=none 2>/dev/null; echo ran'`,
      '1m',
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ran\n' });
    const [rescued] = readdirSync(temporary.path);
    expect(stderr).toBe(
      `callgate: warning: profile could not be written, ENOSPC; the profile is in ${temporary.path}/${rescued}\n`,
    );
    expect(readProfile(join(temporary.path, rescued ?? '')).format).toBe('callgate-profile');
  });

  it('is told before the program starts if the directory is read-only', () => {
    using directory = temporaryDirectory();
    chmodSync(directory.path, 0o555);
    const { status, stdout, stderr } = run(NOBODY[0], [
      ...NOBODY.slice(1),
      sharedCallgate(),
      'trace',
      '-o',
      `${directory.path}/p`,
      '--',
      'echo',
      'ran',
    ]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(
      /^callgate: output: cannot write .*\/p: EACCES: permission denied \(choose another file with -o\)\n$/,
    );
    expect(stderr.split('\n')).toHaveLength(2);
  });
});

describe('a /proc that cannot tell', () => {
  it.each([
    ['is not there', ['unshare', '--mount', 'sh', '-c', 'umount -l /proc; exec "$@"', 'sh']],
    ['is that of another pid namespace', ['unshare', '--fork', '--pid']],
  ])('since it %s is one clear line, and the program is not run', (what, wrapper) => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'ran');
    const command = [
      ...wrapper,
      CALLGATE,
      'trace',
      '-q',
      '-o',
      join(directory.path, 'p'),
      '--',
      'touch',
      file,
    ];
    const { status, stderr } = spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8' });
    expect(stderr).toBe(
      `callgate: trace: /proc ${what}, so processes cannot be looked at (mount -t proc proc /proc; unshare does it with --mount-proc)\n`,
    );
    expect([status, readdirSync(directory.path)]).toEqual([2, []]);
  });
});

describe('a program that cannot be started', () => {
  const CASES: readonly {
    name: string;
    make: (path: string) => void;
    message: (path: string) => string;
    status: number;
  }[] = [
    {
      name: 'is missing',
      make: () => undefined,
      message: (path) => `trace: ${path}: no such file`,
      status: 127,
    },
    {
      name: 'is a directory',
      make: (path) => mkdirSync(path),
      message: (path) => `trace: ${path}: is a directory, not a program`,
      status: 126,
    },
    {
      name: 'is a script without #!',
      make: (path) => writeFileSync(path, 'echo hello\n', { mode: 0o755 }),
      message: (path) =>
        `trace: cannot execute ${path}: ENOEXEC (not a program: a script begins with #!, such as #!/bin/sh; or run its interpreter with the script as argument)`,
      status: 126,
    },
    {
      name: 'has an interpreter that is missing',
      make: (path) => writeFileSync(path, '#!/no/such/interpreter\n', { mode: 0o755 }),
      message: (path) => `trace: ${path}: its interpreter /no/such/interpreter does not exist`,
      status: 127,
    },
    {
      name: 'is not executable',
      make: (path) => writeFileSync(path, '#!/bin/sh\n', { mode: 0o644 }),
      message: (path) => `trace: ${path}: not executable (chmod +x, or run its interpreter with it)`,
      status: 126,
    },
  ];

  it.each(CASES)('$name', ({ make, message, status }) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'program');
    make(path);
    const output = join(directory.path, 'profile');
    const finished = callgate(['trace', '-q', '-o', output, '--', path]);
    expect(finished).toEqual({ status, signal: null, stdout: '', stderr: `callgate: ${message(path)}\n` });
    expect(readdirSync(directory.path).filter((name) => name !== 'program')).toEqual([]);
  });

  it('is not found in PATH', () => {
    using directory = temporaryDirectory();
    const { status, stderr } = callgate([
      'trace',
      '-o',
      join(directory.path, 'profile'),
      '--',
      'no-such-program',
    ]);
    expect({ status, stderr }).toEqual({
      status: 127,
      stderr: 'callgate: trace: no-such-program: not found in PATH (give its path, or install it)\n',
    });
  });
});

describe('attaching', () => {
  const attach = (pid: number, user: readonly string[] = []): ReturnType<typeof run> => {
    using directory = temporaryDirectory();
    chmodSync(directory.path, 0o777);
    const trace = [
      sharedCallgate(),
      'trace',
      '-o',
      join(directory.path, 'profile'),
      '--method',
      'ptrace',
      '--pid',
      String(pid),
    ];
    const [command = '', ...args] = [...user, ...trace];
    return run(command, args);
  };

  it('to a process that is gone says so', () => {
    const { pid } = spawnSync('true');
    expect(attach(pid)).toEqual({
      status: 2,
      signal: null,
      stdout: '',
      stderr: `callgate: trace: there is no process ${pid}\n`,
    });
  });

  it('to a process that strace traces names it', async () => {
    using directory = temporaryDirectory();
    const straced = start(['-o', join(directory.path, 'log'), victim, 'family'], 'strace');
    await straced.waitFor('began');
    const pid = programOf(straced.pid);
    const { status, stderr } = attach(pid);
    killVictims();
    await straced.end;
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `callgate: trace: process ${pid} is already traced by pid ${straced.pid} (/usr/bin/strace); a process has one tracer at a time\n`,
    });
  });

  it('to a zombie says so', async () => {
    const parent = spawn(victim, ['zombie'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (text: Buffer) => resolve(Number(text))),
    );
    await until(() => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z '));
    const { status, stderr } = attach(pid);
    parent.kill();
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `callgate: trace: process ${pid} has ended and waits for its parent (a zombie)\n`,
    });
  });

  it("to another user's process says that it is not allowed", () => {
    const parent = spawn('sleep', ['10'], { stdio: 'ignore' });
    const { status, stderr } = attach(parent.pid as number, NOBODY);
    parent.kill();
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `callgate: trace: not allowed to trace process ${parent.pid}, EPERM (run as root, or see callgate doctor for what forbids it)\n`,
    });
  });
});

describe.each(['seccomp', 'ptrace'])('seccomp of the program itself under --method %s', (method) => {
  it.each(['seccomp', 'prctl'])(
    'works, and the calls it denies are recorded, in children as well: installed by %s',
    (call) => {
      const { stdout, profile } = traceCommand(
        [victim, 'deny', ...(call === 'prctl' ? ['prctl'] : [])],
        ['--method', method],
      );
      expect(stdout).toBe('3\n');
      expect(profile.processes.map((process) => countOf([process], 'getppid'))).toEqual([3, 1]);
    },
  );

  it('in strict mode works under ptrace and is warned of under seccomp', () => {
    const { stdout, profile, stderr } = traceCommand([victim, 'strict'], ['-q', '--method', method]);
    expect(stdout).toBe(method === 'ptrace' ? 'strict\n' : 'refused\n');
    const pid = profile.processes[0]?.pid;
    const warning = `pid ${pid} asks for seccomp strict mode, which the tracing filter makes fail; trace it with --method ptrace`;
    expect(profile.runs[0]?.warnings).toEqual(method === 'ptrace' ? [] : [warning]);
    expect(stderr).toBe(method === 'ptrace' ? '' : `callgate: warning: ${warning}\n`);
  });
});

it('says that the trigger of a phase never fired', () => {
  const { status, stderr, profile } = traceCommand(['true'], ['-q', '--phase', 'main@syscall:listen']);
  expect(status).toBe(0);
  expect(stderr).toBe('callgate: warning: phase main never began: syscall:listen did not fire\n');
  expect(profile.phases.map(({ name, entered }) => ({ name, entered }))).toEqual([
    { name: 'setup', entered: true },
    { name: 'main', entered: false },
  ]);
});

/** Runs a shell command in a directory that is a small disk of its own. */
function onTinyDisk(directory: string, command: string, size = '64k'): ReturnType<typeof run> {
  const script = `mount -t tmpfs -o size=${size} tmpfs "$0" && cd "$0" && ${command}`;
  return run('unshare', ['-m', 'sh', '-c', script, directory]);
}

/** The victim that a tracer started. */
function programOf(tracer: number): number {
  const program = childrenOf(tracer).find((pid) => commandLine(pid).startsWith(`${victim}\0`));
  if (program === undefined) throw new Error(`${tracer} has no victim below it`);
  return program;
}

/** Children of all threads of a process. */
function childrenOf(parent: number): number[] {
  return readdirSync(`/proc/${parent}/task`).flatMap((thread) =>
    readFileSync(`/proc/${parent}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  );
}

/** Empty if the process is gone. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

function pidsOfVictims(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`${victim}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function killVictims(): void {
  for (const pid of pidsOfVictims()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await pause(10)) {
    if (Date.now() > deadline) throw new Error('did not come true within 10 s');
  }
}
