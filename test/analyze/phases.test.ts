import { afterAll, describe, expect, it } from 'vitest';

import { syscallNumber } from '../../src/abi/syscalls.ts';
import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { analyzeObject } from '../../src/analyze/code/analyze-object.ts';
import type { ObjectCode } from '../../src/analyze/code/object-code.ts';
import type { CodeSource } from '../../src/analyze/graph/program-graph.ts';
import { UsageError } from '../../src/base/errors.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const known = new Map<string, ObjectCode>();

/** The libraries are the same for all: their code is read once. */
const source: CodeSource = (image, view) => {
  const path = image.objects[view.index]?.file.path ?? '';
  const code = known.get(path) ?? analyzeObject(image, view);
  if (path.startsWith('/usr/lib')) known.set(path, code);
  return code;
};

/** Calls that no library makes, so that each stands for the code that makes it. */
const MARKS: Readonly<Record<string, number>> = {
  A: 174,
  B: 177,
  C: 178,
  D: 180,
  E: 181,
  F: 182,
};

const PRELUDE = `
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#define NOINLINE __attribute__((noinline, noclone, noipa))
static inline __attribute__((always_inline)) long mark(long nr) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(nr) : "rcx", "r11", "memory");
  return result;
}
volatile int input;
${Object.entries(MARKS)
  .map(([name, nr]) => `#define ${name} mark(${nr})`)
  .join('\n')}
