import { expect, test } from 'vitest';
import { ALLOW, KILL_PROCESS } from './action.ts';
import { createFilter } from './ir.ts';
import { formatFilter } from './pfc.ts';

test('a filter is printed rule by rule', () => {
  const filter = createFilter({
    sections: [
      {
        arch: 'x86_64',
        rules: [
          { nr: 0, action: ALLOW },
          {
            nr: 16,
            action: { kind: 'errno', errno: 25 },
            conditions: [
              { arg: 0, width: 32, op: 'masked_eq', value: 1n, mask: 3n },
              { arg: 1, width: 64, op: 'ne', value: 0x5401n },
            ],
          },
        ],
        default: KILL_PROCESS,
        newestKnown: 460,
      },
      { arch: 'i386', rules: [{ nr: 9999, action: ALLOW }], default: { kind: 'trace', data: 7 } },
    ],
  });
  expect(formatFilter(filter, (_, nr) => ({ 0: 'read', 16: 'ioctl' })[nr])).toBe(`arch x86_64:
  read (0): allow
  ioctl (16) if int(args[0]) & 0x3 == 0x1 and args[1] != 0x5401: errno(25)
  any other up to 460: kill_process
  newer: errno(38)

arch i386:
  9999: allow
  any other: trace(7)

x32: kill_process
any other arch: kill_process
number -1: allow
`);
});
