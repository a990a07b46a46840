import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arbitraryProfile } from '../profile/testing/arbitrary-profile.ts';
import type { Split } from '../profile/recut.ts';
import { nativeArch, type NamedCall } from '../report/call-names.ts';
import { compareSplit } from '../report/split-sets.ts';
import { serverProfile } from '../report/testing/server-profile.ts';
import { collectUses } from './call-uses.ts';
import { splitter } from './split-outcome.ts';
import { columnsOf } from './use-columns.ts';

const GIVEN = { trigger: 'given', source: 'given', reason: null } as const;

describe('outcome of a split', () => {
  test('sets and numbers are those of callgate phases --at, for any profile and any split', () => {
    fc.assert(
      fc.property(
        arbitraryProfile(),
        fc.dictionary(fc.nat(5).map(String), fc.nat(2 ** 31)),
        (profile, chosen) => {
          const times = new Map(
            Object.entries(chosen)
              .map(([process, at]): [number, number] => [Number(process), at])
              .filter(([process]) => process < profile.processes.length),
          );
          expectSame(profile, { ...GIVEN, times });
        },
      ),
    );
  });

  test('the server is cut where its use times say, at every use of every call', () => {
    const profile = serverProfile();
    const uses = profile.processes.flatMap(({ calls }) => calls.flatMap(({ first, last }) => [first, last]));
    for (const at of new Set(uses.flatMap((time) => (time === null ? [] : [time, time + 1])))) {
      const times = new Map(profile.processes.map((_, index) => [index, at]));
      const { blocked } = expectSame(profile, { ...GIVEN, times });
      expect(blocked).toBeGreaterThanOrEqual(0);
    }
  });
});

function expectSame(profile: Parameters<typeof compareSplit>[0], split: Split): { blocked: number } {
  const columns = columnsOf(profile);
  const calls = collectUses(columns, nativeArch(profile));
  const outcome = splitter(profile, columns, calls)(split.times);
  const want = compareSplit(profile, split);
  const keysOf = (set: readonly NamedCall[]): readonly string[] =>
    set.map(({ arch, nr }) => `${arch} ${nr}`).sort();
  expect(keysOf(calls.filter((_, id) => outcome.inSetup[id] === 1))).toEqual(keysOf(want.setup));
  expect(keysOf(calls.filter((_, id) => outcome.inMain[id] === 1))).toEqual(keysOf(want.main));
  expect(outcome).toMatchObject({
    at: want.at,
    processes: want.processes,
    setup: want.setup.length,
    main: want.main.length,
    blocked: want.blocked.length,
  });
  return outcome;
}
