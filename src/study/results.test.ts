import { describe, expect, it } from 'vitest';
import { syscalls } from '../abi/syscalls.ts';
import type { StudyData } from './conduct.ts';
import type { PublishedComparison } from './experiment.ts';
import type { StudyRun } from './ledger.ts';
import { spreadOf, summarizeStudy } from './results.ts';

const TOTAL = syscalls('x86_64').filter(({ since }) => since !== null).length;

function run(fields: Partial<StudyRun>): StudyRun {
  return {
    key: '',
    program: 'ls',
    method: 'trace',
    repetition: 0,
    start: '',
    wall: 1,
    cost: null,
    sets: [],
    unresolved: null,
    failures: [],
    ...fields,
  };
}

const whole = (...nrs: readonly number[]): StudyRun['sets'][number] => ({
  phase: null,
  calls: nrs.map((nr) => `x86_64 ${nr}`),
});

const base: Omit<PublishedComparison, 'measure' | 'left' | 'right' | 'as'> = {
  name: 'c',
  claim: 'claim',
  source: 'source',
  published: 1,
  unit: 'calls',
  programs: [],
  remark: '',
};

function study(runs: readonly StudyRun[], comparisons: readonly PublishedComparison[] = []): StudyData {
  const method = { title: 'T', needs: [], cases: 'all' as const, options: [], kind: 'trace' as const };
  return {
    experiment: {
      name: 'e',
      title: 'E',
      description: '',
      repetitions: 2,
      programs: [{ name: 'ls', workload: '' }],
      methods: [
        { ...method, name: 'trace', setup: [] },
        { ...method, name: 'full', setup: ['one', 'two'] },
      ],
      reference: 'full',
      comparisons,
      others: [],
    },
    programs: [],
    runs,
    missing: new Map(),
    isComplete: true,
  };
}

describe('spreadOf', () => {
  it.each([
    { values: [], want: null },
    { values: [3], want: { median: 3, min: 3, max: 3 } },
    { values: [3, 1, 2], want: { median: 2, min: 1, max: 3 } },
    { values: [4, 1, 2, 3], want: { median: 2.5, min: 1, max: 4 } },
  ])('of $values is $want', ({ values, want }) => {
    expect(spreadOf(values)).toEqual(want);
  });
});

describe('summarizeStudy', () => {
  it('unites the sets of repetitions and measures them against the reference', () => {
    const { results, references } = summarizeStudy(
      study([
        run({ sets: [whole(0, 1)], wall: 1 }),
        run({ sets: [whole(1, 9)], wall: 3 }),
        run({ method: 'full', sets: [whole(0, 1, 2, 3)] }),
      ]),
    );
    expect(references.get('ls')?.size).toBe(4);
    expect(results[0]).toMatchObject({
      method: 'trace',
      runs: 2,
      allowed: 3,
      blocked: TOTAL - 3,
      wall: { median: 2, min: 1, max: 3 },
      recall: 0.5,
      precision: 2 / 3,
      missed: ['x86_64 2', 'x86_64 3'],
    });
  });

  it('lists phases with what they allow', () => {
    const sets = [
      whole(0, 1),
      { phase: 'setup', calls: ['x86_64 0'] },
      { phase: 'main', calls: ['x86_64 1'] },
    ];
    const { results } = summarizeStudy(study([run({ sets })]));
    expect(results[0]?.phases).toEqual([
      { name: 'setup', allowed: 1, blocked: TOTAL - 1 },
      { name: 'main', allowed: 1, blocked: TOTAL - 1 },
    ]);
  });

  it.each([
    { as: 'difference', want: 2 },
    { as: 'ratio', want: 2 },
    { as: 'percent', want: 100 },
  ] as const)('compares two methods by $as', ({ as, want }) => {
    const comparison = {
      ...base,
      measure: 'allowed',
      left: { method: 'full', phase: 'whole' },
      right: { method: 'trace', phase: 'whole' },
      as,
    } as const;
    const { comparisons } = summarizeStudy(
      study([run({ sets: [whole(0, 1)] }), run({ method: 'full', sets: [whole(0, 1, 2, 3)] })], [comparison]),
    );
    expect(comparisons[0]).toMatchObject({ ours: want, values: [{ program: 'ls', value: want }] });
  });

  it('says nothing where a side was not measured', () => {
    const comparison = {
      ...base,
      measure: 'peak',
      left: { method: 'full', phase: 'whole' },
      right: { method: 'trace', phase: 'whole' },
      as: 'ratio',
    } as const;
    const { comparisons } = summarizeStudy(study([run({}), run({ method: 'full' })], [comparison]));
    expect(comparisons[0]).toMatchObject({ ours: null, values: [] });
  });
});
