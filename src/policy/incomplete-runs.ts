import type { Run } from '../profile/model.ts';

/** Different reasons that are told one by one. */
const LISTED_REASONS = 5;

/** Methods that watch a program from where it is started or attached to. */
const WATCHING: ReadonlySet<string> = new Set(['seccomp', 'ptrace', 'adaptive', 'ebpf']);

/** What is missing in the runs that a policy is made from: a sentence for each reason, however many runs have it. */
export function describeIncomplete(runs: readonly Run[]): readonly string[] {
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
    ...describeStartUp(runs),
  ];
}

/** Programs of which every run was attached to. */
function describeStartUp(runs: readonly Run[]): readonly string[] {
  const watched = runs.filter(({ method }) => WATCHING.has(method));
  const nameOf = ({ command }: Run): string => baseName(command[0] ?? 'the program');
  const started = new Set(watched.filter(({ attached }) => attached === undefined).map(nameOf));
  const unseen = new Set(watched.map(nameOf).filter((name) => !started.has(name)));
  if (unseen.size === 0) return [];
  const [first = ''] = unseen;
  const whose = unseen.size === 1 ? first : `${unseen.size} programs`;
  return [
    `start-up of ${whose} was not seen: what is called only then is denied (trace it from its start, and give both profiles)`,
  ];
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
