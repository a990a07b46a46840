import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { signalName, signalNumber } from './signals.ts';

describe('signalName', () => {
  it.each([
    [1, 'SIGHUP'],
    [15, 'SIGTERM'],
    [31, 'SIGSYS'],
    [32, 'SIG32'],
    [33, 'SIG33'],
    [34, 'SIGRTMIN'],
    [37, 'SIGRTMIN+3'],
    [64, 'SIGRTMIN+30'],
  ])('names %i %s', (signal, name) => {
    expect(signalName(signal)).toBe(name);
    expect(signalNumber(name)).toBe(signal);
  });

  it.each([0, -1, 65, 1.5])('gives null for %d', (signal) => {
    expect(signalName(signal)).toBeNull();
  });
});

describe('signalNumber', () => {
  it('agrees with every signal that Node names', () => {
    // Node's SIGUNUSED, where it has one, is a name that libraries dropped.
    const theirs = Object.entries(constants.signals).filter(([name]) => name !== 'SIGUNUSED');
    expect(theirs.filter(([name, signal]) => signalNumber(name) !== signal)).toEqual([]);
  });

  it('counts down from SIGRTMAX', () => {
    expect(signalNumber('SIGRTMAX')).toBe(64);
    expect(signalNumber('SIGRTMAX-2')).toBe(62);
  });

  it.each(['SIGRTMIN+31', 'SIGRTMAX-31', 'TERM', 'SIG31', 'SIGRTMIN-1', 'toString'])(
    'gives null for %s',
    (name) => {
      expect(signalNumber(name)).toBeNull();
    },
  );
});
