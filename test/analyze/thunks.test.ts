import { afterAll, describe, expect, it } from 'vitest';

import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** Programs without libc: what they call is in their source alone. */
const PRELUDE = `
#define NOINLINE __attribute__((noinline, noclone, noipa))
static inline __attribute__((always_inline)) long call(long nr) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(nr) : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\\n_start: xor %ebp, %ebp\\n and $-16, %rsp\\n call begin\\n hlt\\n");
volatile int input;
`;

/** Calls 100, 102, 104, 107, 108, 110, 111, 121, 124 and exit_group (231): functions by pointers, by distances, and cases of a switch. */
const SOURCE = `
static long handler(long nr) { return call(100); }
static long (*pointer)(long) = handler;
extern const int distances[] __attribute__((visibility("hidden")));
__asm__(".section .rodata; .balign 4; .hidden distances; distances: .long near - distances; .text");
__asm__("near: mov $124, %eax; syscall; ret");
NOINLINE long last(long nr) { return pointer(nr); }
NOINLINE int choose(int which) {
  switch (which) {
    case 0: return call(102);
    case 1: return call(104);
    case 2: return call(107);
    case 3: return call(108);
    case 4: return call(110);
    case 5: return call(111);
    default: return 0;
  }
}
void begin(void) {
  pointer(0);
  last(input);
  choose(input);
  ((void (*)(void))((char *)distances + distances[input]))();
  call(121);
  call(231);
}
`;

const CALLS = [100, 102, 104, 107, 108, 110, 111, 121, 124, 231];

/** Thunks as clang, lld and Go write them, with padding behind the loop or registers of their own. */
const ASSEMBLED = `
void first(void), second(void);
__asm__(".text\\n"
  "thunk: call 2f\\n1: pause\\nlfence\\njmp 1b\\n.balign 16, 0xcc\\n2: mov %r11, (%rsp)\\nret\\n"
  "target: mov $100, %eax\\nsyscall\\nret\\n"
  "first: push %rbx\\nlea target(%rip), %r11\\ncall thunk\\nmov $102, %eax\\nsyscall\\npop %rbx\\nret\\n"
  "second: lea target(%rip), %r11\\njmp thunk\\n");
void begin(void) { first(); second(); call(111); call(231); }
`;

const THUNKS = [
  '-mindirect-branch=thunk',
  '-mindirect-branch=thunk-inline',
  '-mfunction-return=thunk',
  '-mfunction-return=thunk-inline',
  '-mindirect-branch=thunk -mfunction-return=thunk',
];

const BUILDS = [
  '-O2 -fPIE -static-pie',
  '-O0 -fPIE -static-pie -s',
  '-O2 -fno-pie -no-pie',
  '-O1 -fno-pie -no-pie -s -fno-asynchronous-unwind-tables',
];

/** Numbers that a program may call, but for those that the kernel makes, and kinds of unresolved sites. */
function resultOf(source: string, options: string): unknown {
  const file = workshop.compile('thunks', PRELUDE + source, [
    '-w',
    '-nostdlib',
    '-nostartfiles',
    '-ffreestanding',
    '-fno-stack-protector',
    '-Wl,--no-dynamic-linker',
    '-fjump-tables',
    // Thunks and control-flow protection, which some distributions turn on, exclude each other.
    '-fcf-protection=none',
    ...options.split(' '),
  ]);
  const { program } = analyzeProgram(file, { details: false });
  return {
    calls: program.calls.map(({ nr }) => nr).filter((nr) => nr !== 219 && nr !== 15),
    unresolved: program.analysis?.unresolved.map(({ kind }) => kind),
  };
}

/** A function that ends the program behind barriers, as musl's pthread_exit does, and what would lie behind it. */
const BARRIERS = `
void last(void);
__asm__(".text\\n"
  "barriers: lock orl $0, (%rsp)\\nlock orq $0, (%rsp)\\nlock addl $0, (%rsp)\\nret\\n"
  "last: push %rbx\\ncall barriers\\n0: mov $60, %eax\\nxor %edi, %edi\\nsyscall\\njmp 0b\\n"
  "wrapper: mov %rdi, %rax\\nsyscall\\nret\\n");
long wrapper(long nr);
void begin(void) { wrapper(100); wrapper(102); last(); }
`;

describe.each(BUILDS)('a program built with %s', (build) => {
  it.each(THUNKS)('and with %s makes the calls that it makes without', (thunks) => {
    expect(resultOf(SOURCE, build)).toEqual({ calls: CALLS, unresolved: [] });
    expect(resultOf(SOURCE, `${build} ${thunks}`)).toEqual({ calls: CALLS, unresolved: [] });
  });

  it('has no return address replaced by what is a barrier', () => {
    expect(resultOf(BARRIERS, build)).toEqual({ calls: [60, 100, 102], unresolved: [] });
  });

  it('is followed through thunks that others than gcc write', () => {
    expect(resultOf(ASSEMBLED, build)).toEqual({ calls: [100, 102, 111, 231], unresolved: [] });
  });
});
