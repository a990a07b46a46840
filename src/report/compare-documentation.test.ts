import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { compareSources } from '../compare/compare.ts';
import { observed, possible } from '../compare/testing/inputs.ts';
import { mergeProfiles } from '../profile/merge.ts';
import type { Profile } from '../profile/model.ts';
import { formatCompletenessJson } from './completeness-json.ts';
import { formatComparisonJson } from './compare-json.ts';

const DOCUMENT = readFileSync(new URL('../../docs/formats/compare.md', import.meta.url), 'utf8');

/** Names of all fields of a value, at any depth. */
function fieldsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap(fieldsOf))];
  if (typeof value !== 'object' || value === null) return [];
  return [...new Set(Object.entries(value).flatMap(([name, inner]) => [name, ...fieldsOf(inner)]))];
}

it('describes every field of a comparison', () => {
  const inputs = [observed('a', ['read', 'write']), possible('b', ['read', 'ptrace'])];
  const text = formatComparisonJson(
    compareSources(inputs, { references: [observed('c', ['mmap', 'read'])] }),
  );
  const fields = fieldsOf(JSON.parse(text));
  expect(fields).toContain('missed');
  expect(fields.filter((name) => !DOCUMENT.includes(`\`${name}\``))).toEqual([]);
});

it('describes every field of an estimate', () => {
  const profiles = [['read', 'write'], ['read', 'mmap'], ['read', 'mmap'], ['bind']]
    .map((names, index) => observed(`${index}`, names))
    .concat(possible('code', ['read', 'ptrace']))
    .flatMap(({ document }): readonly Profile[] => (document.kind === 'profile' ? [document.profile] : []));
  const fields = fieldsOf(JSON.parse(formatCompletenessJson(mergeProfiles(profiles))));
  expect(fields).toContain('seenIn');
  expect(fields).toContain('isForecast');
  expect(fields.filter((name) => !DOCUMENT.includes(`\`${name}\``))).toEqual([]);
});