NOINLINE int await(void) { return poll(0, 0, 1000); }
`;

/** A program whose main phase is the loop around \`await\`: the marks of both phases, and of the main one. */
interface Trait {
  readonly name: string;
  readonly source: string;
  readonly whole: string;
  readonly main: string;
  readonly flags?: readonly string[];
  /** Optimisation levels at which it holds; default both. */
  readonly levels?: readonly string[];
}

const TRAITS: readonly Trait[] = [
  {
    name: 'what main does before its loop is not in the main phase, what it does in it and after it is',
    source: 'int main(void) { A; while (await()) B; C; return 0; }',
    whole: 'A B C',
    main: 'B C',
  },
  {
    name: 'a function that set-up calls is not in the main phase',
    source: 'NOINLINE void setup(void) { A; } int main(void) { setup(); for (;;) { await(); B; } }',
    whole: 'A B',
    main: 'B',
  },
  {
    name: 'a function that both call is',
    source: 'NOINLINE void both(void) { A; } int main(void) { both(); for (;;) { await(); both(); } }',
    whole: 'A',
    main: 'A',
  },
  {
    name: 'the loop may be in a function: what main does after it is in the main phase',
    source: `NOINLINE void serve(void) { A; while (await()) B; C; }
      int main(void) { D; serve(); E; return 0; }`,
    whole: 'A B C D E',
    main: 'B C E',
  },
  {
    name: 'a restart around the loop is the outermost loop',
    source: 'int main(void) { A; do { B; while (await()) C; } while (input); return 0; }',
    whole: 'A B C',
    main: 'B C',
  },
  {
    name: 'a callback that set-up stores in memory is',
    source: `NOINLINE void serve(void) { A; } NOINLINE void never(void) { B; }
      struct server { int x; void (*on)(void); void (*off)(void); } *server;
      NOINLINE void setup(void) { server = malloc(sizeof *server); server->on = serve; C; }
      int main(void) { setup(); for (;;) { await(); server->on(); } }`,
    whole: 'A C',
    main: 'A',
  },
  {
    name: 'so are two that are stored at once',
    source: `NOINLINE void one(void) { A; } NOINLINE void two(void) { B; }
      struct server { void (*one)(void); void (*two)(void); } *server;
      NOINLINE void setup(void) { server->one = one; server->two = two; C; }
      int main(void) { server = malloc(sizeof *server); setup(); for (;;) { await(); server->one(); server->two(); } }`,
    flags: ['-O2'],
    whole: 'A B C',
    main: 'A B',
  },
  {
    name: 'a table that set-up keeps keeps all its functions',
    source: `NOINLINE void one(void) { A; } NOINLINE void two(void) { B; }
      typedef void (*handler)(void);
      static const handler table[] = { one, two };
      const handler *handlers;
      NOINLINE void setup(void) { handlers = table; C; }
      int main(void) { setup(); for (;;) { await(); handlers[input](); } }`,
    whole: 'A B C',
    main: 'A B',
  },
  {
    name: 'a table that only set-up calls through is not',
    source: `NOINLINE void one(void) { A; } NOINLINE void two(void) { B; }
      typedef void (*handler)(void);
      static const handler table[] = { one, two };
      NOINLINE void setup(void) { for (int i = 0; i < 2; i++) table[i](); C; }
      int main(void) { setup(); for (;;) { await(); D; } }`,
    whole: 'A B C D',
    main: 'D',
  },
  {
    name: 'a callback that set-up hands to a function that only calls it is not',
    source: `NOINLINE void once(void) { A; }
      NOINLINE void run(void (*what)(void)) { what(); B; }
      int main(void) { run(once); for (;;) { await(); C; } }`,
    // Without optimisation the number of the call is in memory, and it might be one by which the kernel learns of a handler.
    levels: ['-O2'],
    whole: 'A B C',
    main: 'C',
  },
  {
    name: 'neither is one that is handed on, and saved on the stack meanwhile',
    source: `NOINLINE void once(void) { A; }
      NOINLINE void inner(int *n, void (*what)(void)) { what(); *n += 1; }
      NOINLINE int outer(void (*what)(void)) { int n = 0; inner(&n, what); inner(&n, what); return n; }
      int main(void) { outer(once); for (;;) { await(); C; } }`,
    // Without optimisation it lies above the counter, where the analysis must fear that it is found.
    levels: ['-O2'],
    whole: 'A C',
    main: 'C',
  },
  {
    name: 'one that a function stores deep below is',
    source: `void (*kept)(void);
      NOINLINE void later(void) { A; }
      NOINLINE void inner(int n, void (*what)(void)) { if (n > 0) inner(n - 1, what); else kept = what; }
      NOINLINE void outer(void (*what)(void), int n) { inner(n, what); }
      int main(void) { outer(later, input); for (;;) { await(); kept(); } }`,
    whole: 'A',
    main: 'A',
  },
  {
    name: 'one that is kept through a structure on the stack is',
    source: `struct pair { void (*f)(void); int n; } kept;
      NOINLINE void later(void) { A; }
      NOINLINE void store(struct pair *from) { memcpy(&kept, from, sizeof kept); }
      NOINLINE void setup(void) { struct pair pair = { later, input }; store(&pair); B; }
      int main(void) { setup(); for (;;) { await(); kept.f(); } }`,
    whole: 'A B',
    main: 'A',
  },
  {
    name: 'one that is copied byte by byte is',
    source: `void (*kept)(void);
      NOINLINE void later(void) { A; }
      NOINLINE void setup(void) { void (*local)(void) = later; volatile int n = sizeof kept;
        char *from = (char *)&local, *to = (char *)&kept; for (int i = 0; i < n; i++) to[i] = from[i]; B; }
      int main(void) { setup(); for (;;) { await(); kept(); } }`,
    whole: 'A B',
    main: 'A',
  },
  {
    name: 'so is one that is copied in halves',
    source: `void (*kept)(void);
      NOINLINE void later(void) { A; }
      NOINLINE void setup(void) { void (*local)(void) = later; volatile int n = 2;
        int *from = (int *)&local, *to = (int *)&kept; for (int i = 0; i < n; i++) to[i] = from[i]; B; }
      int main(void) { setup(); for (;;) { await(); kept(); } }`,
    whole: 'A B',
    main: 'A',
  },
  ...['movsq', 'rep movsb', 'lodsq; stosq'].map((copy) => ({
    name: `and one that is copied by ${copy}`,
    source: `void (*kept)(void);
      NOINLINE void later(void) { A; }
      NOINLINE void setup(void) { void (*local)(void) = later; void *from = &local, *to = &kept; long n = sizeof kept;
        __asm__ volatile("${copy}" : "+S"(from), "+D"(to), "+c"(n) : : "rax", "memory"); B; }
      int main(void) { setup(); for (;;) { await(); kept(); } }`,
    whole: 'A B',
    main: 'A',
  })),
  {
    name: 'one that a function returns is',
    source: `NOINLINE void later(void) { A; } typedef void (*handler)(void);
      NOINLINE handler choose(void) { return later; }
      int main(void) { handler f = choose(); B; for (;;) { await(); f(); } }`,
    whole: 'A B',
    main: 'A',
  },
  {
    name: 'what compares the elements for qsort is not kept',
    source: `NOINLINE int compare(const void *a, const void *b) { A; return a < b; }
      int main(void) { int list[9]; qsort(list, 9, 4, compare); for (;;) { await(); B; } }`,
    whole: 'A B',
    main: 'B',
  },
  {
    name: 'handlers of signals and of exit are in the main phase',
    source: `NOINLINE void on_signal(int s) { A; } NOINLINE void on_exit_(void) { B; }
      int main(void) { signal(SIGUSR1, on_signal); atexit(on_exit_); C; for (;;) await(); }`,
    whole: 'A B C',
    main: 'A B',
  },
  {
    name: 'so is a thread that was started earlier',
    source: `NOINLINE void *work(void *x) { A; for (;;) { pause(); B; } }
      int main(void) { pthread_t t; pthread_create(&t, 0, work, 0); C; for (;;) await(); }`,
    whole: 'A B C',
    main: 'A B',
  },
  {
    name: 'and a function that is jumped back to with longjmp',
    source: `jmp_buf env;
      NOINLINE void fail(void) { longjmp(env, 1); }
      int main(void) { A; for (;;) { if (setjmp(env)) B; await(); if (input) fail(); } }`,
    whole: 'A B',
    main: 'B',
  },
  {
    name: 'so is what stands before the loop, behind a setjmp in a function that is running',
    source: `jmp_buf env;
      NOINLINE void fail(void) { longjmp(env, 1); }
      int main(void) { A; setjmp(env); B; for (;;) { await(); C; if (input) fail(); } }`,
    whole: 'A B C',
    main: 'B C',
  },
  {
    name: 'and what is kept only at the second return of setjmp',
    source: `jmp_buf env;
      void (*kept)(void);
      NOINLINE void fail(void) { longjmp(env, 1); }
      NOINLINE void serve(void) { A; }
      NOINLINE void setup(void) {
        void (*volatile what)(void) = 0;
        if (setjmp(env)) { kept = what; return; }
        what = serve;
        fail();
      }
      int main(void) { setup(); B; for (;;) { await(); kept(); } }`,
    whole: 'A B',
    main: 'A',
  },
  {
    name: 'and what stands behind a call of setjmp before the loop, where the function with the loop never returns',
    source: `jmp_buf env;
      NOINLINE void serve(void) { A; for (;;) { if (await()) B; if (input) longjmp(env, 1); } }
      int main(void) { C; if (setjmp(env)) D; E; serve(); }`,
    whole: 'A B C D E',
    main: 'A B D E',
  },
  {
    name: 'the loop of a worker that a process of its own enters through a pointer is the main phase',
    source: `NOINLINE __attribute__((noreturn)) void worker(void) { A; for (;;) { await(); B; } }
      NOINLINE void spawn(void (*what)(void)) { if (fork() == 0) what(); }
      int main(void) { C; spawn(worker); D; sigset_t none; sigemptyset(&none); for (;;) { sigsuspend(&none); E; } }`,
    whole: 'A B C D E',
    main: 'B',
  },
  {
    name: 'so it is when a table of processes holds it, to have it forked again',
    source: `struct process { int pid; int status; int channel[2]; void (*what)(void); const char *name; } processes[64];
      volatile int last;
      NOINLINE __attribute__((noreturn)) void worker(void) { A; for (;;) { await(); B; } }
      NOINLINE int spawn(void (*what)(void), const char *name, int slot) {
        if (slot < 0) for (slot = 0; slot < last; slot++) if (processes[slot].pid == -1) break;
        int pid = fork();
        if (pid == -1) return -1;
        if (pid == 0) { F; what(); }
        processes[slot].pid = pid;
        processes[slot].what = what;
        processes[slot].name = name;
        return pid;
      }
      int main(void) { C; spawn(worker, "worker", -1); D; sigset_t none; sigemptyset(&none);
        for (;;) { sigsuspend(&none); E; for (int i = 0; i < last; i++) if (processes[i].status) spawn(processes[i].what, processes[i].name, i); } }`,
    levels: ['-O2'],
    whole: 'A B C D E F',
    main: 'A B',
  },
];

/** Programs with a loop that runs beside main, which goes on meanwhile: the main phase cannot begin there. */
const BESIDE: readonly Pick<Trait, 'name' | 'source' | 'flags'>[] = [
  {
    name: 'a thread, in a static program',
    source: `int main(void) { pthread_t t; pthread_create(&t, 0, (void *(*)(void *))worker, 0); usleep(9); setup(); return 0; }`,
    flags: ['-static'],
  },
  {
    name: 'a thread, in a static position-independent program',
    source: `int main(void) { pthread_t t; pthread_create(&t, 0, (void *(*)(void *))worker, 0); usleep(9); setup(); return 0; }`,
    flags: ['-static-pie', '-fPIE'],
  },
  {
    name: 'a thread whose start has the routine from the heap',
    source: `struct job { void (*what)(void); };
      NOINLINE void *start(void *x) { struct job job = *(struct job *)x; free(x); job.what(); return 0; }
      NOINLINE void run(void (*what)(void)) { struct job *job = malloc(sizeof *job); job->what = what;
        pthread_t t; pthread_create(&t, 0, start, job); }
      int main(void) { run(worker); usleep(9); setup(); return 0; }`,
  },
  {
    name: 'a thread that clone makes',
    source: `char stack[65536];
      int main(void) { clone((int (*)(void *))worker, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0);
        usleep(9); setup(); return 0; }`,
  },
  {
    name: 'a coroutine',
    source: `ucontext_t here, there; char stack[65536];
      int main(void) { getcontext(&there); there.uc_stack.ss_sp = stack; there.uc_stack.ss_size = sizeof stack;
        makecontext(&there, worker, 0); swapcontext(&here, &there); setup(); return 0; }`,
  },
  {
    name: 'a handler of a signal',
    source: `int main(void) { signal(SIGUSR1, (void (*)(int))worker); raise(SIGUSR1); setup(); return 0; }`,
  },
  {
    name: 'a thread that is made of what would be forked elsewhere',
    source: `struct { int pid; void (*what)(void); } jobs[8];
      NOINLINE void *start(void *x) { jobs[(long)x].what(); return 0; }
      NOINLINE void spawn(void (*what)(void), int slot) {
        int pid = input ? fork() : 1;
        if (pid == 0) what();
        jobs[slot].what = what;
        pthread_t t; pthread_create(&t, 0, start, (void *)(long)slot); }
      int main(void) { spawn(worker, input); usleep(9); setup(); return 0; }`,
  },
  {
    name: 'a function that makes threads of itself',
    source: `NOINLINE void *again(void *x) { if (x == 0) { pthread_t t; pthread_create(&t, 0, again, &input); usleep(9); setup(); } worker(); return 0; }
      int main(void) { again(0); return 0; }`,
  },
  {
    name: 'a thread of a forked child',
    source: `NOINLINE void spawn(void (*what)(void)) { pthread_t t; if (fork() == 0) { pthread_create(&t, 0, (void *(*)(void *))what, 0); usleep(9); setup(); } }
      int main(void) { spawn(worker); return 0; }`,
  },
  {
    name: 'a thread that calls the function which main comes to later',
    source: `NOINLINE void *start(void *x) { worker(); return 0; }
      int main(void) { pthread_t t; pthread_create(&t, 0, start, 0); usleep(9); setup(); worker(); }`,
  },
];

describe('phases by reading code', () => {
  for (const level of ['-O0', '-O2']) {
    for (const { name, source: code, whole, main, flags = [], levels } of TRAITS) {
      if (levels?.includes(level) === false) continue;
      it(`${name} (${level})`, () => {
        const path = workshop.compile('traits', `${PRELUDE}${code}`, [level, ...flags, '-pthread', '-w']);
        const { program, phases } = analyzeProgram(path, {
          phases: { kind: 'waits', numbers: [syscallNumber('x86_64', 'poll') ?? -1], stacks: [] },
          details: false,
          source,
        });
        const marks = (phase: number): string =>
          Object.entries(MARKS)
            .filter(([, nr]) => program.calls.some((call) => call.nr === nr && call.phases.includes(phase)))
            .map(([mark]) => mark)
            .join(' ');
        expect(phases.map((phase) => phase.name)).toEqual(['setup', 'main']);
        expect([marks(0), marks(1)]).toEqual([whole, main]);
      });
    }
  }

  for (const level of ['-O0', '-O2']) {
    for (const { name, source: code, flags = [] } of BESIDE) {
      it(`do not begin at the loop of ${name} (${level})`, () => {
        const text = `${PRELUDE}
          NOINLINE __attribute__((noreturn)) void worker(void) { for (;;) { await(); F; } }
          NOINLINE void setup(void) { A; B; C; D; E; }
          ${code}`;
        const path = workshop.compile('beside', text, [level, ...flags, '-pthread', '-w']);
        const { phases } = analyzeProgram(path, { phases: { kind: 'auto' }, details: false, source });
        expect(phases.map((phase) => phase.name)).toEqual(['setup']);
      });
    }
  }

  it('have in the main one what a handler of exceptions does that waits for the loop', () => {
    const text = `${PRELUDE}
      NOINLINE void serve(void) { A; for (;;) { await(); B; if (input) throw 1; } }
      int main(void) { C; try { serve(); } catch (int) { D; } return 0; }`;
    const path = workshop.compile('throws', text, ['-O2', '-w'], 'g++');
    const { program } = analyzeProgram(path, {
      phases: { kind: 'waits', numbers: [syscallNumber('x86_64', 'poll') ?? -1], stacks: [] },
      details: false,
      source,
    });
    const inMain = program.calls.filter((call) => call.phases.includes(1)).map(({ nr }) => nr);
    expect(inMain).toEqual(expect.arrayContaining([MARKS.B, MARKS.D]));
    expect(inMain).not.toContain(MARKS.C);
  });

  it('begin at a function that is named', () => {
    const path = workshop.compile(
      'named',
      `${PRELUDE}NOINLINE void serve(void) { B; } int main(void) { A; serve(); C; return 0; }`,
      ['-O2'],
    );
    const { program, phases } = analyzeProgram(path, { phases: { kind: 'function', name: 'serve' } });
    const inMain = program.calls.filter((call) => call.phases.includes(1)).map(({ nr }) => nr);
    expect(phases[1]?.trigger).toMatch(/^symbol:[^:]+:0x[0-9a-f]+$/);
    expect(inMain).toEqual(expect.arrayContaining([MARKS.B, MARKS.C]));
    expect(inMain).not.toContain(MARKS.A);
    expect(() => analyzeProgram(path, { phases: { kind: 'function', name: 'absent' } })).toThrow(UsageError);
  });

  it('are found by themselves where the loop needs far less than set-up', () => {
    const path = workshop.compile(
      'auto',
      `${PRELUDE}int main(void) { A; C; D; E; F; for (;;) { await(); B; } }`,
      ['-O2'],
    );
    const { phases, program } = analyzeProgram(path, { phases: { kind: 'auto' }, details: false, source });
    const inMain = program.calls.filter((call) => call.phases.includes(1)).map(({ nr }) => nr);
    expect(phases).toHaveLength(2);
    expect(inMain).toContain(MARKS.B);
    expect(inMain).not.toContain(MARKS.A);
  });

  it('are not made up for a program that waits for nothing', () => {
    const { phases, program } = analyzeProgram('/usr/bin/ls', { phases: { kind: 'auto' }, details: false });
    expect(phases).toHaveLength(1);
    expect(program.calls.every((call) => call.phases.length === 1)).toBe(true);
  });
});
