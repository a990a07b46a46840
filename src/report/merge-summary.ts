import type { Profile } from '../profile/model.ts';
import { countProcesses, runIncidence } from '../profile/sets.ts';
import { escapeText } from './escape.ts';
import { plural } from './table.ts';

/** Ways to cut that are named. */
const CUT_CAP = 4;

/**
 * What a merged profile holds, in one line without line feed: runs, processes, distinct calls, and how alike the runs are.
 */
export function formatMergeSummary(profile: Profile): string {
  const incidence = runIncidence(profile);
  const total = incidence[0]?.total ?? 0;
  const always = incidence.filter(({ runs }) => runs.length === total).length;
  const once = incidence.filter(({ runs }) => runs.length === 1).length;
  const parts = [
    plural(profile.runs.length, 'run'),
    plural(countProcesses(profile), 'process', 'processes'),
    plural(incidence.length, 'distinct system call'),
  ];
  if (total > 1) parts.push(`${always} seen in every run`, `${once} in just one`);
  return parts.join(', ');
}

/** That runs were there twice, in one line without line feed. */
export function describeRepeated(runs: number): string {
  return `left out ${runs === 1 ? '1 run that is' : `${runs} runs that are`} there already (of the same start, duration, command, host and pids)`;
}

/**
 * A warning, in one line without line feed, if the profiles were not cut alike; null if they were.
 *
 * A run without main has all its calls in setup, so main of the union lacks what that run would have added.
 */
export function describeUnlikePhases(profiles: readonly Profile[]): string | null {
  const cuts = new Set(
    profiles.map(({ phases }) =>
      phases
        .map(({ name, trigger }) => (trigger === null ? name : `${name}@${escapeText(trigger)}`))
        .join(' '),
    ),
  );
  if (cuts.size <= 1) return null;
  return `the profiles were not cut alike: ${[...cuts].slice(0, CUT_CAP).join(' / ')}${cuts.size > CUT_CAP ? ' / ...' : ''} (callgate phases FILE --at TRIGGER -o OUT cuts all runs at the same trigger)`;
}
