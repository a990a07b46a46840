import { afterAll, describe, expect, it } from 'vitest';

import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

interface Case {
  readonly name: string;
  /** Body of the function F, and what else is in the text. */
  readonly code: string;
  readonly tables: string;
  readonly options: readonly string[];
}

const FIXED = ['-static', '-no-pie'];
const RELOCATED = ['-static-pie'];

/** The jump, through a table in rbx, and where it leads: getuid by the table T1, setreuid by T2. */
const dispatch = (index: string): string => `
  D: ${index}; movslq (%rbx,%rax,4), %rax; add %rbx, %rax; jmp *%rax
  L1: mov $102, %eax; syscall; pop %rbx; ret
  L2: mov $113, %eax; syscall; pop %rbx; ret`;

const BYTE = 'movzbl (%rsi), %eax';
const TABLES = 'T1: .long L1-T1, L1-T1; .quad -1; T2: .long L2-T2, L2-T2; .quad -1';

/** Each goes by T2 as well, in a way that is found out late, or is easily lost sight of. */
const CASES: readonly Case[] = [
  ...(['movzbl (%rsi), %eax', 'mov (%rsi), %eax'] as const).map((index) => ({
    name: `a register that gets another table before a system call (${index})`,
    code: `F: push %rbx; lea T1(%rip), %rbx; cmp $1, %edi; je E; mov $39, %eax; syscall
      E: lea T2(%rip), %rbx; mov $104, %eax; syscall; ${dispatch(index).replace('D:', '')}`,
    tables: TABLES,
    options: RELOCATED,
  })),
  {
    name: 'a label in data that leads to the jump with another table',
    code: `F: push %rbx; cmp $1, %edi; je X; lea T1(%rip), %rbx; jmp D
      X: lea T2(%rip), %rbx; mov vector(%rip), %rdx; jmp *%rdx
      ${dispatch(BYTE)}`,
    tables: `${TABLES}; .data; .balign 8; vector: .quad D`,
    options: FIXED,
  },
  {
    name: 'another function that jumps there with another table',
    code: `F: push %rbx; lea T1(%rip), %rbx; cmp $1, %edi; je D; mov $39, %eax; syscall
      ${dispatch(BYTE)}
      .cfi_endproc; .size F, . - F; .type G, @function
      G: .cfi_startproc; push %rbx; lea T2(%rip), %rbx; jmp D`,
    tables: TABLES,
    options: RELOCATED,
  },
  {
    name: 'a call of the function itself that turns out to return while jumps are checked',
    code: `F: push %rbx; mov %r8, %r9; cmp $1, %edi; jne Y; jmp X
      Y: lea T1(%rip), %rbx; cmp $2, %edi; je A; lea T2(%rip), %rbx; mov $2, %edi; call F
      A: jmp D
      D: ${BYTE}; movslq (%rbx,%rax,4), %rax; add %rbx, %rax; jmp *%rax
      L1: mov $102, %eax; syscall; mov %r8, %rcx; jmp M
      L2: mov $113, %eax; syscall; hlt
      X: lea endless(%rip), %rcx
      M: mov (%rcx), %rax; jmp *%rax
      .cfi_endproc; .size F, . - F; .type G, @function
      G: .cfi_startproc; hlt
      .cfi_endproc; .size G, . - G; .type returns, @function
      returns: .cfi_startproc; pop %rbx; ret`,
    tables: `.balign 8; endless: .quad G; ${TABLES}; .data; .balign 8; pointer: .quad returns`,
    options: FIXED,
  },
];

function sourceOf({ code, tables }: Case): string {
  const pointer = tables.includes('pointer:') ? 'lea pointer(%rip), %r8;' : '';
  const text = `
    .text; .globl _start; .type _start, @function
    _start: .cfi_startproc; mov (%rsp), %edi; lea zeros(%rip), %rsi; ${pointer} call F
    ${code.includes('G:') && pointer === '' ? 'call G;' : ''} mov $60, %eax; xor %edi, %edi; syscall; hlt
    .cfi_endproc; .size _start, . - _start
    .type F, @function; .cfi_startproc
    ${code}
    .cfi_endproc
    .section .rodata; .balign 4; ${tables}; .bss; zeros: .skip 8; .text`;
  return `__asm__(${JSON.stringify(text)});`;
}

describe('a jump through a table in a register', () => {
  it.each(CASES)('does not lose $name', (one) => {
    const path = workshop.compile(one.name.replaceAll(/\W+/g, '-'), sourceOf(one), [
      '-nostdlib',
      ...one.options,
    ]);
    const { program } = analyzeProgram(path);
    const isFound = program.calls.some(({ arch, nr }) => arch === 'x86_64' && nr === 113);
    const isReported = (program.analysis?.unresolved.length ?? 0) > 0;
    expect(isFound || isReported).toBe(true);
  });
});
