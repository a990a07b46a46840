import type { CheckResult } from './check.ts';
import type { Policy } from './model.ts';

/**
 * Looks for what is wrong with a policy and measures what it takes away, as `callgate check` does.
 *
 * What is known of dangerous calls and vulnerabilities is loaded when it is called.
 *
 * @param accepted names of dangerous calls that are meant to be open: no findings
 * @throws DocumentError if the policy is malformed
 */
export async function checkPolicy(policy: Policy, accepted: readonly string[] = []): Promise<CheckResult> {
  const [check, { checkedPolicy }] = await Promise.all([import('./check.ts'), import('./load.ts')]);
  return check.checkPolicy(checkedPolicy(policy), accepted);
}
