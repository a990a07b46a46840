import { expect, test } from 'vitest';
import { AUDIT_ARCH } from '../../abi/arch.ts';
import { ALLOW, formatAction, KILL_PROCESS, KILL_THREAD, LOG, TRAP } from './action.ts';
import { evaluateFilter, holds, identifyCall } from './evaluate.ts';
import { createFilter, type Condition } from './ir.ts';

const filter = createFilter({
  sections: [
    {
      arch: 'x86_64',
      rules: [
        { nr: 1, action: LOG, conditions: [{ arg: 0, width: 32, op: 'lt', value: 3n }] },
        { nr: 1, action: TRAP, conditions: [{ arg: 0, width: 32, op: 'lt', value: 9n }] },
        { nr: 20, action: ALLOW },
      ],
      default: { kind: 'errno', errno: 1 },
      newestKnown: 10,
    },
  ],
  mismatch: KILL_PROCESS,
  foreign: KILL_THREAD,
});

test.each([
  { name: 'the first of several matching rules decides', nr: 1, arg: 2n, want: 'log' },
  { name: 'the next rule is tried', nr: 1, arg: 3n, want: 'trap' },
  { name: 'a listed number without a matching rule gets the default', nr: 1, arg: 9n, want: 'errno(1)' },
  { name: 'the upper half is not looked at in 32 bits', nr: 1, arg: 0xffff_ffff_0000_0002n, want: 'log' },
  { name: 'the newest known number gets the default', nr: 10, arg: 0n, want: 'errno(1)' },
  { name: 'a newer number gets its own action', nr: 11, arg: 0n, want: 'errno(38)' },
  { name: 'a newer number may be listed', nr: 20, arg: 0n, want: 'allow' },
  { name: 'the lowest x32 number is foreign', nr: 0x40000000, arg: 0n, want: 'kill_thread' },
  { name: 'the highest x32 number is foreign', nr: 0x7fffffff, arg: 0n, want: 'kill_thread' },
  { name: 'a negative number with bit 30 is no x32 number', nr: -2, arg: 0n, want: 'errno(38)' },
  { name: 'a negative number without bit 30 is newer', nr: 0x80000000, arg: 0n, want: 'errno(38)' },
  { name: 'number -1 is a skipped call', nr: -1, arg: 0n, want: 'allow' },
  { name: 'number -1 may be given unsigned', nr: 0xffffffff, arg: 0n, want: 'allow' },
])('$name', ({ nr, arg, want }) => {
  const data = { nr, arch: AUDIT_ARCH.x86_64, instructionPointer: 0n, args: [arg] };
  expect(formatAction(evaluateFilter(filter, data))).toBe(want);
});

test('an arch without section is a mismatch, even for number -1', () => {
  const data = { arch: AUDIT_ARCH.i386, instructionPointer: 0n, args: [] };
  expect(evaluateFilter(filter, { ...data, nr: 1 })).toEqual(KILL_PROCESS);
  expect(evaluateFilter(filter, { ...data, nr: -1 })).toEqual(KILL_PROCESS);
});

test.each<{ condition: Condition; truths: bigint[]; lies: bigint[] }>([
  {
    condition: { arg: 0, width: 64, op: 'gt', value: 1n << 63n },
    truths: [(1n << 63n) + 1n, ~0n],
    lies: [1n << 63n, 5n],
  },
  { condition: { arg: 0, width: 64, op: 'lt', value: 0n }, truths: [], lies: [0n, ~0n] },
  {
    condition: { arg: 0, width: 32, op: 'ge', value: 0x80000000n },
    truths: [0x1_8000_0000n],
    lies: [0x1_7fff_ffffn],
  },
  {
    condition: { arg: 0, width: 64, op: 'masked_eq', value: 1n << 40n, mask: 3n << 40n },
    truths: [1n << 40n, (1n << 40n) | 7n],
    lies: [3n << 40n, 0n],
  },
])('condition $condition.op of width $condition.width is unsigned', ({ condition, truths, lies }) => {
  for (const value of truths) expect(holds(condition, [BigInt.asUintN(64, value)])).toBe(true);
  for (const value of lies) expect(holds(condition, [BigInt.asUintN(64, value)])).toBe(false);
});

test('a call is identified by arch and bit 30', () => {
  expect(identifyCall(0x40000001, AUDIT_ARCH.x86_64)).toEqual({ arch: 'x32', nr: 1 });
  expect(identifyCall(1, AUDIT_ARCH.i386)).toEqual({ arch: 'i386', nr: 1 });
  expect(identifyCall(-1, AUDIT_ARCH.x86_64)).toBe(null);
  expect(identifyCall(1, 5)).toBe(null);
});
