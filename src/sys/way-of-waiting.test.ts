import { describe, expect, it } from 'vitest';
import { WayOfWaiting } from './way-of-waiting.ts';

/** A number from 0 to 1, the next of a sequence that is always the same. */
function randomNumbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 48_271) >>> 0) % 0x7fffffff;
    return state / 0x7fffffff;
  };
}

/** What a program does between its stops, in microseconds: one life of it. */
type Life = (random: () => number) => readonly number[];

const several = (count: number, time: () => number): number[] => Array.from({ length: count }, time);

const LIVES: Readonly<Record<string, Life>> = {
  'one call over and over': () => several(100, () => 0),
  // Births, a burst of rt_sigaction, the exec, the loader's calls with page faults between them, the end.
  'a child of make': (random) => [
    ...several(3, () => 150),
    ...several(122, () => 0),
    600,
    ...several(40, () => 20 + random() * 200),
    ...several(4, () => 200),
  ],
  'a command of a shell script': (random) => [
    ...several(3, () => 150),
    600,
    ...several(56, () => (random() < 0.3 ? random() * 200 : random() * 5)),
  ],
  'a server': (random) => [...several(100, () => random() * 5), random() * 300],
  'one exec after another': (random) => [400, ...several(25, () => 20 + random() * 150), 500],
};

/** Costs of a stop by polling and by blocking, in microseconds. */
const COSTS = [
  [16, 52],
  [16, 30],
  [20, 110],
  [30, 12],
  [60, 12],
] as const;

describe('the way of waiting', () => {
  it.each(Object.keys(LIVES).flatMap((name) => COSTS.map((cost) => [name, ...cost] as const)))(
    'is the cheaper one for %s, where a stop costs %i or %i us, but for a few trials',
    (name, polling, blocking) => {
      const random = randomNumbers();
      const way = new WayOfWaiting();
      let stops = 0;
      let wrong = 0;
      while (stops < 50_000) {
        for (const time of (LIVES[name] as Life)(random)) {
          stops++;
          if (way.polls !== polling < blocking) wrong++;
          way.note(((way.polls ? polling : blocking) * (0.8 + 0.4 * random()) + time) / 1000);
        }
      }
      expect(wrong / stops).toBeLessThan(0.1);
    },
  );

  it('does not come from how long tracees sleep', () => {
    const way = new WayOfWaiting();
    for (let stop = 0; stop < 100_000; stop++) way.note(way.polls ? 1.5 : 100);
    expect(way.polls).toBe(true);
  });
});
