import { describe, expect, it } from 'vitest';
import { UsageError } from '../base/errors.ts';
import { parsePhase, parseTrigger, type Trigger, triggerText } from './trigger.ts';

const FORMS =
  'syscall:NAME[#n], symbol:[OBJECT:]FUNCTION, listen:PORT|PATH, output:/REGEX/, after:DURATION or key';

describe('parseTrigger', () => {
  it.each<Trigger>([
    { text: 'syscall:epoll_wait', kind: 'syscall', name: 'epoll_wait', n: 1 },
    { text: 'syscall:getppid#100', kind: 'syscall', name: 'getppid', n: 100 },
    // Only i386 has this one.
    { text: 'syscall:socketcall', kind: 'syscall', name: 'socketcall', n: 1 },
    // And only aarch64 lacks this one.
    { text: 'syscall:open#2', kind: 'syscall', name: 'open', n: 2 },
    { text: 'symbol:main', kind: 'symbol', object: null, name: 'main' },
    { text: 'symbol:libc.so.6:getenv', kind: 'symbol', object: 'libc.so.6', name: 'getenv' },
    { text: 'symbol:/opt/a:b/lib.so:f', kind: 'symbol', object: '/opt/a:b/lib.so', name: 'f' },
    { text: 'symbol:memcpy@GLIBC_2.14', kind: 'symbol', object: null, name: 'memcpy@GLIBC_2.14' },
    { text: 'listen:1', kind: 'listen', address: 'tcp:1' },
    { text: 'listen:65535', kind: 'listen', address: 'tcp:65535' },
    { text: 'listen:/run/a.sock', kind: 'listen', address: 'unix:/run/a.sock' },
    { text: 'listen:@name', kind: 'listen', address: 'unix:@name' },
    { text: 'output:/ready/', kind: 'output', pattern: 'ready' },
    { text: 'output:/a/b/', kind: 'output', pattern: 'a\\/b' },
    { text: 'output:/^port: \\d+$/', kind: 'output', pattern: '^port: \\d+$' },
    { text: 'after:500ms', kind: 'after', delay: 500e6 },
    { text: 'after:2', kind: 'after', delay: 2e9 },
    { text: 'key', kind: 'key' },
  ])('reads $text', (want) => {
    expect(parseTrigger(want.text)).toEqual(want);
  });

  it('reads a port with leading zeros as the number that it is', () => {
    expect(parseTrigger('listen:0080')).toMatchObject({ address: 'tcp:80' });
  });

  it.each<{ text: string; want: string }>([
    { text: '', want: `trigger: unknown kind "" (use ${FORMS})` },
    { text: 'bogus:1', want: `trigger: unknown kind "bogus:1" (use ${FORMS})` },
    { text: 'Syscall:read', want: `trigger: unknown kind "Syscall:read" (use ${FORMS})` },
    { text: 'key@x', want: `trigger: unknown kind "key@x" (use ${FORMS})` },
    { text: 'key:enter', want: 'trigger: key:enter takes nothing after key' },
    { text: 'syscall', want: 'trigger: "syscall" is not syscall:NAME[#n]' },
    { text: 'syscall:', want: 'trigger: "syscall:" is not syscall:NAME[#n]' },
    { text: 'syscall:read#', want: 'trigger: "syscall:read#" is not syscall:NAME[#n]' },
    { text: 'syscall:read#-1', want: 'trigger: "syscall:read#-1" is not syscall:NAME[#n]' },
    { text: 'syscall:read#1.5', want: 'trigger: "syscall:read#1.5" is not syscall:NAME[#n]' },
    { text: 'syscall:read#9999999999', want: 'trigger: "syscall:read#9999999999" is not syscall:NAME[#n]' },
    { text: 'syscall:read write', want: 'trigger: "syscall:read write" is not syscall:NAME[#n]' },
    { text: 'syscall:read#0', want: 'trigger: syscall:read#0 counts from 1' },
    { text: 'symbol', want: 'trigger: "symbol" is not symbol:[OBJECT:]FUNCTION' },
    { text: 'symbol:', want: 'trigger: "symbol:" is not symbol:[OBJECT:]FUNCTION' },
    { text: 'symbol::f', want: 'trigger: "symbol::f" is not symbol:[OBJECT:]FUNCTION' },
    { text: 'symbol:lib.so:', want: 'trigger: "symbol:lib.so:" is not symbol:[OBJECT:]FUNCTION' },
    { text: 'listen:0', want: 'trigger: port 0 in listen:0 (1 to 65535)' },
    { text: 'listen:65536', want: 'trigger: port 65536 in listen:65536 (1 to 65535)' },
    {
      text: 'listen:',
      want: 'trigger: "listen:" is not listen:PORT or listen:/PATH (a socket path is absolute, an abstract name begins with @)',
    },
    {
      text: 'listen:a.sock',
      want: 'trigger: "listen:a.sock" is not listen:PORT or listen:/PATH (a socket path is absolute, an abstract name begins with @)',
    },
    { text: 'output:', want: 'trigger: "output:" is not output:/REGEX/' },
    { text: 'output:ready', want: 'trigger: "output:ready" is not output:/REGEX/' },
    { text: 'output:/ready', want: 'trigger: "output:/ready" is not output:/REGEX/' },
    { text: 'output:/ready/i', want: 'trigger: "output:/ready/i" is not output:/REGEX/' },
    { text: 'output://', want: 'trigger: "output://" is not output:/REGEX/' },
    {
      text: 'after:',
      want: 'trigger after:: bad duration "" (such as 500ms, 2s, 5m or 1h)',
    },
    {
      text: 'after:soon',
      want: 'trigger after:soon: bad duration "soon" (such as 500ms, 2s, 5m or 1h)',
    },
  ])('refuses $text in words', ({ text, want }) => {
    expect(() => parseTrigger(text)).toThrow(new UsageError(want));
  });

  it('names the nearest system calls for one that does not exist', () => {
    expect(() => parseTrigger('syscall:epol_wait')).toThrow(
      /^trigger: no system call is called epol_wait \(did you mean (.*, )?epoll_wait(, .*)?\?\)$/,
    );
  });

  it('passes on what is wrong with a regular expression', () => {
    expect(() => parseTrigger('output:/(/')).toThrow(/^trigger: output:\/\(\/: Invalid regular expression/);
  });
});

describe('parsePhase', () => {
  it('takes several triggers of which each begins the phase', () => {
    const { trigger, alternatives } = parsePhase('main@symbol:a:0x10 | syscall:pause#2');
    expect([trigger.kind, alternatives?.map(({ kind }) => kind)]).toEqual(['symbol', ['syscall']]);
  });

  it.each<{ text: string; name: string; trigger: string }>([
    { text: 'main@key', name: 'main', trigger: 'key' },
    { text: 'A-b_9@listen:@x', name: 'A-b_9', trigger: 'listen:@x' },
    { text: 'mail@output:/a@b/', name: 'mail', trigger: 'output:/a@b/' },
    {
      text: 'main@symbol:a:0x10 | syscall:pause',
      name: 'main',
      trigger: 'symbol:a:0x10 | syscall:pause',
    },
    { text: 'main@output:/a | key/', name: 'main', trigger: 'output:/a | key/' },
    { text: `${'n'.repeat(64)}@key`, name: 'n'.repeat(64), trigger: 'key' },
  ])('takes $text apart at the first @', ({ text, name, trigger }) => {
    const phase = parsePhase(text);
    expect([phase.name, triggerText(phase)]).toEqual([name, trigger]);
  });

  it.each<{ text: string; want: string }>([
    { text: 'main', want: 'phase: "main" lacks a trigger (use NAME@TRIGGER)' },
    { text: '', want: 'phase: "" lacks a trigger (use NAME@TRIGGER)' },
    { text: '@key', want: 'phase: bad name "" (letters, digits, - and _, 64 at most)' },
    { text: 'a b@key', want: 'phase: bad name "a b" (letters, digits, - and _, 64 at most)' },
    {
      text: `${'n'.repeat(65)}@key`,
      want: `phase: bad name "${'n'.repeat(65)}" (letters, digits, - and _, 64 at most)`,
    },
    { text: 'setup@key', want: 'phase: setup is the first phase and begins by itself' },
    { text: 'main@', want: `trigger: unknown kind "" (use ${FORMS})` },
  ])('refuses $text in words', ({ text, want }) => {
    expect(() => parsePhase(text)).toThrow(new UsageError(want));
  });
});
