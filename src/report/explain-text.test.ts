import { describe, expect, it } from 'vitest';
import { identifyName, type CallIdentity } from '../policy/call-label.ts';
import type { Policy } from '../policy/model.ts';
import { sampleCall, samplePhase, samplePolicy } from '../policy/testing/sample-policy.ts';
import { explainInPolicy, formatExplanations, type ExplainFilter } from './explain-text.ts';

function explained(policy: Policy, name: string, filter: Partial<ExplainFilter> = {}): string {
  const call = identifyName('x86_64', name) as CallIdentity;
  return formatExplanations(name, call, explainInPolicy(policy, { ...call, ...filter }), false);
}

describe('the explanation of a call in a policy', () => {
  const flags = { index: 2, name: 'flags', width: 32, values: [0n, 1n], free: 0x80000n } as const;
  const policy = samplePolicy(
    [
      samplePhase('setup', 'clone3', {
        calls: [
          sampleCall('kill', [{ index: 1, name: 'sig', width: 32, values: [0n, 9n] }], ['observed']),
          sampleCall('openat', [flags, { index: 3, width: 32, values: [1n] }]),
          sampleCall('clone3'),
        ],
      }),
      samplePhase('main', 'kill', { programs: [{ path: '/bin/a', buildId: null, calls: [] }] }),
    ],
    { enosys: [sampleCall('clone3', [], ['clone instead'])] },
  );

  it('has the arguments with which it is allowed', () => {
    expect(explained(policy, 'kill')).toBe(
      'kill: allowed to the whole tree in phase setup\n  sig: [0, SIGKILL]\n  observed\n' +
        'kill: allowed to the whole tree in phase main\n',
    );
    expect(explained(policy, 'openat')).toBe(
      'openat: allowed to the whole tree in phase setup\n' +
        '  flags: { values: [O_RDONLY, O_WRONLY], free: O_CLOEXEC }\n  arg3.low: [1]\n',
    );
  });

  it('says that it fails with ENOSYS if it is newer than the policy', () => {
    const arches = policy.arches.map((each) => ({ ...each, newest: 450 }));
    expect(explained({ ...policy, arches }, 'mseal', { phase: 'main' })).toMatch(
      /^mseal: fails with ENOSYS for the whole tree in phase main\n {2}newer than what the policy knows, which is up to 450\n/,
    );
    expect(explained({ ...policy, arches, onViolation: 'log' }, 'mseal')).toBe('');
  });

  it('says where it fails with ENOSYS', () => {
    expect(explained(policy, 'clone3')).toBe(
      'clone3: allowed to the whole tree in phase setup\n' +
        'clone3: fails with ENOSYS for the whole tree in phase main\n  clone instead\n' +
        'clone3: fails with ENOSYS for /bin/a in phase main\n  clone instead\n',
    );
    expect(explained(policy, 'clone3', { phase: 'setup' })).not.toContain('ENOSYS');
    expect(explained({ ...policy, onViolation: 'log' }, 'clone3')).not.toContain('ENOSYS');
  });

  it('is empty where it is denied', () => {
    expect(explained(policy, 'read')).toBe('');
  });
});
