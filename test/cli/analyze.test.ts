import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseProfile } from '../../src/profile/load.ts';
import { callgate, temporaryDirectory } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

/** No libc: what it may call is known to the last call. */
const BARE = `
static long call(long nr, long a) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a) : "rcx", "r11", "memory");
  return result;
}
__attribute__((noinline)) static void leave(void) { call(60, 3); }
void _start(void) { call(39, 0); leave(); }
`;
const BARE_FLAGS = ['-static', '-nostdlib', '-fno-stack-protector', '-fcf-protection=none', '-fno-inline'];
const UNKNOWN = BARE.replace('call(39, 0)', 'call(*(volatile long *)__builtin_frame_address(0), 0)');

let bare: string;
let unknown: string;
beforeAll(() => {
  bare = compile(BARE, BARE_FLAGS);
  unknown = compile(UNKNOWN, BARE_FLAGS);
});

/** Runs analyze with a cache of its own. */
function analyze(directory: string, args: readonly string[]): ReturnType<typeof callgate> {
  return callgate(['analyze', ...args], {
    cwd: directory,
    env: { ...process.env, XDG_CACHE_HOME: join(directory, 'cache') },
  });
}

/** A function in C that makes a system call by its number. */
const CALL = `static long call(long nr) { long r; __asm__ volatile("syscall" : "=a"(r) : "a"(nr) : "rcx", "r11", "memory"); return r; }`;

