import { afterAll, describe, expect, it } from 'vitest';

import { analyzeProgram, type ProgramAnalysis } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** Programs without libc: what they call is in their source alone. */
const PRELUDE = `
#define NOINLINE __attribute__((noinline, noclone, noipa))
static inline __attribute__((always_inline)) long call(long nr, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
NOINLINE __attribute__((noreturn)) void leave(void) { for (;;) call(231, 0, 0, 0); }
volatile int input;
`;

const START = `
__asm__(".globl _start\\n_start: xor %ebp, %ebp\\n and $-16, %rsp\\n call begin\\n hlt\\n");
`;

/** Each makes exit_group (231) besides `calls`. */
interface Trait {
  readonly name: string;
  readonly source: string;
  readonly calls: readonly number[];
  readonly unresolved?: readonly string[];
  readonly unresolvedIfFixed?: readonly string[];
  readonly unresolvedAtO0?: readonly string[];
}

/** A function `begin` in assembler with a frame, and its data; it ends at `done`. */
function assembled(code: string, data: string, before = '', behind = ''): string {
  const lines = `${before}
    .text\n.type begin, @function
    begin: .cfi_startproc\npush %rbx\n.cfi_def_cfa_offset 16
    ${code}
    done: mov $231, %eax\nxor %edi, %edi\nsyscall\nhlt\n.cfi_endproc\n.size begin, . - begin
    ${behind}
    .section .rodata\n.balign 4\n${data}\n.text`;
  return `void begin(void); __asm__(${JSON.stringify(lines)});`;
}

/** Code in assembler, without frames. */
const TOP_LEVEL = (code: string): string => `__asm__(${JSON.stringify(`.text\n${code}`)});`;

/** Two functions that are known by their distances from a table. */
const DISTANCES = `
__asm__(".section .rodata; .balign 4; .globl distances; .hidden distances; distances: .long first - distances, second - distances; .text");
__asm__("first: mov $39, %eax; syscall; ret; second: mov $102, %eax; syscall; ret");
extern const int distances[] __attribute__((visibility("hidden")));
`;

/** Two functions in a table in which no address is aligned. */
const PACKED = `
static void first(void) { call(39, 0, 0, 0); }
static void second(void) { call(102, 0, 0, 0); }
struct __attribute__((packed)) row { char kind; void (*run)(void); char name[7]; };
struct row rows[] = {{1, first, "first"}, {2, second, "second"}};
`;

