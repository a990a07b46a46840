import { readFileSync } from 'node:fs';
import { casesOf } from '../case-choice.ts';
import { foreignSets, uniteSets } from '../foreign-sets.ts';
import { measuredRunner, readCosts } from '../measure.ts';
import type { Method } from '../method.ts';
import { runWorkload, workloadFailures, workloadFiles } from '../workload/run.ts';
import type { Runner } from '../workload/model.ts';

/** Another tool that starts the program, such as strace, over the cases of the workload. */
export const wrapper: Method<'wrapper'> = {
  kind: 'wrapper',
  async run({ cases, wrapper: words, importer }, { workload, folder, signal }) {
    const runner: Runner = {
      name: 'strace',
      wrap: (output) => words.map((word) => word.replaceAll('${output}', `${output}.foreign`)),
      leaves: ['.foreign'],
      patience: 20,
      judge: () => [],
    };
    const result = await runWorkload(workload, measuredRunner(runner), {
      output: folder,
      cases: casesOf(workload, cases),
      servers: 'shared',
      signal,
    });
    const files = workloadFiles(result);
    const found = files
      .filter((file) => file.endsWith('.foreign'))
      .map((file) => foreignSets(readFileSync(file), importer, workload.program));
    return {
      wall: result.duration / 1e9,
      cost: readCosts(files.filter((file) => file.endsWith('.cost'))),
      sets: found.length === 0 ? [] : [uniteSets(found)],
      unresolved: null,
      failures: workloadFailures(result),
    };
  },
};
