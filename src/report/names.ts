import type { Profile } from '../profile/model.ts';
import { callSet, type CallFilter } from '../profile/sets.ts';
import { callLabel, nativeArch } from './call-names.ts';

/**
 * The calls that fit the filter, one name a line and nothing else; see `callLabel` for those of other arches.
 *
 * In the order of `LC_ALL=C sort`, as comm(1) and join(1) want it.
 *
 * @throws UsageError as `callSet`
 */
export function formatNames(profile: Profile, filter: CallFilter = {}): string {
  const native = nativeArch(profile);
  const labels = callSet(profile, filter).map((call) => callLabel(call, native));
  return labels
    .sort()
    .map((label) => `${label}\n`)
    .join('');
}
