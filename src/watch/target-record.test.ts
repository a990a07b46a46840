import { assert, integer, property, array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProfileParser } from '../profile/load.ts';
import type { Process, Profile } from '../profile/model.ts';
import { formatProfile } from '../profile/save.ts';
import { RUN_CAP, TargetRecord } from './target-record.ts';
import { executableOf } from './target.ts';

const TARGET = executableOf('/usr/bin/true');
const HOST = { kernel: '6.18', arch: 'x86_64', libc: null, distribution: null };
const FILE = { path: '/usr/bin/true', buildId: null };
const SECOND = 1_000_000_000n;

/** A start at second `index` that makes call `nr`, and socket with a domain, a second long. */
function addStart(record: TargetRecord, index: number, nr: number, isEnded = true): void {
  const time = BigInt(index) * 10n * SECOND;
  const run = record.runOf(true, () => ({
    command: ['true', `${index}`],
    wall: Date.UTC(2026, 0, 1) + index * 10_000,
    origin: time,
    host: HOST,
  }));
  run.join({ ...FILE, pid: 100 + index, birth: 'exec', argv: ['true'], time });
  record.joined();
  const use = { arch: 0, first: time + 5n, last: time + 9n, waited: 0, uses: [] };
  run.addCalls(FILE.path, FILE.buildId, { ...use, nr, count: 2 });
  run.addCalls(FILE.path, FILE.buildId, { ...use, nr: 41, count: 1 });
  run.addValue(FILE.path, FILE.buildId, { ...use, nr: 41, which: 0, value: nr % 3 });
  record.sawCall(`x86_64 ${nr}`, time);
  if (!isEnded) return;
  run.leave({ ...FILE, pid: 100 + index }, { kind: 'exited', code: 0 }, time + SECOND);
  record.left();
}

const parse = createProfileParser();

const written = (record: TargetRecord, now = 0n): Profile =>
  parse(formatProfile(record.toProfile(now)), 'test');

const countOf = ({ processes }: Profile, nr: number): number =>
  processes
    .flatMap(({ calls }) => calls)
    .filter((call) => call.nr === nr)
    .reduce((sum, { count }) => sum + (count ?? 0), 0);

const startsOf = ({ runs }: Profile): number[] =>
  runs.map(({ warnings }) => Number(/stands for (\d+)/.exec(warnings.join('\n'))?.[1] ?? 1));

