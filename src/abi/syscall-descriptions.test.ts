import { describe, expect, test } from 'vitest';
import { describeSyscall } from './syscall-descriptions.ts';
import { syscalls } from './syscalls.ts';

describe('descriptions of system calls', () => {
  test('every call of x86-64 has one, of one line that fits beside its name', () => {
    const lacking = syscalls('x86_64').filter(({ name }) => {
      const text = describeSyscall(name);
      return text === null || text.length < 10 || text.length > 100 || text.trim() !== text;
    });
    expect(lacking.map(({ name }) => name)).toEqual([]);
  });

  test('no two calls have the same one, save numbers of one never-implemented interface', () => {
    const texts = syscalls('x86_64').flatMap(({ name, since }) =>
      since === null ? [] : [describeSyscall(name)],
    );
    const repeated = texts.filter((text, index) => texts.indexOf(text) !== index);
    expect(repeated).toEqual([]);
  });

  test.each(['', 'no_such_call', 'toString', '__proto__', 'constructor'])(
    'a name without a row, %j, has none',
    (name) => {
      expect(describeSyscall(name)).toBeNull();
    },
  );
});
