import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { syscalls } from '../../src/abi/syscalls.ts';
import { observed, possible, serverProfile } from '../../src/compare/testing/inputs.ts';
import type { ComparisonInput } from '../../src/compare/source.ts';
import { samplePolicy } from '../../src/export/testing/sample-policy.ts';
import { formatPolicyJson, formatPolicyYaml } from '../../src/policy/save.ts';
import { mergeProfiles } from '../../src/profile/merge.ts';
import type { Profile } from '../../src/profile/model.ts';
import { formatProfile } from '../../src/profile/save.ts';
import { sampleProfile } from '../../src/profile/testing/sample-profile.ts';
import type { ComparisonDocument } from '../../src/report/compare-json.ts';
import { hostileProfile } from '../../src/report/testing/server-profile.ts';
import { CALLGATE, callgate, run, temporaryDirectory, type Finished } from '../support/callgate.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let options: { readonly cwd: string };

const profileOf = ({ document }: ComparisonInput): Profile => {
  if (document.kind !== 'profile') throw new TypeError('not a profile');
  return document.profile;
};

/** One file of each format, all of them with read and write, most with more. */
const FILES: Readonly<Record<string, string | Uint8Array>> = {
  'trace.json': formatProfile(profileOf(observed('', ['read', 'write'], 2))),
  'code.json': formatProfile(profileOf(possible('', ['read', 'openat', 'ptrace'], 0.5))),
  'suite.json': formatProfile(profileOf(observed('', ['read', 'write', 'openat'], 20))),
  'server.json': formatProfile(serverProfile()),
  'empty.json': formatProfile(sampleProfile([])),
  'hostile.json': formatProfile(hostileProfile()),
  'policy.yaml': formatPolicyYaml(
    samplePolicy({ phases: { setup: ['read', 'write', 'bind'], main: ['read'] } }),
  ),
  'policy.json': formatPolicyJson(samplePolicy({ phases: { setup: ['read', 'write'] } })),
  'one-line.json': JSON.stringify(
    JSON.parse(formatPolicyJson(samplePolicy({ phases: { setup: ['read'] } }))),
  ),
  'docker.json': JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [{ names: ['read', 'write', 'no_such_call'], action: 'SCMP_ACT_ALLOW' }],
  }),
  'sysfilter.json': JSON.stringify({ analysis_modes: ['vacuum'], analysis_scope: {}, syscalls: [0, 1] }),
  'flat.txt': '0 1 3 \n',
  'chestnut.json': '[0, 1, 257]',
  'confine.csv': "1;nginx;2;3;4;0;300;{'ptrace', 'bpf'}\n",
  'temporal.txt': '------- main -------\nread\nwrite\n------- child -------\nread\n',
  'callander.txt':
    'callander: permitted syscalls: read(any u32, any, any) @ libc.so.6+0x10dfd0(read+16)\nwrite(any) @ a+0x1(b)\n',
  'a.strace': '7 1.000001 execve("./a", ["./a"], 0x7 /* 1 var */) = 0\n7 1.000002 read(0, "", 1) = 0\n',
  'names.txt': 'read\nwrite\n',
  'latin.txt': Uint8Array.from([...Buffer.from('read\nwrite\n# '), 0xe9, 0xff, 0x0a]),
};

beforeAll(() => {
  directory = temporaryDirectory();
  options = { cwd: directory.path };
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(directory.path, name), content);
});

afterAll(() => directory[Symbol.dispose]());

const compare = (...args: readonly string[]): Finished => callgate(['compare', ...args], options);

const document = (...args: readonly string[]): ComparisonDocument =>
  JSON.parse(compare(...args, '-f', 'json').stdout) as ComparisonDocument;

