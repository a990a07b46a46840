import { UsageError } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
  d: 86400e9,
};

/**
 * Reads a duration such as `500ms`, `1.5s`, `2m` or `1h`; a number without unit is seconds.
 *
 * @returns nanoseconds, an integer
 * @throws UsageError; `context` names where the text stands
 */
export function parseDuration(text: string, context: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|d)?$/.exec(text);
  if (match === null) {
    throw new UsageError(`${context}: bad duration ${JSON.stringify(text)} (such as 500ms, 2s, 5m or 1h)`);
  }
  return Math.round(Number(match[1]) * (UNITS[match[2] ?? 's'] as number));
}

/** Text for people, three significant digits: `45 ms`, `1.23 s`, `2 min 5 s`. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds} ns`;
  if (nanoseconds < 1e6) return `${significant(nanoseconds / 1e3)} us`;
  if (nanoseconds < 1e9) return `${significant(nanoseconds / 1e6)} ms`;
  if (nanoseconds < 60e9) return `${significant(nanoseconds / 1e9)} s`;
  const seconds = Math.round(nanoseconds / 1e9);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours > 0) return `${hours} h ${minutes} min`;
  return `${minutes} min ${seconds % 60} s`;
}

function significant(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(2).replace(/\.?0+$/, '');
}
