import { createRequire } from 'node:module';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { profileSchema } from './schema.ts';

/**
 * What checks a document against the schema. The build puts code in this module's place that has been compiled by then
 * (scripts/validators.mjs): to load the compiler and have it compile takes longer than most commands do.
 */
export function compileValidator(): ValidateFunction {
  const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new Ajv2020({ allErrors: true, verbose: true, strictTypes: false }).compile(profileSchema());
}
