import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callgate, run, temporaryDirectory } from '../support/callgate.ts';

const ZSH_DRIVER = fileURLToPath(new URL('completion.zsh', import.meta.url));

/** Calls the function as readline does and prints its reply; `default` stands for readline's own completion of files. */
const BASH_DRIVER = `
source "$1"
compopt() { [[ $* == '-o default' ]] && echo default; }
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=\${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9
_callgate callgate "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
((\${#COMPREPLY[@]})) && printf '%s\\n' "\${COMPREPLY[@]}"
true`;

let directory: ReturnType<typeof temporaryDirectory>;
const scripts = { bash: '', zsh: '' };

beforeAll(() => {
  if (run('sh', ['-c', 'command -v zsh']).status !== 0) {
    throw new Error('these tests need zsh: install the package zsh');
  }
  directory = temporaryDirectory();
  for (const shell of ['bash', 'zsh'] as const) {
    const { status, stdout, stderr } = callgate(['completion', shell]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    scripts[shell] = join(directory.path, 'scripts', shell);
    mkdirSync(dirname(scripts[shell]), { recursive: true });
    writeFileSync(scripts[shell], stdout);
  }
  mkdirSync(join(directory.path, 'work'));
  writeFileSync(join(directory.path, 'work', 'redis.json'), '');
  writeFileSync(join(directory.path, 'work', 'notes.txt'), '');
});

afterAll(() => directory[Symbol.dispose]());

describe('callgate completion bash', () => {
  it.each([
    { words: ['callgate', 'm'], want: ['merge'] },
    { words: ['callgate', 'p'], want: ['policy', 'phases', 'phase'] },
    { words: ['callgate', '--ver'], want: ['--version'] },
    { words: ['callgate', 'show', '--ph'], want: ['--phase'] },
    {
      words: ['callgate', 'show', '--format', ''],
      want: ['text', 'names', 'json', 'tree', 'completeness', 'completeness-json'],
    },
    { words: ['callgate', 'show', '-f', 't'], want: ['text', 'tree'] },
    {
      words: ['callgate', 'show', '--format', '='],
      want: ['text', 'names', 'json', 'tree', 'completeness', 'completeness-json'],
    },
    { words: ['callgate', 'show', '--format', '=', 'n'], want: ['names'] },
    { words: ['callgate', 'show', '--format=n'], want: ['--format=names'] },
    { words: ['callgate', 'show', '--format', '=', 'names', ''], want: ['default'] },
    { words: ['callgate', 'show', ''], want: ['default'] },
    { words: ['callgate', 'show', 'redis.json', ''], want: [] },
    { words: ['callgate', 'show', '--phase', ''], want: [] },
    { words: ['callgate', 'merge', 'a.json', 'b.json', ''], want: ['default'] },
    { words: ['callgate', 'merge', 'a.json', '-o', ''], want: ['default'] },
    { words: ['callgate', 'completion', ''], want: ['bash', 'zsh'] },
    { words: ['callgate', 'check', 'my'], want: ['default'] },
    { words: ['callgate', 'check', '--diff', 'my'], want: ['default'] },
    { words: ['callgate', 'export', 'my'], want: ['default'] },
    { words: ['callgate', 'study', 'my'], want: ['default'] },
    { words: ['callgate', 'study', '--data', 'my'], want: ['default'] },
    { words: ['callgate', 'watch', '-d', 'my'], want: ['default'] },
    { words: ['callgate', 'analyze', '--root', 'my'], want: ['default'] },
    { words: ['callgate', 'analyze', '--phases-from', 'my'], want: ['default'] },
    { words: ['callgate', 'export', '--format', 'k8s'], want: ['k8s-spo', 'k8s-localhost'] },
    { words: ['callgate', 'import', '-f', 'a'], want: ['auto', 'audit'] },
    {
      words: ['callgate', 'policy', '--on-violation', ''],
      want: ['kill', 'errno', 'trap', 'log'],
    },
    { words: ['callgate', 'phases', '--at', 's'], want: ['syscall:'] },
    { words: ['callgate', 'explain', 'redis.json', 'openat'], want: ['openat', 'openat2'] },
    { words: ['callgate', 'check', '--accept', 'pivot'], want: ['pivot_root'] },
    { words: ['callgate', 'help', 'mer'], want: ['merge'] },
    { words: ['callgate', 'trace', '--met'], want: ['--method'] },
    { words: ['callgate', 'trace', '--', 'ech'], want: ['echo'] },
    { words: ['callgate', 'trace', 'ech'], want: ['echo'] },
    { words: ['callgate', 'trace', '--', './ech'], want: ['default'] },
    { words: ['callgate', 'trace', '-o', 'x.json', '--', 'ls', '--met'], want: ['default'] },
    { words: ['callgate', 'trace', 'ls', '--met'], want: ['default'] },
  ])('offers $want for $words', ({ words, want }) => {
    const finished = bash(BASH_DRIVER, scripts.bash, ...words);
    expect(finished).toEqual(want);
  });

  it('offers the processes of this machine for --pid', () => {
    expect(bash(BASH_DRIVER, scripts.bash, 'callgate', 'trace', '--pid', '')).toContain(`${process.pid}`);
  });

  it('leaves what follows another program to bash-completion where that is loaded', () => {
    const loaded = `_command_offset() { COMPREPLY=("offset $1"); }\n${BASH_DRIVER}`;
    expect(bash(loaded, scripts.bash, 'callgate', 'trace', '--', 'git', 'ch')).toEqual(['offset 3']);
    expect(bash(loaded, scripts.bash, 'callgate', 'trace', '-o', 'x', 'git', '-C', 'ch')).toEqual([
      'offset 4',
    ]);
    expect(bash(loaded, scripts.bash, 'callgate', 'trace', '--', 'gi')).toEqual(['offset 3']);
  });

  it('is registered for callgate', () => {
    expect(bash('source "$1"; complete -p callgate', scripts.bash)).toEqual([
      'complete -F _callgate callgate',
    ]);
  });
});

describe('callgate completion zsh', () => {
  it.each([
    { line: 'callgate mer', want: ['merge'] },
    { line: 'callgate show --forma', want: ['--format'] },
    { line: 'callgate show --format ', want: ['json', 'names', 'text', 'tree'] },
    { line: 'callgate show --format=t', want: ['text', 'tree'] },
    { line: 'callgate show -f n', want: ['names'] },
    { line: 'callgate show ', want: ['notes.txt', 'redis.json'] },
    { line: 'callgate show redis.json --process ', want: [] },
    { line: 'callgate merge redis.json n', want: ['notes.txt'] },
    { line: 'callgate merge redis.json -o n', want: ['notes.txt'] },
    { line: 'callgate check n', want: ['notes.txt'] },
    { line: 'callgate analyze --phases-from n', want: ['notes.txt'] },
    { line: 'callgate export --format k8s', want: ['k8s-localhost', 'k8s-spo'] },
    { line: 'callgate phases --at ', want: ['after:', 'auto', 'listen:', 'syscall:'] },
    { line: 'callgate explain redis.json openat', want: ['openat', 'openat2'] },
    { line: 'callgate completion ', want: ['bash', 'zsh'] },
    { line: 'callgate help mer', want: ['merge'] },
    { line: 'callgate trace --method ', want: ['ptrace', 'seccomp'] },
    { line: 'callgate trace -- zs', want: ['zsh'] },
    { line: 'callgate trace zs', want: ['zsh'] },
    { line: 'callgate trace -- kill -US', want: ['-USR1', '-USR2'] },
    { line: 'callgate trace -o x.json -- cat n', want: ['notes.txt'] },
    { line: 'callgate trace -- callgate completion ', want: ['bash', 'zsh'] },
    { line: 'callgate trace callgate completion ', want: ['bash', 'zsh'] },
  ])('offers $want for $line', ({ line, want }) => {
    const offered = zsh(line);
    expect(offered).toEqual(want.length === 0 ? [] : expect.arrayContaining(want));
  });

  it('works from a directory of fpath as well', () => {
    const functions = join(directory.path, 'functions');
    mkdirSync(functions);
    const script = join(directory.path, 'scripts', 'fpath');
    run('cp', [scripts.zsh, join(functions, '_callgate')]);
    writeFileSync(script, `fpath=(${functions} $fpath)\ncompinit -u -D\n`);
    expect(existsSync(join(functions, '_callgate'))).toBe(true);
    // The first completion loads the function, the second one uses it.
    expect(zsh('callgate completion ', script)).toEqual(['bash', 'zsh']);
    expect(zsh('callgate trace -- callgate completion ', script)).toEqual(['bash', 'zsh']);
  });
});

describe('callgate completion', () => {
  it('refuses a shell that it does not know', () => {
    expect(callgate(['completion', 'fish'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr:
        "callgate: command-argument value 'fish' is invalid for argument 'shell'. Allowed choices are bash, zsh.\n",
    });
  });
});

function bash(script: string, ...args: readonly string[]): readonly string[] {
  const { stdout, stderr } = run('bash', ['--norc', '--noprofile', '-c', script, 'bash', ...args]);
  expect(stderr).toBe('');
  // Readline shows a match once, however often it is there.
  return [...new Set(stdout.split('\n').filter((line) => line !== ''))];
}

function zsh(line: string, script: string = scripts.zsh): readonly string[] {
  const { stdout, stderr } = run('zsh', ['-f', ZSH_DRIVER, script, line], {
    cwd: join(directory.path, 'work'),
    env: { ...process.env, TERM: 'dumb', HOME: directory.path },
  });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((each) => each !== '');
}
