import type { JsonSchema } from '../../profile/schema.ts';

const NAME = { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,63}$' };
const SCRIPT = { type: 'string', minLength: 1, maxLength: 20_000 };
const EXIT_CODE = { type: 'integer', minimum: 0, maximum: 255 };
const EXIT = {
  anyOf: [
    EXIT_CODE,
    { const: 'any' },
    { type: 'array', items: EXIT_CODE, minItems: 1, maxItems: 16, uniqueItems: true },
  ],
};

/** JSON Schema (draft 2020-12) of a workload document; docs/workloads.md says what the fields mean. */
export function workloadSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...object(
      {
        name: NAME,
        program: { type: 'string', pattern: '^/[A-Za-z0-9/._+-]+$' },
        description: { type: 'string', minLength: 1, maxLength: 1000 },
        packages: {
          type: 'array',
          items: { type: 'string', pattern: '^[a-z0-9][a-z0-9+.-]+$' },
          maxItems: 32,
          uniqueItems: true,
        },
        libraries: {
          type: 'array',
          items: { type: 'string', pattern: '^/[A-Za-z0-9/._+-]+$' },
          minItems: 1,
          maxItems: 64,
          uniqueItems: true,
        },
        ports: {
          type: 'array',
          items: { type: 'string', pattern: '^[a-z][a-z0-9]{0,31}$' },
          maxItems: 16,
          uniqueItems: true,
        },
        environment: {
          type: 'object',
          propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
          additionalProperties: { type: 'string', maxLength: 1000 },
        },
        setup: SCRIPT,
        servers: {
          type: 'object',
          propertyNames: NAME,
          additionalProperties: object(
            {
              command: SCRIPT,
              ready: { type: 'string', pattern: '^(listen|file):.+$' },
              stop: SCRIPT,
              exit: EXIT,
            },
            ['exit'],
          ),
        },
        cases: { type: 'array', items: CASE, minItems: 1, maxItems: 500 },
      },
      ['libraries', 'ports', 'environment', 'setup', 'servers'],
    ),
  };
}

const STEP = object({ run: SCRIPT, exit: EXIT, output: { type: 'string', minLength: 1, maxLength: 500 } }, [
  'exit',
  'output',
]);

const CASE = object(
  {
    name: NAME,
    kind: { enum: ['benchmark', 'explore'] },
    needs: { type: 'array', items: { enum: ['root'] }, uniqueItems: true },
    unfit: {
      type: 'array',
      items: { enum: ['trace', 'run', 'audit', 'strace', 'callgrind'] },
      uniqueItems: true,
    },
    server: NAME,
    setup: SCRIPT,
    steps: {
      type: 'array',
      // No anyOf: each keyword looks at one of the two forms only, so that errors speak of the one that was meant.
      items: { ...STEP, ...SCRIPT, type: ['string', 'object'] },
      minItems: 1,
      maxItems: 100,
    },
  },
  ['kind', 'needs', 'unfit', 'server', 'setup'],
);

function object(properties: JsonSchema, optional: readonly string[] = []): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}
