import { expect, test } from 'vitest';
import { ALLOW, KILL_PROCESS, type Action } from './action.ts';
import { createFilter, type Condition, type FilterSpec, type SectionSpec } from './ir.ts';
import { PolicyError } from './policy-error.ts';

const section: SectionSpec = { arch: 'x86_64', rules: [], default: KILL_PROCESS };

function withCondition(condition: Partial<Condition>): FilterSpec {
  const full: Condition = { arg: 0, width: 64, op: 'eq', value: 0n, ...condition };
  return { sections: [{ ...section, rules: [{ nr: 0, action: ALLOW, conditions: [full] }] }] };
}

test('what is left out is filled in', () => {
  expect(createFilter({ sections: [{ ...section, rules: [{ nr: 3, action: ALLOW }] }] })).toEqual({
    sections: [
      {
        arch: 'x86_64',
        rules: [{ nr: 3, action: ALLOW, conditions: [] }],
        default: KILL_PROCESS,
        newestKnown: 0x3fffffff,
        newer: { kind: 'errno', errno: 38 },
      },
    ],
    mismatch: KILL_PROCESS,
    foreign: KILL_PROCESS,
    skipped: ALLOW,
  });
});

test.each<{ name: string; spec: FilterSpec; path: string }>([
  { name: 'no sections', spec: { sections: [] }, path: '/sections' },
  { name: 'two sections for one arch', spec: { sections: [section, section] }, path: '/sections/1/arch' },
  {
    name: 'an unknown arch',
    spec: { sections: [{ ...section, arch: 'mips' as 'x32' }] },
    path: '/sections/0/arch',
  },
  {
    name: 'a number with bit 30',
    spec: { sections: [section, { ...section, arch: 'x32', rules: [{ nr: 0x40000001, action: ALLOW }] }] },
    path: '/sections/1/rules/0/nr',
  },
  {
    name: 'an errno above 4095',
    spec: { sections: [section], mismatch: { kind: 'errno', errno: 4096 } },
    path: '/mismatch/errno',
  },
  {
    name: 'trace data above 16 bits',
    spec: { sections: [{ ...section, default: { kind: 'trace', data: 65536 } }] },
    path: '/sections/0/default/data',
  },
  {
    name: 'an unknown action',
    spec: { sections: [section], skipped: { kind: 'notify' } as unknown as Action },
    path: '/skipped',
  },
  {
    name: 'a newest number that is no integer',
    spec: { sections: [{ ...section, newestKnown: 1.5 }] },
    path: '/sections/0/newestKnown',
  },
  { name: 'argument 6', spec: withCondition({ arg: 6 }), path: '/sections/0/rules/0/conditions/0/arg' },
  {
    name: 'width 16',
    spec: withCondition({ width: 16 as 32 }),
    path: '/sections/0/rules/0/conditions/0/width',
  },
  {
    name: 'an unknown comparison',
    spec: withCondition({ op: 'in' as 'eq' }),
    path: '/sections/0/rules/0/conditions/0/op',
  },
  {
    name: 'a value beyond its width',
    spec: withCondition({ width: 32, value: 1n << 32n }),
    path: '/sections/0/rules/0/conditions/0/value',
  },
  {
    name: 'a negative value',
    spec: withCondition({ value: -1n }),
    path: '/sections/0/rules/0/conditions/0/value',
  },
  {
    name: 'a mask with eq',
    spec: withCondition({ mask: 1n }),
    path: '/sections/0/rules/0/conditions/0/mask',
  },
  {
    name: 'masked_eq without mask',
    spec: withCondition({ op: 'masked_eq' }),
    path: '/sections/0/rules/0/conditions/0/mask',
  },
  {
    name: 'an empty mask',
    spec: withCondition({ op: 'masked_eq', mask: 0n }),
    path: '/sections/0/rules/0/conditions/0/mask',
  },
  {
    name: 'a value outside its mask',
    spec: withCondition({ op: 'masked_eq', mask: 1n, value: 2n }),
    path: '/sections/0/rules/0/conditions/0/value',
  },
])('$name is refused with its path', ({ spec, path }) => {
  let thrown: unknown;
  try {
    createFilter(spec);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(PolicyError);
  expect((thrown as PolicyError).path).toBe(path);
});
