import { expect, test } from 'vitest';
import { BPF, statement, type Instruction } from './cbpf.ts';
import { disassembleProgram } from './disassemble.ts';

function nameOf(arch: string, nr: number): string | undefined {
  return nr === 0x101 ? `openat of ${arch}` : undefined;
}

test('numbers are named for the arch that was compared before', () => {
  const jeq = (k: number, jt: number, jf: number): Instruction => ({ code: 0x15, jt, jf, k });
  expect(
    disassembleProgram(
      [
        statement(0x20, 4),
        jeq(0xc000003e, 0, 4),
        statement(0x20, 0),
        jeq(0x101, 0, 2),
        statement(0x20, 28),
        jeq(0x101, 1, 0),
        statement(0x06, 0x00050001),
        statement(0x06, 0x7fff0000),
      ],
      nameOf,
    ),
  ).toEqual([
    '0000: 0x20 0x00 0x00 0x00000004  ld [4]  ; arch',
    '0001: 0x15 0x00 0x04 0xc000003e  jeq 0xc000003e, +0, +4  ; x86_64',
    '0002: 0x20 0x00 0x00 0x00000000  ld [0]  ; nr',
    '0003: 0x15 0x00 0x02 0x00000101  jeq 0x101, +0, +2  ; openat of x86_64',
    '0004: 0x20 0x00 0x00 0x0000001c  ld [28]  ; args[1].high',
    '0005: 0x15 0x01 0x00 0x00000101  jeq 0x101, +1, +0',
    '0006: 0x06 0x00 0x00 0x00050001  ret 0x00050001  ; errno(1)',
    '0007: 0x06 0x00 0x00 0x7fff0000  ret 0x7fff0000  ; allow',
  ]);
});

test('every instruction has words, also those that are refused', () => {
  const codes = [
    BPF.LDX | BPF.IMM,
    BPF.LD | BPF.MEM,
    BPF.LDX | BPF.W | BPF.LEN,
    BPF.ST,
    BPF.STX,
    BPF.ALU | BPF.AND | BPF.K,
    BPF.ALU | BPF.LSH | BPF.X,
    BPF.ALU | BPF.NEG,
    BPF.JMP | BPF.JA,
    BPF.JMP | BPF.JSET | BPF.X,
    BPF.RET | BPF.A,
    BPF.MISC | BPF.TAX,
    BPF.MISC | BPF.TXA,
    0x94,
    0xffff,
  ];
  const lines = disassembleProgram(
    codes.map((code) => statement(code, 3)),
    nameOf,
  );
  expect(lines.map((line) => line.replace(/^\S+ \S+ \S+ \S+ \S+ {2}/, ''))).toEqual([
    'ldx #0x3',
    'ld M[3]',
    'ldx len',
    'st M[3]',
    'stx M[3]',
    'and 0x3',
    'lsh x',
    'neg',
    'ja +3',
    'jset x, +0, +0',
    'ret a',
    'tax',
    'txa',
    'unknown',
    'unknown',
  ]);
});
