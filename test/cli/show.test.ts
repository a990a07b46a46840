import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatProfile } from '../../src/profile/save.ts';
import { formatCompletenessJson } from '../../src/report/completeness-json.ts';
import { formatCompleteness } from '../../src/report/completeness-text.ts';
import { formatNames } from '../../src/report/names.ts';
import { formatSetJson } from '../../src/report/set-json.ts';
import { formatSet } from '../../src/report/set-text.ts';
import { formatTree } from '../../src/report/tree.ts';
import { serverProfile } from '../../src/report/testing/server-profile.ts';
import { CALLGATE, callgate, run, temporaryDirectory } from '../support/callgate.ts';

const profile = serverProfile();
let directory: ReturnType<typeof temporaryDirectory>;
let file: string;

beforeAll(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'server.json');
  writeFileSync(file, formatProfile(profile));
});

afterAll(() => directory[Symbol.dispose]());

describe('callgate show', () => {
  it.each([
    { args: [], want: formatSet(profile) },
    { args: ['--format', 'text', '--phase', 'main'], want: formatSet(profile, { phase: 'main' }) },
    { args: ['--format', 'names'], want: formatNames(profile) },
    { args: ['-f', 'names', '--program', 'dash'], want: formatNames(profile, { program: 'dash' }) },
    { args: ['--format=json', '--process', '103'], want: formatSetJson(profile, { pid: 103 }) },
    { args: ['--format', 'tree'], want: formatTree(profile) },
    { args: ['-f', 'completeness'], want: formatCompleteness(profile, {}, 120) },
    {
      args: ['-f', 'completeness-json', '--phase', 'main'],
      want: formatCompletenessJson(profile, { phase: 'main' }),
    },
  ])('prints to stdout and nothing else with $args', ({ args, want }) => {
    expect(callgate(['show', file, ...args])).toEqual({ status: 0, signal: null, stdout: want, stderr: '' });
  });

  it('reads stdin for -', () => {
    const finished = callgate(['show', '-', '-f', 'names'], { input: formatProfile(profile) });
    expect(finished).toMatchObject({ status: 0, stdout: formatNames(profile) });
  });

  it.each([
    {
      args: ['--phase', 'maim'],
      stderr: 'callgate: phase: no such phase, "maim" (the profile has setup, main)\n',
    },
    {
      args: ['--process', '7'],
      stderr: 'callgate: pid: no such process, 7 (the profile has 100, 103, 104)\n',
    },
    {
      args: ['--program', 'nginx'],
      stderr: 'callgate: program: no such program, "nginx" (the profile has /bin/dash, /srv/server)\n',
    },
    {
      args: ['--process', 'x'],
      stderr: "callgate: option '--process <number>' argument 'x' is invalid. A pid is a number.\n",
    },
    {
      args: ['--format', 'xml'],
      stderr:
        "callgate: option '-f, --format <format>' argument 'xml' is invalid. Allowed choices are text, names, json, tree, completeness, completeness-json.\n",
    },
  ])('says what there is in place of $args', ({ args, stderr }) => {
    expect(callgate(['show', file, ...args])).toMatchObject({ status: 2, stdout: '', stderr });
  });

  it.each([
    {
      name: 'is not there',
      path: 'nothing.json',
      stderr: /^callgate: profile: cannot read nothing\.json, no such file/,
    },
    { name: 'is a directory', path: '.', stderr: 'callgate: profile: cannot read ., it is a directory\n' },
    { name: 'is empty', path: '/dev/null', stderr: 'callgate: /dev/null: no profile, it is empty\n' },
    { name: 'is no JSON', path: CALLGATE, stderr: /not JSON/ },
    {
      name: 'has an escape sequence for a name',
      path: '\u001b[31m',
      stderr: /cannot read \\x1b\[31m, no such file/,
    },
  ])('says so if the file $name', ({ path, stderr }) => {
    const finished = callgate(['show', path], { cwd: directory.path });
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toMatch(stderr);
  });

  it('ends quietly if its reader has seen enough', () => {
    const large = join(directory.path, 'large.json');
    const processes = Array.from({ length: 5000 }, (_, index) => ({
      ...profile.processes[0],
      pid: index + 1,
      calls: [],
    }));
    writeFileSync(large, JSON.stringify({ ...profile, processes }));
    const script = '"$0" show "$1" -f tree | head -n 1; echo "${PIPESTATUS[0]}"';
    expect(run('bash', ['-c', script, CALLGATE, large])).toMatchObject({
      stdout: `1 start  /bin/dash: sh -c 'exec ./server --name "a b"'\n0\n`,
      stderr: '',
    });
  });

  it('fails if stdout cannot be written', () => {
    const finished = run('sh', ['-c', '"$0" show "$1" >/dev/full', CALLGATE, file]);
    expect(finished.status).toBe(2);
    expect(finished.stderr).toMatch(/^callgate: output: cannot write to stdout, ENOSPC/);
  });
});
