import type { JsonSchema } from '../profile/schema.ts';
import { NAME, object, TEXT } from './experiment-schema.ts';

const NUMBER = { type: 'number', minimum: 0 };
const COUNT = { type: 'integer', minimum: 0, maximum: 10_000 };

/** JSON Schema (draft 2020-12) of a document of other tools' results; docs/study-format.md says what the fields mean. */
export function othersSchema(): JsonSchema {
  const result = {
    ...object(
      {
        allowed: COUNT,
        last: COUNT,
        calls: { ...TEXT, maxLength: 20_000 },
        lastCalls: { ...TEXT, maxLength: 20_000 },
        missed: COUNT,
        seconds: NUMBER,
        peak: NUMBER,
      },
      ['allowed', 'last', 'calls', 'lastCalls', 'missed', 'seconds', 'peak'],
    ),
    anyOf: [{ required: ['allowed'] }, { required: ['calls'] }],
  };
  const results = { type: 'object', propertyNames: NAME, additionalProperties: result, minProperties: 1 };
  const tool = object({ name: TEXT, results });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...object({
      groups: {
        type: 'array',
        maxItems: 20,
        items: object({ title: TEXT, note: TEXT, tools: { type: 'array', maxItems: 100, items: tool } }),
      },
    }),
  };
}
