import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseProfile } from './load.ts';
import { applyAuto } from './phase-proposals.ts';
import { formatProfile } from './save.ts';
import { profileSchema } from './schema.ts';

const PAGE = readFileSync(new URL('../../docs/formats/profile.md', import.meta.url), 'utf8');

describe('docs/formats/profile.md', () => {
  const example = /```json\n(.*?)```/s.exec(PAGE)?.[1] ?? '';

  it('has an example that is valid and in canonical form', () => {
    expect(formatProfile(parseProfile(example))).toBe(example);
  });

  it('has an example with the phases that callgate proposes', () => {
    const profile = parseProfile(example);
    expect(applyAuto({ ...profile, phases: profile.phases.slice(0, 1) })).toEqual(profile);
  });

  it('names every field of the schema', () => {
    const names = new Set<string>();
    const collect = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === 'properties') for (const name of Object.keys(inner as object)) names.add(name);
        collect(inner);
      }
    };
    collect(profileSchema());
    const missing = [...names].filter((name) => !new RegExp(`\`(?:[a-z]+\\.)?${name}[\`.]`).test(PAGE));
    expect(missing).toEqual([]);
  });
});
