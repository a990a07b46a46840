import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { foreignSets } from '../foreign-sets.ts';
import { measured, readCosts } from '../measure.ts';
import type { Method } from '../method.ts';
import { runTool } from '../tool.ts';

/** Another tool that reads the program's file and writes a list of calls, which an importer understands. */
export const command: Method<'command'> = {
  kind: 'command',
  async run({ command: script, importer }, { workload, folder, signal }) {
    const [output, cost] = [join(folder, 'output'), join(folder, 'tool.cost')];
    const env = { PROGRAM: workload.program, OUTPUT: output };
    const { wall, failures } = await runTool([...measured(cost), 'sh', '-c', script], {
      folder,
      signal,
      env,
    });
    const failed = failures.length > 0 ? failures : existsSync(output) ? [] : ['it wrote no $OUTPUT'];
    if (failed.length > 0)
      return { wall, cost: readCosts([cost]), sets: [], unresolved: null, failures: failed };
    const sets = foreignSets(readFileSync(output), importer, workload.program);
    return { wall, cost: readCosts([cost]), sets, unresolved: null, failures: [] };
  },
};
