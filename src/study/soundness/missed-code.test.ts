import { describe, expect, it } from 'vitest';
import { compareCode } from './missed-code.ts';
import type { ReachableObject } from './reachable.ts';

/** An object with functions of 0x10 bytes, of which some are reachable. */
function object(...reachable: readonly number[]): ReachableObject {
  return {
    contains: (vaddr) => vaddr < 0x100,
    holds: (vaddr) => reachable.includes(vaddr >> 4),
    functionAt: (vaddr) => `f${vaddr >> 4}`,
  };
}

describe('executed code held against reachable code', () => {
  it('is missed function by function', () => {
    const executed = new Map([['/bin/a', new Set([0x25, 0x10, 0x1f, 0x20, 0x40])]]);
    expect(compareCode(executed, new Map([['/bin/a', object(1)]]))).toEqual({
      objects: [
        {
          path: '/bin/a',
          executed: 5,
          outside: 0,
          missed: [
            { name: 'f2', address: 0x20, executed: 2 },
            { name: 'f4', address: 0x40, executed: 1 },
          ],
        },
      ],
      unknown: [],
    });
  });

  it('is not missed where the address is no code of the object: callgrind names the caller for what follows vfork', () => {
    const executed = new Map([['/bin/a', new Set([0x10, 0x1234])]]);
    expect(compareCode(executed, new Map([['/bin/a', object(1)]])).objects).toEqual([
      { path: '/bin/a', executed: 2, outside: 1, missed: [] },
    ]);
  });

  it('knows objects by their real path, and tells of those that the analysis does not have', () => {
    const executed = new Map([
      ['/lib/b', new Set([0x11])],
      ['/lib/c', new Set([1])],
      ['???', new Set([1])],
      ['/usr/libexec/valgrind/vgpreload_core-amd64-linux.so', new Set([1])],
    ]);
    const compared = compareCode(executed, new Map([['/usr/lib/b', object(1)]]), (path) => `/usr${path}`);
    expect(compared).toEqual({
      objects: [{ path: '/lib/b', executed: 1, outside: 0, missed: [] }],
      unknown: ['/lib/c'],
    });
  });
});
