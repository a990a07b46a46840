import type { Profile } from '../profile/model.ts';
import { programKey } from '../profile/program-names.ts';
import type { Strictness } from './model.ts';
import { isWatching } from './watching.ts';

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
  const keyOf = (index: number | null): string | null => {
    const program = index === null ? undefined : programs[index];
    return program === undefined ? null : programKey(program);
  };
  for (const { birth, run, program } of processes) {
    const known = program === null ? undefined : programs[program];
    if (birth !== 'attach' || known === undefined || !isWatching(runs[run])) continue;
    if (strict === 'sound' && known.calls.length > 0) continue;
    unseen.set(programKey(known), baseName(known.path));
  }
  for (const { birth, program } of processes) {
    const key = keyOf(program);
    if ((birth === 'start' || birth === 'exec') && key !== null) unseen.delete(key);
  }
  const [first] = unseen.values();
  if (first === undefined) return [];
  const whose = unseen.size === 1 ? first : `${unseen.size} programs`;
  return [
    `start-up of ${whose} was not seen: what is called only then is not allowed (trace it from its start, and give both profiles)`,
  ];
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