describe('callgate analyze', () => {
  it('writes the possible calls of a program as a profile and says so in two lines', () => {
    using directory = temporaryDirectory();
    const { status, stdout, stderr } = analyze(directory.path, [bare]);
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^callgate: program: 4 system calls possible, 3\d\d of 3\d\d blocked; no unresolved sites; [0-9.]+ m?s$/,
      ),
      'callgate: profile: program.static.json',
      '',
    ]);
    expect([status, stdout]).toEqual([0, '']);
    const profile = parseProfile(readFileSync(join(directory.path, 'program.static.json'), 'utf8'));
    expect(profile.runs[0]).toMatchObject({ method: 'analyze', command: [bare], complete: true });
    expect(profile.programs[0]?.calls.map(({ name, origin }) => [name, origin])).toEqual([
      ['rt_sigreturn', 'possible'],
      ['getpid', 'possible'],
      ['exit', 'possible'],
      ['restart_syscall', 'possible'],
    ]);
  }, 60_000);

  it('prints of a program that failed the error as JSON, among several in their order', () => {
    using directory = temporaryDirectory();
    const broken = join(directory.path, 'broken');
    writeFileSync(broken, readFileSync(bare).subarray(0, 80));
    const json = (...files: readonly string[]): unknown => {
      const { status, stdout } = analyze(directory.path, ['-q', '--json', ...files]);
      expect(status).toBe(2);
      return JSON.parse(stdout);
    };
    const missing = { program: '/nosuch', error: 'analyze: cannot read /nosuch, no such file' };
    const malformed = { program: broken, error: expect.stringMatching(/elf: /) as string };
    expect(json('/nosuch')).toEqual(missing);
    expect(json(broken)).toEqual(malformed);
    expect(json('/nosuch', bare, broken)).toEqual([
      missing,
      expect.objectContaining({ command: bare, possible: 4 }),
      malformed,
    ]);
  });

  it.each(['/', 'another root'])(
    'writes the path without links, and says what was given: below %s',
    (where) => {
      using directory = temporaryDirectory();
      const root = where === '/' ? '/' : directory.path;
      const folder = join(directory.path, 'usr/bin');
      mkdirSync(folder, { recursive: true });
      copyFileSync(bare, join(folder, 'real'));
      // Below another root an absolute link begins there.
      symlinkSync(root === '/' ? folder : '/usr/bin', join(directory.path, 'bin'));
      symlinkSync('real', join(folder, 'link'));
      const below = (path: string): string => (root === '/' ? join(directory.path, path) : path);
      const { stdout, stderr } = analyze(directory.path, ['--root', root, '-o', '-', below('/bin/link')]);
      expect(stderr).toMatch(/^callgate: link \(real\): 4 system calls possible/);
      const { runs, programs } = parseProfile(stdout);
      expect(runs[0]?.command).toEqual([below('/bin/link')]);
      expect(programs[0]?.path).toBe(below('/usr/bin/real'));
      expect(programs[0]?.analysis?.objects[0]?.path).toBe(below('/usr/bin/real'));
      const chain = programs[0]?.calls.find(({ name }) => name === 'exit')?.chains?.[0];
      expect(new Set(chain?.steps.map(({ object }) => object))).toEqual(new Set([below('/usr/bin/real')]));
    },
    60_000,
  );

  it('gives the same profile from a warm cache, with --no-cache and from a thread of its own', () => {
    using directory = temporaryDirectory();
    const programs = [[], [], ['--no-cache'], ['--timeout', '1m']].map((options) => {
      const { status, stdout } = analyze(directory.path, ['-q', '-o', '-', ...options, '/usr/bin/true']);
      expect(status).toBe(0);
      return parseProfile(stdout).programs;
    });
    for (const each of programs.slice(1)) expect(each).toEqual(programs[0]);
    expect(programs[0]?.[0]?.calls.length).toBeGreaterThan(20);
  }, 120_000);

  it('notices that a program has changed although its path has not', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'p');
    const names = [bare, unknown].map((source) => {
      writeFileSync(path, readFileSync(source), { mode: 0o755 });
      const { stdout } = analyze(directory.path, ['-q', '-o', '-', path]);
      return parseProfile(stdout).programs[0]?.calls.map(({ name }) => name);
    });
    expect(names[0]).toContain('getpid');
    expect(names[1]).not.toContain('getpid');
  }, 60_000);

  it('exits with 1 for an unresolved site only if asked to', () => {
    using directory = temporaryDirectory();
    const plain = analyze(directory.path, [unknown]);
    expect(plain.stderr).toMatch(/; 1 unresolved site \(1 number\); /);
    expect(plain.status).toBe(0);
    expect(analyze(directory.path, ['-q', '--fail-on-unresolved', unknown])).toMatchObject({
      status: 1,
      stderr: '',
    });
    expect(analyze(directory.path, ['-q', '--fail-on-unresolved', bare])).toMatchObject({
      status: 0,
      stderr: '',
    });
  }, 60_000);

  it('analyses several programs into a directory, and one that fails does not stop the others', () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'out'));
    const { status, stderr } = analyze(directory.path, ['-o', 'out', bare, '/nonexistent', '/usr/bin/true']);
    expect(stderr).toContain('callgate: analyze: cannot read /nonexistent, no such file\n');
    expect(status).toBe(2);
    for (const name of ['program', 'true']) {
      expect(
        parseProfile(readFileSync(join(directory.path, 'out', `${name}.static.json`), 'utf8')).programs,
      ).toHaveLength(1);
    }
  }, 60_000);

  it('stands a script for its interpreter and says so', () => {
    using directory = temporaryDirectory();
    const script = join(directory.path, 'script');
    writeFileSync(script, `#!${bare}\n`, { mode: 0o755 });
    const { status, stderr } = analyze(directory.path, [script]);
    expect(stderr).toContain(
      `callgate: ${script} is a script: this is its interpreter ${bare}, whatever the script does\n`,
    );
    expect(status).toBe(0);
  }, 60_000);

  it('follows env to what it executes, and says what it does not find', () => {
    using directory = temporaryDirectory();
    const script = (name: string, line: string): string => {
      writeFileSync(join(directory.path, name), `#!${line}\n`, { mode: 0o755 });
      return name;
    };
    copyFileSync(bare, join(directory.path, 'bare'));
    const found = callgate(['analyze', '--no-cache', '-o', '-', script('found', '/usr/bin/env bare')], {
      cwd: directory.path,
      env: { ...process.env, PATH: `/nonexistent:${directory.path}:${process.env['PATH']}` },
    });
    expect(parseProfile(found.stdout).programs[0]).toMatchObject({
      path: join(directory.path, 'bare'),
      analysis: { unresolved: [] },
    });
    const relative = analyze(directory.path, ['-o', '-', script('relative', 'bare')]);
    expect(parseProfile(relative.stdout).programs[0]?.path).toBe(join(directory.path, 'bare'));
    const absent = analyze(directory.path, [
      '-o',
      '-',
      script('absent', '/usr/bin/env nothing-of-that-name'),
    ]);
    expect(parseProfile(absent.stdout).programs[0]?.analysis?.unresolved).toMatchObject([
      { kind: 'object', reason: 'nothing-of-that-name: env executes it, and it was not found' },
    ]);
  }, 60_000);

  it('refuses object files and core dumps, and takes what a library exports for its entries', () => {
    using directory = temporaryDirectory();
    const source = join(directory.path, 'library.c');
    writeFileSync(
      source,
      `${CALL}
      static void hidden(void) { call(100); } void shown(void) { call(111); } void (*table[])(void) = { hidden };
      static __attribute__((used)) void unused(void) { call(121); }`,
    );
    const build = (flags: readonly string[], name: string): string => {
      const path = join(directory.path, name);
      execFileSync('gcc', ['-O1', '-fPIC', '-nostdlib', ...flags, '-o', path, source]);
      return path;
    };
    const object = build(['-c'], 'library.o');
    expect(analyze(directory.path, [object])).toMatchObject({
      status: 2,
      stderr: `callgate: load set: ${object} is an object file that was not linked (programs and shared libraries only)\n`,
    });
    const core = join(directory.path, 'core');
    writeFileSync(core, readFileSync(bare).fill(4, 16, 17));
    expect(analyze(directory.path, [core]).stderr).toContain(`${core} is a core dump`);
    const library = analyze(directory.path, ['-o', '-', build(['-shared'], 'library.so')]);
    const [program] = parseProfile(library.stdout).programs;
    expect(program?.calls.map(({ name }) => name)).toEqual([
      'rt_sigreturn',
      'times',
      'getpgrp',
      'restart_syscall',
    ]);
    expect(program?.analysis?.assumptions.join()).toContain('it is a shared library');
  }, 60_000);

  it('tells libraries that can be started from programs, and takes their entry and all that they export', () => {
    using directory = temporaryDirectory();
    const source = join(directory.path, 'started.c');
    writeFileSync(
      source,
      `${CALL}
      const char interpreter[] __attribute__((section(".interp"))) = "/lib64/ld-linux-x86-64.so.2";
      void shown(void) { call(111); } void begin(void) { call(110); for (;;) call(60); }`,
    );
    const build = (flags: readonly string[]): string => {
      const path = join(directory.path, 'started');
      execFileSync('gcc', ['-O1', '-fPIC', '-nostdlib', '-Wl,-e,begin', ...flags, '-o', path, source]);
      return path;
    };
    const found = (path: string): unknown => {
      const [program] = parseProfile(analyze(directory.path, ['-o', '-', path]).stdout).programs;
      const names = new Set(program?.calls.map(({ name }) => name));
      const isLibrary = program?.analysis?.assumptions.some((each) => each.includes('is a shared library'));
      return { entry: names.has('getppid'), exported: names.has('getpgrp'), isLibrary };
    };
    const library = { entry: true, exported: true, isLibrary: true };
    const program = { entry: true, exported: false, isLibrary: false };
    expect(found(build(['-shared']))).toEqual(library);
    expect(found(build(['-shared', '-Wl,-soname,libstarted.so.1']))).toEqual(library);
    const path = build(['-pie', '-rdynamic']);
    expect(found(path)).toEqual(program);
    // As linkers wrote it before they marked programs: DT_FLAGS_1 without DF_1_PIE.
    const bytes = readFileSync(path);
    const flags = bytes.indexOf(Buffer.from('fbffff6f00000000', 'hex')) + 8;
    expect(bytes.readUInt32LE(flags)).toBe(0x0800_0000);
    bytes.writeUInt32LE(0, flags);
    writeFileSync(path, bytes);
    expect(found(path)).toEqual(program);
  }, 60_000);

  it('goes on without section headers that are malformed', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'packed');
    const bytes = readFileSync(bare);
    bytes.writeBigUInt64LE(0x7fff_ffff_0000n, 40);
    writeFileSync(path, bytes);
    const { status, stdout } = analyze(directory.path, ['-o', '-', path]);
    expect(status).toBe(0);
    expect(parseProfile(stdout).programs[0]?.calls.map(({ name }) => name)).toContain('getpid');
  }, 60_000);

  it('reads the deleted executable of a process', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'sleeper');
    copyFileSync('/usr/bin/sleep', path);
    const child = spawn(path, ['60']);
    await once(child, 'spawn');
    try {
      rmSync(path);
      const { status, stdout } = analyze(directory.path, ['-o', '-', `/proc/${child.pid}/exe`]);
      expect(status).toBe(0);
      expect(parseProfile(stdout).programs[0]?.calls.map(({ name }) => name)).toContain('clock_nanosleep');
    } finally {
      child.kill();
    }
  }, 60_000);

  it('says that the working directory was removed', () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'gone'));
    const command = 'cd "$1" && rmdir "$1" && exec "$2" analyze --no-cache program';
    const callgatePath = join(process.cwd(), 'bin/callgate');
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', command, 'sh', join(directory.path, 'gone'), callgatePath],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toContain('callgate: analyze: cannot read program, the working directory was removed\n');
    expect(status).toBe(2);
  }, 60_000);

  it.each([
    [
      ['--phases', 'none', '--main-function', 'main'],
      '--phases none and --main-function contradict each other',
    ],
    [
      ['--phases', 'main', '--main-function', 'main'],
      '--phases main and --main-function contradict each other',
    ],
    [['--from-main', '--phases', 'main'], '--from-main has one phase, --phases main asks for two'],
    [['--from-main', '--main-function', 'main'], '--from-main has one phase, --main-function asks for two'],
  ])('refuses %j', (options, message) => {
    using directory = temporaryDirectory();
    expect(analyze(directory.path, [...options, bare])).toMatchObject({
      status: 2,
      stderr: `callgate: analyze: ${message}\n`,
    });
  });

  it('marks a profile incomplete if time ran out and --partial was given, and fails without', () => {
    using directory = temporaryDirectory();
    const limited = ['--timeout', '1ms', '--no-cache', '-o', '-', '/usr/bin/bash'];
    const failed = analyze(directory.path, limited);
    expect(failed).toMatchObject({ status: 2, stdout: '' });
    expect(failed.stderr).toBe('callgate: analyze: /usr/bin/bash: the time limit has passed (--timeout)\n');
    const partial = analyze(directory.path, ['--partial', ...limited]);
    expect(partial.status).toBe(0);
    const [run] = parseProfile(partial.stdout).runs;
    expect(run?.complete).toBe(false);
    expect(run?.incomplete[0]).toContain('the time was used up before it was read');
  }, 60_000);

  it('writes the call graph with objects as clusters and the calls at their functions', () => {
    using directory = temporaryDirectory();
    expect(analyze(directory.path, ['-q', '--graph', 'g.dot', bare]).status).toBe(0);
    expect(analyze(directory.path, ['-q', '--graph', 'g.json', bare]).status).toBe(0);
    const dot = readFileSync(join(directory.path, 'g.dot'), 'utf8');
    expect(dot).toContain(`subgraph cluster_0 {\n    label="${bare}";`);
    expect(dot).toMatch(/label="leave\b/);
    const { functions, edges } = JSON.parse(readFileSync(join(directory.path, 'g.json'), 'utf8')) as {
      functions: { name: string }[];
      edges: { from: number; to: number; how: string }[];
    };
    const names = functions.map(({ name }) => name);
    const [from, to] = [names.indexOf('_start'), names.indexOf('leave')];
    expect(edges).toContainEqual({ from, to, how: 'call' });
  }, 60_000);

  it.each([
    { name: 'a directory', file: '/etc', want: 'analyze: /etc is a directory (give a program)' },
    {
      name: 'a text file',
      file: '/etc/passwd',
      want: 'analyze: /etc/passwd is neither an ELF file nor a script',
    },
    { name: 'no file', file: '/no/such', want: 'analyze: cannot read /no/such, no such file' },
    { name: 'a device', file: '/dev/null', want: 'analyze: /dev/null is no regular file (give a program)' },
  ])('refuses $name', ({ file, want }) => {
    using directory = temporaryDirectory();
    expect(analyze(directory.path, [file])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: `callgate: ${want}\n`,
    });
  });

  it('refuses below a root what it refuses on the machine, and says that paths are those below it', () => {
    using directory = temporaryDirectory();
    const root = join(directory.path, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    writeFileSync(join(root, 'text'), 'neither one nor the other');
    writeFileSync(join(root, 'short'), '\u007fELF');
    const narrow = readFileSync(bare);
    narrow[4] = 1;
    narrow.writeUInt16LE(3, 18);
    writeFileSync(join(root, 'i386'), narrow);
    writeFileSync(join(root, 'bin/true'), readFileSync('/usr/bin/true'));
    execFileSync('mkfifo', [join(root, 'fifo')]);
    for (const [file, want] of [
      ['/text', '/text is neither an ELF file nor a script'],
      ['/short', '/short is neither an ELF file nor a script'],
      ['/i386', '/i386 is for machine 3, 32 bits (x86-64 only)'],
      ['/bin', '/bin is a directory (give a program)'],
      ['/fifo', '/fifo is no regular file (give a program)'],
      ['/none', `cannot read /none, no such file in the root ${root} (paths are those below it)`],
      [
        'root/bin/true',
        `cannot read root/bin/true, no such file in the root ${root} (paths are those below it: /bin/true)`,
      ],
    ]) {
      const { status, stderr } = analyze(directory.path, ['--root', root, file as string]);
      expect([status, stderr]).toEqual([2, `callgate: analyze: ${want}\n`]);
    }
    const { status, stderr } = analyze(directory.path, ['--root', root, '/bin/true']);
    expect([status, stderr]).toEqual([
      2,
      `callgate: analyze: /bin/true: its loader /lib64/ld-linux-x86-64.so.2 is not in the root ${root}\n`,
    ]);
  }, 60_000);

  it('opens with --dlopen a path as it stands, a name that is searched, and all that is in a directory', () => {
    using directory = temporaryDirectory();
    const folder = join(directory.path, 'plug-ins');
    mkdirSync(join(folder, 'more'), { recursive: true });
    const source = (name: string): string =>
      `int ${name}(const char *); __attribute__((constructor)) static void begin(void) { ${name}("/"); }`;
    const plug = join(folder, 'plug.so');
    copyFileSync(compile(source('swapoff'), ['-shared', '-fPIC']), plug);
    copyFileSync(compile(source('acct'), ['-shared', '-fPIC']), join(folder, 'more/other.so'));
    mkdirSync(join(directory.path, 'bare'));
    writeFileSync(join(folder, 'notes.txt'), 'no library');
    mkdirSync(join(directory.path, 'round'));
    symlinkSync('circle', join(directory.path, 'round/circle'));
    const calls = (...options: string[]): (string | null)[] | undefined => {
      const { status, stdout, stderr } = analyze(folder, ['-q', '-o', '-', ...options, '/usr/bin/true']);
      expect([status, stderr]).toEqual([0, '']);
      const names = parseProfile(stdout).programs[0]?.calls.map(({ name }) => name);
      return names?.filter((name) => name === 'swapoff' || name === 'acct');
    };
    expect(calls('--dlopen', './plug.so')).toEqual(['swapoff']);
    expect(calls('--dlopen', plug)).toEqual(['swapoff']);
    expect(calls('--dlopen', `${folder}/`)).toEqual(['acct', 'swapoff']);
    expect(calls('--dlopen', 'libm.so.6')).toEqual([]);
    for (const [name, want] of [
      ['./none.so', './none.so: no such file'],
      [join(folder, 'notes.txt'), `${folder}/notes.txt: ${folder}/notes.txt cannot be mapped: elf: `],
      ['libnone.so', 'libnone.so: not found'],
      ['../bare/', '../bare/: no shared object for x86-64 in it'],
      ['../round/circle', '../round/circle: cannot be looked at, ELOOP'],
      ['../round', `../round: what is in ${directory.path}/round cannot be looked at, ELOOP`],
    ]) {
      const { status, stderr } = analyze(folder, ['--dlopen', name as string, '/usr/bin/true']);
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining(`callgate: analyze: --dlopen ${want as string}`),
      ]);
    }
  }, 120_000);

  it('counts as unresolved what plug-ins are configured and not found, or in a directory that cannot be gone through', () => {
    using directory = temporaryDirectory();
    const root = join(directory.path, 'root');
    for (const folder of ['usr/sbin', 'etc/ldap/slapd.d']) mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(bare, join(root, 'usr/sbin/slapd'));
    writeFileSync(join(root, 'etc/ldap/slapd.d/module.ldif'), 'olcModuleLoad: {0}back_none\n');
    symlinkSync('circle', join(root, 'etc/ldap/slapd.d/circle'));
    const reasons = (...options: string[]): string[] | undefined => {
      const { status, stdout } = analyze(
        directory.path,
        ['-q', '-o', '-', '--fail-on-unresolved', '--root', root].concat(options, '/usr/sbin/slapd'),
      );
      const unresolved = parseProfile(stdout).programs[0]?.analysis?.unresolved;
      expect(status).toBe(unresolved?.length === 0 ? 0 : 1);
      return unresolved?.map(({ kind, reason }) => `${kind} ${reason}`);
    };
    expect(reasons()).toEqual([
      'object /usr/lib/ldap/back_none.so: not found',
      'object plug-ins may be missing: what is in /etc/ldap/slapd.d cannot be looked at, ELOOP',
    ]);
    expect(reasons('--no-plugins')).toEqual([]);
  }, 60_000);

  it('refuses a program for another machine', () => {
    using directory = temporaryDirectory();
    const bytes = readFileSync(bare);
    bytes.writeUInt16LE(183, 18);
    const path = join(directory.path, 'arm');
    writeFileSync(path, bytes);
    const { status, stderr } = analyze(directory.path, [path]);
    expect([status, stderr]).toEqual([
      2,
      `callgate: analyze: ${path} is for machine 183, 64 bits (x86-64 only)\n`,
    ]);
  });
});

