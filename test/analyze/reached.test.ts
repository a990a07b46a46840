import { mkdirSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { syscallName } from '../../src/abi/syscalls.ts';
import { type AnalyzeOptions, analyzeProgram, type ProgramAnalysis } from '../../src/analyze/analyze.ts';
import { Workshop } from '../../src/elf/testing/program.ts';
import { temporaryDirectory } from '../support/callgate.ts';
import { straceNames } from '../support/strace.ts';
import { executedInstructions } from './callgrind.ts';

/** Calls that callander (November 2026) allows from main on, on Debian 12; see docs/decisions/static-analysis.md. */
const LIMITS: readonly (readonly [program: string, callander: number])[] = [
  ['/usr/bin/ls', 87],
  ['/usr/bin/sqlite3', 118],
  ['/usr/bin/redis-server', 133],
  ['/usr/sbin/nginx', 126],
  ['/usr/bin/memcached', 122],
  ['/usr/sbin/lighttpd', 108],
];

describe('what real programs may call from main on', () => {
  it('is no more than callander allows, and a tenth less on average', () => {
    const ratios = LIMITS.map(([program, limit]) => {
      const { statistics } = analyzeProgram(program, { scope: 'main', details: false });
      expect(statistics.calls, program).toBeLessThanOrEqual(limit);
      return statistics.calls / limit;
    });
    expect(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length).toBeLessThanOrEqual(0.9);
  }, 120_000);

  it('has a number for every site', () => {
    for (const [program] of LIMITS) {
      const { program: found } = analyzeProgram(program, { scope: 'main', details: false });
      expect(
        found.analysis?.unresolved.filter(({ kind }) => kind === 'number'),
        program,
      ).toEqual([]);
    }
  }, 120_000);
});

describe('the execve of the loader', () => {
  const executes = (path: string): boolean =>
    analyzeProgram(path, { details: false }).program.calls.some(
      ({ arch, nr }) => syscallName(arch, nr) === 'execve',
    );

  it('counts only where the loader is the program', () => {
    expect(executes('/usr/bin/cat')).toBe(false);
    expect(executes('/lib64/ld-linux-x86-64.so.2')).toBe(true);
    expect(executes('/usr/bin/env')).toBe(true);
  }, 60_000);
});

describe('what closes a stream to a process', () => {
  it('is reached in a program that opens one', () => {
    const { graph, closure } = analyzeProgram('/usr/bin/sqlite3', { details: false });
    const [found] = graph.image.lookup('_IO_proc_close');
    expect(closure.reach.how[graph.nodeAt(found?.address ?? 0)]).not.toBe(0);
  }, 60_000);
});

describe('a symbol whose name is not known', () => {
  const workshop = new Workshop();
  afterAll(() => workshop[Symbol.dispose]());

  it('may be any of a library that the program is said to open', () => {
    const program = workshop.compile(
      'opener',
      `#include <dlfcn.h>
      int main(int argc, char **argv) { ((void (*)(void))dlsym(dlopen(argv[1], RTLD_NOW), argv[2]))(); }`,
      ['-O1'],
    );
    const source =
      '#include <unistd.h>\nint act(void) { return swapoff("/nowhere"); } int swapoff(const char *);';
    const library = workshop.compile('plug.so', source, ['-shared', '-fPIC', '-w']);
    const calls = (options: AnalyzeOptions): (string | null)[] =>
      analyzeProgram(program, { details: false, ...options }).program.calls.map(({ name }) => name);
    expect(calls({})).not.toContain('swapoff');
    expect(calls({ libraries: [{ name: library, reason: 'test' }] })).toContain('swapoff');
    const byOther = [{ name: library, reason: 'test', openers: [1] }];
    expect(calls({ libraries: byOther })).not.toContain('swapoff');
  }, 60_000);
});

describe('a library that code opens by its name', () => {
  const workshop = new Workshop();
  afterAll(() => workshop[Symbol.dispose]());
  const opening = (name: string): string =>
    `#include <dlfcn.h>\nint run(void) { return dlopen("${name}", RTLD_NOW) == 0; }\n`;
  const MAIN = 'int run(void); int main(void) { return run(); }';
  const absent = (program: ReturnType<typeof analyzeProgram>['program']): string[] =>
    (program.analysis?.assumptions ?? []).filter((text) => text.includes('absent'));

  it('is taken to stay absent where it is not there, and unresolved where it cannot be mapped', () => {
    const file = workshop.compile('absent', opening('libplug.so') + MAIN);
    const { program } = analyzeProgram(file, { details: false });
    expect(program.analysis?.unresolved).toEqual([]);
    expect(absent(program)).toEqual([expect.stringContaining('libplug.so')]);
    workshop.write('libplug.so', 'INPUT ( none )'.padEnd(100));
    const { program: other } = analyzeProgram(file, { details: false, libraryPath: [workshop.folder] });
    expect(other.analysis?.unresolved.map(({ kind }) => kind)).toEqual(['object']);
    expect(absent(other)).toEqual([]);
  }, 60_000);

  it('is looked for where the object that opens it says', () => {
    mkdirSync(workshop.path('near'));
    workshop.compile(
      'near/libnear.so',
      'int swapoff(const char *); __attribute__((constructor)) static void begin(void) { swapoff("/"); }',
      ['-shared', '-fPIC'],
    );
    const asking = workshop.compile('libasking.so', opening('libnear.so'), [
      '-shared',
      '-fPIC',
      '-Wl,--enable-new-dtags,-rpath,$ORIGIN/near',
    ]);
    const { program } = analyzeProgram(workshop.compile('asks', MAIN, [asking]), { details: false });
    expect(program.calls.map(({ name }) => name)).toContain('swapoff');
    expect(absent(program)).toEqual([]);
  }, 60_000);
});

describe('a provider of OpenSSL that the program names', () => {
  it('is opened, and its entry looked up', () => {
    const { graph, closure } = analyzeProgram('/usr/bin/openssl', { details: false });
    const legacy = graph.objects.find(({ image }) => image.file.path.endsWith('/ossl-modules/legacy.so'));
    expect(legacy).toBeDefined();
    const entries = graph.image.lookup('OSSL_provider_init').filter(({ object }) => object === legacy?.index);
    expect(entries.map(({ address }) => closure.reach.how[graph.nodeAt(address)])).toEqual([
      expect.any(Number),
    ]);
    expect(entries.every(({ address }) => closure.reach.how[graph.nodeAt(address)] !== 0)).toBe(true);
  }, 60_000);
});

describe('numbers that a library looks up', () => {
  const workshop = new Workshop();
  afterAll(() => workshop[Symbol.dispose]());

  it('are that of seccomp in libseccomp', () => {
    const source =
      '#include <seccomp.h>\nint main(void) { return seccomp_load(seccomp_init(SCMP_ACT_ALLOW)); }';
    const { program } = analyzeProgram(workshop.compile('filtered', source, ['-lseccomp']), {
      details: false,
    });
    expect(program.analysis?.unresolved.filter(({ kind }) => kind === 'number')).toEqual([]);
    expect(program.analysis?.assumptions).toContainEqual(expect.stringContaining('libseccomp'));
    expect(program.calls.map(({ name }) => name)).toContain('seccomp');
  }, 60_000);
});

interface Run {
  readonly name: string;
  readonly command: readonly string[];
  readonly input?: string;
}

const SQL = `
create table a(x, y); insert into a values (1, 'q'), (2, 'w'); create index i on a(x);
select *, abs(x), datetime('now'), printf('%5.2f', x) from a order by y desc;
.mode column
.dump
.backup copy.db
.import /etc/passwd p
.read /nonexistent
`;

const RUNS: readonly Run[] = [
  { name: 'ls of a tree', command: ['ls', '-laR', '--color=always', '/etc'] },
  { name: 'ls with contexts and errors', command: ['ls', '-lZ', '--time-style=+%s', '/nonexistent', '/'] },
  { name: 'sqlite3 with a script', command: ['sqlite3', 'test.db'], input: SQL },
];

describe.each(RUNS)('$name', ({ command, input = '' }) => {
  it('executes only instructions that were held for reachable', () => {
    const analysis = analyzeProgram(`/usr/bin/${command[0] ?? ''}`, { details: false });
    const executed = executedInstructions(command, { input });
    const { missed, seen } = compare(analysis, executed);
    expect(missed).toEqual([]);
    expect(seen).toBeGreaterThan(20_000);
  }, 180_000);

  it('makes only calls that were found', () => {
    const { program } = analyzeProgram(`/usr/bin/${command[0] ?? ''}`, { details: false });
    const possible = new Set(program.calls.map(({ arch, nr }) => `${arch}:${syscallName(arch, nr) ?? nr}`));
    using directory = temporaryDirectory();
    const made = straceNames(command, { input, cwd: directory.path });
    // strace starts the program.
    made.delete('x86_64:execve');
    expect([...made].filter((call) => !possible.has(call))).toEqual([]);
  }, 180_000);
});

/** Executed instructions of analysed objects, and those that the analysis does not hold for reachable. */
function compare(
  { graph, closure }: ProgramAnalysis,
  executed: ReadonlyMap<string, ReadonlySet<number>>,
): { missed: string[]; seen: number } {
  const missed: string[] = [];
  let seen = 0;
  for (const object of graph.objects) {
    const { realPath } = object.image.file;
    for (const vaddr of executed.get(realPath) ?? []) {
      seen++;
      const node = graph.nodeAt(object.base + vaddr);
      if (node < 0 || closure.reach.how[node] === 0) missed.push(`${realPath} 0x${vaddr.toString(16)}`);
    }
  }
  return { missed, seen };
}
