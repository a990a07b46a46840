import { describe, expect, it } from 'vitest';

import { FormatError } from '../base/errors.ts';
import { type Cpu, I386, X86_64 } from './cpu.ts';
import { evaluateExpression } from './expression.ts';
import { HandMadeMemory } from './testing/hand-made-task.ts';

const MEMORY = new HandMadeMemory().words(0x2000, [0x1122334455667788n, 7]);

function evaluate(
  bytes: readonly number[],
  { initial = [], cpu = X86_64 }: { initial?: readonly bigint[]; cpu?: Cpu } = {},
): bigint | null {
  const registers = Array.from({ length: 17 }, (_, register) =>
    register === 3 ? null : BigInt(register * 16),
  );
  registers[7] = 0x2000n;
  return evaluateExpression(Uint8Array.from(bytes), { cpu, registers, memory: MEMORY.view }, initial);
}

describe('evaluateExpression', () => {
  it.each<{ name: string; bytes: readonly number[]; initial?: readonly bigint[]; want: bigint | null }>([
    // breg7 8, breg16 0, lit15, and, lit11, ge, lit3, shl, plus; rip & 15 is 0 here
    {
      name: 'the CFA of a PLT entry before its push',
      bytes: [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22],
      want: 0x2008n,
    },
    { name: 'a register and a negative offset', bytes: [0x77, 0x78], want: 0x1ff8n },
    { name: 'a register that is not known', bytes: [0x73, 0], want: null },
    { name: 'a register that does not exist', bytes: [0x92, 0x80, 0x01, 0], want: null },
    { name: 'a register by a wide number', bytes: [0x92, 6, 2], want: 98n },
    { name: 'a word in memory', bytes: [0x77, 0, 0x06], want: 0x1122334455667788n },
    { name: 'two bytes in memory', bytes: [0x77, 0, 0x94, 2], want: 0x7788n },
    { name: 'memory that cannot be read', bytes: [0x30, 0x06], want: null },
    { name: 'unsigned constants', bytes: [0x08, 0xff, 0x0a, 1, 2, 0x22], want: 0x300n },
    { name: 'signed constants', bytes: [0x40, 0x09, 0xff, 0x22], want: 15n },
    { name: 'a LEB128 constant', bytes: [0x10, 0x80, 0x01], want: 128n },
    { name: 'a negative LEB128 constant', bytes: [0x11, 0x7f], want: 2n ** 64n - 1n },
    { name: 'what was on the stack', bytes: [0x23, 4], initial: [100n], want: 104n },
    { name: 'pick, over and swap', bytes: [0x31, 0x32, 0x14, 0x15, 1, 0x16, 0x1c], want: 1n },
    { name: 'a rotation', bytes: [0x31, 0x32, 0x33, 0x17], want: 2n },
    { name: 'a signed comparison', bytes: [0x11, 0x7f, 0x30, 0x2d], want: 1n },
    { name: 'an unsigned shift', bytes: [0x11, 0x7f, 0x08, 63, 0x25], want: 1n },
    { name: 'a signed shift', bytes: [0x11, 0x7c, 0x31, 0x26], want: 2n ** 64n - 2n },
    { name: 'a shift by more than a word', bytes: [0x31, 0x08, 200, 0x24], want: 0n },
    { name: 'a signed division', bytes: [0x11, 0x78, 0x32, 0x1b], want: 2n ** 64n - 4n },
    { name: 'an absolute value', bytes: [0x11, 0x78, 0x19], want: 8n },
    { name: 'a branch that is taken', bytes: [0x35, 0x31, 0x28, 1, 0, 0x36, 0x96], want: 5n },
    { name: 'a branch that is not taken', bytes: [0x35, 0x30, 0x28, 1, 0, 0x36, 0x96], want: 6n },
  ])('computes $name', ({ bytes, initial, want }) => {
    expect(evaluate(bytes, initial === undefined ? {} : { initial })).toBe(want);
  });

  it('cuts values to the width of the mode', () => {
    expect(evaluate([0x11, 0x7f], { cpu: I386 })).toBe(0xffffffffn);
    expect(evaluate([0x0c, 0xff, 0xff, 0xff, 0xff, 0x23, 2], { cpu: I386 })).toBe(1n);
  });

  it.each<{ name: string; bytes: readonly number[]; message: RegExp }>([
    { name: 'an operation that is not known', bytes: [0x03], message: /operation at 0x0 is 0x3/ },
    { name: 'too few operands', bytes: [0x22], message: /empty stack/ },
    { name: 'no result', bytes: [], message: /empty stack/ },
    { name: 'an operand past the end', bytes: [0x08], message: /past end of range/ },
    { name: 'a division by zero', bytes: [0x31, 0x30, 0x1b], message: /divides by zero/ },
    { name: 'a jump outside', bytes: [0x2f, 0x10, 0], message: /outside of it/ },
    { name: 'an endless loop', bytes: [0x2f, 0xfd, 0xff], message: /more than 256 steps/ },
    { name: 'a stack that only grows', bytes: [0x31, 0x2f, 0xfc, 0xff], message: /more than 64 values/ },
    { name: 'a read wider than a word', bytes: [0x77, 0, 0x94, 9], message: /reads 9 bytes/ },
  ])('refuses $name', ({ bytes, message }) => {
    expect(() => evaluate(bytes)).toThrow(message);
    expect(() => evaluate(bytes)).toThrow(FormatError);
  });
});
