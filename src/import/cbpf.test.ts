import { expect, test } from 'vitest';
import { ALLOW, KILL_PROCESS, LOG } from '../policy/filter/action.ts';
import { encodeProgram } from '../policy/filter/cbpf.ts';
import { compileFilter } from '../policy/filter/compile.ts';
import { createFilter, type FilterSpec } from '../policy/filter/ir.ts';
import { describeCalls, readPolicy } from './testing/read-text.ts';

const EPERM = { kind: 'errno', errno: 1 } as const;
const ENOSYS = { kind: 'errno', errno: 38 } as const;

const read = (spec: FilterSpec): ReturnType<typeof readPolicy> =>
  readPolicy('cbpf', encodeProgram(compileFilter(createFilter(spec))));

test('the arches that a filter looks at are those of the policy', () => {
  const { policy, remarks } = read({
    sections: [
      { arch: 'i386', rules: [{ nr: 5, action: ALLOW }], default: EPERM },
      {
        arch: 'x86_64',
        rules: [
          { nr: 0, action: ALLOW },
          { nr: 435, action: ENOSYS },
        ],
        default: EPERM,
        newestKnown: 450,
      },
    ],
  });
  expect(policy.arches).toEqual([
    { arch: 'x86_64', newest: 450 },
    { arch: 'i386', newest: 0x3fffffff },
  ]);
  expect(describeCalls(policy.phases[0]!.calls)).toEqual(['read', 'i386:open']);
  expect(policy.enosys.map(({ name }) => name)).toEqual(['clone3']);
  expect(policy.onViolation).toBe('errno:EPERM');
  expect(remarks).toEqual([]);
});

test('a filter that denies a few allows everything that has a name', () => {
  const { policy, remarks } = read({
    sections: [{ arch: 'x86_64', rules: [{ nr: 83, action: EPERM }], default: ALLOW }],
    mismatch: KILL_PROCESS,
  });
  const names = policy.phases[0]!.calls.map(({ name }) => name);
  expect(names).toContain('read');
  expect(names).not.toContain('mkdir');
  expect(remarks).toEqual([
    'numbers that have no name yet are allowed too, the policy denies them: x86_64 above 471',
  ]);
});

test('a rule that denies by arguments opens the call, and that is said', () => {
  const { policy, remarks } = read({
    sections: [
      {
        arch: 'x86_64',
        rules: [
          { nr: 41, action: EPERM, conditions: [{ arg: 0, width: 32, op: 'eq', value: 40n }] },
          { nr: 41, action: ALLOW },
        ],
        default: EPERM,
      },
    ],
  });
  expect(describeCalls(policy.phases[0]!.calls)).toEqual(['socket']);
  expect(remarks).toHaveLength(1);
  expect(remarks[0]).toMatch(/^argument rules cannot be carried over.*: socket$/);
});

test('numbers without a name stay numbers', () => {
  const { policy } = read({
    sections: [{ arch: 'x86_64', rules: [{ nr: 600, action: ALLOW }], default: EPERM }],
  });
  expect(describeCalls(policy.phases[0]!.calls)).toEqual(['600']);
});

test('a filter that logs what it does not list is a rehearsal', () => {
  const { policy, remarks } = read({
    sections: [{ arch: 'x86_64', rules: [{ nr: 0, action: ALLOW }], default: LOG }],
    mismatch: KILL_PROCESS,
  });
  expect(policy.onViolation).toBe('log');
  expect(describeCalls(policy.phases[0]!.calls)).toEqual(['read']);
  expect(remarks.filter((remark) => !remark.startsWith('numbers'))).toEqual([]);
});

test('a program that the kernel would refuse is refused', () => {
  expect(() => readPolicy('cbpf', new Uint8Array(8))).toThrow('cbpf: ');
  expect(() => readPolicy('cbpf', new Uint8Array(7))).toThrow('cbpf: length 7 is not a multiple');
});
