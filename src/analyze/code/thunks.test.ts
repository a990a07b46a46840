import { describe, expect, it } from 'vitest';

import { decodeInstruction } from '../x86/decoder.ts';
import { FLOW, Instruction } from '../x86/instruction.ts';
import { describeThrough, isSeenThrough, seeThrough } from './thunks.ts';

const CALL = [0xe8, 0, 0, 0, 0];
const JUMP = [0xe9, 0, 0, 0, 0];

/** `mov %reg, (%rsp); ret`. */
const store = (register: number): number[] => [
  0x48 | ((register >> 3) << 2),
  0x89,
  0x04 | ((register & 7) << 3),
  0x24,
  0xc3,
];

/** `lea 8(%rsp), %rsp; ret`. */
const DROP = [0x48, 0x8d, 0x64, 0x24, 0x08, 0xc3];

const thunk = (diversion: readonly number[]): number[] => [
  0xe8,
  7,
  0,
  0,
  0,
  0xf3,
  0x90,
  0x0f,
  0xae,
  0xe8,
  0xeb,
  0xf9,
  ...diversion,
];

/** `call *%reg`, or `jmp *%reg`. */
const indirect = (register: number, operands: number): number[] => [
  0x40 | (register >> 3),
  0xff,
  operands | (register & 7),
];

function decoded(bytes: readonly number[]): Instruction {
  const ins = new Instruction();
  expect(decodeInstruction(Uint8Array.from(bytes), 0, bytes.length, 0x1000, ins)).toBeGreaterThan(0);
  return ins;
}

/** An instruction as it is seen, with the bytes of what it goes to. */
function seen(direct: readonly number[], target: readonly number[]): Instruction {
  const ins = decoded(direct);
  seeThrough(Uint8Array.from([...target, ...Array<number>(16).fill(0)]), 0, ins);
  if (isSeenThrough(ins)) describeThrough(ins);
  return ins;
}

/** What a caller may rely on, but for the length. */
function facts(ins: Instruction): unknown {
  return Object.entries(ins).filter(([field]) => field !== 'length' && !field.startsWith('encoding'));
}

const REGISTERS = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

describe('a direct call or jump', () => {
  it.each(REGISTERS)('to a thunk of register %i is an indirect one', (register) => {
    const call = seen(CALL, thunk(store(register)));
    expect(facts(call)).toEqual(facts(decoded(indirect(register, 0xd0))));
    expect([call.length, call.sourceRegister]).toEqual([5, register]);
    expect(facts(seen(JUMP, thunk(store(register))))).toEqual(facts(decoded(indirect(register, 0xe0))));
  });

  it('to the diversion of a thunk jumps for its caller', () => {
    expect(facts(seen(CALL, store(10)))).toEqual(facts(decoded(indirect(10, 0xe0))));
    expect(facts(seen(CALL, DROP))).toEqual(facts(decoded([0xc3])));
  });

  it('to a thunk of returns returns', () => {
    expect(facts(seen(JUMP, thunk(DROP)))).toEqual(facts(decoded([0xc3])));
    expect(seen(CALL, thunk(DROP)).flow).toBe(FLOW.CALL);
  });

  it.each([
    ['stores elsewhere', [0x48, 0x89, 0x04, 0x27, 0xc3]],
    ['stores half of a register', [0x40, 0x89, 0x04, 0x24, 0xc3]],
    ['loads', [0x48, 0x8b, 0x04, 0x24, 0xc3]],
    ['goes on after the store', [0x48, 0x89, 0x04, 0x24, 0x90]],
    ['drops two words', [0x48, 0x8d, 0x64, 0x24, 0x10, 0xc3]],
  ])('to code that %s stays one', (_, code) => {
    expect(seen(CALL, code).flow).toBe(FLOW.CALL);
    expect(seen(CALL, thunk(code)).flow).toBe(FLOW.CALL);
    expect(seen(JUMP, thunk(code)).flow).toBe(FLOW.JUMP);
  });
});
