import { afterAll, describe, expect, it } from 'vitest';

import { syscallNumber } from '../../src/abi/syscalls.ts';
import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';
import { straceNames } from '../support/strace.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const PRELUDE = `
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#define NOINLINE __attribute__((noinline))
static inline __attribute__((always_inline)) long call(long nr) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(0L), "S"(0L), "d"(0L) : "rcx", "r11", "memory");
  return result;
}
static jmp_buf env;
static sigjmp_buf signal_env;
NOINLINE static void fail(void) { longjmp(env, 1); }
static void handler(int signal) { siglongjmp(signal_env, 1); }
`;

interface Trait {
  readonly name: string;
  readonly source: string;
  /** musl has no such functions. */
  readonly needsGlibc?: boolean;
  /** All that it calls is found: a branch was to be decided, no number to be known. */
  readonly isBounded?: boolean;
}

const TRAITS: readonly Trait[] = [
  {
    name: 'setjmp, with a number that changes before the second return',
    source: `int main(void) {
      volatile long nr = SYS_getppid;
      if (setjmp(env)) { call(nr); return 0; }
      nr = SYS_times;
      fail();
    }`,
  },
  {
    name: 'setjmp in a program of steps',
    source: `NOINLINE static void step(long nr) { call(nr); longjmp(env, 1); }
      int main(void) {
        static const long steps[] = {SYS_getppid, SYS_times, SYS_getpgrp, -1};
        volatile int at = 0;
        setjmp(env);
        if (steps[at] >= 0) step(steps[at++]);
        return 0;
      }`,
  },
  {
    name: 'setjmp, with a branch on what changes before the second return',
    source: `int main(void) {
      volatile int again = 0;
      setjmp(env);
      if (again) { call(SYS_times); return 0; }
      again = 1;
      fail();
    }`,
    isBounded: true,
  },
  {
    name: 'sigsetjmp that a handler jumps back to',
    source: `int main(void) {
      volatile long nr = SYS_getppid;
      signal(SIGUSR1, handler);
      if (sigsetjmp(signal_env, 1)) { call(nr); return 0; }
      nr = SYS_times;
      raise(SIGUSR1);
    }`,
  },
  {
    name: 'getcontext',
    source: `int main(void) {
      ucontext_t context;
      volatile long nr = SYS_getppid;
      volatile int again = 0;
      getcontext(&context);
      if (again++) { call(nr); return 0; }
      nr = SYS_times;
      setcontext(&context);
    }`,
    needsGlibc: true,
  },
  {
    name: 'vfork, whose child writes to the stack',
    source: `int main(void) {
      volatile long nr = SYS_getppid;
      if (vfork() == 0) { nr = SYS_times; _exit(0); }
      call(nr);
    }`,
  },
  {
    name: 'clone without a stack for the child',
    source: `int main(void) {
      volatile long nr = SYS_getppid;
      long child;
      __asm__ volatile("mov $0x4111, %%edi; xor %%esi, %%esi; xor %%edx, %%edx; xor %%r10, %%r10; xor %%r8, %%r8; syscall"
        : "=a"(child) : "0"(56L) : "rdi", "rsi", "rdx", "r10", "r8", "rcx", "r11", "memory");
      if (child == 0) { nr = SYS_times; call(SYS_exit); }
      call(nr);
    }`,
  },
];

const BUILDS: readonly (readonly [name: string, compiler: string, options: readonly string[]])[] = [
  ['glibc', 'gcc', ['-O2']],
  ['glibc, not optimised', 'gcc', ['-O0']],
  ['static glibc', 'gcc', ['-O2', '-static']],
  ['static-pie glibc, stripped', 'gcc', ['-O2', '-static-pie', '-s']],
  ['musl', 'musl-gcc', ['-O2']],
  ['static musl, stripped', 'musl-gcc', ['-Os', '-static', '-s']],
];

describe.each(BUILDS)('in a program built for %s', (build, compiler, options) => {
  const traits = TRAITS.filter(({ needsGlibc }) => needsGlibc !== true || compiler === 'gcc');
  it.each(traits)('$name leaves no call unsaid', ({ name, source, isBounded }) => {
    const file = `${build} ${name}`.replace(/\W+/g, '-');
    const program = workshop.compile(file, PRELUDE + source, ['-w', ...options], compiler);
    expect(straceNames([program])).toContain('x86_64:times');
    const { calls, analysis } = analyzeProgram(program).program;
    const isFound = calls.some(({ nr }) => nr === syscallNumber('x86_64', 'times'));
    const numbers = analysis?.unresolved.filter(({ kind }) => kind === 'number').length;
    expect({ isFound, numbers }).toEqual({
      isFound: isBounded === true,
      numbers: isBounded === true ? 0 : 1,
    });
  });
});
