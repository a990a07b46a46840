import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timeScale } from './time-scale.ts';

const KINDS = fc.constantFrom('linear' as const, 'log' as const);
const ENDS = fc.integer({ min: 0, max: 1e13 });

describe('time scale', () => {
  test('later times stand further to the right, from 0 to 1', () => {
    fc.assert(
      fc.property(KINDS, ENDS, fc.double({ noNaN: true }), fc.double({ noNaN: true }), (kind, end, a, b) => {
        const scale = timeScale(kind, end);
        const [before, after] = [scale.place(Math.min(a, b)), scale.place(Math.max(a, b))];
        expect(before).toBeLessThanOrEqual(after);
        expect(before).toBeGreaterThanOrEqual(0);
        expect(after).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('the time at a place is the time that was put there, within a nanosecond and the rounding of doubles', () => {
    fc.assert(
      fc.property(
        KINDS,
        fc.integer({ min: 1, max: 1e13 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (kind, end, share) => {
          const scale = timeScale(kind, end);
          const time = Math.round(share * end);
          expect(Math.abs(scale.timeAt(scale.place(time)) - time)).toBeLessThanOrEqual(1 + end * 1e-9);
        },
      ),
    );
  });

  test('labels do not overlap, and there are some, whatever the length', () => {
    fc.assert(
      fc.property(KINDS, ENDS, (kind, end) => {
        const { ticks } = timeScale(kind, end);
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThan(14);
        for (const [index, tick] of ticks.entries()) {
          const before = ticks[index - 1];
          if (before !== undefined) expect(tick.place - before.place).toBeGreaterThan(0.08);
        }
      }),
    );
  });
});
