import { describe, expect, it } from 'vitest';
import { measureCompleteness } from './completeness.ts';
import { mergeProfiles } from './merge.ts';
import { sampleCall, sampleProfile, type SampleProcess } from './testing/sample-profile.ts';

const run = (
  index: number,
  names: readonly string[],
  fields: Partial<SampleProcess> = {},
): SampleProcess => ({
  pid: index + 10,
  run: index,
  program: '/bin/a',
  ...fields,
  calls: Object.fromEntries(names.map((name) => [name, [1, 2] as const])),
});

const RUNS = [
  run(0, ['read', 'write', 'openat']),
  run(1, ['read', 'write', 'socket']),
  run(2, ['read', 'write', 'openat', 'mmap']),
  run(3, ['read', 'write']),
];

describe('measureCompleteness', () => {
  it('counts in how many runs each call was seen', () => {
    const measured = measureCompleteness(sampleProfile(RUNS));
    expect(measured).toMatchObject({
      runs: 4,
      commands: 1,
      complete: true,
      calls: 5,
      uniques: 2,
      duplicates: 1,
      always: 2,
    });
    expect(measured.rare.map(({ name, run: of }) => [name, of])).toEqual([
      ['mmap', 2],
      ['socket', 1],
    ]);
    // 5 + 3/4 2 1 / (2 2)
    expect(measured.estimate?.total).toBeCloseTo(5.375, 12);
    // 1 - 2/12 (3 2) / (3 2 + 2 1)
    expect(measured.estimate?.coverage).toBeCloseTo(0.875, 12);
    expect(measured.estimate?.more.map(({ runs }) => runs)).toEqual([1, 2, 4]);
    expect(measured.curve.map(({ runs, isForecast }) => [runs, isForecast])).toEqual([
      [1, false],
      [2, false],
      [3, false],
      [4, false],
      [5, true],
      [6, true],
      [7, true],
      [8, true],
    ]);
    expect(measured.curve[3]?.calls).toBe(5);
  });

  it.each([0, 1, 2])('estimates nothing from %i runs', (count) => {
    const profile =
      count === 0 ? { ...sampleProfile(RUNS), processes: [] } : sampleProfile(RUNS.slice(0, count));
    const { runs, estimate, curve } = measureCompleteness(profile);
    expect([runs, estimate]).toEqual([count, null]);
    expect(curve.every(({ isForecast }) => !isForecast)).toBe(true);
    expect(curve).toHaveLength(count);
  });

  it('does not count the execve by which a program was started, nor what code may do', () => {
    const profile = sampleProfile(RUNS);
    const launch = { ...sampleCall(59, 'execve', { origin: 'observed' }), launch: true as const };
    const { calls } = measureCompleteness({
      ...profile,
      runs: [...profile.runs, { ...profile.runs[0]!, method: 'analyze' }],
      programs: [{ path: '/bin/a', buildId: null, calls: [sampleCall(101, 'ptrace')] }],
      processes: profile.processes.map((process) => ({ ...process, calls: [...process.calls, launch] })),
    });
    expect(calls).toBe(5);
  });

  it('takes only runs in which the program or the phase occurs', () => {
    const profile = sampleProfile([...RUNS, run(4, ['read', 'bind'], { program: '/bin/b' })]);
    expect(measureCompleteness(profile, { program: 'b' })).toMatchObject({ runs: 1, calls: 2 });
    expect(measureCompleteness(profile, { program: 'a' })).toMatchObject({ runs: 4, calls: 5 });
    expect(measureCompleteness(profile, { phase: 'setup' })).toMatchObject({ runs: 5, calls: 6 });
    expect(() => measureCompleteness(profile, { phase: 'maim' })).toThrow('phase: no such phase, "maim"');
  });

  it('tells repetitions from different inputs', () => {
    const profile = sampleProfile(RUNS);
    const other = {
      ...profile,
      runs: profile.runs.map((each) => ({ ...each, workload: { command: 'load', exit: null } })),
    };
    expect(measureCompleteness(mergeProfiles([profile, other]))).toMatchObject({ runs: 8, commands: 2 });
  });

  it('has few points for many runs', () => {
    const many = Array.from({ length: 500 }, (_, index) =>
      run(index, ['read', index % 7 === 0 ? 'write' : 'mmap']),
    );
    const { curve } = measureCompleteness(sampleProfile(many));
    expect(curve.length).toBeLessThanOrEqual(42);
    expect(curve.some(({ runs }) => runs === 500)).toBe(true);
    expect(curve.at(-1)?.runs).toBe(1000);
  });
});
