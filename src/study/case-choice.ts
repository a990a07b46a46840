import type { CaseChoice } from './experiment.ts';
import type { Workload } from './workload/model.ts';

/** Names of the cases that are chosen, in the order of the workload. */
export function casesOf({ cases }: Workload, choice: CaseChoice): readonly string[] {
  return cases.filter(({ kind }) => choice === 'all' || kind === choice).map(({ name }) => name);
}
