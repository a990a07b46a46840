import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import { UsageError } from './errors.ts';

describe('parseDuration', () => {
  it.each<{ text: string; want: number }>([
    { text: '0', want: 0 },
    { text: '3', want: 3e9 },
    { text: '1ns', want: 1 },
    { text: '7us', want: 7e3 },
    { text: '500ms', want: 500e6 },
    { text: '1.5s', want: 1.5e9 },
    { text: '2m', want: 120e9 },
    { text: '1h', want: 3600e9 },
    { text: '1d', want: 86_400e9 },
    { text: '0.1s', want: 100e6 },
    { text: '1.0000000004s', want: 1e9 },
    { text: '007s', want: 7e9 },
  ])('reads $text as $want ns', ({ text, want }) => {
    expect(parseDuration(text, 'grace')).toBe(want);
  });

  it.each([
    '',
    ' ',
    's',
    '-1s',
    '+1s',
    '1.s',
    '.5s',
    '1e3',
    '1 s',
    '1s ',
    '1min',
    '1S',
    '1,5s',
    '0x10',
    '1s\n',
  ])('refuses %j and says where it stood and what would do', (text) => {
    expect(() => parseDuration(text, 'grace')).toThrow(
      new UsageError(`grace: bad duration ${JSON.stringify(text)} (such as 500ms, 2s, 5m or 1h)`),
    );
  });
});

describe('formatDuration', () => {
  it.each<{ nanoseconds: number; want: string }>([
    { nanoseconds: 0, want: '0 ns' },
    { nanoseconds: 999, want: '999 ns' },
    { nanoseconds: 1e3, want: '1 us' },
    { nanoseconds: 1_500, want: '1.5 us' },
    { nanoseconds: 12_340, want: '12.3 us' },
    { nanoseconds: 123_400, want: '123 us' },
    { nanoseconds: 1e6, want: '1 ms' },
    { nanoseconds: 45e6, want: '45 ms' },
    { nanoseconds: 100e6, want: '100 ms' },
    { nanoseconds: 1.234e9, want: '1.23 s' },
    { nanoseconds: 10e9, want: '10 s' },
    { nanoseconds: 59.4e9, want: '59.4 s' },
    { nanoseconds: 60e9, want: '1 min 0 s' },
    { nanoseconds: 125e9, want: '2 min 5 s' },
    { nanoseconds: 119.7e9, want: '2 min 0 s' },
    { nanoseconds: 3_660e9, want: '1 h 1 min' },
    { nanoseconds: 90_000e9, want: '25 h 0 min' },
  ])('writes $nanoseconds ns as $want', ({ nanoseconds, want }) => {
    expect(formatDuration(nanoseconds)).toBe(want);
  });
});
