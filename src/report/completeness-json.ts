import { findSuspects, type ProgramSuspects } from '../compare/suspects.ts';
import { measureCompleteness, type Completeness } from '../profile/completeness.ts';
import type { Profile } from '../profile/model.ts';
import type { CallFilter } from '../profile/sets.ts';
import { escapeJson } from './escape.ts';

/**
 * What `callgate show --format completeness-json` prints: fields may be added to it, none goes away or changes its meaning.
 */
export interface CompletenessDocument extends Completeness {
  readonly format: 'callgate-completeness';
  readonly version: 1;
  /** What was asked for; null where nothing was. */
  readonly filter: { readonly phase: string | null; readonly program: string | null };
  /** What the code of each program may do and no run of it did. */
  readonly programs: readonly ProgramSuspects[];
}

/**
 * How much the runs of a profile may have missed, as a document for other programs.
 *
 * @throws UsageError as `callSet`
 */
export function formatCompletenessJson(profile: Profile, filter: CallFilter = {}): string {
  const document: CompletenessDocument = {
    format: 'callgate-completeness',
    version: 1,
    filter: { phase: filter.phase ?? null, program: filter.program ?? null },
    ...measureCompleteness(profile, filter),
    programs: findSuspects(profile, filter),
  };
  return `${escapeJson(JSON.stringify(document, null, 2))}\n`;
}
