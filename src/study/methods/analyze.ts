import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseProfile } from '../../profile/load.ts';
import { measured, readCosts } from '../measure.ts';
import type { Method } from '../method.ts';
import { runTool } from '../tool.ts';
import { setsOf } from '../study-sets.ts';
import { libraryOptions } from '../workload/load.ts';

/** `callgate analyze` of the program's file, without what earlier analyses have left in the cache. */
export const analyze: Method<'analyze'> = {
  kind: 'analyze',
  async run({ options }, { workload, callgate, folder, signal }) {
    const [output, cost] = [join(folder, 'analyze.json'), join(folder, 'analyze.cost')];
    const words = [
      ...measured(cost),
      callgate,
      'analyze',
      '-q',
      '-o',
      output,
      ...options,
      ...libraryOptions(workload),
      workload.program,
    ];
    const { wall, failures } = await runTool(words, { folder, signal, env: { XDG_CACHE_HOME: folder } });
    if (failures.length > 0) return { wall, cost: readCosts([cost]), sets: [], unresolved: null, failures };
    const profile = parseProfile(readFileSync(output, 'utf8'));
    const unresolved = profile.programs.flatMap(({ analysis }) => analysis?.unresolved ?? []).length;
    return { wall, cost: readCosts([cost]), sets: setsOf(profile, workload.program), unresolved, failures };
  },
};
