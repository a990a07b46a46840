import { requireList, requireObject, requireText } from '../base/option-checks.ts';
import type { CheckResult } from './check.ts';
import type { Policy } from './model.ts';

/**
 * Looks for what is wrong with a policy and measures what it takes away, as `callgate check` does.
 *
 * What is known of dangerous calls and vulnerabilities is loaded when it is called.
 *
 * @param accepted names of dangerous calls that are meant to be open: no findings
 * @throws UsageError for what is no policy, DocumentError if it is malformed
 */
export async function checkPolicy(policy: Policy, accepted: readonly string[] = []): Promise<CheckResult> {
  requireObject('checkPolicy', 'policy', policy);
  requireNames(accepted);
  const [check, { checkedPolicy }] = await Promise.all([import('./check.ts'), import('./load.ts')]);
  return check.checkPolicy(checkedPolicy(policy), accepted);
}

function requireNames(accepted: unknown): void {
  requireList('checkPolicy', 'accepted', accepted);
  for (const [index, name] of accepted.entries()) requireText('checkPolicy', `accepted[${index}]`, name);
}
