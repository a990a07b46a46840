import { describe, expect, it } from 'vitest';
import { checkPolicy } from '../policy/check.ts';
import { LOADER_NAMES, samplePhase, samplePolicy } from '../policy/testing/sample-policy.ts';
import { formatChangesJson, formatCheckJson } from './check-json.ts';
import { formatChanges, formatCheck } from './check-text.ts';
import { formatPolicySummary } from './policy-summary.ts';

const HOSTILE = 'a\u001b[2J\u202eb';

describe('views of a policy', () => {
  const policy = samplePolicy([
    samplePhase('setup', LOADER_NAMES, {
      programs: [{ path: `/bin/${HOSTILE}`, buildId: null, calls: samplePhase('', 'read').calls }],
    }),
  ]);

  it('cannot be made to drive a terminal', () => {
    const texts = [
      formatCheck(policy, checkPolicy(policy), 204),
      formatCheckJson(policy, checkPolicy(policy), 204),
      formatPolicySummary({ ...policy, groups: [{ name: HOSTILE, reason: HOSTILE }] }, [HOSTILE], HOSTILE),
      formatChanges([{ kind: 'opened', phase: 'setup', program: HOSTILE, call: HOSTILE, detail: HOSTILE }]),
      formatChangesJson([
        { kind: 'opened', phase: 'setup', program: HOSTILE, call: HOSTILE, detail: HOSTILE },
      ]),
    ];
    for (const text of texts) {
      expect(text).not.toMatch(/[\u001b\u202e]/);
      expect(text).toMatch(/\\x1b|\\u001b/);
    }
  });

  it('say that there is no difference', () => {
    expect(formatChanges([])).toBe('no difference\n');
  });

  it('show the sets of programs below that of the tree', () => {
    const text = formatCheck(
      samplePolicy([
        samplePhase('setup', LOADER_NAMES, {
          programs: [{ path: '/bin/cat', buildId: null, calls: samplePhase('', 'read').calls }],
        }),
      ]),
      { findings: [], coverage: checkPolicy(policy).coverage.slice(0, 1) },
      204,
    );
    expect(text.split('\n')[1]).toMatch(/^setup {2}x86_64 +18 /);
    expect(text.trimEnd().split('\n').at(-1)).toBe('nothing found');
  });
});
