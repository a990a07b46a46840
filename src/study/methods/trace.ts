import { readFileSync } from 'node:fs';
import { parseProfile } from '../../profile/load.ts';
import { mergeProfiles } from '../../profile/merge.ts';
import { casesOf } from '../case-choice.ts';
import { measuredRunner, readCosts } from '../measure.ts';
import type { Method } from '../method.ts';
import { setsOf } from '../study-sets.ts';
import { runWorkload, workloadFailures, workloadFiles } from '../workload/run.ts';
import { traceRunner } from '../workload/runners.ts';

/** `callgate trace` over the cases of the workload: one profile for each start of the program, all of them merged. */
export const trace: Method<'trace'> = {
  kind: 'trace',
  async run({ cases, options }, { workload, callgate, folder, signal }) {
    const result = await runWorkload(workload, measuredRunner(traceRunner(callgate, options)), {
      output: folder,
      cases: casesOf(workload, cases),
      servers: 'shared',
      signal,
    });
    const files = workloadFiles(result);
    const profiles = files
      .filter((file) => file.endsWith('.json'))
      .map((file) => parseProfile(readFileSync(file, 'utf8')));
    return {
      wall: result.duration / 1e9,
      cost: readCosts(files.filter((file) => file.endsWith('.cost'))),
      sets: profiles.length === 0 ? [] : setsOf(mergeProfiles(profiles), workload.program),
      unresolved: null,
      failures: workloadFailures(result),
    };
  },
};
