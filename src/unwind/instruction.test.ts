import { describe, expect, it } from 'vitest';

import { I386, X86_64 } from './cpu.ts';
import { followsCall, followsSystemCall } from './instruction.ts';
import { HandMadeMemory } from './testing/hand-made-task.ts';

/** Puts an instruction after some nops, across the end of a page, and gives the address that follows it. */
function after(code: readonly number[]): { memory: HandMadeMemory; address: bigint } {
  const start = 0x3000 - 8;
  const bytes = [...Array.from({ length: 7 }, () => 0x90), ...code];
  return { memory: new HandMadeMemory().put(start, bytes), address: BigInt(start + bytes.length) };
}

describe('followsCall', () => {
  it.each<{ name: string; code: readonly number[]; want: boolean }>([
    { name: 'call rel32', code: [0xe8, 1, 2, 3, 4], want: true },
    { name: 'call *%rax', code: [0xff, 0xd0], want: true },
    { name: 'call *%r12', code: [0x41, 0xff, 0xd4], want: true },
    { name: 'call *(%rax)', code: [0xff, 0x10], want: true },
    { name: 'call *8(%rax)', code: [0xff, 0x50, 8], want: true },
    { name: 'call *(%rax,%rcx,8)', code: [0xff, 0x14, 0xc8], want: true },
    { name: 'call *8(%rsp)', code: [0xff, 0x54, 0x24, 8], want: true },
    { name: 'call *0x100(%rax)', code: [0xff, 0x90, 0, 1, 0, 0], want: true },
    { name: 'call *sym(%rip)', code: [0xff, 0x15, 1, 2, 3, 4], want: true },
    { name: 'call *table(,%rax,8)', code: [0xff, 0x14, 0xc5, 1, 2, 3, 4], want: true },
    { name: 'call *0x100(%rax,%rcx,8)', code: [0xff, 0x94, 0xc8, 0, 1, 0, 0], want: true },
    { name: 'jmp *%rax', code: [0xff, 0xe0], want: false },
    { name: 'push 8(%rax)', code: [0xff, 0x70, 8], want: false },
    { name: 'call *(%rax) and one byte', code: [0xff, 0x10, 0x90], want: false },
    { name: 'nop', code: [0x90], want: false },
  ])('says $want after $name', ({ code, want }) => {
    const { memory, address } = after(code);
    expect(followsCall(X86_64, memory.view, address)).toBe(want);
  });

  it('says no where there is no memory, at the start of memory and past its end', () => {
    for (const address of [0n, 3n, 0x9000n, 2n ** 64n - 1n, 2n ** 64n]) {
      expect(followsCall(X86_64, new HandMadeMemory().view, address)).toBe(false);
    }
  });
});

describe('followsSystemCall', () => {
  it.each<{ name: string; code: readonly number[]; want: boolean }>([
    { name: 'syscall', code: [0x0f, 0x05], want: true },
    { name: 'sysenter', code: [0x0f, 0x34], want: true },
    { name: 'int $0x80', code: [0xcd, 0x80], want: true },
    { name: 'int3 and nop', code: [0xcc, 0x90], want: false },
  ])('says $want after $name', ({ code, want }) => {
    const { memory, address } = after(code);
    expect(followsSystemCall(I386, memory.view, address)).toBe(want);
  });
});
