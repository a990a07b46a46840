import { describe, expect, it } from 'vitest';

import { withCodeMap } from './code-map.ts';

describe('withCodeMap', () => {
  it.each([0, 1, 19, 4096, 2 ** 21, 2 ** 23])(
    'has zeros for %d bytes of code, whatever was there before',
    (size) => {
      const fill = (bytes: number): void =>
        withCodeMap(bytes, ({ flags, owners }) => {
          flags.fill(0xff);
          owners.fill(-1);
        });
      fill(2 ** 22);
      fill(size);
      withCodeMap(size, ({ flags, flagWords, owners }) => {
        expect(flags.length).toBeGreaterThanOrEqual(size);
        expect(owners.length).toBe(flags.length);
        expect(flags.some((flag) => flag !== 0) || owners.some((owner) => owner !== 0)).toBe(false);
        flags[4] = 1;
        owners[flags.length - 1] = 7;
        expect([flagWords[1], flags[flags.length - 1], flagWords.length * 4]).toEqual([1, 0, flags.length]);
      });
    },
  );

  it('gives nobody memory that is in use, and takes it back from who fails', () => {
    withCodeMap(100, (outer) => {
      outer.flags[0] = 1;
      withCodeMap(100, (inner) => {
        expect(inner.flags.buffer).not.toBe(outer.flags.buffer);
        expect(inner.flags[0]).toBe(0);
      });
      expect(outer.flags[0]).toBe(1);
    });
    expect(() =>
      withCodeMap(100, () => {
        throw new Error('malformed');
      }),
    ).toThrow('malformed');
    expect(withCodeMap(100, ({ owners }) => owners[0])).toBe(0);
  });
});
