import { afterAll, describe, expect, it } from 'vitest';

import { syscallName } from '../../src/abi/syscalls.ts';
import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';
import { straceNames } from '../support/strace.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const C_PROGRAM = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void *thread(void *unused) { getppid(); return unused; }
static void handler(int signal) { (void)signal; getpgrp(); }
static int compare(const void *a, const void *b) { getsid(0); return *(const int *)a - *(const int *)b; }
static void at_end(void) { sync(); }
int main(int argc, char **argv) {
  int numbers[] = {3, 1, 2};
  pthread_t id;
  pthread_create(&id, NULL, thread, NULL);
  pthread_join(id, NULL);
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  qsort(numbers, 3, sizeof *numbers, compare);
  atexit(at_end);
  FILE *file = fopen("/proc/self/status", "r");
  char line[100];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {}
  if (file != NULL) fclose(file);
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (fork() == 0) { close(pair[0]); write(pair[1], "x", 1); _exit(0); }
  close(pair[1]);
  read(pair[0], line, 1);
  wait(NULL);
  struct timespec pause = {0, 1000};
  nanosleep(&pause, NULL);
  syscall(SYS_getrandom, line, 4, 0);
  printf("%d %s %ld %f\\n", numbers[0], getenv("HOME"), (long)time(NULL), strtod(argv[0], NULL));
  return argc == 1 ? 0 : system("true");
}
`;

const CPP_PROGRAM = `
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
struct Shape { virtual ~Shape() = default; virtual int run() = 0; };
struct Circle : Shape { int run() override { return getppid(); } };
struct Square : Shape { int run() override { throw std::runtime_error("square"); } };
struct Guard { ~Guard() { getpgrp(); } };
int main() {
  std::map<std::string, std::unique_ptr<Shape>> shapes;
  shapes["a"] = std::make_unique<Circle>();
  shapes["b"] = std::make_unique<Square>();
  for (auto &[name, shape] : shapes) {
    try { Guard guard; std::cout << name << shape->run() << std::endl; }
    catch (const std::exception &error) { std::cout << error.what() << getsid(0) << std::endl; }
  }
  std::thread([] { sync(); }).join();
}
`;

interface Build {
  readonly name: string;
  readonly compiler: string;
  readonly options: readonly string[];
  readonly source: string;
}

const BUILDS: readonly Build[] = [
  { name: 'glibc', compiler: 'gcc', options: ['-O2'], source: C_PROGRAM },
  { name: 'glibc, not optimised', compiler: 'gcc', options: ['-O0', '-no-pie'], source: C_PROGRAM },
  {
    name: 'glibc, bound at once, stripped',
    compiler: 'gcc',
    options: ['-O2', '-s', '-Wl,-z,now'],
    source: C_PROGRAM,
  },
  { name: 'static glibc', compiler: 'gcc', options: ['-O2', '-static'], source: C_PROGRAM },
  {
    name: 'static-pie glibc, stripped',
    compiler: 'gcc',
    options: ['-O2', '-static-pie', '-s'],
    source: C_PROGRAM,
  },
  // The handler of cancellation compares the program counter with the address of the function that makes the call, and no more.
  { name: 'musl', compiler: 'musl-gcc', options: ['-O2'], source: C_PROGRAM },
  { name: 'static musl', compiler: 'musl-gcc', options: ['-O2', '-static'], source: C_PROGRAM },
  {
    name: 'static musl, stripped',
    compiler: 'musl-gcc',
    options: ['-O2', '-static', '-s'],
    source: C_PROGRAM,
  },
  { name: 'C++', compiler: 'g++', options: ['-O2', '-std=c++17'], source: CPP_PROGRAM },
  { name: 'static C++', compiler: 'g++', options: ['-O2', '-std=c++17', '-static'], source: CPP_PROGRAM },
];

describe('a program with a C library', () => {
  it.each(BUILDS)(
    'built for $name makes no call that was not found',
    ({ name, compiler, options, source }) => {
      const program = workshop.compile(
        name.replace(/\W+/g, '-'),
        source,
        ['-w', '-pthread', ...options],
        compiler,
      );
      const { program: found } = analyzeProgram(program);
      const possible = new Set(found.calls.map(({ arch, nr }) => `${arch}:${syscallName(arch, nr) ?? nr}`));
      const made = straceNames([program]);
      // strace starts the program.
      made.delete('x86_64:execve');
      expect(made.size).toBeGreaterThan(12);
      expect([...made].filter((call) => !possible.has(call))).toEqual([]);
      expect(found.analysis?.unresolved.filter(({ kind }) => kind === 'number')).toEqual([]);
      expect(possible.size).toBeLessThan(130);
    },
  );
});

const SETTERS =
  '#include <unistd.h>\nint main(void) { return setuid(1000) | setgid(1000) | setresuid(1, 1, 1); }';

/** As musl's setuid makes its call in every thread, but with a number that is not known. */
const UNKNOWN_SETTER = `
struct context { int a, b, c; int nr; };
static void act(void *pointer) {
  struct context *context = pointer;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"((long)context->nr) : "rcx", "r11", "memory");
  context->a = result;
}
__attribute__((noipa)) static void each(void (*act)(void *), void *context) {
  __asm__ volatile("" : "+r"(act) : : "memory");
  act(context);
}
__attribute__((noipa)) static int set(int nr) {
  struct context context = {0, 0, 0, nr};
  each(act, &context);
  return context.a;
}
int main(int argc, char **argv) { return set(105) | set(NUMBER); }
`;

describe('a call that is made in all threads', () => {
  it.each([
    { compiler: 'gcc', options: ['-static'] },
    { compiler: 'gcc', options: ['-static-pie', '-s'] },
    { compiler: 'musl-gcc', options: [] },
    { compiler: 'musl-gcc', options: ['-static'] },
    { compiler: 'musl-gcc', options: ['-static', '-s'] },
  ])('is known by its number ($compiler $options)', ({ compiler, options }) => {
    const name = `setters ${compiler} ${options.join(' ')}`.replace(/\W+/g, '-');
    const program = workshop.compile(name, SETTERS, options, compiler);
    const { calls, analysis } = analyzeProgram(program, { details: false }).program;
    const names = calls.map((call) => call.name);
    expect(names).toEqual(expect.arrayContaining(['setuid', 'setgid', 'setresuid']));
    expect(names).not.toContain('setregid');
    expect(analysis?.unresolved).toEqual([]);
  });

  it.each([
    { number: '106', unresolved: [] },
    { number: 'argc', unresolved: ['number'] },
  ])('is known as far as all callers say its number, one being $number', ({ number, unresolved }) => {
    const source = UNKNOWN_SETTER.replace('NUMBER', number);
    const program = workshop.compile(`setter-${number}`, source, ['-O2', '-static'], 'musl-gcc');
    const { analysis } = analyzeProgram(program, { details: false }).program;
    expect(analysis?.unresolved.map(({ kind }) => kind)).toEqual(unresolved);
  });

  it.each([
    {
      name: 'a second hand-over in the same function has another number',
      from: 'each(act, &context);',
      to: 'each(act, &context); struct context second = {0, 0, 0, *(volatile int *)&context.a}; each(act, &second);',
    },
    {
      name: 'the second hand-over is in other code than what takes the address',
      from: 'each(act, &context);',
      to: `void (*kept)(void *) = act; __asm__ volatile("" : "+r"(kept)); each(kept, &context);
  struct context second = {0, 0, 0, 0}; __asm__ volatile("" : "=m"(second)); if (context.a != 0) each(kept, &second);`,
    },
    {
      name: 'the structure is not the one that is handed over',
      from: 'struct context *context = pointer;',
      to: 'extern struct context *volatile others; struct context *context = others;',
    },
  ])('is not known by its number where $name', ({ name, from, to }) => {
    const source = `${UNKNOWN_SETTER}\nstruct context *volatile others;`
      .replace('NUMBER', '106')
      .replace(from, to);
    const file = `setter-${name.replace(/\W+/g, '-')}`;
    const program = workshop.compile(file, source, ['-O2', '-static'], 'musl-gcc');
    const { analysis } = analyzeProgram(program, { details: false }).program;
    expect(analysis?.unresolved.map(({ kind }) => kind)).toEqual(['number']);
  });
});
