import { expect, test } from 'vitest';
import { BPF, statement, type Instruction } from './cbpf.ts';
import { interpretProgram, interpretWords } from './interpret.ts';
import { PolicyError } from './policy-error.ts';

const RET_A = statement(BPF.RET | BPF.A, 0);
const words = Uint32Array.from({ length: 16 }, (_, index) => 100 + index);

function alu(operation: number, a: number, x: number): Instruction[] {
  return [
    statement(BPF.LDX | BPF.IMM, x),
    statement(BPF.LD | BPF.IMM, a),
    statement(BPF.ALU | operation | BPF.X, 0),
    RET_A,
  ];
}

test.each([
  { name: 'add wraps', program: alu(BPF.ADD, 0xffffffff, 2), want: 1 },
  { name: 'sub wraps', program: alu(BPF.SUB, 1, 2), want: 0xffffffff },
  { name: 'mul keeps the low half', program: alu(BPF.MUL, 0x10001, 0x10001), want: 0x20001 },
  { name: 'div is unsigned', program: alu(BPF.DIV, 0xfffffffe, 2), want: 0x7fffffff },
  {
    name: 'div by zero returns 0',
    program: [...alu(BPF.DIV, 5, 0).slice(0, 3), statement(BPF.RET | BPF.K, 9)],
    want: 0,
  },
  { name: 'or is unsigned', program: alu(BPF.OR, 0x80000000, 1), want: 0x80000001 },
  { name: 'and', program: alu(BPF.AND, 0xf0f0f0f0, 0xff000000), want: 0xf0000000 },
  { name: 'xor', program: alu(BPF.XOR, 0xffffffff, 1), want: 0xfffffffe },
  { name: 'lsh takes its distance modulo 32', program: alu(BPF.LSH, 1, 33), want: 2 },
  { name: 'rsh is logical', program: alu(BPF.RSH, 0x80000000, 31), want: 1 },
  {
    name: 'neg',
    program: [statement(BPF.LD | BPF.IMM, 1), statement(BPF.ALU | BPF.NEG, 0), RET_A],
    want: 0xffffffff,
  },
  { name: 'loads a word of the data', program: [statement(BPF.LD | BPF.W | BPF.ABS, 60), RET_A], want: 115 },
  {
    name: 'the length is that of the data',
    program: [statement(BPF.LD | BPF.W | BPF.LEN, 0), RET_A],
    want: 64,
  },
  {
    name: 'memory and both registers',
    program: [
      statement(BPF.LDX | BPF.W | BPF.LEN, 0),
      statement(BPF.STX, 15),
      statement(BPF.LD | BPF.MEM, 15),
      statement(BPF.ST, 0),
      statement(BPF.LDX | BPF.MEM, 0),
      statement(BPF.LD | BPF.IMM, 3),
      statement(BPF.MISC | BPF.TXA, 0),
      statement(BPF.MISC | BPF.TAX, 0),
      statement(BPF.ALU | BPF.ADD | BPF.X, 0),
      RET_A,
    ],
    want: 128,
  },
  { name: 'registers begin as 0', program: [statement(BPF.ALU | BPF.ADD | BPF.X, 0), RET_A], want: 0 },
])('$name', ({ program, want }) => {
  expect(interpretWords(program, words)).toBe(want);
});

test.each([
  { jump: BPF.JEQ, taken: [5], not: [4, 6] },
  { jump: BPF.JGT, taken: [6, 0xffffffff], not: [5, 0] },
  { jump: BPF.JGE, taken: [5, 0x80000000], not: [4] },
  { jump: BPF.JSET, taken: [1, 4, 0xffffffff], not: [2, 8, 0] },
])('jump $jump compares unsigned with a constant and with X', ({ jump, taken, not }) => {
  const run = (a: number, source: number): number =>
    interpretWords(
      [
        statement(BPF.LDX | BPF.IMM, 5),
        statement(BPF.LD | BPF.IMM, a),
        { code: BPF.JMP | jump | source, jt: 1, jf: 0, k: 5 },
        statement(BPF.RET | BPF.K, 0),
        statement(BPF.RET | BPF.K, 1),
      ],
      words,
    );
  for (const source of [BPF.K, BPF.X]) {
    for (const a of taken) expect(run(a, source)).toBe(1);
    for (const a of not) expect(run(a, source)).toBe(0);
  }
});

test('the data are laid out as in struct seccomp_data', () => {
  const data = { nr: -1, arch: 0xc000003e, instructionPointer: 0x1_0000_0002n, args: [0n, 0x3_0000_0004n] };
  const word = (offset: number): number =>
    interpretProgram([statement(BPF.LD | BPF.W | BPF.ABS, offset), RET_A], data);
  expect([0, 4, 8, 12, 16, 20, 24, 28, 60].map(word)).toEqual([0xffffffff, 0xc000003e, 2, 1, 0, 0, 4, 3, 0]);
});

test.each([
  { name: 'a load off the words', program: [statement(BPF.LD | BPF.W | BPF.ABS, 2), RET_A] },
  { name: 'a load past the data', program: [statement(BPF.LD | BPF.W | BPF.ABS, 64), RET_A] },
  { name: 'a division by the constant 0', program: [statement(BPF.ALU | BPF.DIV | BPF.K, 0), RET_A] },
  { name: 'an unknown code', program: [statement(0xffff, 0), RET_A] },
  { name: 'the end of the program', program: [statement(BPF.LD | BPF.IMM, 0)] },
])('$name stops the interpreter', ({ program }) => {
  expect(() => interpretWords(program, words)).toThrow(PolicyError);
});
