import { copyFileSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FormatError } from '../../src/base/errors.ts';
import { Image } from '../../src/analyze/image/image.ts';
import { loadSet, type LoadSet, type LoadSetOptions } from '../../src/analyze/load/load-set.ts';
import { Tree } from '../../src/analyze/load/testing/tree.ts';
import { runTool, VERSION_SCRIPT, VERSIONED_LIBRARY, Workshop } from '../../src/elf/testing/program.ts';
import { imageBindings, libraryPaths, runLoader, traceLoader } from './real-loader.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** Builds into a folder of the workshop, which is made; `name` may have slashes. */
function build(name: string, source: string, options: readonly string[] = [], compiler = 'gcc'): string {
  mkdirSync(dirname(workshop.path(name)), { recursive: true });
  return workshop.compile(name, source, ['-w', ...options], compiler);
}

function library(name: string, source: string, options: readonly string[] = [], compiler = 'gcc'): string {
  return build(name, source, ['-shared', '-fPIC', ...options], compiler);
}

interface Case {
  readonly program: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly options?: LoadSetOptions;
}

/** Expects libraries, missing ones and bindings to be those of glibc's loader; returns the set. */
function expectAsLoaded({ program, environment = {}, options = {} }: Case): LoadSet {
  const set = loadSet(program, options);
  const report = traceLoader(program, environment);
  expect(set.missing.map(({ name }) => name).sort()).toEqual(report.missing.toSorted());
  expect(libraryPaths(set).toSorted()).toEqual(report.libraries.toSorted());
  if (set.missing.length === 0) {
    expect(report.bindings.length).toBeGreaterThan(20);
    expect(imageBindings(new Image(set), program)).toEqual(report.bindings);
  }
  return set;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

describe('where libraries are found', () => {
  const folder = workshop.path('path');
  const link = (flags: readonly string[]): readonly string[] => [
    ...flags,
    `-L${folder}`,
    `-Wl,-rpath-link,${folder}/deep`,
    '-lx',
  ];
  beforeAll(() => {
    library('path/deep/liby.so', 'int y(void) { return 1; }', ['-Wl,-soname,liby.so']);
    library('path/libx.so', 'int y(void); int x(void) { return y(); }', [
      `-L${folder}/deep`,
      '-ly',
      '-Wl,-soname,libx.so',
    ]);
  });
  const MAIN = 'int x(void); int main(void) { return x(); }';

  it.each([
    { name: 'rpath', flags: ['-Wl,--disable-new-dtags', `-Wl,-rpath,${folder}:${folder}/deep`], missing: [] },
    {
      name: 'runpath',
      flags: ['-Wl,--enable-new-dtags', `-Wl,-rpath,${folder}:${folder}/deep`],
      missing: ['liby.so'],
    },
    {
      name: 'origin',
      flags: ['-Wl,--disable-new-dtags', '-Wl,-rpath,$ORIGIN/path:${ORIGIN}/path/deep/'],
      missing: [],
    },
    {
      name: 'unknown-token',
      flags: ['-Wl,--disable-new-dtags', '-Wl,-rpath,$ORIGIN/path:$NOTHING/x:$LIB'],
      missing: ['liby.so'],
    },
    { name: 'nowhere', flags: [], missing: ['libx.so'] },
  ])('DT_RPATH is inherited and DT_RUNPATH is not: $name', ({ name, flags, missing }) => {
    const program = build(`find-${name}`, MAIN, link(flags));
    const set = expectAsLoaded({ program });
    expect(set.missing.map((entry) => entry.name)).toEqual(missing);
  });

  it('LD_LIBRARY_PATH comes after DT_RPATH and before DT_RUNPATH', () => {
    library('other/libx.so', 'int x(void) { return 2; }', ['-Wl,-soname,libx.so']);
    const other = workshop.path('other');
    for (const [kind, want] of [
      ['disable', folder],
      ['enable', other],
    ] as const) {
      const flags = [`-Wl,--${kind}-new-dtags`, `-Wl,-rpath,${folder}:${folder}/deep`];
      const program = build(`order-${kind}`, MAIN, link(flags));
      const set = expectAsLoaded({
        program,
        environment: { LD_LIBRARY_PATH: other },
        options: { libraryPath: [other] },
      });
      expect(libraryPaths(set)).toContain(`${want}/libx.so`);
    }
  });

  it('$ORIGIN of a library is where it was found, that of the program where it is without symbolic links', () => {
    mkdirSync(workshop.path('links'), { recursive: true });
    library('real/libinner.so', 'int y(void) { return 3; }', ['-Wl,-soname,libinner.so']);
    const flags = ['-Wl,--enable-new-dtags', '-Wl,-rpath,$ORIGIN'];
    library('real/libouter.so', 'int y(void); int x(void) { return y(); }', [
      ...flags,
      `-L${workshop.path('real')}`,
      '-linner',
      '-Wl,-soname,libouter.so',
    ]);
    copyFileSync(workshop.path('real/libinner.so'), workshop.path('links/libinner.so'));
    symlinkSync('../real/libouter.so', workshop.path('links/libouter.so'));
    build('real/program', MAIN, [
      '-Wl,-rpath,$ORIGIN/../links',
      `-L${workshop.path('real')}`,
      '-louter',
      `-Wl,-rpath-link,${workshop.path('real')}`,
    ]);
    symlinkSync('../real/program', workshop.path('links/program'));
    const set = expectAsLoaded({ program: workshop.path('links/program') });
    expect(libraryPaths(set)).toContain(`${workshop.folder}/real/../links/libinner.so`);
  });

  it('a library for another machine is passed over', () => {
    library('wrong/libx.so', 'int x(void) { return 4; }', ['-m32', '-nostdlib', '-Wl,-soname,libx.so']);
    library('right/libx.so', 'int x(void) { return 5; }', ['-Wl,-soname,libx.so']);
    const path = [workshop.path('wrong'), workshop.path('right')];
    const program = build('machine', MAIN, [workshop.path('right/libx.so')]);
    const set = expectAsLoaded({
      program,
      environment: { LD_LIBRARY_PATH: path.join(':') },
      options: { libraryPath: path },
    });
    expect(libraryPaths(set)).toContain(workshop.path('right/libx.so'));
  });

  it('a library that is none ends the search', () => {
    mkdirSync(workshop.path('text'), { recursive: true });
    workshop.write('text/libx.so', 'GROUP ( libx.a )'.padEnd(100));
    const program = workshop.path('machine');
    const set = loadSet(program, { libraryPath: [workshop.path('text'), workshop.path('right')] });
    expect(set.missing).toMatchObject([
      {
        name: 'libx.so',
        by: 0,
        kind: 'needed',
        problem: expect.stringContaining('cannot be mapped: elf: magic is'),
      },
    ]);
    set.open('libx.so', null, 'there, but none', true);
    expect([set.absent.size, set.missing.length]).toEqual([0, 2]);
  });

  it('a library that cannot be looked at is missing and not absent, unless it is found elsewhere', () => {
    mkdirSync(workshop.path('circle'), { recursive: true });
    const circle = workshop.path('circle/libx.so');
    symlinkSync('libx.so', circle);
    const path = [workshop.path('circle'), workshop.path('right')];
    const set = loadSet(workshop.path('machine'), { libraryPath: path });
    expect([libraryPaths(set), set.missing]).toEqual([
      expect.arrayContaining([workshop.path('right/libx.so')]),
      [],
    ]);
    set.open(circle, null, 'round in a circle', true);
    expect(set.missing).toMatchObject([
      { name: circle, kind: 'open', problem: `${circle} cannot be looked at, ELOOP` },
    ]);
    expect(set.absent.size).toBe(0);
  });

  it('one file under two names is mapped once, and a circle ends', () => {
    library('circle/liba.so', 'int a(void) { return 1; }', ['-Wl,-soname,liba.so']);
    const inCircle = `-L${workshop.path('circle')}`;
    library('circle/libb.so', 'int a(void); int b(void) { return a(); }', [
      inCircle,
      '-la',
      '-Wl,-soname,libb.so',
    ]);
    library('circle/liba.so', 'int b(void); int a(void) { return b != 0; }', [
      '-Wl,--no-as-needed',
      inCircle,
      '-lb',
      '-Wl,-soname,liba.so',
    ]);
    // The second name has no DT_SONAME to be known by.
    library('circle/libplain.so', 'int p(void) { return 1; }');
    symlinkSync('libplain.so', workshop.path('circle/libother.so'));
    const program = build('circle/program', 'int a(void), p(void); int main(void) { return a() + p(); }', [
      inCircle,
      '-Wl,--no-as-needed,--disable-new-dtags,-rpath,$ORIGIN',
      '-la',
      '-lplain',
      '-lother',
    ]);
    const set = expectAsLoaded({ program });
    expect(
      libraryPaths(set)
        .map(nameOf)
        .filter((name) => name !== 'libc.so.6'),
    ).toEqual(['liba.so', 'libplain.so', 'libb.so', 'ld-linux-x86-64.so.2']);
  });

  it('libraries for newer CPUs are named and not taken, unless asked for', () => {
    const levels = ['x86-64-v2', 'x86-64-v3', 'x86-64-v4'];
    for (const level of ['', ...levels.map((name) => `glibc-hwcaps/${name}/`)]) {
      library(`cpu/${level}libcpu.so`, 'int x(void) { return 1; }', ['-Wl,-soname,libcpu.so']);
    }
    const path = workshop.path('cpu');
    const program = build('cpu-program', MAIN, [`-L${path}`, '-lcpu']);
    const base = loadSet(program, { libraryPath: [path] });
    expect(libraryPaths(base)).toContain(`${path}/libcpu.so`);
    const index = base.objects.findIndex(({ soname }) => soname === 'libcpu.so');
    expect(base.variants).toEqual(
      levels
        .toReversed()
        .map((hwcap) => ({ object: index, hwcap, path: `${path}/glibc-hwcaps/${hwcap}/libcpu.so` })),
    );
    // What the loader says that this CPU can do.
    const help = runTool('/lib64/ld-linux-x86-64.so.2', ['--help']);
    const supported = levels.filter((level) => new RegExp(`${level} \\(supported, searched\\)`).test(help));
    expectAsLoaded({
      program,
      environment: { LD_LIBRARY_PATH: path },
      options: { libraryPath: [path], hwcaps: supported },
    });
  });
});

describe('how symbols are bound', () => {
  const inFolder = (folder: string): readonly string[] => [
    `-L${workshop.path(folder)}`,
    `-Wl,-rpath,${workshop.path(folder)}`,
  ];

  it('the program and preloaded libraries come before the library itself', () => {
    library('order/libfirst.so', 'int shared(void) { return 1; } int own(void) { return shared(); }', [
      '-Wl,-soname,libfirst.so',
    ]);
    const before = library(
      'order/libbefore.so',
      'int other(void) { return 9; } int shared(void) { return 2; }',
    );
    const source = (definition: string): string =>
      `int own(void); ${definition} int main(void) { return own(); }`;
    const plain = build('order/plain', source(''), [...inFolder('order'), '-lfirst']);
    const interposed = build('order/interposed', source('int shared(void) { return 3; }'), [
      ...inFolder('order'),
      '-lfirst',
      '-rdynamic',
    ]);
    for (const program of [plain, interposed]) {
      expectAsLoaded({ program });
      expectAsLoaded({ program, environment: { LD_PRELOAD: before }, options: { preload: [before] } });
    }
    const set = loadSet(plain, { preload: [before, '/no/such.so'] });
    expect(set.objects[1]).toMatchObject({
      path: before,
      isGlobal: true,
      reason: { kind: 'preload', text: 'LD_PRELOAD' },
    });
    expect(set.missing).toMatchObject([{ name: '/no/such.so', kind: 'preload', problem: 'not found' }]);
  });

  it('versions are those that were linked with, and the oldest or only one without', () => {
    const script = workshop.write('versions.map', VERSION_SCRIPT);
    library('version/libanswer.so', VERSIONED_LIBRARY, [
      `-Wl,--version-script,${script}`,
      '-Wl,-soname,libanswer.so',
    ]);
    const use = 'int answer(void), plain(void); int main(void) { return answer() * 10 + plain(); }';
    const newer = build('version/newer', use, [...inFolder('version'), '-lanswer']);
    const older = build('version/older', `__asm__(".symver answer, answer@V_1.0"); ${use}`, [
      ...inFolder('version'),
      '-lanswer',
    ]);
    library('stub/libanswer.so', 'int answer(void) { return 0; } int plain(void) { return 0; }', [
      '-Wl,-soname,libanswer.so',
    ]);
    const without = build('version/without', use, [
      `-L${workshop.path('stub')}`,
      '-lanswer',
      `-Wl,-rpath,${workshop.path('version')}`,
    ]);
    const results = [newer, older, without].map((program) => {
      const set = expectAsLoaded({ program });
      const image = new Image(set);
      const { symbols } = image.objects[0]!;
      const reference = Array.from({ length: symbols.count }, (_, index) => index).find(
        (index) => symbols.name(index) === 'answer',
      )!;
      const definition = image.definition(0, reference, true)!;
      return image.objects[definition.object]!.symbols.version(definition.symbol);
    });
    expect(results).toEqual(['V_2.0', 'V_1.0', 'V_1.0']);
    const image = new Image(loadSet(newer));
    expect(
      image.lookup('answer').map(({ object, symbol }) => image.objects[object]!.symbols.version(symbol)),
    ).toEqual(['V_2.0']);
    expect(image.lookup('answer', 'V_1.0')).toHaveLength(1);
    expect(image.lookup('answer', 'V_3.0')).toEqual([]);
  });

  it('a program without PIC has copies of data, and its PLT entries stand for functions', () => {
    const source = `
      int shared = 41; int *where(void) { return &shared; }
      int called(void) { return 1; } void *address(void) { return (void *)called; }
      __attribute__((visibility("protected"))) int guarded(void) { return 2; }
      void *guarded_address(void) { return (void *)guarded; }`;
    library('copy/libdata.so', source, ['-Wl,-soname,libdata.so']);
    const program = build(
      'copy/program',
      `extern int shared; int *where(void), called(void), guarded(void); void *address(void), *guarded_address(void);
       int main(void) { return where() != &shared || address() != (void *)called || guarded() != 2 || shared != 41; }`,
      ['-no-pie', '-fno-pie', ...inFolder('copy'), '-ldata'],
    );
    runTool(program, []);
    const set = expectAsLoaded({ program });
    const image = new Image(set);
    expect(image.objects[0]!.base).toBe(0);
    const shared = image.addressOf(0, 'shared')!;
    expect(image.objectAt(shared)).toBe(0);
    expect(image.u32(shared)).toBe(41);
    const relocation = image.relocationAt(shared);
    expect(image.objects[0]!.relocations.target[relocation]).toBe(image.addressOf(1, 'shared'));
    const { symbols } = image.objects[1]!;
    const called = Array.from({ length: symbols.count }, (_, index) => index).find(
      (index) => symbols.name(index) === 'called',
    )!;
    expect(image.objectAt(image.bind(1, called)!)).toBe(0);
    expect(image.bind(1, called, true)).toBe(image.addressOf(1, 'called'));
  });

  it('weak references stay null, IFUNCs give their resolver, unique symbols are one', () => {
    library(
      'kinds/libkinds.so',
      `
      static int one(void) { return 1; } static int (*pick(void))(void) { return one; }
      int chosen(void) __attribute__((ifunc("pick"))); __thread int local = 3; int *tls(void) { return &local; }`,
      ['-Wl,-soname,libkinds.so'],
    );
    const program = build(
      'kinds/program',
      `
      int chosen(void), *tls(void); extern __thread int local; __attribute__((weak)) int nowhere(void);
      int (*pointer)(void) = chosen;
      int main(void) { return chosen() + (nowhere ? nowhere() : 0) + *tls() + local + pointer() - 8; }`,
      [...inFolder('kinds'), '-lkinds'],
    );
    runTool(program, []);
    const set = expectAsLoaded({ program });
    const image = new Image(set);
    const { symbols, relocations } = image.objects[0]!;
    const bySymbol = (name: string): number => {
      const at = Array.from({ length: relocations.count }, (_, index) => index);
      return at.find((index) => symbols.name(relocations.symbol[index]!) === name)!;
    };
    const resolver = image.addressOf(1, 'pick')!;
    expect(relocations.target[bySymbol('chosen')]).toBe(resolver);
    expect(relocations.isIfunc[bySymbol('chosen')]).toBe(1);
    expect(image.pointerAt(image.addressOf(0, 'pointer')!)).toBe(resolver);
    expect(image.lookup('chosen')).toMatchObject([{ object: 1, address: resolver, isIfunc: true }]);
    expect(relocations.target[bySymbol('nowhere')]).toBe(0);
    expect(image.bind(0, relocations.symbol[bySymbol('nowhere')]!)).toBeNull();
  });

  it('a library that is DF_SYMBOLIC looks into itself first', () => {
    // The linker would settle such references itself, so that the flag is set afterwards.
    const path = library(
      'symbolic/libself.so',
      'int twice(void) { return 1; } int use(void) { return twice(); }',
      ['-Wl,-z,now', '-Wl,-soname,libself.so'],
    );
    const program = build(
      'symbolic/program',
      'int use(void); int twice(void) { return 2; } int main(void) { return use(); }',
      [...inFolder('symbolic'), '-lself', '-rdynamic'],
    );
    expectAsLoaded({ program });
    const bytes = readFileSync(path);
    const entry = Buffer.alloc(16);
    entry.writeUInt32LE(30, 0);
    entry.writeUInt32LE(8, 8);
    const at = bytes.indexOf(entry);
    expect(at).toBeGreaterThan(0);
    bytes.writeUInt32LE(8 | 2, at + 8);
    workshop.write('symbolic/libself.so', bytes);
    const set = expectAsLoaded({ program });
    const lines = imageBindings(new Image(set), program);
    expect(lines).toContain(`${path} ${path} twice `);
  });

  it('C++ programs are bound in the same way', () => {
    const source = `#include <string>\n#include <iostream>\ntemplate <class T> struct Box { static inline T value{}; };
      int *unique() { return &Box<int>::value; }`;
    library('cpp/libone.so', source, ['-Wl,-soname,libone.so'], 'g++');
    library('cpp/libtwo.so', source.replace('unique', 'again'), ['-Wl,-soname,libtwo.so'], 'g++');
    const program = build(
      'cpp/program',
      `#include <iostream>\nint *unique(), *again();\nint main() { std::cout << (unique() == again()); return unique() != again(); }`,
      [...inFolder('cpp'), '-lone', '-ltwo'],
      'g++',
    );
    runTool(program, []);
    expectAsLoaded({ program });
  });
});

describe('open', () => {
  it('maps and binds what dlopen does, with its own libraries after the global ones', () => {
    const folder = workshop.path('open');
    library('open/libhelper.so', 'int helper(void) { return 1; } int common(void) { return 2; }', [
      '-Wl,-soname,libhelper.so',
    ]);
    library(
      'open/plugin.so',
      'int helper(void), common(void); int run(void) { return helper() + common(); }',
      [`-L${folder}`, '-lhelper', '-Wl,-rpath,$ORIGIN'],
    );
    library('open/second.so', 'int common(void) { return 7; } int run(void) { return common(); }');
    const program = build(
      'open/program',
      `
      #include <dlfcn.h>
      int common(void) { return 5; }
      int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) { void *h = dlopen(argv[i], RTLD_NOW); if (!h) return 1; ((int (*)(void))dlsym(h, "run"))(); }
        return 0; }`,
      ['-Wl,--dynamic-list-data', '-Wl,-rpath,$ORIGIN'],
    );
    const names = [`${folder}/plugin.so`, `${folder}/second.so`];
    const report = runLoader(program, names);
    const set = loadSet(program);
    const image = new Image(set);
    const before = image.objects.length;
    const results = names.map((name) => set.open(name, 0, 'a test'));
    expect(results.map(({ added }) => added.map(({ path }) => nameOf(path)))).toEqual([
      ['plugin.so', 'libhelper.so'],
      ['second.so'],
    ]);
    expect(image.update().map(({ index }) => index)).toEqual([before, before + 1, before + 2]);
    const opened = (line: string): boolean => line.startsWith(folder) && !line.startsWith(program);
    // The program looks up what it asks dlsym for.
    expect(imageBindings(image, program).filter(opened)).toEqual(
      report.bindings.filter((line) => opened(line) && !line.includes(' run ')),
    );
    expect(set.localScope(before + 1)).toEqual(expect.arrayContaining([before, before + 1]));
    expect(set.objects[before]).toMatchObject({
      isGlobal: false,
      openedWith: before,
      reason: { kind: 'open', text: 'a test' },
    });
    expect(set.open('plugin.so', 0, 'again')).toMatchObject({ object: { index: before }, added: [] });
    expect(set.open('libno.so', null, 'not there')).toEqual({ object: null, added: [] });
    expect(set.missing).toEqual([{ name: 'libno.so', by: null, kind: 'open', problem: 'not found' }]);
    expect(set.open('libnone.so', null, 'not there', true)).toEqual({ object: null, added: [] });
    expect(set.open('./none.so', null, 'where?', true)).toEqual({ object: null, added: [] });
    expect([...set.absent]).toEqual(['libnone.so']);
    expect(set.missing.map(({ name }) => name)).toEqual(['libno.so', './none.so']);
    expect(image.update()).toEqual([]);
  });
});

describe('programs without glibc as a library', () => {
  const MAIN = '#include <stdio.h>\nint main(int argc, char **argv) { return puts(argv[0]) < 0; }';

  it.each([
    { name: 'static', flags: ['-static'], compiler: 'gcc', isFixed: true },
    { name: 'static-pie', flags: ['-static-pie', '-fPIE'], compiler: 'gcc', isFixed: false },
    { name: 'static-musl', flags: ['-static'], compiler: 'musl-gcc', isFixed: true },
  ])('a static program is alone with the vDSO: $name', ({ name, flags, compiler, isFixed }) => {
    const program = build(name, MAIN, flags, compiler);
    const set = loadSet(program);
    expect(set.libc).toBe('static');
    expect(set.objects.map(({ role }) => role)).toEqual(['program', 'vdso']);
    const image = new Image(set);
    const [own] = image.objects;
    expect(own!.base === 0).toBe(isFixed);
    const main = image.addressOf(0, 'main')!;
    expect(image.symbolAt(main + 1)).toMatchObject({ name: 'main', offset: 1, address: main });
    if (compiler !== 'gcc') return;
    // memcpy and its like are chosen at start.
    expect([...own!.relocations.isIfunc].filter((flag) => flag === 1).length).toBeGreaterThan(5);
  });

  it("musl's loader finds libraries by its own rules", () => {
    library('musl/liby.so', 'int y(void) { return 1; }', ['-Wl,-soname,liby.so', '-nostdlib'], 'musl-gcc');
    const inFolder = `-L${workshop.path('musl')}`;
    library(
      'musl/libx.so',
      'int y(void); int x(void) { return y(); }',
      [inFolder, '-ly', '-Wl,-soname,libx.so', '-nostdlib'],
      'musl-gcc',
    );
    for (const kind of ['enable', 'disable']) {
      const program = build(
        `musl/${kind}`,
        'int x(void); int main(void) { return x(); }',
        [inFolder, '-lx', `-Wl,--${kind}-new-dtags,-rpath,$ORIGIN,-rpath-link,${workshop.path('musl')}`],
        'musl-gcc',
      );
      const set = loadSet(program);
      expect(set.libc).toBe('musl');
      expect(set.missing).toEqual([]);
      const listed = [...runTool('/lib/ld-musl-x86_64.so.1', ['--list', program]).matchAll(/=> (\S+)/g)].map(
        ([, path]) => path!,
      );
      const real = (paths: readonly string[]): string[] =>
        [...new Set(paths.map((path) => set.root.realPath(path)!))].sort();
      expect(real(libraryPaths(set))).toEqual(real(listed));
      const image = new Image(set);
      const { relocations } = image.objects[0]!;
      expect([...relocations.definingObject].filter((object) => object > 0).length).toBeGreaterThan(1);
      expect(image.lookup('y')).toHaveLength(1);
    }
    const missing = loadSet(
      build(
        'musl/missing',
        'int x(void); int main(void) { return x(); }',
        [inFolder, '-lx', `-Wl,-rpath-link,${workshop.path('musl')}`],
        'musl-gcc',
      ),
    );
    expect(missing.missing.map(({ name }) => name)).toEqual(['libx.so']);
  });

  it('musl is libc for libraries too where no file has that name', () => {
    const needed = library('musl/libz.so', 'int z(void) { return 1; }', ['-Wl,-soname,libz.so'], 'musl-gcc');
    const program = build('musl/both', 'int z(void); int main(void) { return z(); }', [needed], 'musl-gcc');
    using tree = new Tree({
      '/program': readFileSync(program),
      '/lib/libz.so': readFileSync(needed),
      '/lib/ld-musl-x86_64.so.1': readFileSync('/lib/ld-musl-x86_64.so.1'),
    });
    const { objects, missing } = loadSet('/program', { root: tree.root() });
    expect(objects.slice(0, 2).map(({ dynamic }) => dynamic?.needed.includes('libc.so'))).toEqual([
      true,
      true,
    ]);
    expect(missing).toEqual([]);
    expect(objects[1]!.needed).toEqual([objects.findIndex(({ role }) => role === 'interpreter')]);
  });
});

describe('another root', () => {
  /** A copy of a program and its libraries below a directory that has symbolic links of its own. */
  function copyTo(tree: Tree, program: string): LoadSet {
    const host = loadSet(program);
    for (const { path, role } of host.objects) {
      if (role === 'program') tree.write('/opt/program', readFileSync(path));
      else if (role === 'interpreter') tree.write('/usr/lib/loader.so', readFileSync(path));
      else if (role === 'library') tree.write(`/usr/own/${nameOf(path)}`, readFileSync(path));
    }
    tree.link('/lib64/ld-linux-x86-64.so.2', '/usr/lib/loader.so');
    tree.link('/lib', 'usr/lib');
    return host;
  }

  it('is all that is read, by its own library cache', () => {
    using tree = new Tree();
    const host = copyTo(tree, '/usr/bin/sqlite3');
    const names = libraryPaths(host).map(nameOf);
    const empty = loadSet('/opt/program', { root: tree.root() });
    expect(empty.missing.map(({ name }) => name)).toEqual(host.objects[0]!.dynamic!.needed);
    tree.write('/etc/ld.so.conf', '/usr/own\n');
    runTool('ldconfig', ['-r', tree.folder]);
    const set = loadSet('/opt/program', { root: tree.root() });
    expect(set.missing).toEqual([]);
    expect(libraryPaths(set).map(nameOf)).toEqual(names);
    const real = set.objects.filter(({ role }) => role === 'library').map(({ realPath }) => realPath);
    expect(real.every((path) => path.startsWith('/usr/own/'))).toBe(true);
    expect(set.objects.find(({ role }) => role === 'interpreter')?.realPath).toBe('/usr/lib/loader.so');
    const bindings = (own: LoadSet): string[] =>
      imageBindings(new Image(own), 'program').map((line) => line.replaceAll(/\S*\//g, ''));
    expect(bindings(set).sort()).toEqual(bindings(host).sort());
  });

  it('has its own preloaded libraries', () => {
    using tree = new Tree();
    copyTo(tree, '/usr/bin/ls');
    tree.write('/usr/own/libnew.so', readFileSync(library('libnew.so', 'int unused;')));
    tree.write('/etc/ld.so.preload', '# none of libold.so\n/usr/own/libnew.so:libgone.so\n');
    const set = loadSet('/opt/program', { root: tree.root(), libraryPath: ['/usr/own'] });
    expect(set.objects[1]).toMatchObject({
      path: '/usr/own/libnew.so',
      reason: { text: '/etc/ld.so.preload' },
    });
    expect(set.missing.map(({ name }) => name)).toEqual(['libgone.so']);
  });

  it('may lack the program, its loader, or have a broken cache', () => {
    using tree = new Tree();
    expect(() => loadSet('/opt/program', { root: tree.root() })).toThrow(
      'load set: /opt/program is no file that can be read',
    );
    tree.write('/opt/program', readFileSync('/usr/bin/ls'));
    tree.write('/etc/ld.so.cache', 'broken');
    const set = loadSet('program', { root: tree.root(), workingDirectory: '/opt' });
    expect(set.missing[0]).toEqual({
      name: '/lib64/ld-linux-x86-64.so.2',
      by: 0,
      kind: 'interpreter',
      problem: 'not found',
    });
    expect(set.missing.map(({ name }) => name)).toContain('libc.so.6');
    expect(set.assumptions.join()).toContain('/etc/ld.so.cache is not used');
    tree.write('/opt/text', 'neither');
    expect(() => loadSet('/opt/text', { root: tree.root() })).toThrow(FormatError);
  });
});

describe('scripts', () => {
  it('are what their interpreter runs', () => {
    const inner = workshop.write('inner.sh', '#!/bin/sh -e\nexit 0\n');
    const set = loadSet(workshop.write('outer.sh', `#! ${inner}  an argument \n`));
    expect(set.script).toEqual({
      path: workshop.path('outer.sh'),
      interpreter: inner,
      argument: 'an argument',
    });
    expect(set.objects[0]).toMatchObject({ path: realpathSync('/bin/sh'), role: 'program' });
    expect(set.objects[0]!.reason.text).toContain('outer.sh');
  });

  it('that name each other are refused', () => {
    const path = workshop.path('self.sh');
    workshop.write('self.sh', `#!${path}\n`);
    expect(() => loadSet(path)).toThrow('is a script for a script, more than 5 deep');
    expect(() => loadSet(workshop.write('empty.sh', '#!  \n'))).toThrow('names no interpreter');
  });
});
