import { describe, expect, it } from 'vitest';
import { detectImporter } from './importers.ts';
import { describeCalls, readPolicy, readProfile } from './testing/read-text.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const namesOf = (format: string, text: string): readonly string[] =>
  readProfile(format, text).profile.programs[0]!.calls.map(({ nr, name }) => name ?? `${nr}`);

describe('sysfilter', () => {
  const full = {
    analysis_modes: ['vacuum'],
    analysis_scope: {
      'libc.so.6': { has_symbols: true, path: '/lib/libc.so.6' },
      '(executable)': { has_symbols: true, path: '/usr/bin/redis-server' },
    },
    syscalls: [0, 1, 60, 9999],
    vacuum: { analysis_passes: ['main'], analysis: { main: { syscalls: [0] }, init: { syscalls: [12, 0] } } },
  };

  it('gives the set of the whole program, and the program', () => {
    const { profile, remarks } = readProfile('sysfilter', JSON.stringify(full));
    expect(profile.programs[0]).toMatchObject({ path: '/usr/bin/redis-server', buildId: null });
    expect(profile.programs[0]?.calls.map(({ nr }) => nr)).toEqual([0, 1, 60, 9999]);
    expect(remarks).toEqual([]);
    expect(detectImporter(encode(JSON.stringify(full)), 'file').name).toBe('sysfilter');
  });

  it('takes the passes together where there is no such set', () => {
    const { syscalls: _syscalls, ...passes } = full;
    const { profile, remarks } = readProfile('sysfilter', JSON.stringify(passes));
    expect(profile.programs[0]?.calls.map(({ name }) => name)).toEqual(['read', 'brk']);
    expect(remarks).toEqual([
      'there is no set of the whole program, the passes are taken together: main, init',
    ]);
  });

  it('refuses what has neither', () => {
    expect(() => readProfile('sysfilter', '{"analysis_modes": []}')).toThrow(
      'file: no list "syscalls" of numbers',
    );
    expect(() => readProfile('sysfilter', '[0]')).toThrow('file: not an object');
  });
});

describe('numbers with blanks between them', () => {
  it.each([
    ['0 1 3 257 302 \n', ['read', 'write', 'close', 'openat', 'prlimit64'], 'sysfilter --syscalls-flat'],
    ['0 1 60', ['read', 'write', 'exit'], "Chestnut's PROGRAM_syscalls"],
    ['0 1 \n1 60 \n', ['read', 'write', 'exit'], "two runs of Chestnut's Dynalyzer"],
  ])('%j', (text, want) => {
    expect(namesOf('number-lines', text)).toEqual(want);
    expect(detectImporter(encode(text), 'file').name).toBe('number-lines');
  });

  it('says so where lines are taken together and words are none', () => {
    expect(readProfile('number-lines', '0 1\n60 x -1\n').remarks).toEqual([
      'words that are no numbers of calls are left out: x, -1',
      'the numbers of 2 lines are taken together',
    ]);
    expect(() => readProfile('number-lines', 'a b\n')).toThrow('file: no numbers of system calls');
  });
});

describe('chestnut', () => {
  it('takes all functions of an object', () => {
    const text = JSON.stringify({ ':all': [-1, 0, 257], open: [257], read: [0] });
    expect(namesOf('chestnut', text)).toEqual(['read', 'openat']);
    expect(readProfile('chestnut', text).remarks).toEqual([
      'the set is of all functions of the object, whether the program calls them or not',
      'the numbers of some sites were not found',
    ]);
    expect(() => readProfile('chestnut', '{"open": [257]}')).toThrow('file: no list ":all" of numbers');
  });
});

