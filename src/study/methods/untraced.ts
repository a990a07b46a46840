import type { Method } from '../method.ts';
import { casesOf } from '../case-choice.ts';
import { runWorkload, workloadFailures } from '../workload/run.ts';
import { plainRunner } from '../workload/runners.ts';

/** The workload as it is: what the time of others is compared with. */
export const untraced: Method<'untraced'> = {
  kind: 'untraced',
  async run({ cases }, { workload, folder, signal }) {
    const result = await runWorkload(workload, plainRunner(), {
      output: folder,
      cases: casesOf(workload, cases),
      servers: 'shared',
      signal,
    });
    return {
      wall: result.duration / 1e9,
      cost: null,
      sets: [],
      unresolved: null,
      failures: workloadFailures(result),
    };
  },
};
