import { expect, test } from 'vitest';
import { BPF, statement, type Instruction } from './cbpf.ts';
import { validateProgram } from './validate.ts';

const RET = statement(BPF.RET | BPF.K, 0);
const JEQ = BPF.JMP | BPF.JEQ | BPF.K;

test.each<{ name: string; program: Instruction[]; want: string | undefined }>([
  { name: 'a lone return', program: [RET], want: undefined },
  { name: 'an empty program', program: [], want: 'null: no instructions' },
  { name: '4096 instructions', program: Array.from({ length: 4096 }, () => RET), want: undefined },
  {
    name: '4097 instructions',
    program: Array.from({ length: 4097 }, () => RET),
    want: 'null: 4097 instructions (4096)',
  },
  {
    name: 'no return at the end',
    program: [RET, statement(BPF.LD | BPF.IMM, 0)],
    want: '1: the last instruction is not a return',
  },
  {
    name: 'modulo',
    program: [statement(BPF.ALU | 0x90, 1), RET],
    want: '0: code 0x94 is not allowed in a seccomp filter',
  },
  {
    name: 'a load of a byte',
    program: [statement(0x30, 0), RET],
    want: '0: code 0x30 is not allowed in a seccomp filter',
  },
  {
    name: 'a return of X',
    program: [statement(0x0e, 0), RET],
    want: '0: code 0xe is not allowed in a seccomp filter',
  },
  {
    name: 'a load between words',
    program: [statement(0x20, 6), RET],
    want: '0: load at 6, which is not a multiple of 4',
  },
  { name: 'a load of the last word', program: [statement(0x20, 60), RET], want: undefined },
  {
    name: 'a load past the data',
    program: [statement(0x20, 64), RET],
    want: '0: load at 64, past the end of the data (64)',
  },
  { name: 'division by 0', program: [statement(BPF.ALU | BPF.DIV, 0), RET], want: '0: division by zero' },
  { name: 'a shift by 32', program: [statement(BPF.ALU | BPF.RSH, 32), RET], want: '0: shift by 32 (31)' },
  {
    name: 'a jump to the last instruction',
    program: [{ code: JEQ, jt: 1, jf: 0, k: 0 }, RET, RET],
    want: undefined,
  },
  {
    name: 'a jump past the end',
    program: [{ code: JEQ, jt: 0, jf: 2, k: 0 }, RET, RET],
    want: '0: jump by 2, past the end (1)',
  },
  {
    name: 'an endless jump',
    program: [statement(BPF.JMP | BPF.JA, 0xffffffff), RET],
    want: '0: jump by 4294967295, past the end (0)',
  },
  { name: 'memory cell 16', program: [statement(BPF.ST, 16), RET], want: '0: memory cell 16 (15)' },
  {
    name: 'memory that was written',
    program: [statement(BPF.ST, 3), statement(BPF.LD | BPF.MEM, 3), RET],
    want: undefined,
  },
  {
    name: 'memory that was not',
    program: [statement(BPF.LDX | BPF.MEM, 3), RET],
    want: '0: memory cell 3 is read before it is written',
  },
  {
    name: 'memory written on one way only',
    program: [{ code: JEQ, jt: 1, jf: 0, k: 0 }, statement(BPF.ST, 3), statement(BPF.LD | BPF.MEM, 3), RET],
    want: '2: memory cell 3 is read before it is written',
  },
])('$name', ({ program, want }) => {
  const [first] = validateProgram(program);
  expect(first && `${first.index}: ${first.reason}`).toBe(want);
});
