import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatCount } from './count.ts';

it('has the digits in groups of three, as Intl writes them', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (count) => {
      for (let part = count; part > 0; part = Math.floor(part / 10)) {
        expect(formatCount(part)).toBe(part.toLocaleString('en'));
      }
    }),
  );
  expect(formatCount(0)).toBe('0');
});