describe('callgate explain', () => {
  it('names values of arguments as callgate show does', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'p.json');
    expect(callgate(['trace', '-q', '-o', file, '--', 'cat', '/dev/null']).status).toBe(0);
    const { stdout } = callgate(['explain', file, 'openat']);
    expect(stdout).toMatch(/^ {2}flags: O_RDONLY, O_RDONLY\|O_CLOEXEC$/m);
    expect(callgate(['show', file]).stdout).toContain('flags: O_RDONLY, O_RDONLY|O_CLOEXEC');
  });

  it('prints rules of arguments and what fails with ENOSYS, of a policy', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'p.yaml');
    const phases = [{ name: 'setup', calls: [{ kill: { sig: [0] } }] }];
    const arches = [{ arch: 'x86_64', newest: 450 }];
    writeFileSync(
      file,
      JSON.stringify({ format: 'callgate-policy', version: 1, arches, enosys: ['clone3'], phases }),
    );
    expect(callgate(['explain', file, 'kill'])).toMatchObject({
      status: 0,
      stdout: 'kill: allowed to the whole tree in phase setup\n  sig: [0]\n',
    });
    expect(JSON.parse(callgate(['explain', '--json', file, 'kill']).stdout)).toMatchObject({
      explanations: [{ kind: 'allowed', args: [{ index: 1, name: 'sig', width: 32, values: [0] }] }],
    });
    expect(callgate(['explain', file, 'clone3'])).toMatchObject({
      status: 0,
      stdout: 'clone3: fails with ENOSYS for the whole tree in phase setup\n',
    });
  });

  it('reads a profile behind a byte order mark', () => {
    using directory = temporaryDirectory();
    const [file, marked] = [join(directory.path, 'p.json'), join(directory.path, 'marked.json')];
    expect(callgate(['trace', '-q', '-o', file, '--', 'true']).status).toBe(0);
    writeFileSync(marked, `\ufeff${readFileSync(file, 'utf8')}`);
    expect(callgate(['explain', marked, 'execve'])).toEqual(callgate(['explain', file, 'execve']));
  });

  it('refuses a program that is not there', () => {
    expect(callgate(['explain', '--no-cache', '--program', 'nope', bare, 'exit'])).toMatchObject({
      status: 2,
      stderr: `callgate: explain: no such program, "nope" (${bare})\n`,
    });
  }, 60_000);

  it('prints the way from the entry of a program to the system call', () => {
    const { status, stdout, stderr } = callgate(['explain', '--no-cache', bare, 'exit']);
    expect(stderr).toBe('');
    expect(stdout.replaceAll(/0x[0-9a-f]+/g, 'ADDRESS').split('\n')).toEqual([
      `exit: possible in ${bare}, in phase setup`,
      '  root             _start (program ADDRESS): entry',
      '  calls            leave (program ADDRESS)',
      '  calls            call (program ADDRESS)',
      '  system call in   call (program ADDRESS)',
      '',
    ]);
    expect(status).toBe(0);
  }, 60_000);

  it('names functions of C++ as their source does, and lines where debug information has them', () => {
    using directory = temporaryDirectory();
    const source = join(directory.path, 'program.cc');
    const program = join(directory.path, 'program');
    const text = BARE.replace('static void leave(void) {', 'static void stop(long code) {')
      .replace('call(60, 3)', 'call(60, code)')
      .replace('__attribute__', 'namespace outer {\n__attribute__')
      .replace('void _start(void)', '}\nextern "C" void _start(void)')
      .replace('leave()', 'outer::stop(3)');
    writeFileSync(source, text);
    execFileSync('g++', ['-g', '-O0', ...BARE_FLAGS, '-o', program, source]);
    const { stdout } = callgate(['explain', '--no-cache', program, 'exit']);
    expect(stdout.replaceAll(/0x[0-9a-f]+/g, 'ADDRESS').split('\n')).toEqual([
      `exit: possible in ${program}, in phase setup`,
      `  root             _start (program ADDRESS) at ${source}:10: entry`,
      `  calls            outer::stop(long) (program ADDRESS) at ${source}:8`,
      `  calls            call(long, long) (program ADDRESS) at ${source}:2`,
      `  system call in   call(long, long) (program ADDRESS) at ${source}:4`,
      '',
    ]);
    const [explained] = (
      JSON.parse(callgate(['explain', '--no-cache', '--json', program, 'exit']).stdout) as {
        explanations: { chains: { steps: { source: string; title?: string }[] }[] }[];
      }
    ).explanations;
    expect(explained?.chains[0]?.steps[1]).toMatchObject({
      function: '_ZN5outerL4stopEl',
      title: 'outer::stop(long)',
      source: `${source}:8`,
    });
  }, 60_000);

  it('says that a call is not there and exits with 1', () => {
    const { status, stdout } = callgate(['explain', '--no-cache', bare, 'openat']);
    expect([status, stdout]).toEqual([1, `openat: not in ${bare}\n`]);
    const open = callgate(['explain', '--no-cache', unknown, 'openat']);
    expect(open.stdout).toBe(`openat: not in ${unknown}, but 1 unresolved site might make it\n`);
  }, 60_000);

  it('offers the nearest name for an unknown call', () => {
    const { status, stderr } = callgate(['explain', bare, 'opennat']);
    expect([status, stderr]).toEqual([
      2,
      'callgate: explain: unknown system call "opennat" on x86_64 (did you mean openat or openat2?)\n',
    ]);
  });

  it('names who made a call first in a trace, and the comments of a policy', () => {
    using directory = temporaryDirectory();
    const profile = join(directory.path, 'p.json');
    const policy = join(directory.path, 'p.yaml');
    expect(callgate(['trace', '-q', '-o', profile, '--', bare]).status).toBe(3);
    const observed = callgate(['explain', profile, 'getpid']);
    expect(observed.stdout).toMatch(
      /^getpid: observed in \/.*program \(pid \d+\), in phase setup, first after [0-9.]+ [num]?s, once\n$/,
    );
    expect(callgate(['policy', profile, '-o', policy]).status).toBe(0);
    expect(callgate(['explain', policy, 'getpid']).stdout).toBe(
      'getpid: allowed to the whole tree in phase setup\n  observed in 1 of 1 run\n',
    );
    expect(callgate(['explain', policy, '--phase', 'later', 'getpid'])).toMatchObject({
      status: 2,
      stderr: 'callgate: explain: no phase "later" (setup)\n',
    });
  }, 60_000);
});

describe('a policy from what is possible', () => {
  it('names the code in its comments, and refuses unresolved sites unless they are accepted', () => {
    using directory = temporaryDirectory();
    const profiles = [bare, unknown].map((program, at) => {
      const path = join(directory.path, `${at}.json`);
      expect(analyze(directory.path, ['-q', '-o', path, program]).status).toBe(0);
      return path;
    }) as [string, string];
    const { stdout } = callgate(['policy', '--strict', 'sound', profiles[0]]);
    expect(stdout).toMatch(/- getpid +# possible in program: call < _start\n/);
    const refused = callgate(['policy', '--strict', 'sound', profiles[1]]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(
      /^callgate: policy: strictness sound, but 1 site could not be bounded .*\n {2}number: /,
    );
    const accepted = callgate(['policy', '--strict', 'sound', '--unresolved', 'accept', profiles[1]]);
    expect(accepted.stderr).toContain('note: 1 site could not be bounded');
    expect(accepted.status).toBe(0);
  }, 60_000);
});
