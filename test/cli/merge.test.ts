import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeProfiles } from '../../src/profile/merge.ts';
import { uncut } from '../../src/profile/recut.ts';
import { formatProfile } from '../../src/profile/save.ts';
import { serverProfile } from '../../src/report/testing/server-profile.ts';
import { callgate, temporaryDirectory } from '../support/callgate.ts';

const profile = serverProfile();
const short = { ...profile, processes: profile.processes.slice(0, 1) };
const SUMMARY =
  'callgate: merged 2 runs, 4 processes, 12 distinct system calls, 3 seen in every run, 9 in just one\n' +
  'callgate: completeness: cannot be estimated from 2 runs (3 or more of different inputs)\n';
let directory: ReturnType<typeof temporaryDirectory>;
let options: { readonly cwd: string };

beforeAll(() => {
  directory = temporaryDirectory();
  options = { cwd: directory.path };
  writeFileSync(join(directory.path, 'a.json'), formatProfile(profile));
  writeFileSync(join(directory.path, 'b.json'), formatProfile(short));
  writeFileSync(join(directory.path, 'uncut.json'), formatProfile(uncut(short)));
});

afterAll(() => directory[Symbol.dispose]());

describe('callgate merge', () => {
  it('writes the union to stdout and a line about it to stderr', () => {
    expect(callgate(['merge', 'a.json', 'b.json'], options)).toEqual({
      status: 0,
      signal: null,
      stdout: formatProfile(mergeProfiles([profile, short])),
      stderr: SUMMARY,
    });
  });

  it('writes the union to a file', () => {
    const finished = callgate(['merge', 'a.json', 'b.json', '-o', 'all.json'], options);
    expect(finished).toMatchObject({ status: 0, stdout: '', stderr: SUMMARY });
    expect(readFileSync(join(directory.path, 'all.json'), 'utf8')).toBe(
      formatProfile(mergeProfiles([profile, short])),
    );
  });

  it('takes a run once that is there twice, and says so', () => {
    const { stdout, stderr } = callgate(['merge', 'a.json', 'a.json', 'b.json', 'a.json'], options);
    expect(stdout).toBe(formatProfile(mergeProfiles([profile, short])));
    const [first, ...rest] = SUMMARY.split('\n');
    expect(stderr.split('\n')).toEqual([
      first,
      'callgate: left out 2 runs that are there already (of the same start, duration, command, host and pids)',
      ...rest,
    ]);
    const policy = callgate(['policy', 'a.json', 'a.json', '-o', 'once.yaml'], options);
    expect(policy.stderr).toContain('callgate: left out 1 run that is there already');
    expect(readFileSync(join(directory.path, 'once.yaml'), 'utf8')).toContain('observed in 1 of 1 run');
  });

  it('can replace one of the files that it reads', () => {
    writeFileSync(join(directory.path, 'grow.json'), formatProfile(profile));
    callgate(['merge', 'grow.json', 'b.json', '-o', 'grow.json'], options);
    expect(readFileSync(join(directory.path, 'grow.json'), 'utf8')).toBe(
      formatProfile(mergeProfiles([profile, short])),
    );
  });

  it('reads stdin once', () => {
    const input = formatProfile(short);
    expect(callgate(['merge', 'a.json', '-'], { ...options, input }).stderr).toBe(SUMMARY);
    expect(callgate(['merge', '-', '-'], { ...options, input })).toMatchObject({
      status: 2,
      stderr: 'callgate: profile: stdin (-) can be read only once\n',
    });
  });

  it('warns if the profiles were not cut alike', () => {
    const { status, stderr } = callgate(['merge', 'a.json', 'uncut.json', '-o', 'unlike.json'], options);
    expect(status).toBe(0);
    expect(stderr).toContain('callgate: warning: the profiles were not cut alike: ');
  });

  it('writes nothing if one of the files is no profile', () => {
    writeFileSync(join(directory.path, 'bad.json'), '{}');
    const finished = callgate(['merge', 'a.json', 'bad.json', '-o', 'never.json'], options);
    expect(finished).toMatchObject({
      status: 2,
      stdout: '',
      stderr: 'callgate: bad.json: not a callgate profile, its "format" is not "callgate-profile"\n',
    });
    expect(existsSync(join(directory.path, 'never.json'))).toBe(false);
  });

  it('needs a file', () => {
    expect(callgate(['merge'], options)).toMatchObject({ status: 2, stdout: '' });
  });
});
