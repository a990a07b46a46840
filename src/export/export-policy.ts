import type { Policy } from '../policy/model.ts';
import type { Exported } from './exporter.ts';
import type { SelectionOptions } from './selection.ts';

/**
 * Writes a policy in the format of another tool, as `callgate export` does.
 *
 * The exporters are loaded when it is called.
 *
 * @param format its name as on the command line, such as `oci`
 * @throws UsageError if there is no such format, phase or program
 * @throws DocumentError if the policy is malformed, PolicyError if the format cannot hold it at all
 */
export async function exportPolicy(
  policy: Policy,
  format: string,
  options: SelectionOptions = {},
): Promise<Exported> {
  const [{ findExporter }, { selectSet }, { checkedPolicy }] = await Promise.all([
    import('./exporters.ts'),
    import('./selection.ts'),
    import('../policy/load.ts'),
  ]);
  return findExporter(format).write(selectSet(checkedPolicy(policy), options));
}
