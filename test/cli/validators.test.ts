import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryPolicy } from '../../src/policy/testing/arbitrary-policy.ts';
import { formatPolicyJson } from '../../src/policy/save.ts';
import { compileValidator as compilePolicyValidator } from '../../src/policy/validator.ts';
import { formatProfile } from '../../src/profile/save.ts';
import { arbitraryProfile } from '../../src/profile/testing/arbitrary-profile.ts';
import { compileValidator as compileProfileValidator } from '../../src/profile/validator.ts';
import { temporaryDirectory } from '../support/callgate.ts';

interface Built {
  compileValidator(): ValidateFunction;
}

/** What a validator says of a document, without the parts of the schema that ajv adds. */
function verdict(validate: ValidateFunction, document: unknown): unknown {
  const isValid = validate(document);
  const errors = (validate.errors ?? []).map(
    ({ instancePath, keyword, params, message, propertyName, data }) => ({
      instancePath,
      keyword,
      params,
      message,
      propertyName,
      data,
    }),
  );
  return { isValid, errors };
}

/** Where a document is changed, and what is put there; `undefined` takes the field away. */
const arbitraryDamage = fc.record({
  path: fc.array(fc.nat({ max: 12 }), { maxLength: 7 }),
  value: fc.oneof(
    fc.jsonValue(),
    fc.constant(undefined),
    fc.constantFrom(-1, 2 ** 31, 'x'.repeat(300), [], {}),
  ),
});

function damage(document: unknown, path: readonly number[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof document !== 'object' || document === null) return value;
  const keys = [...Object.keys(document), 'unknown'];
  const key = keys[step % keys.length] as string;
  const changed = damage((document as Record<string, unknown>)[key], rest, value);
  if (Array.isArray(document))
    return document.map((element, index) => (String(index) === key ? changed : element));
  return { ...document, [key]: changed };
}

describe.each([
  ['profile', compileProfileValidator, arbitraryProfile().map(formatProfile)],
  ['policy', compilePolicyValidator, arbitraryPolicy().map(formatPolicyJson)],
] as const)('what the build compiles to check a %s', (kind, compile, texts) => {
  it('says what ajv says that compiles the schema when it is needed', async () => {
    const built = (await import(`../../dist/${kind}/validator.js`)) as Built;
    const [validate, reference] = [built.compileValidator(), compile()];
    let invalid = 0;
    fc.assert(
      fc.property(texts, fc.array(arbitraryDamage, { maxLength: 3 }), (text, changes) => {
        let document: unknown = JSON.parse(text);
        for (const { path, value } of changes)
          document = JSON.parse(JSON.stringify(damage(document, path, value) ?? null));
        const expected = verdict(reference, document);
        if (!(expected as { isValid: boolean }).isValid) invalid++;
        expect(verdict(validate, document)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
    expect(invalid).toBeGreaterThan(50);
  });

  it('needs no package any more', async () => {
    using directory = temporaryDirectory();
    const copy = join(directory.path, 'validator.mjs');
    copyFileSync(new URL(`../../dist/${kind}/validator.js`, import.meta.url), copy);
    const { compileValidator } = (await import(copy)) as Built;
    expect(compileValidator()({})).toBe(false);
  });
});
