import type { Profile } from '../profile/model.ts';
import { programKey } from '../profile/program-names.ts';
import type { Strictness } from './model.ts';
import { isWatching } from '../profile/watching.ts';
import { baseName } from '../base/base-name.ts';

/** Different reasons that are told one by one. */
const LISTED_REASONS = 5;

/** What is missing in the runs that a policy is made from: a sentence for each reason, however many runs have it. */
export function describeIncomplete(profile: Profile, strict: Strictness): readonly string[] {
  const { runs } = profile;
  const counts = new Map<string, number>();
  for (const { incomplete } of runs) {
    for (const reason of new Set(incomplete)) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const reasons = [...counts];
  const more = reasons.length - LISTED_REASONS;
  return [
    ...reasons.slice(0, LISTED_REASONS).map(([reason, count]) => {
      const where = runs.length === 1 ? '' : ` in ${count} of ${runs.length} runs`;
      return `not complete${where}: ${reason}`;
    }),
    ...(more > 0 ? [`not complete for ${more} more ${more === 1 ? 'reason' : 'reasons'}`] : []),
    ...describeStartUp(profile, strict),
  ];
}

/** Programs that were attached to, and of which no process began while it was watched; what an analysis allows is allowed. */
function describeStartUp({ runs, programs, processes }: Profile, strict: Strictness): readonly string[] {
  const unseen = new Map<string, string>();
  const began = new Set<string>();
  for (const { birth, run, program: index } of processes) {
    const program = index === null ? undefined : programs[index];
    if (program === undefined) continue;
    if (birth === 'start' || birth === 'exec') began.add(programKey(program));
    const isAnalysed = strict === 'sound' && program.calls.length > 0;
    if (birth === 'attach' && isWatching(runs[run]) && !isAnalysed)
      unseen.set(programKey(program), baseName(program.path));
  }
  for (const key of began) unseen.delete(key);
  const [first] = unseen.values();
  if (first === undefined) return [];
  const whose = unseen.size === 1 ? first : `${unseen.size} programs`;
  return [
    `start-up of ${whose} was not seen: what is called only then is not allowed (trace it from its start, and give both profiles)`,
  ];
}
