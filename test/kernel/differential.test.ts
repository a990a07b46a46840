import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callNames, temporaryDirectory, traceCommand } from '../support/callgate.ts';
import { straceNames } from '../support/strace.ts';

interface Program {
  readonly name: string;
  readonly command: readonly string[];
  /** Puts what the command works on into its directory, which is fresh for every run. */
  readonly prepare?: (directory: string) => void;
  /** Calls that differ between two runs of strace as well, each with the reason. */
  readonly varies?: Readonly<Record<string, string>>;
}

const FUTEX = 'a lock is only asked of the kernel when two threads meet at it';

const PROGRAMS: readonly Program[] = [
  { name: 'ls', command: ['ls', '-lR', '.'], prepare: makeTree },
  {
    name: 'a sh pipeline with background jobs',
    command: [
      'sh',
      '-c',
      'sleep 0.1 & seq 1000 | sort -n | tail -1; (cat /etc/passwd | wc -l) & wait; umask; cd / && pwd; kill -0 $$',
    ],
  },
  {
    name: 'bash with process substitution',
    command: [
      'bash',
      '-c',
      'a=($(seq 5)); for i in "${a[@]}"; do echo $i; done | tac; diff <(echo a) <(echo a); cat <<<text; ulimit -n; (exit 3)',
    ],
  },
  {
    name: 'sqlite3',
    command: [
      'sqlite3',
      'data.db',
      'create table t(a, b); insert into t values(1, 2); begin; insert into t select a + 1, b from t; commit; select sum(a) from t; vacuum',
    ],
  },
  {
    name: 'python3 with threads and a subprocess',
    command: [
      'python3',
      '-S',
      '-E',
      '-c',
      [
        'import threading, subprocess, time, socket, os',
        't = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(4)]',
        '[x.start() for x in t]; [x.join() for x in t]',
        'print(subprocess.run(["echo", "hi"], capture_output=True).stdout)',
        'a, b = socket.socketpair(); a.send(b"x"); b.recv(1); os.getloadavg()',
      ].join('\n'),
    ],
    // The interpreter lock makes every run meet at a futex; nothing else in it depends on time.
  },
  {
    name: 'git init and commit',
    command: [
      'sh',
      '-c',
      'git init -q repo && cd repo && echo a >a && git add a && git -c user.name=n -c user.email=e@example.org -c gc.auto=0 commit -q -m m && git log --oneline && git status -s',
    ],
    varies: { futex: FUTEX },
  },
  {
    name: 'tar with a compressor',
    command: ['sh', '-c', 'tar czf all.tgz tree && tar tzf all.tgz'],
    prepare: makeTree,
  },
  {
    name: 'find -exec',
    command: ['find', '.', '-type', 'f', '-exec', 'wc', '-c', '{}', ';'],
    prepare: makeTree,
  },
  {
    name: 'sort with threads and temporary files',
    command: ['sort', '--parallel=2', '-S', '2M', '-o', 'sorted', 'numbers'],
    prepare: (directory) => {
      const lines = Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 1_000_003);
      writeFileSync(join(directory, 'numbers'), `${lines.join('\n')}\n`);
    },
    varies: { futex: FUTEX, madvise: 'a thread gives its stack back only if no other is there to take it' },
  },
  {
    name: 'make with two jobs',
    command: ['make', '-s', '-j2', 'all'],
    prepare: (directory) => {
      const rule = (name: string): string => `${name}:\n\techo ${name} >$@ && sleep 0.1\n`;
      writeFileSync(join(directory, 'Makefile'), `all: a b c\n${rule('a')}${rule('b')}${rule('c')}`);
    },
    varies: {
      rt_sigreturn: 'the SIGCHLD handler runs or the wait itself finds the child, whichever is first',
      restart_syscall: 'follows from the same race',
    },
  },
  {
    name: 'node',
    command: ['node', '-e', 'require("fs").readdir("/", () => setTimeout(() => console.log("x"), 20))'],
    varies: {
      futex: FUTEX,
      madvise: 'the garbage collector gives memory back when it gets to it',
      mprotect: 'pages change between code and data as the compiler threads get to it',
      munmap: 'the same garbage collector',
      sched_yield: 'compiler threads spin when they meet',
      restart_syscall: 'a timed wait that a stop of the tracer interrupted',
    },
  },
  {
    name: 'perl with forks',
    command: [
      'perl',
      '-e',
      'for (1..3) { unless (fork) { exec "true" if $_ == 2; exit $_ } } 1 while wait != -1; print `echo x`',
    ],
  },
  {
    name: 'gcc with cc1, as and ld',
    command: ['gcc', '-O1', '-o', 'program', 'program.c'],
    prepare: (directory) => writeFileSync(join(directory, 'program.c'), 'int main(void) { return 0; }\n'),
  },
  { name: 'openssl', command: ['openssl', 'dgst', '-sha256', '/etc/passwd'] },
  { name: 'curl on a file', command: ['curl', '-s', 'file:///etc/passwd'], varies: { futex: FUTEX } },
  { name: 'xargs with four processes at a time', command: ['sh', '-c', 'seq 12 | xargs -P4 -n1 echo'] },
];

describe.each(PROGRAMS)('$name', ({ command, prepare, varies = {} }) => {
  const comparable = (names: Iterable<string>): string[] =>
    [...names].filter((name) => varies[name.replace(/^.*:/, '')] === undefined).sort();

  const inFreshDirectory = <T>(action: (cwd: string) => T): T => {
    using directory = temporaryDirectory();
    prepare?.(directory.path);
    return action(directory.path);
  };

  it('makes the same set of calls under both methods as under strace', () => {
    const reference = comparable(inFreshDirectory((cwd) => straceNames(command, { cwd })));
    for (const method of ['seccomp', 'ptrace', 'ebpf']) {
      const traced = inFreshDirectory((cwd) => traceCommand(command, ['--method', method], { cwd }));
      expect({
        method,
        signal: traced.signal,
        calls: comparable(callNames(traced.profile.processes)),
      }).toEqual({
        method,
        signal: null,
        calls: reference,
      });
    }
    expect(reference.length).toBeGreaterThan(10);
  });
});

function makeTree(directory: string): void {
  for (const name of ['tree/one/two', 'tree/three']) {
    mkdirSync(join(directory, name), { recursive: true });
    for (let i = 0; i < 5; i++) writeFileSync(join(directory, name, `file${i}`), 'x'.repeat(i * 1000));
  }
}
