/** What a watch knows of itself and of its targets. */
export interface WatchFacts {
  /** Since the watch began. */
  readonly seconds: number;
  readonly targets: readonly TargetFacts[];
  /** Live processes of the machine that were seen to make a call. */
  readonly processes: number;
  /** Events, calls and tasks that were lost. */
  readonly lost: number;
  /** Processes that were gone, with their cgroup, before it was known where they belonged. */
  readonly unattributed: number;
  readonly writings: number;
  readonly failures: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

export interface TargetFacts {
  readonly name: string;
  /** Distinct calls, also of earlier watches. */
  readonly calls: number;
  /** Calls that were seen for the first time since the watch began. */
  readonly newCalls: number;
  readonly newInLastHour: number;
  readonly processes: number;
  readonly starts: number;
}

/** Value of Content-Type for {@link formatMetrics}. */
export const METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

type Sample = readonly [labels: string, value: number];

/** The facts as OpenMetrics text; source: the OpenMetrics specification 1.0.0, https://openmetrics.io. */
export function formatMetrics(facts: WatchFacts): string {
  const lines: string[] = [];
  const family = (
    name: string,
    type: 'gauge' | 'counter',
    help: string,
    samples: readonly Sample[],
    unit = '',
  ): void => {
    lines.push(`# TYPE ${name} ${type}`);
    if (unit !== '') lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escapeText(help)}`);
    const suffix = type === 'counter' ? '_total' : '';
    for (const [labels, value] of samples) lines.push(`${name}${suffix}${labels} ${value}`);
  };
  const one = (value: number): Sample[] => [['', value]];
  const each = (value: (target: TargetFacts) => number): Sample[] =>
    facts.targets.map((target) => [`{target="${escapeText(target.name)}"}`, value(target)]);
  family('callgate_watch_targets', 'gauge', 'Targets that have a profile.', one(facts.targets.length));
  family(
    'callgate_watch_calls',
    'gauge',
    'Distinct system calls of the target, in earlier watches too.',
    each(({ calls }) => calls),
  );
  family(
    'callgate_watch_new_calls',
    'counter',
    'System calls that the target had not made before.',
    each(({ newCalls }) => newCalls),
  );
  family(
    'callgate_watch_new_calls_last_hour',
    'gauge',
    'System calls that the target has made for the first time in the last hour.',
    each(({ newInLastHour }) => newInLastHour),
  );
  family(
    'callgate_watch_target_processes',
    'gauge',
    'Processes of the target that live.',
    each(({ processes }) => processes),
  );
  family(
    'callgate_watch_starts',
    'gauge',
    'Starts that the profile of the target holds, in earlier watches too.',
    each(({ starts }) => starts),
  );
  family('callgate_watch_processes', 'gauge', 'Processes that live and are watched.', one(facts.processes));
  family('callgate_watch_lost', 'counter', 'Events and calls that were lost.', one(facts.lost));
  family(
    'callgate_watch_unattributed',
    'counter',
    'Processes that were gone before it was known to which target they belonged.',
    one(facts.unattributed),
  );
  family('callgate_watch_writings', 'counter', 'Profiles written.', one(facts.writings));
  family(
    'callgate_watch_write_failures',
    'counter',
    'Profiles that could not be written.',
    one(facts.failures),
  );
  family('callgate_watch_seconds', 'gauge', 'Time since the watch began.', one(facts.seconds), 'seconds');
  family(
    'process_cpu_seconds',
    'counter',
    'Processor time that the watch itself has taken.',
    one(facts.cpuSeconds),
    'seconds',
  );
  family(
    'process_resident_memory_bytes',
    'gauge',
    'Memory of the watch itself.',
    one(facts.memoryBytes),
    'bytes',
  );
  return `${lines.join('\n')}\n# EOF\n`;
}

function escapeText(text: string): string {
  return text
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('"', String.raw`\"`);
}
