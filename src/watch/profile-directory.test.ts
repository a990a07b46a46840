import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Profile } from '../profile/model.ts';
import { ProfileDirectory } from './profile-directory.ts';
import { TargetRecord } from './target-record.ts';
import { unitOf } from './target.ts';

const TARGET = unitOf('/system.slice/work.service');
const HOST = { kernel: '6.18', arch: 'x86_64', libc: null, distribution: null };

let path = '';

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'callgate-profiles-'));
});
afterEach(() => rmSync(path, { recursive: true }));

/** Adds a run of a program that has been at two paths, one process at each. */
function addRun(record: TargetRecord): void {
  const run = record.runOf(true, () => ({ command: ['work'], wall: 0, origin: 0n, host: HOST }));
  for (const [index, place] of ['/tmp/one/work', '/tmp/two/work'].entries()) {
    const [file, pid, time] = [{ path: place, buildId: 'aa' }, 100 + index, BigInt(index)];
    run.join({ ...file, pid, birth: 'exec', argv: ['work'], time });
    run.addCalls(place, 'aa', { arch: 0, nr: 39, count: 1, first: time, last: time });
    run.leave({ ...file, pid }, { kind: 'exited', code: 0 }, time);
  }
}

const countOf = ({ processes }: Profile): number =>
  processes.flatMap(({ calls }) => calls).reduce((sum, { count }) => sum + (count ?? 0), 0);

describe('a profile of a program with several paths', () => {
  it('is continued by each watch that follows', async () => {
    const said: string[] = [];
    for (const watches of [1, 2, 3]) {
      using directory = await ProfileDirectory.open(path);
      const record = new TargetRecord(
        TARGET,
        directory.read(TARGET.file, (text) => said.push(text)),
      );
      addRun(record);
      const profile = record.toProfile(0n);
      directory.write(TARGET.file, profile);
      expect([profile.runs.length, profile.processes.length, countOf(profile)]).toEqual([
        watches,
        watches,
        2 * watches,
      ]);
    }
    expect(said).toEqual([]);
    expect(readdirSync(path)).toEqual([TARGET.file]);
  });

  it('is continued where a run has an entry for each path', async () => {
    using directory = await ProfileDirectory.open(path);
    const record = new TargetRecord(TARGET, null);
    addRun(record);
    const once = record.toProfile(0n);
    const both: Profile = { ...once, processes: [...once.processes, ...once.processes] };
    directory.write(TARGET.file, both);
    const said: string[] = [];
    const read = directory.read(TARGET.file, (text) => said.push(text));
    expect(said).toEqual([]);
    expect(countOf(new TargetRecord(TARGET, read).toProfile(0n))).toBe(4);
  });
});
