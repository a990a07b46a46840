import { describe, expect, it } from 'vitest';
import { DocumentError } from '../base/errors.ts';
import { MIGRATIONS, migrateProfile } from './migrate.ts';
import { PROFILE_VERSION } from './model.ts';

describe('migrateProfile', () => {
  it('has a step for each version but the first', () => {
    expect(MIGRATIONS).toHaveLength(PROFILE_VERSION - 1);
  });

  it('takes a document of any earlier version up step by step', () => {
    const steps = [
      (document: object) => ({ ...document, second: true }),
      (document: object) => ({ ...document, third: true }),
    ];
    expect(migrateProfile({ version: 1 }, 'old', steps)).toEqual({ version: 3, second: true, third: true });
    expect(migrateProfile({ version: 2 }, 'old', steps)).toEqual({ version: 3, third: true });
    expect(migrateProfile({ version: 3 }, 'old', steps)).toEqual({ version: 3 });
  });

  it('refuses a newer version', () => {
    const message = 'profile version 2 is newer than this callgate understands (1); upgrade callgate';
    expect(() => migrateProfile({ version: 2 }, 'a.json')).toThrow(
      new DocumentError(`a.json: ${message}`, [{ path: '/version', message }]),
    );
  });

  it.each([undefined, null, '1', 0, -1, 1.5, NaN, Infinity, [1]])('refuses version %j', (version) => {
    expect(() => migrateProfile({ version }, 'a.json')).toThrow(
      'a.json: profile version is no integer from 1 up',
    );
  });
});
