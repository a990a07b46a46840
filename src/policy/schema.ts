import type { JsonSchema } from '../profile/schema.ts';
import { MAX_NR } from './filter/ir.ts';
import { ARGUMENT_VALUE_CAP } from './model.ts';

/**
 * JSON Schema (draft 2020-12) of the policy document, for this code and for that of others; YAML is checked as the JSON
 * that it stands for.
 *
 * schemas/policy-v1.schema.json is this object as a file. A test holds the two together.
 */
export function policySchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:callgate:policy:1',
    title: 'callgate policy, version 1',
    description:
      'Which Linux system calls a program may make in each phase, and what happens to the others. Beyond this schema, the rules under "Checks" in docs/formats/policy.md hold.',
    ...object(
      {
        format: { const: 'callgate-policy', description: 'What the document is.' },
        version: { const: 1, description: 'Version of the format.' },
        generator: object(
          {
            name: text('Program that wrote the document.'),
            version: text('Version of that program.'),
          },
          { description: 'What wrote the document; left out by people.' },
        ),
        sources: list('source', 'What the policy was made from.'),
        strict: {
          enum: ['observed', 'balanced', 'sound'],
          description: 'How much of the profiles was taken; observed if left out.',
        },
        kernels: {
          type: ['string', 'null'],
          pattern: '^[0-9]{1,4}\\.[0-9]{1,4}\\.\\.[0-9]{1,4}\\.[0-9]{1,4}$',
          description:
            'Kernels for which equivalents were added, both included, such as 4.14..6.12; or null.',
        },
        onViolation: {
          type: 'string',
          pattern: '^(kill|trap|log|errno:[A-Z0-9]{1,32})$',
          description: 'What happens to a known call that is not allowed; errno:EPERM if left out.',
        },
        arches: {
          description:
            "Arches whose calls are looked up, the machine's own first; calls of any other kill the process.",
          type: 'array',
          minItems: 1,
          maxItems: 4,
          items: object({
            arch: ARCH,
            newest: {
              type: 'integer',
              minimum: 0,
              maximum: MAX_NR,
              description: 'Highest number that was known: calls above fail with ENOSYS.',
            },
          }),
        },
        enosys: list(
          'call',
          'Calls that fail with ENOSYS where a set does not list them; without arguments.',
        ),
        groups: {
          description: 'Groups of calls that were added beside what the profiles hold.',
          type: 'array',
          items: object({
            name: { ...text('Name, such as vdso.'), pattern: PRINTABLE },
            reason: text('Why such calls are allowed.'),
          }),
        },
        phases: {
          description: 'Phases in the order in which they are entered.',
          type: 'array',
          minItems: 1,
          maxItems: 31,
          items: object(
            {
              name: {
                type: 'string',
                pattern: '^[A-Za-z0-9_-]{1,64}$',
                description: 'Name of the phase, unique.',
              },
              trigger: {
                type: ['string', 'null'],
                description: 'What begins the phase; null, or left out, for the first.',
              },
              calls: list('call', 'What any process may do in this phase and in all later ones.'),
              programs: {
                description: 'Narrower sets for single programs.',
                type: 'array',
                items: object(
                  {
                    path: text('Path of the program.'),
                    buildId: {
                      type: ['string', 'null'],
                      pattern: '^[0-9a-f]+$',
                      description: 'GNU build-id in lower-case hex, or null.',
                    },
                    calls: list('call', 'What the program may do, with all that it starts.'),
                  },
                  { optional: ['buildId'] },
                ),
              },
            },
            { optional: ['trigger', 'programs'] },
          ),
        },
      },
      {
        optional: ['generator', 'sources', 'strict', 'kernels', 'onViolation', 'enosys', 'groups'],
      },
    ),
    $defs: {
      source: {
        description: 'Runs that differ in nothing but time.',
        ...object({
          method: text('How the profile was made.'),
          command: {
            type: 'array',
            items: { type: 'string' },
            description: 'argv of the program.',
          },
          runs: { type: 'integer', minimum: 1, maximum: MAX_INTEGER, description: 'How many runs.' },
          complete: { type: 'boolean', description: 'Whether all of them were complete.' },
          host: object(
            {
              kernel: text('Kernel release.'),
              arch: text('Machine.'),
              libc: { type: ['string', 'null'], description: 'C library, or null.' },
            },
            { description: 'Where the runs were made.' },
          ),
        }),
      },
      call: {
        description:
          'An allowed call: a label (openat, i386:open, x86_64:600) or number; an object of one label with its arguments; or an object with nr and all fields.',
        type: ['string', 'integer', 'object'],
        minimum: 0,
        maximum: MAX_NR,
        minLength: 1,
        maxLength: 128,
        // Negated, with `else`: an object with a field `then` could be taken for a promise.
        if: { not: { type: 'object' } },
        else: {
          if: { required: ['nr'] },
          else: SHORT_CALL,
          allOf: [{ if: { not: { required: ['nr'] } }, else: FULL_CALL }],
        },
      },
      constant: {
        description:
          "A number, or words of the kernel's headers such as O_RDWR|O_CLOEXEC; a number above 2^53 - 1 is a string.",
        type: ['integer', 'string'],
        minimum: 0,
        maximum: MAX_INTEGER,
        minLength: 1,
        maxLength: 2000,
      },
      constants: {
        description: 'Values of which the argument must have one.',
        type: 'array',
        minItems: 1,
        maxItems: ARGUMENT_VALUE_CAP,
        items: { $ref: '#/$defs/constant' },
      },
    },
  };
}

