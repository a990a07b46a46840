import { hasLists, wrongType } from '../base/option-checks.ts';
import { POLICY_FORMAT } from './model.ts';

/**
 * Refuses what a program gives in place of a policy where types were no help. Only its kind is looked at.
 *
 * @throws UsageError
 */
export function requirePolicy(who: string, value: unknown): void {
  if (hasLists(value, POLICY_FORMAT, ['arches', 'phases', 'enosys'])) return;
  throw wrongType(who, 'policy', 'a policy (parsePolicy reads one)', value);
}