const TRAITS: readonly Trait[] = [
  { name: 'a constant number', source: 'void begin(void) { call(39, 0, 0, 0); leave(); }', calls: [39] },
  {
    name: 'a number that one of two branches sets',
    source: 'void begin(void) { long nr = input ? 39 : 102; call(nr, 0, 0, 0); leave(); }',
    calls: [39, 102],
  },
  {
    name: 'a wrapper whose callers pass the number',
    source: `NOINLINE long wrap(long nr, long a) { return call(nr, a, 0, 0); }
      void begin(void) { wrap(39, 0); wrap(110, 1); leave(); }`,
    calls: [39, 110],
  },
  {
    name: 'a wrapper handed to a function that calls it',
    source: `NOINLINE long wrap(long nr, long a) { return call(nr, a, 0, 0); }
      NOINLINE void apply(long (*pointer)(long, long)) { pointer(39, 0); }
      void begin(void) { apply(wrap); wrap(110, 1); leave(); }`,
    calls: [110],
    unresolved: ['number'],
  },
  {
    name: 'a wrapper that is called through a pointer in a register or on the stack',
    source: `NOINLINE long wrap(long nr, long a) { return call(nr, a, 0, 0); }
      void begin(void) {
        long (*pointer)(long, long) = wrap;
        __asm__("" : "+r"(pointer));
        pointer(39, 0);
        wrap(110, 1);
        leave();
      }`,
    calls: [39, 110],
    // There any number may be the address as well.
    unresolvedIfFixed: ['number'],
    // On the stack its address may be known to others.
    unresolvedAtO0: ['number'],
  },
  {
    name: 'a wrapper whose pointer is kept in a register only',
    source: `NOINLINE long wrap(long nr, long a) { return call(nr, a, 0, 0); }
      void begin(void) {
        __asm__ volatile("lea wrap(%%rip), %%rbx\\n mov $39, %%edi\\n call *%%rbx\\n mov $102, %%edi\\n call *%%rbx"
          ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
        wrap(110, 1);
        leave();
      }`,
    calls: [39, 102, 110],
    unresolvedIfFixed: ['number'],
  },
  {
    name: 'a wrapper of a wrapper',
    source: `NOINLINE long inner(long unused, long nr) { return call(nr, unused, 0, 0); }
      NOINLINE long outer(int nr) { return inner(5, nr) + 1; }
      void begin(void) { outer(39); inner(1, 104); leave(); }`,
    calls: [39, 104],
  },
  {
    name: 'a number among the arguments on the stack',
    source: `NOINLINE long wrap(long a, long b, long c, long d, long e, long f, long nr) { return call(nr, a, b, c) + d + e + f; }
      void begin(void) { wrap(1, 2, 3, 4, 5, 6, 39); wrap(1, 2, 3, 4, 5, 6, 186); leave(); }`,
    calls: [39, 186],
  },
  {
    name: 'a function that nobody reaches',
    source:
      'NOINLINE void never(void) { call(57, 0, 0, 0); } void begin(void) { call(39, 0, 0, 0); leave(); }',
    calls: [39],
  },
  {
    name: 'code behind a call that does not return',
    source: 'void begin(void) { leave(); call(57, 0, 0, 0); }',
    calls: [],
  },
  {
    name: 'code behind a function that calls what drops its return address',
    source: `${TOP_LEVEL(`
        raised: call 1f; ud2; 1: add $8, %rsp; ret
        popped: call 1f; hlt; 1: pop %rax; ret
        branched: call 1f; ud2; 1: test %rax, %rax; je 2f; nop; 2: push %rbx; lea 16(%rsp), %rsp; ret
        jumped: lea 2f(%rip), %rdx; call 1f; ud2; 1: pop %rax; jmp *%rdx; 2: ret`)}
      void raised(void), popped(void), branched(void), jumped(void);
      void begin(void) {
        raised();
        call(39, 0, 0, 0);
        popped();
        call(102, 0, 0, 0);
        branched();
        call(104, 0, 0, 0);
        jumped();
        call(107, 0, 0, 0);
        leave();
      }`,
    calls: [39, 102, 104, 107],
  },
  {
    name: 'code behind a function that calls what replaces its return address',
    source: `${TOP_LEVEL(`
        first: mov $39, %eax; syscall; ret
        stored: lea first(%rip), %rax; call 1f; ud2; 1: mov %rax, (%rsp); nop; ret
        pushed: lea first(%rip), %rax; call 1f; ud2; 1: pop %rdx; push %rax; ret
        swapped: lea first(%rip), %rax; call 1f; ud2; 1: xchg %rax, (%rsp); ret`)}
      void stored(void), pushed(void), swapped(void);
      void begin(void) {
        stored();
        call(102, 0, 0, 0);
        pushed();
        call(104, 0, 0, 0);
        swapped();
        call(107, 0, 0, 0);
        leave();
      }`,
    calls: [39, 102, 104, 107],
  },
  {
    name: 'no code behind a function that calls what takes its return address for a while',
    source: `${TOP_LEVEL('stuck: call 1f; ud2; 1: pop %rdx; mov %rdx, %rax; push %rax; mov (%rsp), %rcx; mov %rcx, (%rsp); ret')}
      void stuck(void);
      void begin(void) { stuck(); call(39, 0, 0, 0); leave(); }`,
    calls: [],
  },
  {
    name: 'a switch that becomes a jump table',
    source: `void begin(void) {
      switch (input) {
        case 0: call(39, 0, 0, 0); break;
        case 1: call(102, 1, 0, 0); break;
        case 2: call(104, 2, 0, 0); break;
        case 3: call(107, 3, 0, 0); break;
        case 4: call(108, 4, 0, 0); break;
        case 5: call(110, 5, 0, 0); break;
        case 6: call(111, 6, 0, 0); break;
      }
      leave();
    }`,
    calls: [39, 102, 104, 107, 108, 110, 111],
  },
  {
    name: 'a switch in a loop over constants',
    source: `static const int steps[] = {0, 3, 5, 1};
      void begin(void) {
        for (const int *step = steps; step != steps + 4; step++)
          switch (*step) {
            case 0: call(39, 0, 0, 0); break;
            case 1: call(102, 1, 0, 0); break;
            case 2: call(104, 2, 0, 0); break;
            case 3: call(107, 3, 0, 0); break;
            case 4: call(108, 4, 0, 0); break;
            case 5: call(110, 5, 0, 0); break;
          }
        leave();
      }`,
    // The table is read as a whole.
    calls: [39, 102, 104, 107, 108, 110],
  },
  {
    name: 'a computed goto',
    source: `void begin(void) {
      static void *const labels[] = {&&one, &&two, &&three};
      goto *labels[input % 3];
      one: call(39, 0, 0, 0);
      two: call(102, 0, 0, 0); leave();
      three: call(104, 0, 0, 0); leave();
    }`,
    calls: [39, 102, 104],
  },
  {
    name: 'a jump through a table whose register is used for something else later',
    source: `void begin(void);
      __asm__(".text\\n.type begin, @function\\nbegin: lea table(%rip), %rbx\\n"
        "again: mov input(%rip), %eax\\n cmp $1, %eax\\n ja leave\\n"
        " movslq (%rbx,%rax,4), %rax\\n add %rbx, %rax\\n jmp *%rax\\n"
        "1: mov $39, %eax\\n syscall\\n jmp again\\n"
        "2: mov $102, %eax\\n syscall\\n mov %eax, %ebx\\n mov %ebx, input(%rip)\\n jmp leave\\n"
        ".size begin, . - begin\\n.section .rodata\\ntable: .long 1b - table, 2b - table\\n.text\\n");`,
    calls: [39, 102],
  },
  {
    name: 'a table whose index another block bounds as a byte, with an entry in the middle of a split-off part',
    source: assembled(
      `movzbl input(%rip), %eax; cmp $1, %al; je begin.cold; test %al, %al; jne bounded; jmp done
      bounded: cmp $3, %al; ja done; lea table(%rip), %rbx; movslq (%rbx,%rax,4), %rax; add %rbx, %rax; jmp *%rax
      two: mov $110, %eax; syscall`,
      'table: .long done - table, middle - table, two - table, done - table',
      `.section .text.unlikely,"ax",@progbits
      .type begin.cold, @function
      begin.cold: .cfi_startproc; .cfi_def_cfa_offset 16; nop; nop
      middle: mov $39, %eax; syscall; jmp done; .cfi_endproc; .size begin.cold, . - begin.cold`,
    ),
    calls: [39, 110],
  },
  {
    name: 'a table shorter than the mask of its index',
    source: assembled(
      `mov input(%rip), %eax; and $15, %eax; lea table(%rip), %rbx; movslq (%rbx,%rax,4), %rax; add %rbx, %rax; jmp *%rax
      one: mov $39, %eax; syscall; jmp done
      two: mov $110, %eax; syscall`,
      'table: .long one - table, two - table, done - table, other - table, one - table',
      '',
      'other: mov $102, %eax; syscall; hlt',
    ),
    calls: [39, 110],
  },
  {
    name: 'a jump in another block than the table, or to a label',
    source: assembled(
      `lea label(%rip), %rax; mov input(%rip), %edx; cmp $3, %edx; ja go
      lea classes(%rip), %rax; lea table(%rip), %rsi; movzbl (%rax,%rdx), %eax; lea label(%rip), %rdi
      movslq (%rsi,%rax,4), %rax; add %rdi, %rax
      go: movl $1, -8(%rsp); jmp *%rax
      two: mov $110, %eax; syscall; jmp done
      label: mov $39, %eax; syscall`,
      'table: .long label - label, two - label; classes: .byte 0, 1, 0, 1',
    ),
    calls: [39, 110],
  },
  {
    name: 'a table of functions that code reads',
    source: `NOINLINE void one(void) { call(39, 0, 0, 0); } NOINLINE void two(void) { call(102, 0, 0, 0); }
      void (*const table[])(void) = {one, two};
      void begin(void) { table[input & 1](); leave(); }`,
    calls: [39, 102],
  },
  {
    name: 'a table of functions where thread-local data that has no contents seems to end in the middle',
    source: `__attribute__((used)) _Thread_local char space[200];
      NOINLINE void one(void) { call(39, 0, 0, 0); } NOINLINE void two(void) { call(110, 0, 0, 0); }
      void (*const table[64])(void) = {[0] = one, [60] = two};
      void begin(void) { table[input & 63](); leave(); }`,
    calls: [39, 110],
  },
  {
    name: 'a table of functions that only code nobody reaches reads',
    source: `NOINLINE void one(void) { call(57, 0, 0, 0); }
      void (*const table[])(void) = {one, one, one, one};
      NOINLINE void never(int which) { table[which](); }
      void begin(void) { call(39, 0, 0, 0); leave(); }`,
    calls: [39],
  },
  {
    name: 'a packed table of functions that code reads',
    source: `${PACKED}
      void begin(void) { rows[input].run(); leave(); }`,
    calls: [39, 102],
  },
  {
    name: 'an entry of a packed table of functions',
    source: `${PACKED}
      void begin(void) { rows[1].run(); leave(); }`,
    calls: [102],
  },
  {
    name: 'a copy of an entry of a packed table of functions',
    source: `${PACKED}
      struct row copy;
      void begin(void) { copy = rows[1]; copy.run(); leave(); }`,
    calls: [102],
  },
  {
    name: 'a structure of functions that a structure points to',
    source: `struct ops { void (*run)(void); }; struct device { const struct ops *ops; };
      NOINLINE void one(void) { call(39, 0, 0, 0); }
      const struct ops ops = {one}; struct device device = {&ops};
      NOINLINE void use(struct device *which) { which->ops->run(); }
      void begin(void) { use(&device); leave(); }`,
    calls: [39],
  },
  {
    name: 'a structure of functions that a variable points to',
    source: `struct ops { void (*run)(void); };
      NOINLINE void one(void) { call(39, 0, 0, 0); }
      const struct ops ops = {one}; const struct ops *current = &ops;
      void begin(void) { current->run(); leave(); }`,
    calls: [39],
  },
  {
    name: 'a function that a variable holds',
    source: `NOINLINE void one(void) { call(39, 0, 0, 0); }
      void (*current)(void) = one;
      void begin(void) { current(); leave(); }`,
    calls: [39],
  },
  {
    name: 'a callback',
    source: `NOINLINE void apply(void (*what)(void)) { what(); }
      NOINLINE void one(void) { call(39, 0, 0, 0); }
      void begin(void) { apply(one); leave(); }`,
    calls: [39],
  },
  {
    name: 'a tail call',
    source: `NOINLINE long one(void) { return call(39, 0, 0, 0); } NOINLINE long two(void) { return one(); }
      void begin(void) { two(); leave(); }`,
    calls: [39],
  },
  {
    name: 'a table of distances to functions',
    source: `${DISTANCES}
      void begin(void) { ((void (*)(void))((char *)distances + distances[input]))(); leave(); }`,
    calls: [39, 102],
  },
  {
    name: 'a function at a constant distance from an address',
    source: `${TOP_LEVEL('.skip 64, 0xcc\nfirst: mov $39, %eax\nsyscall\nret')}
      void begin(void) {
        __asm__ volatile("lea first - 64(%%rip), %%rax; add $64, %%rax; call *%%rax" ::: "rax", "rcx", "r11", "memory");
        leave();
      }`,
    calls: [39],
  },
  {
    name: 'a function at a constant distance from an address that is handed over',
    source: `${TOP_LEVEL('.skip 64, 0xcc\nfirst: mov $39, %eax\nsyscall\nret')}
      extern char first[] __attribute__((visibility("hidden")));
      NOINLINE int apply(char *from) { return ((int (*)(void))(from + 64))() + 1; }
      void begin(void) { apply(first - 64); leave(); }`,
    calls: [],
    unresolved: ['call'],
  },
  {
    name: 'a table of distances to functions that is handed over',
    source: `${DISTANCES}
      NOINLINE int apply(const int *table, int index) { return ((int (*)(void))((char *)table + table[index]))() + 1; }
      void begin(void) { apply(distances, input); leave(); }`,
    calls: [],
    unresolved: ['call'],
  },
  {
    name: 'a table of distances to functions that is handed over, and jumped through at last',
    source: `${DISTANCES}
      __attribute__((optimize("O2"))) NOINLINE void apply(const int *table, int index) {
        ((void (*)(void))((char *)table + table[index]))();
      }
      void begin(void) { apply(distances, input); leave(); }`,
    calls: [],
    unresolved: ['jump'],
  },
  {
    name: 'a table of distances to functions from which one is kept in a variable first',
    source: `${DISTANCES}
      NOINLINE int apply(const int *table, int index) {
        int (*function)(void) = (int (*)(void))((char *)table + table[index]);
        call(104, 0, 0, 0);
        return function() + 1;
      }
      void begin(void) { apply(distances, input); leave(); }`,
    calls: [104],
    unresolved: ['call'],
  },
  {
    name: 'memory for code',
    source: 'void begin(void) { call(9, 0, 4096, 7); leave(); }',
    calls: [9],
    unresolved: ['runtime'],
  },
  {
    name: 'memory that is made executable later',
    source: `NOINLINE long protect(long address, int protection) { return call(10, address, 4096, protection); }
      void begin(void) { protect(input, 3); protect(input, 5); leave(); }`,
    calls: [10],
    unresolved: ['runtime'],
  },
  {
    name: 'memory of which it is not known what it is for',
    source: 'void begin(void) { call(9, 0, 4096, input); leave(); }',
    calls: [9],
    unresolved: ['runtime'],
  },
  {
    name: 'memory for data',
    source: 'void begin(void) { call(9, 0, 4096, 3); call(10, input, 4096, 1); leave(); }',
    calls: [9, 10],
  },
  {
    name: 'code that is changed',
    source: `__asm__(".pushsection .written, \\"awx\\"; changed: mov $39, %eax; syscall; ret; .popsection");
      extern unsigned char changed[] __attribute__((visibility("hidden")));
      void begin(void) { changed[1] = 102; __asm__ volatile("call changed" ::: "rax", "rcx", "r11", "memory"); leave(); }`,
    calls: [39],
    unresolved: ['runtime'],
  },
  {
    name: 'a number that is computed',
    source: 'void begin(void) { call(input * 3, 0, 0, 0); leave(); }',
    calls: [],
    unresolved: ['number'],
  },
  {
    name: 'a number in a register that a callee changes against the convention',
    source: `${TOP_LEVEL('clobbered: push %rbx; mov $39, %ebx; call changes; mov %ebx, %eax; syscall; pop %rbx; ret; changes: mov $110, %ebx; ret')}
      void clobbered(void); void begin(void) { clobbered(); leave(); }`,
    calls: [],
    unresolved: ['number'],
  },
  {
    name: 'a number in a register that somebody changes whom a callee with a frame jumps to, through a pointer',
    source: `${TOP_LEVEL(`clobbered: push %r12; mov $39, %r12d; lea calls(%rip), %rax; call *%rax; mov %r12d, %eax; syscall; pop %r12; ret
        .type calls, @function; calls: .cfi_startproc; call jumps; ret; .cfi_endproc; .size calls, . - calls
        jumps: lea changes(%rip), %rax; jmp *%rax
        changes: pushq $110; pop %r12; ret`)}
      void clobbered(void); void begin(void) { clobbered(); leave(); }`,
    calls: [],
    unresolved: ['number'],
  },
  {
    name: 'a number in registers that callees change and restore, in some way',
    source: `${TOP_LEVEL(`kept: push %rbx; push %rbp; push %r12; push %r13; mov $39, %ebx; mov $110, %ebp; mov $111, %r12d; mov $102, %r13d; call restores
        mov %ebx, %eax; syscall; mov %ebp, %eax; syscall; mov %r12d, %eax; syscall; mov %r13d, %eax; syscall
        pop %r13; pop %r12; pop %rbp; pop %rbx; ret
        restores: push %rbp; mov %rsp, %rbp; mov %rbx, -8(%rsp); mov %r12, %rdx; movq %r13, %xmm0; mov $1, %ebx; mov $1, %r12d; mov $1, %r13d
        mov -8(%rsp), %rbx; mov %rdx, %r12; movq %xmm0, %r13; jmp shared; shared: leave; ret`)}
      void kept(void); void begin(void) { kept(); leave(); }`,
    calls: [39, 102, 110, 111],
  },
  {
    name: 'a number on the stack that changes before a function which no name tells returns twice',
    source: `${TOP_LEVEL(`mark: mov %rbx, (%rdi); mov %rbp, 8(%rdi); mov %r12, 16(%rdi); mov %r13, 24(%rdi); mov %r14, 32(%rdi); mov %r15, 40(%rdi)
        lea 8(%rsp), %rdx; mov %rdx, 48(%rdi); mov (%rsp), %rdx; mov %rdx, 56(%rdi); xor %eax, %eax; ret
        back: mov (%rdi), %rbx; mov 8(%rdi), %rbp; mov 16(%rdi), %r12; mov 24(%rdi), %r13; mov 32(%rdi), %r14; mov 40(%rdi), %r15
        mov 48(%rdi), %rsp; mov $1, %eax; jmp *56(%rdi)`)}
      long place[8];
      __attribute__((returns_twice)) int mark(long *); __attribute__((noreturn)) void back(long *);
      void begin(void) {
        volatile long nr = 39;
        if (mark(place)) { call(nr, 0, 0, 0); leave(); }
        nr = 110;
        back(place);
      }`,
    calls: [],
    unresolved: ['number'],
  },
  {
    name: 'a wrapper whose address is taken',
    source: `NOINLINE long wrap(long nr) { return call(nr, 0, 0, 0); }
      long (*volatile pointer)(long);
      void begin(void) { pointer = wrap; wrap(39); pointer(102); leave(); }`,
    calls: [39],
    unresolved: ['number'],
  },
];