/** Largest integer that every JSON reader keeps exactly: 2^53 - 1. */
const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

/** No control characters, nothing that a terminal does not show or reorders by: it goes into comments and onto screens. */
const PRINTABLE = '^[^\\p{Cc}\\p{Cf}\\p{Cs}\\u2028\\u2029]*$';

const ARCH: JsonSchema = {
  enum: ['x86_64', 'i386', 'x32', 'aarch64'],
  description: 'Side by which the kernel is entered.',
};

const FREE: JsonSchema = {
  $ref: '#/$defs/constant',
  description: 'Bits that may be set or not, in any combination.',
};

const FULL_CALL: JsonSchema = object(
  {
    arch: ARCH,
    nr: {
      type: 'integer',
      minimum: 0,
      maximum: MAX_NR,
      description: 'Number; for x32 without bit 30.',
    },
    name: {
      type: ['string', 'null'],
      maxLength: 64,
      description: 'Name in the table of the arch, or null for a number that it does not have.',
    },
    args: {
      description: 'Arguments that must have certain values; all of them must.',
      type: 'array',
      maxItems: 6,
      items: object(
        {
          index: { type: 'integer', minimum: 0, maximum: 5, description: 'Position of the argument.' },
          name: {
            type: ['string', 'null'],
            maxLength: 64,
            description: 'Name of the selecting argument, or null.',
          },
          width: { enum: [32, 64], description: 'How many low bits are looked at.' },
          values: { $ref: '#/$defs/constants' },
          free: FREE,
        },
        { optional: ['free'] },
      ),
    },
    why: {
      description: 'Where the entry comes from, one sentence each.',
      type: 'array',
      maxItems: 100,
      items: { type: 'string', maxLength: 2000, pattern: PRINTABLE },
    },
  },
  { optional: ['name', 'args', 'why'] },
);

/** `{ ioctl: { request: [TCGETS] } }` or `{ openat: { flags: { values: [O_RDONLY], free: O_CLOEXEC } } }`. */
const SHORT_CALL: JsonSchema = {
  minProperties: 1,
  maxProperties: 1,
  propertyNames: { maxLength: 128 },
  additionalProperties: {
    type: 'object',
    minProperties: 1,
    maxProperties: 6,
    propertyNames: { maxLength: 64 },
    additionalProperties: {
      type: ['array', 'object'],
      minItems: 1,
      maxItems: ARGUMENT_VALUE_CAP,
      items: { $ref: '#/$defs/constant' },
      properties: { values: { $ref: '#/$defs/constants' }, free: FREE },
      required: ['values'],
      additionalProperties: false,
    },
  },
};

function text(description: string): JsonSchema {
  return { type: 'string', description };
}

function object(
  properties: Readonly<Record<string, JsonSchema>>,
  options: { optional?: readonly string[]; description?: string } = {},
): JsonSchema {
  const { optional = [], description } = options;
  return {
    ...(description === undefined ? {} : { description }),
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}

function list(definition: string, description: string): JsonSchema {
  return { description, type: 'array', items: { $ref: `#/$defs/${definition}` } };
}
