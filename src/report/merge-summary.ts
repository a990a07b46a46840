import type { Profile } from '../profile/model.ts';
import { runIncidence } from '../profile/sets.ts';
import { plural } from './table.ts';

/**
 * What a merged profile holds, in one line without line feed: runs, processes, distinct calls, and how alike the runs are.
 */
export function formatMergeSummary(profile: Profile): string {
  const incidence = runIncidence(profile);
  const processes = new Set(profile.processes.map(({ run, pid }) => `${run} ${pid}`)).size;
  const total = incidence[0]?.total ?? 0;
  const always = incidence.filter(({ runs }) => runs.length === total).length;
  const once = incidence.filter(({ runs }) => runs.length === 1).length;
  const parts = [
    plural(profile.runs.length, 'run'),
    plural(processes, 'process', 'processes'),
    plural(incidence.length, 'distinct system call'),
  ];
  if (total > 1) parts.push(`${always} seen in every run`, `${once} in just one`);
  return parts.join(', ');
}
