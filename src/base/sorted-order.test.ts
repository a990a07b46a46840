import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { integer } from './integer.ts';
import { isAscending, sortedOrder } from './sorted-order.ts';

const keys = fc.array(fc.oneof(fc.integer(), fc.integer({ min: -3, max: 3 })), { maxLength: 60 });

describe('sortedOrder', () => {
  it('is the stable order of a comparison, for as many keys as are asked for', () => {
    fc.assert(
      fc.property(keys, fc.nat({ max: 5 }), (list, more) => {
        const order = sortedOrder(Int32Array.from([...list, ...Array<number>(more).fill(-9)]), list.length);
        const wanted = list.map((_, index) => index).sort((a, b) => (list[a] ?? 0) - (list[b] ?? 0) || a - b);
        expect([...order]).toEqual(wanted);
        const sorted = Int32Array.from(order, (index) => list[index] ?? 0);
        expect(isAscending(sorted)).toBe(true);
        expect(isAscending(Int32Array.from(list))).toBe(
          list.every((key, at) => at === 0 || (list[at - 1] ?? 0) <= key),
        );
      }),
    );
  });
});

describe('integer', () => {
  it.each([0, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 40 + 5, -(2 ** 52), 0.5, NaN, Infinity])(
    'gives %d back',
    (value) => {
      expect(integer(value)).toBe(value);
    },
  );
});