const BUILDS: readonly (readonly [name: string, options: readonly string[]])[] = [
  ['position-independent, -O2', ['-O2', '-fPIE', '-static-pie', '-fno-toplevel-reorder']],
  ['at fixed addresses, -O2', ['-O2', '-fno-pie', '-no-pie']],
  ['position-independent, -O0, stripped', ['-O0', '-fPIE', '-static-pie', '-s']],
  [
    'at fixed addresses, without frames, stripped',
    ['-O1', '-fno-pie', '-no-pie', '-s', '-fno-asynchronous-unwind-tables'],
  ],
];

function build(name: string, source: string, options: readonly string[]): string {
  return workshop.compile(name, PRELUDE + source + START, [
    '-w',
    '-nostdlib',
    '-nostartfiles',
    '-ffreestanding',
    '-fno-stack-protector',
    '-Wl,--no-dynamic-linker',
    ...options,
  ]);
}

/** Numbers on x86_64 but for those that the kernel makes, and exit_group, which all have. */
function numbersOf({ program }: ProgramAnalysis): number[] {
  return program.calls
    .filter(({ arch }) => arch === 'x86_64')
    .map(({ nr }) => nr)
    .filter((nr) => nr !== 231 && nr !== 219 && nr !== 15);
}

describe.each(BUILDS)('in a program built %s', (build_, options) => {
  it.each(TRAITS)('$name gives exactly its calls', (trait) => {
    const { name, source, calls } = trait;
    const isFixed = options.includes('-no-pie');
    const unresolved =
      (isFixed ? trait.unresolvedIfFixed : undefined) ??
      (options.includes('-O0') ? trait.unresolvedAtO0 : undefined) ??
      trait.unresolved ??
      [];
    const file = build(`${build_} ${name}`.replace(/\W+/g, '-'), source, options);
    const analysis = analyzeProgram(file);
    expect(numbersOf(analysis)).toEqual([...calls].sort((a, b) => a - b));
    expect([...new Set(analysis.program.analysis?.unresolved.map(({ kind }) => kind))]).toEqual(unresolved);
  });
});

describe('a number with bit 30', () => {
  it('is one of x32, and a negative one is not', () => {
    const source = `NOINLINE long wrap(long nr) { return call(nr, 0, 0, 0); }
      void begin(void) { wrap(0x40000064); wrap(39); call(-1, 0, 0, 0); leave(); }`;
    const { calls } = analyzeProgram(build('x32', source, ['-O2', '-static-pie'])).program;
    const own = calls.filter(({ name }) => !/^(?:restart_syscall|rt_sigreturn|exit_group)$/.test(name ?? ''));
    expect(own.map(({ arch, nr, name }) => [arch, nr, name])).toEqual([
      ['x86_64', 39, 'getpid'],
      ['x86_64', 0xffff_ffff, null],
      ['x32', 100, 'times'],
    ]);
  });
});
