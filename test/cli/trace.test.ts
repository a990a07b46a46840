import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CALLGATE, callgate, readProfile, run, temporaryDirectory } from '../support/callgate.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

afterAll(() => directory[Symbol.dispose]());

let files = 0;

function newPath(name = 'file'): string {
  return join(directory.path, `${name}-${files++}`);
}

function newDirectory(): string {
  const path = newPath('directory');
  mkdirSync(path);
  return path;
}

describe('callgate trace --help', () => {
  const { status, stdout, stderr } = callgate(['trace', '--help']);

  it('goes to stdout and is no failure', () => {
    expect([status, stderr]).toEqual([0, '']);
  });

  it('shows how to trace a command, a server under load and a running process', () => {
    expect(stdout).toMatch(/^Examples:$/m);
    expect(stdout).toMatch(/^ {2}callgate trace -- ls -l \/etc$/m);
    expect(stdout).toMatch(/^ {2}callgate trace --ready listen:6379 --workload /m);
    expect(stdout).toMatch(/^ {2}callgate trace --pid 1234 --duration 1m -o running.json$/m);
  });

  it.each([
    'syscall:NAME[#n]',
    'symbol:[OBJECT:]FUNCTION',
    'listen:PORT|PATH',
    'output:/REGEX/',
    'after:DURATION',
    'key',
  ])('explains the trigger %s', (form) => {
    expect(stdout).toContain(`\n  ${form} `);
  });

  it.each([
    '--output',
    '--method',
    '--pid',
    '--phase',
    '--phases',
    '--ready',
    '--ready-timeout',
    '--workload',
    '--duration',
    '--grace',
    '--no-progress',
    '--quiet',
  ])('explains the option %s', (option) => {
    expect(stdout).toMatch(new RegExp(`^  (-., )?${option}( <[^>]+>)? +\\S`, 'm'));
  });

  it('is what callgate help trace shows', () => {
    expect(callgate(['help', 'trace']).stdout).toBe(stdout);
  });
});

