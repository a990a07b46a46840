import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { profileSchema } from './schema.ts';

const FILE = new URL('../../schemas/profile-v1.schema.json', import.meta.url);

it('is the schema that ships as a file (after a change, run this test with UPDATE=1)', () => {
  if (process.env['UPDATE'] !== undefined) {
    writeFileSync(FILE, `${JSON.stringify(profileSchema(), null, 2)}\n`);
  }
  expect(profileSchema()).toEqual(JSON.parse(readFileSync(FILE, 'utf8')));
});

it('describes every field', () => {
  const bare: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'properties' && !path.includes('/else') && !path.includes('/if')) {
        for (const [name, field] of Object.entries(value as Record<string, Record<string, unknown>>)) {
          const hasText = 'description' in field || '$ref' in field || name === 'kind';
          if (!hasText) bare.push(`${path}/${name}`);
        }
      }
      visit(value, `${path}/${key}`);
    }
  };
  visit(profileSchema(), '');
  expect(bare).toEqual([]);
});
