import type { JsonSchema } from '../profile/schema.ts';

/** A name in an experiment. */
export const NAME: JsonSchema = { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,63}$' };

/** A text in an experiment. */
export const TEXT: JsonSchema = { type: 'string', minLength: 1, maxLength: 4000 };
const TEXTS = { type: 'array', items: TEXT, maxItems: 100 };
const CASES = { enum: ['benchmark', 'explore', 'all'] };
const SIDE = {
  anyOf: [NAME, object({ method: NAME, phase: { enum: ['whole', 'last'] } }, ['phase'])],
};
const REPETITIONS = { type: 'integer', minimum: 1, maximum: 1000 };
const BASE = { name: NAME, title: TEXT, repetitions: REPETITIONS, setup: TEXTS, needs: TEXTS };
const BASE_OPTIONAL = ['title', 'repetitions', 'setup', 'needs'];

/** JSON Schema (draft 2020-12) of an experiment document; docs/study-format.md says what the fields mean. */
export function experimentSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...object(
      {
        name: NAME,
        title: TEXT,
        description: TEXT,
        repetitions: REPETITIONS,
        programs: {
          type: 'array',
          items: { anyOf: [NAME, object({ name: NAME, workload: TEXT })] },
          minItems: 1,
          maxItems: 100,
        },
        methods: {
          type: 'array',
          items: {
            type: 'object',
            properties: { kind: { enum: ['untraced', 'trace', 'analyze', 'command', 'wrapper'] } },
            required: ['kind'],
            allOf: [
              methodOf('untraced', { cases: CASES }, ['cases']),
              methodOf('trace', { cases: CASES, options: TEXTS }, ['cases', 'options']),
              methodOf('analyze', { options: TEXTS }, ['options']),
              methodOf('command', { command: TEXT, importer: NAME }, []),
              methodOf('wrapper', { cases: CASES, wrapper: { ...TEXTS, minItems: 1 }, importer: NAME }, [
                'cases',
              ]),
            ],
          },
          minItems: 1,
          maxItems: 100,
        },
        reference: NAME,
        others: TEXT,
        comparisons: {
          type: 'array',
          items: object(
            {
              name: NAME,
              claim: TEXT,
              source: TEXT,
              published: { type: 'number' },
              unit: TEXT,
              measure: {
                enum: ['allowed', 'blocked', 'wall', 'cpu', 'peak', 'recall', 'precision', 'setup'],
              },
              left: SIDE,
              right: SIDE,
              as: { enum: ['difference', 'ratio', 'percent'] },
              programs: { type: 'array', items: NAME },
              remark: TEXT,
            },
            ['programs', 'published'],
          ),
        },
      },
      ['repetitions', 'comparisons', 'description', 'others'],
    ),
  };
}

/** What a method of this kind must look like; others pass. */
function methodOf(
  kind: string,
  properties: Record<string, JsonSchema>,
  optional: readonly string[],
): JsonSchema {
  const isKind = { type: 'object', properties: { kind: { const: kind } }, required: ['kind'] };
  const demands = object({ kind: { const: kind }, ...BASE, ...properties }, [...BASE_OPTIONAL, ...optional]);
  return { if: { not: isKind }, else: demands };
}

/** An object with these fields and no others. */
export function object(
  properties: Readonly<Record<string, JsonSchema>>,
  optional: readonly string[] = [],
): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}
