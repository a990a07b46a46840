import { afterAll, describe, expect, it } from 'vitest';

import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const PRELUDE = `
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define NOINLINE __attribute__((noinline, noclone, noipa))
`;

const MAKERS = {
  'by mmap': 'int main(void) { return mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == 0; }',
  'by mprotect': 'int main(int c, char **v) { return mprotect(v, 4096, PROT_READ | PROT_EXEC); }',
  'as the loader does of stacks': 'int main(int c, char **v) { return mprotect(v, 4096, 7); }',
  'by syscall': 'int main(int c, char **v) { return syscall(SYS_mprotect, v, 4096, PROT_EXEC); }',
  'by a protection that it is given': 'int main(int c, char **v) { return mprotect(v, 4096, atoi(v[1])); }',
  'through a function of its own': `NOINLINE int protect(void *at, int how) { return mprotect(at, 4096, how); }
    int main(int c, char **v) { return protect(v, PROT_READ) | protect(v, PROT_EXEC); }`,
} as const;

const BUILDS = ['', '-O2', '-static', '-static-pie -O2'];

const THREADS = `#include <pthread.h>
  static void *run(void *unused) { return unused; }
  int main(void) { pthread_t id; pthread_create(&id, 0, run, 0); return pthread_join(id, 0); }`;

const kinds = (name: string, source: string, options: string): string[] => {
  const file = workshop.compile(`${name}${options}`.replaceAll(/\W+/g, '-'), PRELUDE + source, [
    '-w',
    ...options.split(' ').filter((option) => option !== ''),
  ]);
  return (analyzeProgram(file, { details: false }).program.analysis?.unresolved ?? []).map(
    ({ kind }) => kind,
  );
};

describe.each(BUILDS)('code that is made at run time (%s)', (options) => {
  it.each(Object.entries(MAKERS))('is said of a program that asks for memory for it %s', (name, source) => {
    expect(kinds(name, source, options)).toEqual(['runtime']);
  });

  it('is not said of one that asks for memory for data', () => {
    const source = `int main(void) {
      void *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      syscall(SYS_mprotect, at, 4096, PROT_READ);
      return mprotect(at, 4096, PROT_NONE);
    }`;
    expect(kinds('data', source, options)).toEqual([]);
  });

  it('is not said of stacks, with symbols or without', () => {
    expect(kinds('threads', THREADS, options)).toEqual([]);
    expect(kinds('threads', THREADS, `${options} -s`.trim())).toEqual([]);
  });
});
