import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { callKey, uniteCounts, uniteIndices, uniteTimes } from '../profile/call-union.ts';
import { arbitraryProfile } from '../profile/testing/arbitrary-profile.ts';
import { nativeArch } from '../report/call-names.ts';
import { packProfile } from '../report/html/packed-profile.ts';
import { collectUses, usesOf } from './call-uses.ts';
import { columnsOf, columnsOfPacked } from './use-columns.ts';

describe('columns of uses', () => {
  test('of any profile are the same whether it is packed or not', () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const native = nativeArch(profile);
        const plain = collectUses(columnsOf(profile), native);
        const packed = collectUses(columnsOfPacked(packProfile(profile)), native);
        const withoutId = ({ id: _id, ...call }: (typeof plain)[number]): unknown => call;
        expect(packed.map(withoutId)).toEqual(plain.map(withoutId));
      }),
    );
  });

  test('sum up what the uses of each call say', () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const all = [...profile.processes, ...profile.programs].flatMap(({ calls }) => calls);
        const sums = collectUses(columnsOf(profile), nativeArch(profile));
        expect(sums.map(callKey).sort()).toEqual([...new Set(all.map(callKey))].sort());
        for (const sum of sums) {
          const uses = usesOf(profile, sum).map(({ call }) => call);
          expect(uses).toEqual(all.filter((call) => callKey(call) === callKey(sum)));
          expect(sum).toMatchObject({
            count: uniteCounts(uses),
            ...uniteTimes(uses),
            isTimed: uses.every(({ last }) => last !== null),
            launch: uses.every(({ launch }) => launch === true),
          });
          expect(uniteIndices([[...sum.phases.keys()]])).toEqual(
            uniteIndices(uses.map(({ phases }) => phases)),
          );
          for (const [phase, origin] of sum.phases) {
            const origins = uses.filter(({ phases }) => phases.includes(phase)).map((use) => use.origin);
            expect(sum.origins.find((each) => origins.includes(each))).toBe(origin);
          }
        }
      }),
    );
  });
});
