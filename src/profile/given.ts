import { hasLists, requireList, wrongType } from '../base/option-checks.ts';
import { PROFILE_FORMAT } from './model.ts';

/**
 * Refuses what a program gives in place of a profile where types were no help. Only its kind is looked at: what parsers and traces
 * give has been checked.
 *
 * @throws UsageError
 */
export function requireProfile(who: string, name: string, value: unknown): void {
  if (hasLists(value, PROFILE_FORMAT, ['runs', 'phases', 'programs', 'processes'])) return;
  throw wrongType(who, name, 'a profile (parseProfile reads one)', value);
}

/**
 * The same for several.
 *
 * @throws UsageError
 */
export function requireProfiles(who: string, value: unknown): void {
  requireList(who, 'profiles', value);
  for (const [index, profile] of value.entries()) requireProfile(who, `profiles[${index}]`, profile);
}
