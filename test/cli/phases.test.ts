import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { autoSplit } from '../../src/profile/phase-proposals.ts';
import { recut } from '../../src/profile/recut.ts';
import { formatProfile } from '../../src/profile/save.ts';
import { splitTable } from '../../src/profile/split-table.ts';
import { splitAt, type SplitTrigger } from '../../src/profile/splits.ts';
import { formatRecutJson, formatSplitsJson } from '../../src/report/split-json.ts';
import { formatRecut, formatSplits } from '../../src/report/split-text.ts';
import { serverProfile } from '../../src/report/testing/server-profile.ts';
import { callgate, temporaryDirectory } from '../support/callgate.ts';

const WIDTH = 120;
const profile = serverProfile();
let directory: ReturnType<typeof temporaryDirectory>;
let file: string;

beforeAll(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'server.json');
  writeFileSync(file, formatProfile(profile));
});

afterAll(() => directory[Symbol.dispose]());

describe('callgate phases', () => {
  it('prints what each split gives', () => {
    expect(callgate(['phases', file])).toEqual({
      status: 0,
      signal: null,
      stdout: formatSplits(splitTable(profile), WIDTH),
      stderr: '',
    });
    expect(callgate(['phases', file, '--json']).stdout).toBe(formatSplitsJson(splitTable(profile)));
  });

  it.each<{ readonly text: string; readonly trigger: SplitTrigger }>([
    { text: 'syscall:epoll_wait#2', trigger: { kind: 'syscall', name: 'epoll_wait', n: 2 } },
    { text: 'listen:8080', trigger: { kind: 'listen', address: 'tcp:8080' } },
    { text: 'listen:/run/server.sock', trigger: { kind: 'listen', address: 'unix:/run/server.sock' } },
    { text: 'after:50ms', trigger: { kind: 'after', delay: 50e6 } },
  ])('cuts the profile at $text', ({ text, trigger }) => {
    const split = splitAt(profile, { ...trigger, text });
    expect(callgate(['phases', file, '--at', text])).toMatchObject({
      status: 0,
      stdout: formatRecut(profile, split, WIDTH),
      stderr: '',
    });
    expect(callgate(['phases', file, '--at', text, '--json']).stdout).toBe(formatRecutJson(profile, split));
    expect(callgate(['phases', file, '--at', text, '-o', '-']).stdout).toBe(
      formatProfile(recut(profile, split)),
    );
  });

  it('writes the profile that was cut, and prints its sets', () => {
    const split = autoSplit(profile);
    if (split === null) throw new Error('no proposal');
    const output = join(directory.path, 'cut.json');
    expect(callgate(['phases', file, '--at', 'auto', '-o', output])).toMatchObject({
      status: 0,
      stdout: formatRecut(profile, split, WIDTH),
      stderr: '',
    });
    expect(readFileSync(output, 'utf8')).toBe(formatProfile(recut(profile, split)));
  });

  it.each(['symbol:main', 'output:/ready/', 'key'])(
    'says that %s cannot be found in a profile',
    (trigger) => {
      const { status, stdout, stderr } = callgate(['phases', file, '--at', trigger]);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toBe(
        `callgate: phases: a profile does not hold when ${trigger} fires (syscall:NAME[#n], listen:PORT|PATH and after:DURATION can be found afterwards; for others trace again with --phase NAME@TRIGGER)\n`,
      );
    },
  );

  it.each([
    { args: ['--at', 'syscall:epoll_wiat'], stderr: /did you mean epoll_wait/ },
    {
      args: ['--at', 'listen:81'],
      stderr: /no process listens on tcp:81 \(addresses in this profile: tcp:8080, /,
    },
    { args: ['--at', 'after:1h'], stderr: /no run lasts longer than 1 h 0 min/ },
    { args: ['-o', 'x.json'], stderr: /-o writes the profile cut at a trigger, but none was given/ },
  ])('refuses $args and says what there is', ({ args, stderr }) => {
    const finished = callgate(['phases', file, ...args], { cwd: directory.path });
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toMatch(stderr);
  });

  it('says so if there is nothing to propose', () => {
    const input = formatProfile({ ...profile, processes: profile.processes.slice(0, 1) });
    expect(callgate(['phases', '-'], { input })).toMatchObject({
      status: 0,
      stdout: 'no proposal: no process was seen to set itself up and then serve others\n',
    });
    expect(callgate(['phases', '-', '--at', 'auto'], { input })).toMatchObject({ status: 2, stdout: '' });
  });
});
