import { expect, test } from 'vitest';
import {
  ALLOW,
  decodeAction,
  encodeAction,
  KILL_PROCESS,
  KILL_THREAD,
  LOG,
  TRAP,
  USER_NOTIF,
  type Action,
} from './action.ts';

test.each<{ action: Action; value: number }>([
  { action: KILL_PROCESS, value: 0x80000000 },
  { action: KILL_THREAD, value: 0 },
  { action: TRAP, value: 0x00030000 },
  { action: { kind: 'errno', errno: 38 }, value: 0x00050026 },
  { action: USER_NOTIF, value: 0x7fc00000 },
  { action: { kind: 'trace', data: 0xffff }, value: 0x7ff0ffff },
  { action: LOG, value: 0x7ffc0000 },
  { action: ALLOW, value: 0x7fff0000 },
])('action $action.kind is the value of the kernel header', ({ action, value }) => {
  expect(encodeAction(action)).toBe(value);
  expect(decodeAction(value)).toEqual(action);
});

test('values are read as the kernel reads them', () => {
  expect(decodeAction(0x0005ffff)).toEqual({ kind: 'errno', errno: 4095 });
  expect(decodeAction(0x7fff0001)).toEqual(ALLOW);
  expect(decodeAction(0x00030007)).toEqual(TRAP);
  expect(decodeAction(0x00010000)).toEqual(KILL_PROCESS);
  expect(decodeAction(0xffffffff)).toEqual(KILL_PROCESS);
});
