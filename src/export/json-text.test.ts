import { expect, test } from 'vitest';
import { formatJson } from './json-text.ts';

test('integers of any size are written exactly', () => {
  expect(formatJson({ value: 0xffff_ffff_ffff_ffffn })).toBe('{ "value": 18446744073709551615 }\n');
});

test('what is too long for a line is spread over several', () => {
  const names = Array.from({ length: 30 }, (_, k) => `name${k}`);
  const text = formatJson({ short: [1, 2], names, absent: undefined, empty: [] });
  expect(JSON.parse(text)).toEqual({ short: [1, 2], names, empty: [] });
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(110);
  expect(text).toContain('\n  "short": [1, 2],\n');
});
