import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffPolicies } from './diff.ts';
import type { Policy, PolicyCall } from './model.ts';
import { arbitraryPolicy } from './testing/arbitrary-policy.ts';
import { sampleCall, samplePhase, samplePolicy } from './testing/sample-policy.ts';

function changes(before: Policy, after: Policy): readonly string[] {
  return diffPolicies(before, after).map(({ kind, phase, program, call, detail }) =>
    [kind, phase ?? '-', program ?? '-', call ?? '-', detail].join(' | '),
  );
}

function withCalls(...calls: readonly PolicyCall[]): Policy {
  return samplePolicy([samplePhase('setup', '', { calls })]);
}

const openat = (values: readonly bigint[], free: bigint): PolicyCall =>
  sampleCall('openat', [{ index: 2, name: 'flags', width: 32, values, free }]);

describe('the difference of two policies', () => {
  it.each([
    {
      name: 'a call more',
      before: withCalls(),
      after: withCalls(sampleCall('read')),
      want: ['opened | setup | - | read | was denied'],
    },
    {
      name: 'a call less',
      before: withCalls(sampleCall('read')),
      after: withCalls(),
      want: ['closed | setup | - | read | was allowed'],
    },
    {
      name: 'a rule more',
      before: withCalls(sampleCall('openat')),
      after: withCalls(openat([0n], 0x80000n)),
      want: ['closed | setup | - | openat | flags must be O_RDONLY with any of O_RDONLY|O_CLOEXEC'],
    },
    {
      name: 'a rule less',
      before: withCalls(openat([0n], 0n)),
      after: withCalls(sampleCall('openat')),
      want: ['opened | setup | - | openat | flags may be anything'],
    },
    {
      name: 'other values',
      before: withCalls(openat([0n, 1n], 0n)),
      after: withCalls(openat([0n, 2n], 0n)),
      want: [
        'opened | setup | - | openat | flags may be O_RDWR',
        'closed | setup | - | openat | flags may no longer be O_WRONLY',
      ],
    },
    {
      name: 'the same values written in another way',
      before: withCalls(openat([0n, 1n], 0n)),
      after: withCalls(openat([0n], 1n)),
      want: [],
    },
    {
      name: 'an argument of which only the lower half is looked at',
      before: withCalls(sampleCall('ioctl', [{ index: 1, width: 64, values: [1n] }])),
      after: withCalls(sampleCall('ioctl', [{ index: 1, width: 32, values: [1n] }])),
      want: ['opened | setup | - | ioctl | arg1 may be anything in its upper 32 bits'],
    },
    {
      name: 'an argument that is looked at as a whole',
      before: withCalls(sampleCall('ioctl', [{ index: 1, width: 32, values: [1n] }])),
      after: withCalls(sampleCall('ioctl', [{ index: 1, width: 64, values: [1n] }])),
      want: ['closed | setup | - | ioctl | arg1 may no longer be anything in its upper 32 bits'],
    },
    {
      name: 'an action',
      before: withCalls(),
      after: { ...withCalls(), onViolation: 'log' },
      want: ['opened | - | - | - | onViolation was errno:EPERM, is log'],
    },
    {
      name: 'an arch',
      before: withCalls(),
      after: {
        ...withCalls(),
        arches: [
          { arch: 'x86_64', newest: 460 },
          { arch: 'i386', newest: 450 },
        ],
      },
      want: [
        'opened | - | - | - | calls of i386 are looked up, they killed the process',
        'changed | - | - | - | newest number known of x86_64 was 450, is 460',
      ],
    },
    {
      name: 'what looks as if it were not there',
      before: withCalls(),
      after: { ...withCalls(), enosys: [] },
      want: ['changed | - | - | clone3 | gives errno:EPERM where it is denied, was ENOSYS'],
    },
    {
      name: 'a phase more',
      before: withCalls(sampleCall('read'), sampleCall('write')),
      after: samplePolicy([samplePhase('setup', 'read write'), samplePhase('main', 'read')]),
      want: ['changed | main | - | - | this phase is new', 'closed | main | - | write | was allowed'],
    },
    {
      name: 'a phase more that is wider than what held',
      before: withCalls(sampleCall('read')),
      after: samplePolicy([samplePhase('setup', 'read'), samplePhase('main', 'read write')]),
      want: ['changed | main | - | - | this phase is new', 'opened | main | - | write | was denied'],
    },
    {
      name: 'a phase less',
      before: samplePolicy([samplePhase('setup', 'read write'), samplePhase('main', 'read')]),
      after: withCalls(sampleCall('read'), sampleCall('write')),
      want: [
        'opened | main | - | - | this phase is gone, setup holds instead, which allows more',
        'opened | main | - | write | was denied',
      ],
    },
    {
      name: 'a phase less, of which the one before is as tight by now',
      before: samplePolicy([samplePhase('setup', 'read write'), samplePhase('main', 'read')]),
      after: withCalls(sampleCall('read')),
      want: [
        'changed | main | - | - | this phase is gone, setup holds instead',
        'closed | setup | - | write | was allowed',
      ],
    },
    {
      name: 'a phase less in the middle: the one before holds on',
      before: samplePolicy([
        samplePhase('setup', 'read write'),
        samplePhase('main', 'read'),
        samplePhase('end', ''),
      ]),
      after: samplePolicy([samplePhase('setup', 'read write'), samplePhase('end', '')]),
      want: [
        'opened | main | - | - | this phase is gone, setup holds instead, which allows more',
        'opened | main | - | write | was denied',
      ],
    },
    {
      name: 'a phase less with the set of a program: what holds the tree holds it',
      before: samplePolicy([
        samplePhase('setup', 'read'),
        samplePhase('main', 'read', { programs: [{ path: '/bin/cat', buildId: null, calls: [] }] }),
      ]),
      after: withCalls(sampleCall('read')),
      want: [
        'opened | main | - | - | this phase is gone, setup holds instead, which allows more',
        'opened | main | /bin/cat | read | was denied',
      ],
    },
    {
      name: 'the first phase less: the next holds from the start',
      before: samplePolicy([samplePhase('setup', 'read write'), samplePhase('main', 'read')]),
      after: samplePolicy([samplePhase('main', 'read', { trigger: null })]),
      want: [
        'changed | setup | - | - | this phase is gone, main holds instead',
        'closed | setup | - | write | was allowed',
        'changed | main | - | - | begins at the start, was syscall:main',
      ],
    },
    {
      name: 'a phase with another name, which is compared by its calls',
      before: samplePolicy([samplePhase('setup', 'read write'), samplePhase('main', 'read')]),
      after: samplePolicy([
        samplePhase('setup', 'read write'),
        samplePhase('serve', 'write', { trigger: 'syscall:main' }),
      ]),
      want: [
        'changed | serve | - | - | was called main',
        'opened | serve | - | write | was denied',
        'closed | serve | - | read | was allowed',
      ],
    },
    {
      name: 'a trigger',
      before: samplePolicy([samplePhase('setup', 'read'), samplePhase('main', '', { trigger: 'after:1s' })]),
      after: samplePolicy([samplePhase('setup', 'read'), samplePhase('main', '', { trigger: 'after:99h' })]),
      want: [
        'opened | main | - | - | begins at after:99h, was after:1s: that may be later, and until then more is allowed',
      ],
    },
    {
      name: 'a trigger beside the one there was, which can only come earlier',
      before: samplePolicy([samplePhase('setup', 'read'), samplePhase('main', '', { trigger: 'after:1s' })]),
      after: samplePolicy([
        samplePhase('setup', 'read'),
        samplePhase('main', '', { trigger: 'output:/a | b/ | after:1s' }),
      ]),
      want: ['changed | main | - | - | begins at output:/a | b/ | after:1s, was after:1s'],
    },
    {
      name: 'one of two triggers less',
      before: samplePolicy([
        samplePhase('setup', 'read'),
        samplePhase('main', '', { trigger: 'key | after:1s' }),
      ]),
      after: samplePolicy([samplePhase('setup', 'read'), samplePhase('main', '', { trigger: 'key' })]),
      want: [
        'opened | main | - | - | begins at key, was key | after:1s: that may be later, and until then more is allowed',
      ],
    },
    {
      name: 'a phase in front of another, which waits for it',
      before: samplePolicy([samplePhase('setup', 'read'), samplePhase('main', 'read')]),
      after: samplePolicy([
        samplePhase('setup', 'read'),
        samplePhase('warm', 'read'),
        samplePhase('main', 'read'),
      ]),
      want: [
        'changed | warm | - | - | this phase is new',
        'opened | main | - | - | begins only after warm now: that may be later, and until then more is allowed',
      ],
    },
    {
      name: 'phases in another order',
      before: samplePolicy([samplePhase('setup', ''), samplePhase('main', ''), samplePhase('end', '')]),
      after: samplePolicy([samplePhase('setup', ''), samplePhase('end', ''), samplePhase('main', '')]),
      want: [
        'opened | main | - | - | begins only after end now: that may be later, and until then more is allowed',
      ],
    },
    {
      name: 'a program without a set of its own: that of the tree holds it now',
      before: samplePolicy([
        samplePhase('setup', 'read', { programs: [{ path: '/bin/cat', buildId: null, calls: [] }] }),
      ]),
      after: withCalls(sampleCall('read')),
      want: ['opened | setup | /bin/cat | read | was denied'],
    },
    {
      name: 'a program with a set of its own: that of the tree held it before',
      before: withCalls(sampleCall('read'), sampleCall('write')),
      after: samplePolicy([
        samplePhase('setup', 'read write', {
          programs: [{ path: '/bin/cat', buildId: null, calls: [sampleCall('read')] }],
        }),
      ]),
      want: ['closed | setup | /bin/cat | write | was allowed'],
    },
    {
      name: 'other reasons: none',
      before: withCalls(sampleCall('read')),
      after: withCalls(sampleCall('read', [], ['because'])),
      want: [],
    },
  ] satisfies readonly { name: string; before: Policy; after: Policy; want: readonly string[] }[])(
    '$name',
    ({ before, after, want }) => {
      expect(changes(before, after)).toEqual(want);
    },
  );

  it('is none of a policy with itself, and opens what the other way closes', () => {
    fc.assert(
      fc.property(arbitraryPolicy(), arbitraryPolicy(), (a, b) => {
        expect(diffPolicies(a, a)).toEqual([]);
        const count = (from: Policy, to: Policy, kind: string): number =>
          diffPolicies(from, to).filter(
            (change) => change.kind === kind && change.call !== null && change.phase !== null,
          ).length;
        expect(count(a, b, 'opened')).toBe(count(b, a, 'closed'));
      }),
    );
  });
});
