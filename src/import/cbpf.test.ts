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
  expect(policy.arches).toEqual([{ arch: 'x86_64', newest: 471 }]);
  expect(remarks).toEqual([
    'numbers that have no name yet are allowed too, the policy denies them: x86_64 above 471',
  ]);
});

test.each([
  { name: 'denied up to a number', rules: [83], default: EPERM, newer: 450, want: 450 },
  {
    name: 'allowed in a row behind the last denied',
    rules: [448, 449, 450],
    default: EPERM,
    newer: 450,
    want: 450,
  },
  { name: 'allowed far above', rules: [83, 600], default: EPERM, newer: 450, want: 450 },
])('what is newer follows what is $name', ({ rules, default: denied, newer, want }) => {
  const { policy } = read({
    sections: [
      {
        arch: 'x86_64',
        rules: rules.map((nr) => ({ nr, action: ALLOW })),
        default: denied,
        newestKnown: newer,
        newer: ENOSYS,
      },
    ],
  });
  expect(policy.arches).toEqual([{ arch: 'x86_64', newest: want }]);
});

test('what a register of i386 cannot hold is not allowed', () => {
  const when = (nr: number, value: bigint): FilterSpec['sections'][number]['rules'][number] => ({
    nr,
    action: ALLOW,
    conditions: [{ arg: 1, width: 64, op: 'eq', value }],
  });
  const sections = (['x86_64', 'i386'] as const).map((arch) => ({
    arch,
    rules: [when(19, 1n), when(19, 1n << 32n), when(20, 1n << 32n)],
    default: EPERM,
  }));
  const { policy, remarks } = read({ sections });
  expect(describeCalls(policy.phases[0]!.calls)).toEqual([
    'readv 1/64=0x1|0x100000000',
    'writev 1/64=0x100000000',
    'i386:lseek 1/64=0x1',
  ]);
  expect(remarks).toEqual([]);
});

test.each([
  { action: { kind: 'errno', errno: 0 }, want: 'errno:EPERM', remark: '"0"' },
  { action: { kind: 'errno', errno: 530 }, want: 'errno:EPERM', remark: '"530"' },
  { action: { kind: 'errno', errno: 4095 }, want: 'errno:4095', remark: null },
] as const)('denied calls with $action end as $want', ({ action, want, remark }) => {
  const { policy, remarks } = read({
    sections: [{ arch: 'x86_64', rules: [{ nr: 0, action: ALLOW }], default: action }],
  });
  expect(policy.onViolation).toBe(want);
  expect(remarks).toEqual(
    remark === null ? [] : [`error numbers that a policy cannot have become EPERM: ${remark}`],
  );
});

test('a listener that is not there is missed', () => {
  const { policy, remarks } = read({
    sections: [{ arch: 'x86_64', rules: [{ nr: 0, action: ALLOW }], default: { kind: 'user_notif' } }],
  });
  expect(policy.onViolation).toBe('errno:ENOSYS');
  expect(remarks).toEqual([
    'calls about which a listener or tracer is asked, who may allow them, fail with ENOSYS',
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
