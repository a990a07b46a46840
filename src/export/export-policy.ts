import { checkOptions, requireObject, requireText, type Checks } from '../base/option-checks.ts';
import type { Policy } from '../policy/model.ts';
import type { Exported } from './exporter.ts';
import type { SelectionOptions } from './selection.ts';

const SELECTION_CHECKS: Checks = { phase: requireText, program: requireText };

/**
 * Writes a policy in the format of another tool, as `callgate export` does.
 *
 * The exporters are loaded when it is called.
 *
 * @param format its name as on the command line, such as `oci`
 * @throws UsageError if there is no such format, phase, program or option, or for what is no policy
 * @throws DocumentError if the policy is malformed, PolicyError if the format cannot hold it at all
 */
export async function exportPolicy(
  policy: Policy,
  format: string,
  options: SelectionOptions = {},
): Promise<Exported> {
  requireObject('exportPolicy', 'policy', policy);
  checkOptions('exportPolicy', options, SELECTION_CHECKS);
  const [{ findExporter }, { selectSet }, { checkedPolicy }] = await Promise.all([
    import('./exporters.ts'),
    import('./selection.ts'),
    import('../policy/load.ts'),
  ]);
  return findExporter(format).write(selectSet(checkedPolicy(policy), options));
}
