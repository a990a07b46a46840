import { describe, expect, test } from 'vitest';
import { buildPolicy } from '../../policy/build.ts';
import { sampleProfile } from '../../profile/testing/sample-profile.ts';
import { serverProfile } from '../testing/server-profile.ts';
import { toPageData, type ReportInput } from './page-data.ts';

const A: ReportInput = {
  kind: 'profile',
  label: 'a',
  profile: sampleProfile([{ pid: 1, calls: { read: [1, 2], write: [2, 2] } }]),
};
const B: ReportInput = {
  kind: 'profile',
  label: 'b',
  profile: sampleProfile([{ pid: 1, calls: { read: [1, 2], openat: [2, 2] } }]),
};
const POLICY: ReportInput = {
  kind: 'policy',
  label: 'p',
  policy: buildPolicy([A.profile], { args: true }).policy,
};
const EMPTY: ReportInput = { kind: 'profile', label: 'empty', profile: sampleProfile([]) };

describe('data of a page', () => {
  test.each<{ name: string; inputs: readonly ReportInput[]; want: readonly string[] | null }>([
    { name: 'one profile', inputs: [A], want: null },
    { name: 'a profile and a policy', inputs: [A, POLICY], want: null },
    { name: 'two profiles', inputs: [A, B], want: ['a', 'b'] },
    {
      name: 'two policies beside profiles',
      inputs: [A, POLICY, B, { ...POLICY, label: 'q' }],
      want: ['p', 'q'],
    },
    { name: 'three profiles', inputs: [A, B, A], want: null },
  ])('$name: what is compared', ({ inputs, want }) => {
    const { diff } = toPageData(inputs);
    expect(diff === null ? null : [diff.before, diff.after]).toEqual(want);
  });

  test('profiles whose phases contradict each other have a page, which says so', () => {
    const inOrder = (...names: readonly string[]): ReportInput => {
      const profile = sampleProfile([{ pid: 1, calls: { read: [1, 2] } }]);
      const phases = names.map((name) => ({ ...profile.phases[0]!, name }));
      return { kind: 'profile', label: names.join(), profile: { ...profile, phases } };
    };
    const page = toPageData([inOrder('setup', 'warm', 'main'), inOrder('setup', 'main', 'warm')]);
    expect(page.completeness).toMatchObject({ runs: 2 });
    expect(page.documents).toHaveLength(2);
  });

  test('two profiles are compared by the policies that they would make', () => {
    const opened = toPageData([A, B]).diff?.changes.filter(({ kind }) => kind === 'opened');
    expect(opened?.map(({ call }) => call)).toEqual(['openat']);
  });

  test('a profile of which no policy can be made is told of and no failure', () => {
    const { diff } = toPageData([EMPTY, A]);
    expect(diff?.problem).toMatch(/^policy: /);
  });

  test('completeness is that of all runs of all profiles; without a profile there is none', () => {
    expect(toPageData([A, B, A]).completeness).toMatchObject({ runs: 3, calls: 3 });
    expect(toPageData([POLICY]).completeness).toBeNull();
  });

  test('the proposed split is among the ways to cut', () => {
    const [document] = toPageData([{ kind: 'profile', label: 's', profile: serverProfile() }]).documents;
    const splits = document?.kind === 'profile' ? document.splits : [];
    expect(splits.filter(({ source }) => source === 'auto').length).toBe(1);
  });
});