describe('callgate compare', () => {
  it('prints sets, accuracy and the matrix, and nothing else', () => {
    expect(compare('trace.json', 'static=code.json', 'policy.yaml', '--reference', 'suite.json')).toEqual({
      status: 0,
      signal: null,
      stderr: '',
      stdout: `#  SOURCE  KNOWN AS  PHASE  CALLS     BLOCKED   SHARE  ONLY
1  trace   observed  all        2  375 of 377  99.5 %     0
2  static  possible  all        3  374 of 377  99.2 %     2
3  policy  policy    all        3  353 of 356  99.2 %     1
4                    setup      3  353 of 356  99.2 %     1
5                    main       1  355 of 356  99.7 %     0

against suite, 3 calls:
#  SOURCE         PRECISION  RECALL     F1  MISSED  EXTRA  RUNS    TIME
1  trace              1.000   0.667  0.800       1      0     1     2 s
2  static             0.667   0.667  0.667       1      1     1  500 ms
3  policy             0.667   0.667  0.667       1      1     -       -
4  policy: setup      0.667   0.667  0.667       1      1     -       -
5  policy: main       1.000   0.333  0.500       2      0     -       -
1 misses openat
2 misses write
3 misses openat
4 misses openat
5 misses openat write

x in, * only in this source, . not in, ! not in, but in the reference (R)
CALL    R  1  2  3  4  5
bind    .  .  .  *  *  .
openat  x  !  *  !  !  !
ptrace  .  .  *  .  .  .
read    x  x  x  x  x  x
write   x  x  !  x  x  !

5 calls in 3 sources and 5 sets
`,
    });
  });

  it.each([
    ['trace.json', 'callgate'],
    ['policy.yaml', 'callgate'],
    ['policy.json', 'callgate'],
    ['one-line.json', 'callgate'],
    ['docker.json', 'oci'],
    ['sysfilter.json', 'sysfilter'],
    ['flat.txt', 'number-lines'],
    ['chestnut.json', 'numbers'],
    ['confine.csv', 'confine'],
    ['temporal.txt', 'temporal'],
    ['callander.txt', 'callander'],
    ['a.strace', 'strace'],
    ['names.txt', 'names'],
    ['latin.txt', 'names'],
  ])('recognises %s as %s', (file, format) => {
    const { sources, calls } = document(file);
    expect(sources.map((source) => source.format)).toEqual([format]);
    expect(calls.find(({ name }) => name === 'read')?.cells[0]).toBe('in');
  });

  it('says on stderr what could not be carried over, and of which file', () => {
    expect(compare('mine=docker.json', 'trace.json').stderr).toBe(
      'callgate: warning: mine: names that callgate does not know are left out: "no_such_call"\n',
    );
  });

  it('reads files in the format that is given, all or one', () => {
    const { sources, calls } = document(
      'flat.txt',
      'n=names.txt',
      '--as',
      'names',
      '--as',
      'flat=number-lines',
    );
    expect(sources.map(({ label, format }) => [label, format])).toEqual([
      ['flat', 'number-lines'],
      ['n', 'names'],
    ]);
    expect(calls.map(({ name }) => name)).toEqual(['close', 'read', 'write']);
  });

  it('labels files by their names, by their paths where two are alike, and numbers them', () => {
    writeFileSync(join(directory.path, 'a=b.json'), FILES['trace.json']!);
    const { sources } = document('trace.json', './trace.json', './trace.json', 'a=b.json', 'x=trace.json');
    expect(sources.map(({ label }) => label)).toEqual([
      'trace.json',
      './trace.json',
      './trace.json #2',
      'a=b',
      'x',
    ]);
  });

  it('reads stdin once, also as the reference', () => {
    const input = FILES['suite.json'] as string;
    const finished = callgate(['compare', 'trace.json', '-r', '-'], { ...options, input });
    expect(finished.stdout).toContain('against stdin, 3 calls:\n');
    expect(callgate(['compare', '-', '-r', '-'], { ...options, input })).toMatchObject({
      status: 2,
      stdout: '',
      stderr: 'callgate: compare: stdin (-) can be read only once\n',
    });
  });

  it('takes several references together', () => {
    const { reference } = document('code.json', '-r', 'trace.json', '-r', 'suite=code.json');
    expect(reference).toEqual({ labels: ['trace', 'suite'], size: 4 });
  });

  it('selects phase and program, leaves out what all have, and sorts', () => {
    expect(document('server.json', 'trace.json', '--phase', 'main').sets.map(({ label }) => label)).toEqual([
      'server: main',
      'trace',
    ]);
    expect(document('server.json', '--program', 'dash').calls.map(({ name }) => name)).toEqual([
      'brk',
      'execve',
      'exit',
    ]);
    const { calls } = document('trace.json', 'suite.json', '--only-differences');
    expect(calls.map(({ name }) => name)).toEqual(['openat']);
    const sorted = document('trace.json', 'code.json', '--sort', 'count').calls.map(({ name }) => name);
    expect(sorted).toEqual(['read', 'openat', 'ptrace', 'write']);
  });

  it.each([
    ['csv', /^call,arch,nr,sources,trace,code\nopenat,/],
    ['csv-summary', /^source,phase,known_as,/],
    ['markdown', /^\| Source \| Known as \|/],
    ['html', /^<!doctype html>\n/],
  ])('writes %s, to a file as well', (format, want) => {
    const { stdout, status } = compare('trace.json', 'code.json', '-f', format);
    expect(status).toBe(0);
    expect(stdout).toMatch(want);
    const file = join(directory.path, `out.${format}`);
    expect(compare('trace.json', 'code.json', '-f', format, '-o', file)).toMatchObject({
      status: 0,
      stdout: '',
    });
    expect(readFileSync(file, 'utf8')).toBe(stdout);
  });

  it.each(['text', 'csv', 'csv-summary', 'markdown', 'html', 'json'])(
    'takes an empty profile, one without phases and hostile ones, ten at once, as %s',
    (format) => {
      const files = [
        'empty.json',
        'trace.json',
        'hostile.json',
        'server.json',
        'latin.txt',
        'docker.json',
        '\u001b[31m<script>=hostile.json',
        '=1+1.json',
        'policy.yaml',
        'code.json',
      ];
      writeFileSync(join(directory.path, '=1+1.json'), FILES['trace.json']!);
      const { status, stdout } = compare(...files, '-f', format, '-r', 'suite.json');
      expect(status).toBe(0);
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      if (format === 'html' || format === 'markdown') expect(stdout).not.toContain('<script');
      if (format.startsWith('csv')) expect(stdout).toMatch(/'=1\+1/);
    },
  );

  it.each([
    ['', true],
    ['NO_COLOR=1 ', false],
    ['TERM=dumb ', false],
  ])('colours cells on a terminal with %j: %j', (environment, isColoured) => {
    const command = `${environment}'${CALLGATE}' compare trace.json code.json`;
    const { stdout } = run('script', ['-qec', command, '/dev/null'], {
      ...options,
      env: { PATH: process.env['PATH'], TERM: 'xterm' },
    });
    expect(stdout).toContain('CALL ');
    expect(stdout.includes('\u001b[1;33m*\u001b[0m')).toBe(isColoured);
  });

  it.each([
    [['none.json'], 'callgate: none.json: cannot be read, no such file\n'],
    [['trace.json', '--as', 'x=names'], 'callgate: as: no file has the label "x" (trace)\n'],
    [['trace.json', '--as', 'docker'], 'callgate: format: no such format, "docker" (cbpf, oci, '],
    [['server.json', '--phase', 'maim'], 'callgate: server: no such phase, "maim" (it has setup, main)\n'],
    [['server.json', '--program', 'x'], 'callgate: server: program: no such program, "x" (the profile has '],
    [['x=trace.json', 'x=code.json'], 'callgate: compare: two files have the label "x"\n'],
    [[], "callgate: missing required argument 'file'\n"],
  ])('refuses %j', (args, message) => {
    const finished = compare(...args);
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toContain(message);
  });

  it('says so of a file that nothing recognises', () => {
    writeFileSync(join(directory.path, 'hello.txt'), 'hello\n');
    expect(compare('hello.txt').stderr).toContain('callgate: hello.txt: format not recognised (cbpf, oci, ');
    expect(existsSync(join(directory.path, 'hello.txt'))).toBe(true);
  });
});

test('ten profiles of all calls are compared in well under a second', () => {
  const all = syscalls('x86_64').map(({ name }) => name);
  const names = Array.from({ length: 10 }, (_, index) => {
    const profile = profileOf(
      observed(
        '',
        all.filter((_name, at) => at % (index + 2) !== 0),
      ),
    );
    writeFileSync(join(directory.path, `big${index}.json`), formatProfile(mergeProfiles([profile, profile])));
    return `big${index}.json`;
  });
  const start = performance.now();
  expect(compare(...names, '-r', 'big0.json')).toMatchObject({ status: 0 });
  // 0.4 s with the start of Node on an idle machine.
  expect(performance.now() - start).toBeLessThan(5000);
});