describe('the runs of a target', () => {
  it('are its starts as long as there are few', () => {
    const record = new TargetRecord(TARGET, null);
    for (let index = 0; index < 3; index++) addStart(record, index, 100 + index);
    const profile = written(record);
    expect(profile.runs.map(({ command, complete, warnings }) => [command[1], complete, warnings])).toEqual(
      ['0', '1', '2'].map((index) => [index, true, []]),
    );
    expect(profile.processes.map(({ start, end, exit }) => [start, end, exit])).toEqual(
      Array.from({ length: 3 }, () => [0, 1e9, { kind: 'exited', code: 0 }]),
    );
  });

  it('lose nothing and stay few and alike, however many starts and watches there are', () => {
    assert(
      property(array(integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 5 }), (watches) => {
        let earlier: Profile | null = null;
        let index = 0;
        const made = new Map<number, number>();
        for (const starts of watches) {
          const record: TargetRecord = new TargetRecord(TARGET, earlier);
          for (let count = 0; count < starts; count++) {
            const nr = 100 + (index % 7);
            made.set(nr, (made.get(nr) ?? 0) + 2);
            addStart(record, index++, nr);
          }
          if (index > 0) earlier = written(record);
        }
        if (earlier === null) return;
        expect(earlier.runs.length).toBeLessThanOrEqual(RUN_CAP);
        expect(startsOf(earlier).reduce((sum, starts) => sum + starts, 0)).toBe(index);
        for (const [nr, count] of made) expect(countOf(earlier, nr)).toBe(count);
        expect(countOf(earlier, 41)).toBe(index);
        const domains = earlier.processes.flatMap(({ calls }) =>
          calls.flatMap(({ nr, args }) => (nr === 41 ? (args?.[0]?.values ?? []) : [])),
        );
        expect(new Set(domains)).toEqual(new Set([...made.keys()].map((nr) => nr % 3)));
      }),
      { numRuns: 15 },
    );
  });

  it('that stand for several starts keep the times on one clock', () => {
    const record = new TargetRecord(TARGET, null);
    for (let index = 0; index <= RUN_CAP; index++) addStart(record, index, 100 + (index % 2));
    const [process] = written(record).processes;
    expect(process).toMatchObject({ start: 0, end: 11e9, exit: null });
    expect(process?.calls.map(({ nr, first, last }) => [nr, first, last])).toEqual([
      [41, 5, 10e9 + 9],
      [100, 5, 9],
      [101, 10e9 + 5, 10e9 + 9],
    ]);
  });

  it('go on in the run into which theirs was folded', () => {
    const record = new TargetRecord(TARGET, null);
    const time = 0n;
    const start = { command: [], wall: 0, origin: time, host: HOST };
    const long = record.runOf(true, () => start);
    long.join({ ...FILE, pid: 1, birth: 'exec', argv: [], time });
    record.joined();
    for (let index = 1; index <= 5 * RUN_CAP; index++) addStart(record, index, 100);
    expect(long.current.isLive).toBe(true);
    const call = { arch: 0, nr: 300, count: 1, first: SECOND, last: SECOND, waited: 0, uses: [] };
    long.current.addCalls(FILE.path, FILE.buildId, call);
    const profile = written(record, 5n * SECOND);
    expect(countOf(profile, 300)).toBe(1);
    expect(profile.runs.map(({ complete }) => complete).filter((complete) => !complete)).toHaveLength(1);
    expect(profile.runs[0]?.incomplete).toEqual([expect.stringContaining('still ran')]);
  });

  describe('that go on when a watch begins again', () => {
    const own = { ...FILE, pid: process.pid };
    const start = { command: [], wall: Date.now() - 5000, origin: process.hrtime.bigint(), host: HOST };
    const begin = (record: TargetRecord): void => {
      record.runOf(true, () => start).join({ ...own, birth: 'exec', argv: [], time: start.origin });
      record.joined();
    };

    it('are the same by the pid and the start time of a process that lives', () => {
      const record = new TargetRecord(TARGET, null, 'boot');
      begin(record);
      const now = process.hrtime.bigint();
      const profile = written(record, now);
      const again = new TargetRecord(TARGET, profile, 'boot');
      const run = again.resume(process.pid, now + SECOND);
      run?.join({ ...own, birth: 'attach', isResumed: true, argv: [], time: now + SECOND });
      const after = written(again, now + 2n * SECOND);
      expect(after.runs).toHaveLength(1);
      expect(after.runs[0]?.attached).toBeUndefined();
      expect(after.runs[0]?.warnings).toEqual([]);
      expect(after.runs[0]?.incomplete).toEqual([
        expect.stringContaining('between two watches'),
        expect.stringContaining('still ran'),
      ]);
      expect(after.runs[0]?.duration).toBeGreaterThan((profile.runs[0]?.duration ?? 0) + 1e9);
      expect(after.runs[0]?.identity).toEqual(profile.runs[0]?.identity);
    });

    it.each([
      { what: 'of another boot', boot: 'other', pid: process.pid },
      { what: 'of a process that was not in them', boot: 'boot', pid: process.ppid },
    ])('are not $what', ({ boot, pid }) => {
      const record = new TargetRecord(TARGET, null, 'boot');
      begin(record);
      const again = new TargetRecord(TARGET, written(record, process.hrtime.bigint()), boot);
      expect(again.resume(pid, process.hrtime.bigint())).toBeNull();
    });

    it('are the same by the life of their cgroup, whatever ran in it', () => {
      const record = new TargetRecord(TARGET, null, 'boot');
      addStart(record, 0, 100);
      record.life = 7000n;
      const later = (boot: string): TargetRecord => new TargetRecord(TARGET, written(record), boot);
      const [again, elsewhere] = [later('boot'), later('other')];
      expect([again.isInLife(7000n), again.isInLife(7001n), elsewhere.isInLife(7000n)]).toEqual([
        true,
        false,
        false,
      ]);
      addStart(again, 1, 101);
      expect(again.starts).toBe(2);
      const same = later('boot');
      same.runOf(false, () => start);
      expect(same.starts).toBe(1);
    });
  });

  it('have one entry for a program that runs under several paths', () => {
    const record = new TargetRecord(TARGET, null);
    const run = record.runOf(true, () => ({ command: [], wall: 0, origin: 0n, host: HOST }));
    for (const [index, path] of ['/opt/one', '/opt/two', '/opt/two'].entries()) {
      const [file, pid, time] = [{ path, buildId: 'aa' }, 100 + index, BigInt(index) * SECOND];
      run.join({ ...file, pid, birth: 'exec', argv: [path], time });
      run.addCalls(path, 'aa', { arch: 0, nr: 39, count: 1, first: time, last: time });
      run.leave({ ...file, pid }, { kind: 'exited', code: 0 }, time + 5n);
    }
    const { programs, processes } = written(record);
    expect(programs).toMatchObject([{ path: '/opt/one', buildId: 'aa' }]);
    expect(processes).toMatchObject([
      { pid: 100, start: 0, end: 2e9 + 5, exit: null, calls: [{ count: 3 }] },
    ]);
  });

  it.each([
    { what: 'ended', end: 3e9 },
    { what: 'still ran', end: null },
  ])('unite the entries that a program had for each of its paths, the first of which $what', ({ end }) => {
    const record = new TargetRecord(TARGET, null);
    addStart(record, 0, 100);
    const once = written(record);
    const entry = once.processes[0] as Process;
    const first = { ...entry, end, exit: null, listens: [{ at: 1, address: '*:80' }] };
    const second = { ...entry, pid: 7, start: 1e9, end: 2e9, listens: [{ at: 2, address: '*:80' }] };
    const runs = once.runs.map((run) => ({ ...run, duration: 3e9 }));
    const twice: Profile = { ...once, runs, processes: [first, second] };
    const again = written(new TargetRecord(TARGET, parse(formatProfile(twice), 'test')));
    expect(again.processes).toMatchObject([
      { pid: 100, start: 0, end, exit: null, listens: [{ at: 1, address: '*:80' }] },
    ]);
    expect([countOf(again, 100), countOf(again, 41)]).toEqual([4, 2]);
    expect(again.runs[0]?.warnings).toEqual([expect.stringContaining('are one entry')]);
  });

  it('that were going on when something was lost say so, also if they are over, and no others', () => {
    const record = new TargetRecord(TARGET, null);
    addStart(record, 0, 100);
    addStart(record, 1, 100);
    addStart(record, 2, 100, false);
    record.addLost(7, 11n * SECOND);
    expect(written(record).runs.map(({ lost, complete }) => [lost, complete])).toEqual([
      [0, true],
      [7, false],
      [7, false],
    ]);
  });

  it('say how many calls are new in the last hour', () => {
    const record = new TargetRecord(TARGET, null);
    addStart(record, 0, 100);
    addStart(record, 1, 101);
    expect(record.newInLastHour(3600n * SECOND + 5n * SECOND)).toBe(1);
    expect(record.newCalls).toBe(2);
    const again = new TargetRecord(TARGET, written(record));
    addStart(again, 2, 100);
    expect([again.newCalls, again.distinct]).toEqual([0, 3]);
  });
});
