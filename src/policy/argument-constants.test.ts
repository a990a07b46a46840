import { describe, expect, it } from 'vitest';
import { ARCHES } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import { constantNames, formatConstant, parseConstant, visibleArguments } from './argument-constants.ts';
import { identify, identifyName } from './call-label.ts';

const call = (name: string) => identifyName('x86_64', name) ?? identify('x86_64', 0);

describe('argument values in words', () => {
  it.each([
    { name: 'openat', argument: 'flags', text: 'O_RDWR|O_CLOEXEC', value: 0x80002n },
    { name: 'ioctl', argument: 'request', text: 'TCGETS', value: 0x5401n },
    { name: 'kill', argument: 'sig', text: 'SIGTERM', value: 15n },
    { name: 'clone', argument: 'flags', text: 'CLONE_VM|CLONE_VFORK|SIGCHLD', value: 0x4111n },
    { name: 'semget', argument: 'semflg', text: 'IPC_CREAT|0600', value: 0o1600n },
    { name: 'mmap', argument: 'prot', text: 'PROT_NONE', value: 0n },
    { name: 'setsockopt', argument: 'optname', text: '15', value: 15n },
    { name: 'openat', argument: 'flags', text: 'O_RDONLY|0x40000000', value: 0x40000000n },
  ])('$name $argument $text', ({ name, argument, text, value }) => {
    expect(parseConstant(call(name), { name: argument }, text)).toBe(value);
    expect(formatConstant(call(name), { name: argument }, value)).toBe(text);
  });

  it.each(['O_NOSUCH', '', 'O_RDWR|', '-1', '0xg', '1.5', 'SIGTERM', `0x${'f'.repeat(100)}`])(
    'refuses %j as flags of openat',
    (text) => expect(parseConstant(call('openat'), { name: 'flags' }, text)).toBe(null),
  );

  it('reads back whatever it writes, for every constant of every argument', () => {
    const wrong: string[] = [];
    for (const arch of ARCHES) {
      for (const { nr } of syscalls(arch)) {
        const each = identify(arch, nr);
        for (const { name, bits } of visibleArguments(each)) {
          const values = constantNames(each, { name }).map(
            (word) => parseConstant(each, { name }, word) ?? 0n,
          );
          for (const value of [...values, ...values.map((other) => other | (values[0] ?? 0n)), 0n, 1n, 77n]) {
            const masked = BigInt.asUintN(bits, value);
            const text = formatConstant(each, { name }, masked);
            if (parseConstant(each, { name }, text) !== masked)
              wrong.push(`${arch} ${each.name} ${name} ${text}`);
          }
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
