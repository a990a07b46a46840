import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { errnoName, errnoNumber } from './errno.ts';

describe('errnoName', () => {
  it.each([
    [1, 'EPERM'],
    [2, 'ENOENT'],
    [11, 'EAGAIN'],
    [35, 'EDEADLK'],
    [38, 'ENOSYS'],
    [95, 'EOPNOTSUPP'],
    [133, 'EHWPOISON'],
    [512, 'ERESTARTSYS'],
    [516, 'ERESTART_RESTARTBLOCK'],
  ])('names %i %s', (errno, name) => {
    expect(errnoName(errno)).toBe(name);
    expect(errnoNumber(name)).toBe(errno);
  });

  it('gives null for zero and for numbers without a name', () => {
    expect(errnoName(0)).toBeNull();
    expect(errnoName(41)).toBeNull();
    expect(errnoName(515)).toBeNull();
  });
});

describe('errnoNumber', () => {
  it('agrees with every error that the C library of Node names', () => {
    const disagreements = Object.entries(constants.errno).filter(
      ([name, errno]) => errnoNumber(name) !== errno,
    );
    expect(disagreements).toEqual([]);
  });

  it('gives null for a name that is no error', () => {
    expect(errnoNumber('ENOTHING')).toBeNull();
  });
});
