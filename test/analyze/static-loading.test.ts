import { readFileSync, rmSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { Tree } from '../../src/analyze/load/testing/tree.ts';
import { Workshop } from '../../src/elf/testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const CALL = `
static long call(long nr) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(nr) : "rcx", "r11", "memory");
  return result;
}`;

const library = workshop.compile(
  'one.so',
  `${CALL} long work(void) { return call(100); } long idle(void) { return call(124); }
  __attribute__((constructor)) static void begin(void) { call(111); }`,
  ['-shared', '-fPIC', '-nostdlib'],
);

const SOURCES = {
  opens: `#include <dlfcn.h>
    int main(void) { void *handle = dlopen("${library}", RTLD_NOW); return ((int (*)(void))dlsym(handle, "work"))(); }`,
  'opens-any': '#include <dlfcn.h>\nint main(int c, char **v) { return dlopen(v[1], RTLD_NOW) == 0; }',
  'opens-by-pointer': `#include <dlfcn.h>
    void *(*volatile open)(const char *, int) = dlopen;
    int main(int c, char **v) { return open("libm.so.6", RTLD_NOW) == 0; }`,
  threads: `#include <pthread.h>
    static void *run(void *unused) { return unused; }
    int main(void) { pthread_t id; pthread_create(&id, 0, run, 0); return pthread_join(id, 0); }`,
  looks: '#include <pwd.h>\nint main(void) { return getpwnam("nobody") == 0; }',
} as const;

function build(name: keyof typeof SOURCES, options: string, compiler = 'gcc'): string {
  const file = `${name} ${compiler} ${options}`.replaceAll(/\W+/g, '-');
  return workshop.compile(file, SOURCES[name], ['-w', ...options.split(' ')], compiler);
}

/** Numbers of calls, and kinds of unresolved sites. */
function found(file: string, options: Parameters<typeof analyzeProgram>[1] = {}): [number[], string[]] {
  const { calls, analysis } = analyzeProgram(file, { ...options, details: false }).program;
  return [calls.map(({ nr }) => nr), (analysis?.unresolved ?? []).map(({ kind }) => kind)];
}

describe('a static program with glibc', () => {
  it('opens libraries whose names it has', () => {
    const [calls, unresolved] = found(build('opens', '-static'));
    expect(calls).toEqual(expect.arrayContaining([100, 111]));
    expect(calls).not.toContain(124);
    expect(unresolved).toEqual([]);
  });

  it.each(['opens-any', 'opens-by-pointer'] as const)('has an unresolved site where it %s', (name) => {
    expect(found(build(name, '-static'))[1]).toEqual(['dlopen']);
  });

  it.each(['opens', 'opens-any', 'opens-by-pointer'] as const)(
    'has an unresolved site where it %s and has no symbols',
    (name) => {
      expect(found(build(name, '-static -s'))[1]).toEqual(['dlopen']);
    },
  );

  it.each(['-static', '-static -s', '-static-pie -s'])('has none where it opens nothing (%s)', (options) => {
    expect(found(build('threads', options))[1]).toEqual([]);
  });

  it.each(['-static', '-static -s'])('loads services that nsswitch.conf names (%s)', (options) => {
    const service = workshop.compile(
      'libnss_fake.so.2',
      `${CALL} int _nss_fake_getpwnam_r(void) { return call(100); } int _nss_fake_getpwuid_r(void) { return call(124); }`,
      ['-shared', '-fPIC', '-nostdlib'],
    );
    using tree = new Tree({
      'etc/nsswitch.conf': 'passwd: files fake\n',
      'lib/x86_64-linux-gnu/libnss_fake.so.2': readFileSync(service),
      program: readFileSync(build('looks', options)),
    });
    const [calls, unresolved] = found('/program', { root: tree.root() });
    expect(calls).toContain(100);
    expect(calls).not.toContain(124);
    expect(unresolved).toEqual([]);
    rmSync(tree.path('lib/x86_64-linux-gnu/libnss_fake.so.2'));
    const { analysis } = analyzeProgram('/program', { root: tree.root(), details: false }).program;
    expect(analysis?.unresolved).toEqual([]);
    expect(analysis?.assumptions).toContain(
      'libraries that are opened at run time if they are there stay absent: libnss_fake.so.2',
    );
  });
});

describe('a static program with musl', () => {
  it('opens nothing', () => {
    expect(found(build('opens-any', '-static', 'musl-gcc'))[1]).toEqual([]);
  });
});
