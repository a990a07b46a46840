import { describe, expect, it, test } from 'vitest';
import { readProfile } from './testing/read-text.ts';

const namesOf = (format: string, text: string): readonly string[] =>
  readProfile(format, text).profile.programs[0]!.calls.map(({ nr, name }) => name ?? `${nr}`);

describe('lists of other analyses', () => {
  it.each([
    ['numbers', '[0, 1, 257, 9999]', ['read', 'write', 'openat', '9999'], 'sysfilter and Chestnut: numbers'],
    ['numbers', '{"version": 1, "syscalls": [0, 0, 60]}', ['read', 'exit'], 'an object with the list in it'],
    [
      'names',
      `callander: permitted syscalls: read(any u32, any, any) @ libc.so.6+0x10dfd0(read+16)
read(any u32, any, any) @ libc.so.6+0x10e00a(read+74)
futex(any, 128, 2, 0, any, any)
restart_syscall()
`,
      ['read', 'futex', 'restart_syscall'],
      "Callander's --show-permitted",
    ],
    [
      'names',
      'accept4;nginx;temporal-worker;1\nexecve;nginx;temporal-worker;0\nwrite;nginx;temporal-worker;1\n',
      ['write', 'accept4'],
      'temporal specialization: needed or not',
    ],
    [
      'names',
      '# from a script\nread\nwrite\n257\n',
      ['read', 'write', 'openat'],
      'names and numbers, one a line',
    ],
  ])('%s: %j', (format, text, want) => {
    expect(namesOf(format, text)).toEqual(want);
  });
});

test('the program is the one given, or the file', () => {
  const given = readProfile('numbers', '[0]', { program: '/usr/bin/redis-server' }).profile;
  expect(given.programs[0]!.path).toBe('/usr/bin/redis-server');
  expect(given.programs[0]!.calls[0]!.origin).toBe('imported');
  expect(readProfile('numbers', '[0]').profile.programs[0]!.path).toBe('file');
});

test('what is no call is left out, and that is said', () => {
  expect(readProfile('numbers', '[0, -1, "read", null]').remarks).toEqual([
    'entries that are no numbers of calls are left out: -1, "read", null',
  ]);
  expect(readProfile('names', 'read\nfrobnicate(1)\n').remarks).toEqual([
    'names that x86_64 does not have are left out: "frobnicate"',
  ]);
  expect(readProfile('names', '1 # write\n5000 futex(0x1) = 0\n').remarks).toEqual([
    'numbers with something behind them are left out: "5000 futex(0x1) = 0"',
  ]);
  expect(readProfile('names', 'read, # a\nwrite // b\nopen; c\nTotal: 3\nin all 4\n').remarks).toEqual([]);
  const { profile, remarks } = readProfile('names', 'read\nptrace (101): errno(1)\nmount deny\nbpf;0\n');
  expect(profile.programs[0]!.calls.map(({ name }) => name)).toEqual(['read']);
  expect(remarks).toEqual([
    'names with something behind them are left out: "ptrace (101): errno(1)", "mount deny", "bpf;0"',
  ]);
  expect(
    readProfile('names', 'read;nginx;temporal-worker;1\nwrite;nginx;temporal-master;1\n').remarks,
  ).toEqual([
    'rows of several analyses are taken together, keep those of one: nginx;temporal-worker, nginx;temporal-master',
  ]);
});

test('files without a list are refused', () => {
  expect(() => readProfile('numbers', '{"a": 1}')).toThrow('file: no list of numbers');
  expect(() => readProfile('names', '# nothing\n')).toThrow('file: no names of system calls');
});
