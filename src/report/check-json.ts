import { hasFailed, type CheckResult } from '../policy/check.ts';
import type { PolicyChange } from '../policy/diff.ts';
import type { Policy } from '../policy/model.ts';
import { escapeJson } from './escape.ts';

/** What a check found, for programs: fields may be added, none goes away or changes its meaning. */
export function formatCheckJson(policy: Policy, result: CheckResult, known: number): string {
  return toJson({
    format: 'callgate-check',
    version: 1,
    failed: hasFailed(result),
    onViolation: policy.onViolation,
    arches: policy.arches,
    knownCves: known,
    findings: result.findings,
    coverage: result.coverage,
  });
}

/** What one policy opens and closes compared with another, for programs. */
export function formatChangesJson(changes: readonly PolicyChange[]): string {
  return toJson({
    format: 'callgate-policy-diff',
    version: 1,
    opens: changes.some(({ kind }) => kind === 'opened'),
    changes,
  });
}

function toJson(value: object): string {
  return `${escapeJson(JSON.stringify(value, null, 2))}\n`;
}