describe('temporal specialization', () => {
  const phasesOf = (text: string, program?: string): Readonly<Record<string, readonly string[]>> => {
    const { profile } = readProfile('temporal', text, program === undefined ? {} : { program });
    return Object.fromEntries(
      profile.phases.map(({ name }, index) => [
        name,
        profile.programs[0]!.calls.filter(({ phases }) => phases.includes(index)).map((call) => call.name!),
      ]),
    );
  };

  it.each([
    {
      name: 'sections',
      text:
        '------- main -------\nbind\nread\n\n------- child -------\nread\nwrite\n' +
        '------- main minus worker -------\nbind\n------- worker minus main -------\nwrite\n',
    },
    {
      name: 'the dictionary as Python prints it',
      text: "{'importTable': {'ptrace'}, 'master': {'bind', 'read'}, 'worker': {'write', 'read'}, 'blMaster': {'bpf'}}",
    },
    {
      name: 'the dictionary with library debloating, as JSON',
      text: JSON.stringify({
        piecewiseMaster: ['ptrace'],
        temporalMaster: ['bind', 'read'],
        temporalWorker: ['write', 'read'],
      }),
    },
    {
      name: 'rows',
      text: [
        'ptrace;nginx;original;1',
        'ptrace;nginx;piecewise-master;1',
        'bind;nginx;temporal-master;1',
        'bind;nginx;temporal-worker;0',
        'read;nginx;temporal-master;1',
        'read;nginx;temporal-worker;1',
        'write;nginx;temporal-worker;1',
      ].join('\n'),
    },
  ])('$name have both phases', ({ text }) => {
    expect(phasesOf(text)).toEqual({ setup: ['read', 'write', 'bind'], main: ['read', 'write'] });
    expect(detectImporter(encode(text), 'file').name).toBe('temporal');
  });

  it('takes the rows of one program', () => {
    const text = 'read;nginx;temporal-master;1\nwrite;redis;temporal-master;1\n';
    expect(phasesOf(text, '/usr/bin/redis')).toEqual({ setup: ['write'], main: [] });
    const { profile, remarks } = readProfile('temporal', text);
    expect(profile.programs[0]?.path).toBe('nginx');
    expect(remarks).toContain('rows of other programs than nginx are left out (--program)');
  });

  it('refuses what has no sets', () => {
    expect(() => readProfile('temporal', '------- main -------\n')).toThrow(
      'file: no sets of main and workers',
    );
  });
});

describe('callander', () => {
  const TEXT = [
    'callander: permitted syscalls: read(any u32, any, any) @ libc.so.6+0x10dfd0(read+16)',
    'read(NULL-0x7fffffff, any, 64) @ ld-linux-x86-64.so.2+0x1f026(__GI___read_nocancel+6)',
    'lstat(libc.so.6+0x1b420d(slashdot.10308*+3), any) @ libc.so.6+0x10d578(__lxstat64+24)',
    'ioctl(any u32, 0x5401, any) @ libc.so.6+0x113a18(tcgetattr+40)',
    'ioctl(any u32, 0x541b, any) @ libc.so.6+0x1143a9(ioctl+9)',
    'fcntl(any u32, 2, 1) @ libc.so.6+0x1133b3',
    'fcntl(any u32, 2-3, 1) @ libc.so.6+0x1133b4',
    'futex(any, 128, 2, 0, any, any)',
    'sched_yield() @ libc.so.6+0x102719(sched_yield+9)',
    'no_such_call(any) @ libc.so.6+0x1',
    '',
  ].join('\n');

  it('gives the calls with the values of selecting arguments that are numbers everywhere', () => {
    const { profile, remarks } = readProfile('callander', TEXT);
    const calls = profile.programs[0]!.calls.map(({ name, args = [] }) => [
      name,
      ...args.map(({ name: argument, values }) => `${argument}=${String(values)}`),
    ]);
    expect(calls).toEqual([
      ['read'],
      ['lstat'],
      ['ioctl', 'request=21505,21531'],
      ['sched_yield'],
      ['fcntl', 'cmd=any'],
      ['futex', 'op=128'],
    ]);
    expect(remarks).toEqual(['names that x86_64 does not have are left out: "no_such_call"']);
    expect(detectImporter(encode(TEXT), 'file').name).toBe('callander');
  });

  it('is recognised without its first line', () => {
    const rest = TEXT.split('\n').slice(1).join('\n');
    expect(detectImporter(encode(rest), 'file').name).toBe('callander');
    expect(() => readProfile('callander', 'hello\n')).toThrow('file: no calls as callander prints them');
  });
});

describe('confine', () => {
  const ROWS = "4;nginx;2;3;4;0;300;{'ptrace', 'bpf', 'no_such_call'}\n5;redis;1;2;3;0;300;{'read'}\n";

  it('allows all but what it denies for the image', () => {
    const { policy, remarks } = readPolicy('confine', ROWS, { program: 'nginx' });
    const names = describeCalls(policy.phases[0]!.calls);
    expect(names).not.toContain('ptrace');
    expect(names).not.toContain('bpf');
    expect(names).toContain('read');
    expect(remarks).toEqual([
      'the report lists what is denied: every call that has a name is allowed but for these',
      'names that x86_64 does not have are left out: "no_such_call"',
    ]);
    expect(detectImporter(encode(ROWS), 'file').name).toBe('confine');
  });

  it('wants to know which image is meant of several', () => {
    expect(() => readPolicy('confine', ROWS)).toThrow(
      'file: which image is meant, of "nginx, redis" (--program)',
    );
    expect(() => readPolicy('confine', ROWS, { program: 'bind' })).toThrow('which image is meant');
    expect(() => readPolicy('confine', 'a;b\n')).toThrow('file: no rows as Confine writes them');
  });
});
