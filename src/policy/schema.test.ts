import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { policySchema } from './schema.ts';

const FILE = new URL('../../schemas/policy-v1.schema.json', import.meta.url);

it('is the schema that ships as a file (after a change, run this test with UPDATE=1)', () => {
  if (process.env['UPDATE'] !== undefined) {
    writeFileSync(FILE, `${JSON.stringify(policySchema(), null, 2)}\n`);
  }
  expect(policySchema()).toEqual(JSON.parse(readFileSync(FILE, 'utf8')));
});