describe('the output file', () => {
  it.each<{ name: string; command: readonly string[]; want: string }>([
    { name: 'the program', command: ['true'], want: 'true.callgate.json' },
    { name: 'the last part of its path', command: ['/bin/true'], want: 'true.callgate.json' },
  ])('is named after $name and lies in the working directory', ({ command, want }) => {
    const cwd = newDirectory();
    const { status, stderr } = callgate(['trace', '--', ...command], { cwd });
    expect(status).toBe(0);
    expect(readdirSync(cwd)).toEqual([want]);
    expect(stderr).toContain(`callgate: profile: ${want}\n`);
    expect(readProfile(join(cwd, want)).runs[0]?.command).toEqual(command);
  });

  it('is named after the executable of a process that is attached to', async () => {
    const cwd = newDirectory();
    const child = spawn('sleep', ['20']);
    try {
      expect(callgate(['trace', '--pid', `${child.pid}`, '--duration', '100ms'], { cwd }).status).toBe(0);
      expect(readdirSync(cwd)).toEqual(['sleep.callgate.json']);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('is the one that -o names, whose content is replaced', () => {
    const file = newPath();
    writeFileSync(file, 'x'.repeat(1_000_000));
    expect(callgate(['trace', '-o', file, '--', 'true']).status).toBe(0);
    expect(readProfile(file).format).toBe('callgate-profile');
  });

  it('is replaced behind a symbolic link, which stays', () => {
    const [file, link] = [newPath(), newPath('link')];
    symlinkSync(file, link);
    expect(callgate(['trace', '-q', '-o', link, '--', 'true']).status).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readProfile(file).format).toBe('callgate-profile');
  });

  it('may be /dev/null, which stays what it is', () => {
    const { status, stderr } = callgate(['trace', '-o', '/dev/null', '--', 'true']);
    expect(status).toBe(0);
    expect(stderr).toContain('callgate: profile: /dev/null\n');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('may be a pipe', async () => {
    const pipe = newPath('pipe');
    run('mkfifo', [pipe]);
    const reader = spawn('cat', [pipe]);
    let text = '';
    reader.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const end = once(reader, 'close');
    const trace = spawn(CALLGATE, ['trace', '-q', '-o', pipe, '--', 'true'], { stdio: 'ignore' });
    expect(await once(trace, 'exit')).toEqual([0, null]);
    await end;
    expect(JSON.parse(text)).toMatchObject({ format: 'callgate-profile' });
    expect(statSync(pipe).isFIFO()).toBe(true);
  });

  it('may be stdout, where it follows what the program wrote', () => {
    const file = newPath();
    const { status } = run('/bin/sh', ['-c', `'${CALLGATE}' trace -q -o /dev/stdout -- echo hello >${file}`]);
    expect(status).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text.startsWith('hello\n{')).toBe(true);
    expect(JSON.parse(text.slice('hello\n'.length))).toMatchObject({ format: 'callgate-profile' });
    expect(lstatSync('/dev/stdout').isSymbolicLink()).toBe(true);
  });

  it('may be stdout as a pipe', () => {
    const { stdout } = run('/bin/sh', ['-c', `'${CALLGATE}' trace -q -o /dev/stdout -- true | cat`]);
    expect(JSON.parse(stdout)).toMatchObject({ format: 'callgate-profile' });
  });

  it.each<{ name: string; path: () => string; want: RegExp }>([
    {
      name: 'is a directory',
      path: newDirectory,
      want: /^callgate: output: \S+ is a directory \(give a file\)\n$/,
    },
    {
      name: 'lies in a directory that does not exist',
      path: () => join(newPath(), 'file'),
      want: /^callgate: output: cannot write \S+: ENOENT: .*\(choose another file with -o\)\n$/,
    },
  ])('that $name is found out before the program is started', ({ path, want }) => {
    const mark = newPath('mark');
    const { status, stderr } = callgate(['trace', '-o', path(), '--', 'touch', mark]);
    expect(status).toBe(2);
    expect(stderr).toMatch(want);
    expect(existsSync(mark)).toBe(false);
  });

  it('stays as it was if the program cannot be started', () => {
    const cwd = newDirectory();
    writeFileSync(join(cwd, 'kept'), 'as it was');
    expect(callgate(['trace', '-o', 'kept', '--', 'no-such-program-at-all'], { cwd }).status).toBe(127);
    expect(readFileSync(join(cwd, 'kept'), 'utf8')).toBe('as it was');
    expect(readdirSync(cwd)).toEqual(['kept']);
  });

  it('stays as it was if there is no such process', () => {
    const cwd = newDirectory();
    writeFileSync(join(cwd, 'kept'), 'as it was');
    expect(callgate(['trace', '-o', 'kept', '--pid', '4194303'], { cwd }).status).toBe(2);
    expect(readFileSync(join(cwd, 'kept'), 'utf8')).toBe('as it was');
    expect(readdirSync(cwd)).toEqual(['kept']);
  });
});

describe('what trace prints', () => {
  it('is a summary on stderr, and nothing on stdout', () => {
    const file = newPath();
    const { stdout, stderr } = callgate(['trace', '-o', file, '--', 'sh', '-c', 'ls / >/dev/null; true']);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      new RegExp(
        `^callgate: tracing by ebpf, .*\ncallgate: sh: \\d+ distinct system calls of [\\d,]+ made, in 2 processes and 0 further threads, [\\d.]+ (ms|s)\n` +
          `callgate: profile: ${file}\n$`,
      ),
    );
  });

  it('counts one process as one', () => {
    const { stderr } = callgate(['trace', '-o', '/dev/null', '--', 'true']);
    expect(stderr).toMatch(/ in 1 process and 0 further threads, /);
  });

  it('has a line for the phases', () => {
    const { stderr } = callgate([
      'trace',
      '-o',
      '/dev/null',
      '--phase',
      'main@syscall:getdents64',
      '--',
      'sh',
      '-c',
      'exec ls / >/dev/null',
    ]);
    expect(stderr).toMatch(/\ncallgate: phases: setup \d+, main \d+\n/);
  });

  it('is nothing with -q', () => {
    const { stdout, stderr } = callgate(['trace', '-q', '-o', '/dev/null', '--', 'echo', 'hello']);
    expect([stdout, stderr]).toEqual(['hello\n', '']);
  });

  it('is the warnings alone with -q', () => {
    const { stderr } = callgate(['trace', '-q', '-o', '/dev/null', '--phase', 'main@listen:9', '--', 'true']);
    expect(stderr).toBe('callgate: warning: phase main never began: listen:9 did not fire\n');
  });

  it('has a progress line on a terminal, which is gone at the end', () => {
    const { stdout } = run('script', ['-qec', `'${CALLGATE}' trace -o /dev/null -- sleep 2.4`, '/dev/null']);
    const drawn = stdout.replaceAll('\r\u001b[K', '<ERASE>');
    expect(drawn).toMatch(/<ERASE>callgate: 2 s, 1 task, \d+ calls, \d+ distinct, phase setup/);
    const lines = stdout.slice(stdout.lastIndexOf('\u001b[K') + 3).split('\r\n');
    expect(lines).toEqual([expect.stringMatching(/^callgate: sleep: /), 'callgate: profile: /dev/null', '']);
  });

  it('has no progress line with --no-progress', () => {
    const command = `'${CALLGATE}' trace --no-progress -o /dev/null -- sleep 1.3`;
    const { stdout } = run('script', ['-qec', command, '/dev/null']);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('callgate: profile: /dev/null');
  });
});

describe('the words of the command line', () => {
  it.each<{ name: string; words: readonly string[]; want: string }>([
    { name: 'after --', words: ['--', 'echo', '-q', '--pid', '1'], want: '-q --pid 1\n' },
    { name: 'after the program, without --', words: ['echo', '-q', '--pid', '1'], want: '-q --pid 1\n' },
    { name: 'that callgate does not know', words: ['echo', '--nonsense', '-x'], want: '--nonsense -x\n' },
    { name: 'that ask for help', words: ['printf', '%s ', '--help'], want: '--help ' },
    { name: 'such as a second --', words: ['--', 'echo', '--', 'a'], want: '-- a\n' },
    { name: 'such as -- after the program', words: ['echo', '--', 'a'], want: '-- a\n' },
    { name: 'that are empty', words: ['printf', '[%s]', '', 'a', ''], want: '[][a][]' },
  ])('belong to the program: those $name', ({ words, want }) => {
    const { stdout, status } = callgate(['trace', '-q', '-o', '/dev/null', ...words]);
    expect([stdout, status]).toEqual([want, 0]);
  });

  it('belong to the program as bytes, where they are no UTF-8', () => {
    const out = newPath();
    run('/bin/sh', ['-c', `'${CALLGATE}' trace -q -o /dev/null printf %s "$(printf '\\377\\101')" >${out}`]);
    expect([...readFileSync(out)]).toEqual([0xff, 0x41]);
  });

  it.each<{ words: readonly string[]; want: string }>([
    {
      words: [],
      want: 'trace: no program was given (callgate trace -- PROGRAM, or callgate trace --pid PID)',
    },
    {
      words: ['--'],
      want: 'trace: no program was given (callgate trace -- PROGRAM, or callgate trace --pid PID)',
    },
    {
      words: ['--phases', 'none', '--phase', 'a@key', '--', 'true'],
      want: 'trace: --phases none and --phase were both given (one of them, please)',
    },
    {
      words: ['--pid', '1', '--', 'true'],
      want: 'trace: a command and --pid were both given (one of them, please)',
    },
    {
      words: ['--metod', 'ptrace', '--', 'true'],
      want: "unknown option '--metod'\n(Did you mean --method?)",
    },
    { words: ['--unheard-of'], want: "unknown option '--unheard-of'" },
    {
      words: ['--method', 'magic', '--', 'true'],
      want: "option '--method <method>' argument 'magic' is invalid. Allowed choices are auto, ebpf, seccomp, ptrace, adaptive.",
    },
    {
      words: ['--phases', 'all', '--', 'true'],
      want: "option '--phases <mode>' argument 'all' is invalid. Allowed choices are auto, none.",
    },
    { words: ['--pid'], want: "option '-p, --pid <pid>' argument missing" },
    {
      words: ['--pid', '0'],
      want: "option '-p, --pid <pid>' argument '0' is invalid. 0 is not a process id.",
    },
    { words: ['--pid', '4194303'], want: 'trace: there is no process 4194303' },
    {
      words: ['--pid', '1', '--method', 'seccomp'],
      want: 'trace: a running process cannot be given a filter, so --pid needs --method ptrace or ebpf',
    },
    {
      words: ['--duration', 'soon', '--', 'true'],
      want: 'duration: bad duration "soon" (such as 500ms, 2s, 5m or 1h)',
    },
    {
      words: ['--grace', '-1s', '--', 'true'],
      want: 'grace: bad duration "-1s" (such as 500ms, 2s, 5m or 1h)',
    },
    {
      words: ['--ready-timeout', '', '--', 'true'],
      want: 'ready timeout: bad duration "" (such as 500ms, 2s, 5m or 1h)',
    },
    { words: ['--phase', 'main', '--', 'true'], want: 'phase: "main" lacks a trigger (use NAME@TRIGGER)' },
    { words: ['--ready', 'listen:0', '--', 'true'], want: 'trigger: port 0 in listen:0 (1 to 65535)' },
  ])('$words give exit code 2 and: $want', ({ words, want }) => {
    const cwd = newDirectory();
    const { status, stdout, stderr } = callgate(['trace', ...words], { cwd });
    expect([status, stdout, stderr]).toEqual([2, '', `callgate: ${want}\n`]);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it.each(['abc', '-5', '1x', ''])('--pid %j is refused', (pid) => {
    const { status, stderr } = callgate(['trace', '-o', '/dev/null', '--pid', pid]);
    expect(status).toBe(2);
    expect(stderr).toBe(
      `callgate: option '-p, --pid <pid>' argument '${pid}' is invalid. ${pid} is not a process id.\n`,
    );
  });
});

describe('a program that cannot be started', () => {
  it.each<{ name: string; make: (file: string) => void; status: number; want: string }>([
    { name: 'does not exist', make: () => undefined, status: 127, want: 'no such file' },
    {
      name: 'is a directory',
      make: (file) => mkdirSync(file),
      status: 126,
      want: 'is a directory, not a program',
    },
    {
      name: 'lacks the permission',
      make: (file) => writeFileSync(file, '#!/bin/sh\n', { mode: 0o644 }),
      status: 126,
      want: 'not executable (chmod +x, or run its interpreter with it)',
    },
    {
      name: 'is a script whose interpreter is missing',
      make: (file) => writeFileSync(file, '#!/no/interpreter\n', { mode: 0o755 }),
      status: 127,
      want: 'its interpreter /no/interpreter does not exist',
    },
  ])('because it $name gives exit code $status', ({ make, status, want }) => {
    const file = newPath();
    make(file);
    const finished = callgate(['trace', '-o', '/dev/null', '--', file]);
    expect([finished.status, finished.stdout, finished.stderr]).toEqual([
      status,
      '',
      `callgate: trace: ${file}: ${want}\n`,
    ]);
  });

  it('because the kernel does not take it gives exit code 126', () => {
    const file = newPath();
    writeFileSync(file, 'no program at all');
    chmodSync(file, 0o755);
    const { status, stderr } = callgate(['trace', '-o', '/dev/null', '--', file]);
    expect(status).toBe(126);
    expect(stderr).toContain(`callgate: trace: cannot execute ${file}: ENOEXEC (not a program: `);
  });
});

describe('the options', () => {
  it('--method ptrace records how calls failed', () => {
    const file = newPath();
    callgate([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--',
      'sh',
      '-c',
      'cat /no/such/file 2>/dev/null',
    ]);
    const { runs, processes } = readProfile(file);
    expect(runs[0]?.method).toBe('ptrace');
    const errnos = processes.flatMap(({ calls }) => calls.flatMap((call) => Object.keys(call.errnos ?? {})));
    expect(errnos).toContain('ENOENT');
  });

  it('with --method seccomp, outcomes are not looked at', () => {
    const file = newPath();
    callgate([
      'trace',
      '-q',
      '--method',
      'seccomp',
      '-o',
      file,
      '--',
      'sh',
      '-c',
      'cat /no/such/file 2>/dev/null',
    ]);
    const { runs, processes } = readProfile(file);
    expect(runs[0]?.method).toBe('seccomp');
    expect(processes.flatMap(({ calls }) => calls.filter((call) => call.errnos !== undefined))).toEqual([]);
  });

  it('--phases none proposes nothing for a server that would have a proposal', () => {
    const server = `require('net').createServer(s => s.end()).listen(0, '127.0.0.1', function () {
  require('net').connect(this.address().port, '127.0.0.1').on('close', () => setTimeout(() => process.exit(), 300)).resume();
});`;
    const phases = ['auto', 'none'].map((mode) => {
      const file = newPath();
      callgate(['trace', '-q', '-o', file, '--phases', mode, '--', process.execPath, '-e', server]);
      return readProfile(file).phases.map(({ source }) => source);
    });
    expect(phases).toEqual([['start', 'auto'], ['start']]);
  });
});

describe('a workload', () => {
  const traceWith = (workload: string, command: readonly string[], ...options: readonly string[]) => {
    const file = newPath();
    const args = ['trace', '-q', '-o', file, '--workload', workload, ...options, '--', ...command];
    return { file, ...callgate(args) };
  };

  it.each([
    { workload: 'exit 7', how: 'exit code 7' },
    { workload: 'nosuchcmd 2>/dev/null', how: 'exit code 127' },
    { workload: 'kill -USR1 $$', how: 'killed by SIGUSR1' },
  ])(
    'that fails is told even with -q, by what is made of the profile as well: $workload',
    ({ workload, how }) => {
      const { file, stderr, signal } = traceWith(workload, ['sleep', '20']);
      const warning = `the workload failed, ${how}: the program may not have been exercised as it was meant to be`;
      expect(stderr).toBe(`callgate: warning: ${warning}\n`);
      expect(signal).toBe('SIGTERM');
      expect(readProfile(file).runs[0]).toMatchObject({ complete: true, warnings: [warning] });
      expect(callgate(['show', file]).stdout).toContain(`warning: ${warning}`);
      expect(callgate(['policy', file]).stderr).toContain(
        'callgate: note: the workload failed or did not run: what the program was to be exercised with may be missing\n',
      );
    },
  );

  it('that never ran is told', () => {
    const { file, stderr, status } = traceWith('true', ['sh', '-c', 'exit 3'], '--ready', 'listen:1');
    const warning = 'the workload did not run, for the program ended before listen:1 fired';
    expect([status, stderr]).toEqual([3, `callgate: warning: ${warning}\n`]);
    expect(callgate(['policy', file]).stderr).toContain('callgate: note: the workload failed');
  });

  it('that --duration cuts off is told', () => {
    const { file, stderr } = traceWith('sleep 20', ['sleep', '20'], '--duration', '300ms');
    const warning =
      'the workload was cut off by --duration, 300 ms: the program may not have been exercised as it was meant to be';
    expect(stderr).toBe(`callgate: warning: ${warning}\n`);
    expect(readProfile(file).runs[0]).toMatchObject({ complete: true, warnings: [warning] });
    expect(callgate(['policy', file]).stderr).toContain('callgate: note: the workload failed');
  });

  it.each([
    { name: 'succeeds', workload: 'true', command: ['sleep', '20'] },
    { name: 'is ended with the program', workload: 'sleep 20', command: ['sleep', '0.3'] },
  ])('that $name has no warning', ({ workload, command }) => {
    const { file, stderr } = traceWith(workload, command);
    expect(stderr).toBe('');
    expect(readProfile(file).runs[0]?.warnings).toEqual([]);
    expect(callgate(['policy', file]).stderr).not.toContain('workload');
  });
});
