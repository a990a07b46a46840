import { expect, test } from 'vitest';
import { assemble, type Line } from './assemble.ts';
import { BPF, type Instruction } from './cbpf.ts';
import { interpretWords } from './interpret.ts';
import { validateProgram } from './validate.ts';

const RET = BPF.RET | BPF.K;
const JEQ = BPF.JMP | BPF.JEQ | BPF.K;
const LOAD = BPF.LD | BPF.W | BPF.ABS;
const ADD = BPF.ALU | BPF.ADD | BPF.K;

function label(name: string): Line {
  return { kind: 'label', label: name };
}

function statement(code: number, k: number): Line {
  return { kind: 'statement', code, k };
}

/** A jump over `filler` additions to a block that is `far` away: to a return or to an addition. */
function farProgram(filler: number, target: 'return' | 'block'): Instruction[] {
  return assemble([
    statement(LOAD, 0),
    { kind: 'branch', code: JEQ, k: 1, whenTrue: 'far' },
    ...Array.from({ length: filler }, () => statement(ADD, 1)),
    statement(BPF.RET | BPF.A, 0),
    label('far'),
    ...(target === 'block' ? [statement(ADD, 1000)] : []),
    statement(target === 'block' ? BPF.RET | BPF.A : RET, 7),
  ]);
}

test('targets that are left out are the next line', () => {
  expect(
    assemble([
      statement(LOAD, 0),
      { kind: 'branch', code: JEQ, k: 5, whenFalse: 'no' },
      statement(RET, 1),
      label('no'),
      statement(RET, 2),
    ]),
  ).toEqual([
    { code: 0x20, jt: 0, jf: 0, k: 0 },
    { code: 0x15, jt: 0, jf: 1, k: 5 },
    { code: 0x06, jt: 0, jf: 0, k: 1 },
    { code: 0x06, jt: 0, jf: 0, k: 2 },
  ]);
});

test('a target 255 away is reached directly and one further over a jump', () => {
  expect(farProgram(254, 'block').slice(1, 3)).toEqual([
    { code: 0x15, jt: 255, jf: 0, k: 1 },
    { code: 0x04, jt: 0, jf: 0, k: 1 },
  ]);
  expect(farProgram(255, 'block').slice(1, 3)).toEqual([
    { code: 0x15, jt: 0, jf: 1, k: 1 },
    { code: 0x05, jt: 0, jf: 0, k: 256 },
  ]);
});

test('a return that is too far away is copied', () => {
  expect(farProgram(255, 'return').slice(1, 3)).toEqual([
    { code: 0x15, jt: 0, jf: 1, k: 1 },
    { code: 0x06, jt: 0, jf: 0, k: 7 },
  ]);
});

test.each([0, 253, 254, 255, 256, 257, 600, 4000])('a jump over %i instructions arrives', (filler) => {
  const program = farProgram(filler, 'block');
  expect(validateProgram(program)).toEqual([]);
  expect(interpretWords(program, new Uint32Array(16).fill(1))).toBe(1001);
  expect(interpretWords(program, new Uint32Array(16).fill(2))).toBe(2 + filler);
});

test('both targets may be far and the passages are used again', () => {
  const tests = 400;
  const program = assemble([
    statement(LOAD, 0),
    ...Array.from({ length: tests }, (_, k): Line[] => [
      { kind: 'branch', code: JEQ, k, whenTrue: 'even', whenFalse: `next${k}` },
      label(`next${k}`),
    ]).flat(),
    ...Array.from({ length: 300 }, () => statement(ADD, 1)),
    { kind: 'branch', code: JEQ, k: 1000, whenTrue: 'even', whenFalse: 'odd' },
    ...Array.from({ length: 300 }, () => statement(ADD, 1)),
    label('odd'),
    statement(ADD, 1),
    statement(BPF.RET | BPF.A, 0),
    label('even'),
    statement(ADD, 2),
    statement(BPF.RET | BPF.A, 0),
  ]);
  expect(validateProgram(program)).toEqual([]);
  const run = (nr: number): number => interpretWords(program, new Uint32Array(16).fill(nr));
  expect([0, 399, 700, 701].map(run)).toEqual([2, 401, 1002, 1002]);
  expect(program.filter(({ code }) => code === 0x05).length).toBe(4);
});

test.each<{ name: string; lines: Line[]; want: string }>([
  {
    name: 'a missing label',
    lines: [{ kind: 'goto', label: 'x' }],
    want: 'assembler: no label x behind the jump to it',
  },
  {
    name: 'a jump back',
    lines: [label('x'), { kind: 'branch', code: JEQ, k: 0, whenTrue: 'x' }, statement(RET, 0)],
    want: 'assembler: no label x behind the jump to it',
  },
  {
    name: 'a label at the end',
    lines: [statement(RET, 0), label('x')],
    want: 'assembler: nothing follows label x',
  },
  {
    name: 'a label given twice',
    lines: [label('x'), statement(RET, 0), label('x'), statement(RET, 0)],
    want: 'assembler: label x is given twice',
  },
  {
    name: 'a last line that goes on',
    lines: [statement(LOAD, 0)],
    want: 'assembler: nothing follows a statement',
  },
])('$name is refused', ({ lines, want }) => {
  expect(() => assemble(lines)).toThrow(want);
});
