import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arbitraryProfile } from '../../profile/testing/arbitrary-profile.ts';
import { packProfile, unpackProfile } from './packed-profile.ts';

describe('packed profiles', () => {
  test('unpacking gives back every profile that was packed, also by way of JSON', () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const text = JSON.stringify(packProfile(profile));
        expect(unpackProfile(JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(profile)));
      }),
    );
  });

  test('a call that many processes make is named once', () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const { names } = packProfile(profile);
        expect(new Set(names.map(([arch, nr, name]) => `${arch} ${nr} ${name}`)).size).toBe(names.length);
      }),
    );
  });
});
