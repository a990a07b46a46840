import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPolicyParser, parsePolicy } from './load.ts';
import { formatPolicyJson, formatPolicyYaml } from './save.ts';
import { arbitraryPolicy } from './testing/arbitrary-policy.ts';
import { sampleCall, samplePhase, samplePolicy } from './testing/sample-policy.ts';

const POLICY = samplePolicy(
  [
    samplePhase('setup', 'write', {
      calls: [
        sampleCall('write'),
        sampleCall('i386:open', [], ['observed in 1 of 3 runs']),
        { ...sampleCall('read'), nr: 600, name: null, why: ['imported'] },
        sampleCall(
          'openat',
          [{ index: 2, name: 'flags', width: 32, values: [0n, 2n], free: 0x80000n }],
          ['observed in 3 of 3 runs', 'needed by children born in main: nginx'],
        ),
        sampleCall('ioctl', [{ index: 1, name: 'request', width: 32, values: [0x5401n, 0xdeadbeefn] }]),
        sampleCall('getpid', [{ index: 3, width: 32, values: [7n] }]),
      ],
      programs: [{ path: '/usr/bin/a b', buildId: 'abc', calls: [sampleCall('write')] }],
    }),
  ],
  {
    arches: [
      { arch: 'x86_64', newest: 469 },
      { arch: 'i386', newest: 469 },
    ],
    groups: [{ name: 'runtime:runc', reason: 'calls that runc makes' }],
    kernels: { from: '5.10', to: '6.12' },
  },
);

describe('a policy as text', () => {
  it('is YAML with a line for each call and a comment that says why', () => {
    expect(formatPolicyYaml(POLICY))
      .toBe(`# System calls that a program may make, by phase. The comment of an entry says where it comes from.
# Edit as you like: docs/formats/policy.md describes the fields; callgate check says what is wrong.
format: callgate-policy
version: 1
generator: { name: callgate, version: "0.0.0" }
sources: []
strict: observed
kernels: 5.10..6.12
onViolation: errno:EPERM
arches:
  - { arch: x86_64, newest: 469 }
  - { arch: i386, newest: 469 }
enosys:
  - clone3
groups:
  - { name: runtime:runc, reason: "calls that runc makes" }
phases:
  - name: setup
    trigger: null
    calls:
      - getpid: { arg3.low: [7] }
      - ioctl: { request: [TCGETS, 0xdeadbeef] }
      - openat: { flags: { values: [O_RDONLY, O_RDWR], free: O_CLOEXEC } } # observed in 3 of 3 runs; needed by children born in main: nginx
      - write
      - x86_64:600               # imported
      - i386:open                # observed in 1 of 3 runs
    programs:
      - path: "/usr/bin/a b"
        buildId: abc
        calls:
          - write
`);
  });

  it('is JSON with the reasons as data', () => {
    const document = JSON.parse(formatPolicyJson(POLICY)) as { phases: { calls: unknown[] }[] };
    expect(document.phases[0]?.calls[2]).toEqual({
      arch: 'x86_64',
      nr: 257,
      name: 'openat',
      args: [{ index: 2, name: 'flags', width: 32, values: [0, 2], free: 0x80000 }],
      why: ['observed in 3 of 3 runs', 'needed by children born in main: nginx'],
    });
  });

  it('is the same policy when it is read again, in either form', () => {
    const yaml = formatPolicyYaml(POLICY);
    const read = parsePolicy(yaml);
    expect(formatPolicyYaml(read)).toBe(yaml);
    expect(parsePolicy(formatPolicyJson(POLICY))).toEqual(read);
  });

  it('keeps every policy, comments included, through YAML and through JSON', () => {
    const parse = createPolicyParser();
    fc.assert(
      fc.property(arbitraryPolicy(), (policy) => {
        expect(parse(formatPolicyYaml(policy))).toEqual(policy);
        expect(parse(formatPolicyJson(policy))).toEqual(policy);
      }),
      { numRuns: 300 },
    );
  });
});
