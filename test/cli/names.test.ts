import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { phase, policy, writePolicy } from '../kernel/fixtures/policies.ts';
import {
  CALLGATE,
  callgate,
  readProfile,
  run,
  temporaryDirectory,
  type Finished,
} from '../support/callgate.ts';

let directory: ReturnType<typeof temporaryDirectory>;

beforeEach(() => {
  directory = temporaryDirectory();
});

afterEach(() => directory[Symbol.dispose]());

/** Runs a line of bash, in which `$0` is callgate: Node cannot hand over bytes that are not UTF-8. */
function bash(line: string): Finished {
  return run('bash', ['-c', line, CALLGATE], { cwd: directory.path });
}

describe('a name that is not UTF-8', () => {
  it.each([
    { name: 'of a profile', line: `"$0" trace -o $'o\\xff.json' -- true`, shown: 'o\\xff.json' },
    { name: 'of a program', line: `"$0" trace -o p.json -- $'./bad\\xff'`, shown: './bad\\xff' },
    { name: 'of a program to run', line: `"$0" run --policy a -- $'./bad\\xff' x`, shown: './bad\\xff' },
    {
      name: 'in a workload',
      line: `"$0" trace --workload $'touch w\\xfe' -- true`,
      shown: 'touch w\\xfe',
    },
    { name: 'of a file to read', line: `"$0" show $'p\\xff.json'`, shown: 'p\\xff.json' },
  ])('$name is refused', ({ line, shown }) => {
    expect(bash(line)).toEqual({
      status: 2,
      signal: null,
      stdout: '',
      stderr: `callgate: argument: not UTF-8, ${shown} (only the arguments of a traced program may be anything else)\n`,
    });
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it('of the working directory is refused where it matters', () => {
    const file = join(directory.path, 'p.json');
    expect(callgate(['trace', '-q', '-o', file, '--', 'true']).status).toBe(0);
    const inside = `mkdir $'d\\xff'; cd $'d\\xff'; `;
    expect(bash(`${inside} "$0" trace -o ../q.json -- true`)).toMatchObject({
      status: 2,
      stderr: `callgate: directory: not UTF-8, ${directory.path}/d\\xff (start the program in another one)\n`,
    });
    expect(bash(`${inside} "$0" merge ../p.json -o q.json`)).toMatchObject({ status: 2 });
    expect(bash(`cd $'d\\xff'; "$0" merge ../p.json -o q.json`).stderr).toBe(
      `callgate: output: the name of the directory is not UTF-8, ${directory.path}/d\\xff (choose another file with -o)\n`,
    );
    expect(bash(`cd $'d\\xff'; "$0" show --format names ../p.json`).status).toBe(0);
  });

  it('is not that of a directory that was removed', () => {
    const { status, stderr } = bash(`mkdir gone; cd gone; rmdir ../gone; "$0" trace -- true`);
    expect(stderr).toMatch(/^callgate: output: cannot write true\.callgate\.json: /m);
    expect(status).toBe(2);
  });

  it('is not what U+FFFD itself is', () => {
    expect(callgate(['trace', '-q', '-o', '\ufffd.json', '--', 'true'], { cwd: directory.path }).status).toBe(
      0,
    );
    expect(readdirSync(directory.path)).toEqual(['\ufffd.json']);
  });
});

describe('a name of as many characters as a file can have', () => {
  it('gives the profile a shorter one', () => {
    const program = 'p'.repeat(250);
    writeFileSync(join(directory.path, program), '#!/bin/sh\n', { mode: 0o755 });
    const { status, stderr } = callgate(['trace', '--', `./${program}`], { cwd: directory.path });
    expect(status).toBe(0);
    const profile = `${'p'.repeat(241)}.callgate.json`;
    expect(stderr).toContain(`callgate: profile: ${profile}\n`);
    expect(readdirSync(directory.path).sort()).toEqual([profile, program].sort());
  });

  it('is cut between two characters', () => {
    const program = `p${'ä'.repeat(125)}`;
    writeFileSync(join(directory.path, program), '#!/bin/sh\n', { mode: 0o755 });
    expect(callgate(['trace', '-q', '--', `./${program}`], { cwd: directory.path }).status).toBe(0);
    expect(readdirSync(directory.path)).toContain(`p${'ä'.repeat(120)}.callgate.json`);
  });

  it('can be that of the profile', () => {
    const file = join(directory.path, 'n'.repeat(255));
    expect(callgate(['trace', '-q', '-o', file, '--', 'true']).status).toBe(0);
    expect(readProfile(file).format).toBe('callgate-profile');
  });
});

it('control characters of the profile’s name are not for the terminal', () => {
  const { stderr } = callgate(['trace', '-o', 'a\u001b[31m', '--', 'true'], { cwd: directory.path });
  expect(stderr).toContain('callgate: profile: a\\x1b[31m\n');
});

describe('- as a file', () => {
  it('is refused for the profile of a program, which writes to stdout itself', () => {
    expect(callgate(['trace', '-o', '-', '--', 'echo', 'ran'], { cwd: directory.path })).toMatchObject({
      status: 2,
      stdout: '',
      stderr:
        'callgate: trace: no profile to stdout, where the program writes (-o FILE, or -o /dev/fd/3 with 3>&1 >&2 before the pipe)\n',
    });
    expect(readdirSync(directory.path)).toEqual([]);
    const piped = bash('"$0" trace -q -o /dev/fd/3 -- echo ran 3>&1 >&2 | "$0" show --format names -');
    expect(piped.stderr).toBe('ran\n');
    expect(piped.stdout).toContain('execve\n');
  });

  it('is stdin for the policy of a program, which then has nothing to read', () => {
    const file = writePolicy(directory.path, policy([phase('all', null)]));
    const { status, stdout, stderr } = callgate(['run', '--policy', '-', '--', 'sh', '-c', 'cat; echo ran'], {
      input: readFileSync(file, 'utf8'),
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'ran\n', stderr: '' });
    expect(callgate(['run', '--policy', '-', '--', 'true'], { input: 'nonsense' })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('callgate: stdin: ') as string,
    });
    expect(callgate(['run', '--policy', '-', '--learn', '--', 'true']).stderr).toBe(
      'callgate: run: --learn extends the file of the policy, and stdin (-) is none\n',
    );
  });
});

describe('a file that cannot be read', () => {
  it.each([
    { args: ['run', '--policy', 'none', '--', 'true'], want: 'run: cannot read none, no such file' },
    {
      args: ['run', '--policy', 'loop', '--', 'true'],
      want: 'run: cannot read loop, too many symbolic links',
    },
    { args: ['show', 'loop'], want: 'profile: cannot read loop, too many symbolic links' },
    { args: ['check', 'loop'], want: 'loop: cannot be read, too many symbolic links' },
    {
      args: ['show', 'none'],
      want: 'profile: cannot read none, no such file (callgate trace -o FILE writes one)',
    },
    { args: ['check', '.'], want: '.: cannot be read, it is a directory' },
  ])('$args is told in words', ({ args, want }) => {
    run('ln', ['-s', 'loop', join(directory.path, 'loop')]);
    const { status, stdout, stderr } = callgate(args, { cwd: directory.path });
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: `callgate: ${want}\n` });
  });
});

it('no cache is kept where there is no home', () => {
  mkdirSync(join(directory.path, 'work'));
  const env: NodeJS.ProcessEnv = { ...process.env, HOME: '' };
  delete env['XDG_CACHE_HOME'];
  const { status } = callgate(['analyze', '-q', '/usr/bin/true'], { cwd: join(directory.path, 'work'), env });
  expect(status).toBe(0);
  expect(readdirSync(join(directory.path, 'work'))).toEqual(['true.static.json']);
});
