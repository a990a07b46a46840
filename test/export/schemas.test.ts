import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { KUBERNETES_LOCALHOST } from '../../src/export/kubernetes-localhost.ts';
import { KUBERNETES_OPERATOR } from '../../src/export/kubernetes-operator.ts';
import { OCI } from '../../src/export/oci.ts';
import { selectSet } from '../../src/export/selection.ts';
import { probePolicy } from './probe.ts';

const ACTIONS = [
  'KILL',
  'KILL_PROCESS',
  'KILL_THREAD',
  'TRAP',
  'ERRNO',
  'TRACE',
  'ALLOW',
  'LOG',
  'NOTIFY',
].map((name) => `SCMP_ACT_${name}`);
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);
const ARCHES = ['X86', 'X86_64', 'X32', 'ARM', 'AARCH64'].map((name) => `SCMP_ARCH_${name}`);
const UINT32 = { type: 'integer', minimum: 0, maximum: 0xffffffff };
const UINT64 = { type: 'integer', minimum: 0, maximum: 2 ** 64 };

/** Source: schema/config-linux.json and schema/defs-linux.json of opencontainers/runtime-spec 1.1, the part on seccomp. */
const OCI_SCHEMA = {
  type: 'object',
  required: ['defaultAction'],
  additionalProperties: false,
  properties: {
    defaultAction: { enum: ACTIONS },
    defaultErrnoRet: UINT32,
    architectures: { type: 'array', items: { enum: ARCHES } },
    flags: { type: 'array', items: { type: 'string' } },
    listenerPath: { type: 'string' },
    listenerMetadata: { type: 'string' },
    syscalls: {
      type: 'array',
      items: {
        type: 'object',
        required: ['names', 'action'],
        additionalProperties: false,
        properties: {
          names: { type: 'array', minItems: 1, items: { type: 'string' } },
          action: { enum: ACTIONS },
          errnoRet: UINT32,
          args: {
            type: 'array',
            items: {
              type: 'object',
              required: ['index', 'value', 'op'],
              additionalProperties: false,
              properties: { index: UINT32, value: UINT64, valueTwo: UINT64, op: { enum: OPERATORS } },
            },
          },
        },
      },
    },
  },
};

const INT64 = { type: 'integer', minimum: 0, maximum: 2 ** 63 };

/** Source: api/seccompprofile/v1beta1/seccompprofile_types.go of kubernetes-sigs/security-profiles-operator. */
const OPERATOR_SCHEMA = {
  type: 'object',
  required: ['apiVersion', 'kind', 'metadata', 'spec'],
  additionalProperties: false,
  properties: {
    apiVersion: { const: 'security-profiles-operator.x-k8s.io/v1beta1' },
    kind: { const: 'SeccompProfile' },
    metadata: {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 } },
    },
    spec: {
      type: 'object',
      required: ['defaultAction'],
      additionalProperties: false,
      properties: {
        defaultAction: { enum: ACTIONS.filter((action) => action !== 'SCMP_ACT_NOTIFY') },
        architectures: { type: 'array', uniqueItems: true, items: { enum: ARCHES } },
        syscalls: {
          type: 'array',
          items: {
            type: 'object',
            required: ['names', 'action'],
            additionalProperties: false,
            properties: {
              names: { type: 'array', minItems: 1, uniqueItems: true, items: { type: 'string' } },
              action: { enum: ACTIONS },
              errnoRet: { type: 'integer', minimum: 0, maximum: 4095 },
              args: {
                type: 'array',
                maxItems: 6,
                items: {
                  type: 'object',
                  required: ['index', 'op'],
                  additionalProperties: false,
                  properties: {
                    index: { type: 'integer', minimum: 0, maximum: 5 },
                    value: INT64,
                    valueTwo: INT64,
                    op: { enum: OPERATORS },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};

const POLICIES = ['errno:EPERM', 'errno:ENOSYS', 'kill', 'trap', 'log'].map((onViolation) => ({
  onViolation,
  policy: probePolicy({
    onViolation,
    arches: [
      { arch: 'x86_64', newest: 400 },
      { arch: 'i386', newest: 400 },
    ],
  }),
}));

function problems(schema: object, document: unknown): unknown {
  const validate = new Ajv2020({ allErrors: true, strict: false }).compile(schema);
  return validate(document) ? null : validate.errors;
}

test.each(POLICIES)(
  'an OCI profile with $onViolation fits the schema of the runtime specification',
  ({ policy }) => {
    for (const exporter of [OCI, KUBERNETES_LOCALHOST]) {
      const { content } = exporter.write(selectSet(policy));
      expect(problems(OCI_SCHEMA, JSON.parse(content as string))).toBe(null);
    }
  },
);

test.each(POLICIES)('a SeccompProfile with $onViolation fits the fields of the resource', ({ policy }) => {
  const { content } = KUBERNETES_OPERATOR.write(selectSet(policy));
  expect(problems(OPERATOR_SCHEMA, parse(content as string))).toBe(null);
});

test('64-bit values stay within what the resource can hold', () => {
  const policy = probePolicy();
  const [setup, ...rest] = policy.phases;
  const args = [{ index: 1, name: null, width: 64, values: [0xffff_ffff_ffff_ffffn], free: 0n }] as const;
  const call = { arch: 'x86_64', nr: 157, name: 'prctl', args, why: [] } as const;
  const wide = {
    ...policy,
    phases: [{ ...setup!, calls: [...setup!.calls.filter(({ nr }) => nr !== 157), call] }, ...rest],
  };
  const { content, losses } = KUBERNETES_OPERATOR.write(selectSet(wide));
  expect(content).toContain('value: 9223372036854775807\n');
  expect(losses.map(({ kind }) => kind)).toContain('looser');
});

test('the lines for the pod name the profile at container level', () => {
  const { usage } = KUBERNETES_LOCALHOST.write(selectSet(probePolicy()));
  expect(parse(usage)).toMatchObject({
    kind: 'Pod',
    spec: {
      containers: [
        {
          securityContext: {
            seccompProfile: { type: 'Localhost', localhostProfile: 'profiles/sample.json' },
          },
        },
      ],
    },
  });
});
