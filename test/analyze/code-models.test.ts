import { afterAll, describe, expect, it } from 'vitest';

import { analyzeProgram, type ProgramAnalysis } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const PRELUDE = `
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/times.h>
#include <unistd.h>
#define NOINLINE __attribute__((noinline, noclone, noipa))
static inline __attribute__((always_inline)) long call(long nr) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(nr) : "rcx", "r11", "memory");
  return result;
}
volatile int input;
`;

/** What each calls besides the C library's own: times and getpgrp, and getpgid and getsid where there are more. */
const SOURCES = {
  'functions of the C library': 'int main(void) { times(0); return getpgrp() == 0; }',
  'its own functions': `NOINLINE long f(void) { return call(100); }
    static NOINLINE long g(void) { return call(111); }
    int main(void) { return f() == g(); }`,
  'a table of functions': `static long f(void) { return call(100); }
    static long g(void) { return call(111); }
    long (*table[])(void) = {f, g};
    int main(void) { return table[input]() == table[input + 1](); }`,
  'a function that it hands over': `static void f(void) { call(100); call(111); }
    int main(void) { return atexit(f); }`,
  'the cases of a switch': `int main(void) {
      switch (input) {
        case 0: call(39); break;
        case 1: call(100); break;
        case 2: call(111); break;
        case 3: call(121); break;
        case 4: call(124); break;
        case 5: call(145); break;
      }
      return 0;
    }`,
} as const;

const OPTIONS = [
  '-O0',
  '-O2',
  '-O2 -fno-plt',
  '-O2 -static',
  '-O2 -static -s',
  '-O2 -static-pie',
  '-O2 -no-pie -fno-pic',
  '-O2 -pie -fno-pic',
];

const analyze = (name: string, source: string, options: readonly string[]): ProgramAnalysis =>
  analyzeProgram(workshop.compile(name.replaceAll(/\W+/g, '-'), PRELUDE + source, ['-w', ...options]), {
    details: false,
  });

describe.each(OPTIONS)('code of the large model (%s)', (options) => {
  it.each(Object.entries(SOURCES))('calls %s', (name, source) => {
    const { program } = analyze(name, source, ['-mcmodel=large', ...options.split(' ')]);
    expect(program.calls.map(({ nr }) => nr)).toEqual(expect.arrayContaining([100, 111]));
  });
});

describe('code of the large model', () => {
  it('is known by the numbers that it passes, through the PLT and without', () => {
    for (const options of [[], ['-fno-plt']]) {
      const { program } = analyze('numbers', 'int main(void) { return syscall(100) == syscall(111); }', [
        '-mcmodel=large',
        '-O2',
        ...options,
      ]);
      expect(program.calls.map(({ nr }) => nr)).toEqual(expect.arrayContaining([100, 111]));
      expect(program.analysis?.unresolved).toEqual([]);
    }
  });

  it('says no more than code of the small one', () => {
    const [small, large] = ['small', 'large'].map((model) =>
      analyze(model, SOURCES['the cases of a switch'], ['-O2', `-mcmodel=${model}`]).program.calls.map(
        ({ nr }) => nr,
      ),
    );
    expect(large).toEqual(small);
  });
});
