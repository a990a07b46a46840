import { once } from 'node:events';
import { parseDuration } from '../base/duration.ts';
import { UsageError } from '../base/errors.ts';
import { inheritedState, LAUNCH_VARIABLE } from '../trace/inherited.ts';
import { plural } from '../report/table.ts';
import { ProfileDirectory } from '../watch/profile-directory.ts';
import { parseMetricsAddress, serveMetrics } from '../watch/metrics-server.ts';
import type { TargetRecord } from '../watch/target-record.ts';
import type { Division } from '../watch/target.ts';
import { missingCapabilities, Watch } from '../watch/watch.ts';
import { say } from './say.ts';

/** Shortest and longest interval, in milliseconds: timers have no more than 31 bits. */
const SHORTEST = 100;
const LONGEST = 2 ** 31 - 1;

/** SIGHUP, the first signal, in a mask. */
const SIGHUP_BIT = 1n;

const NAMES: Readonly<Record<Division, string>> = {
  unit: 'unit',
  container: 'container',
  exe: 'executable',
};

/** Options of `callgate watch` as they were given. */
export interface WatchArguments {
  readonly directory: string;
  readonly by: Division;
  readonly interval: string;
  readonly once?: string;
  readonly metrics?: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly quiet?: true;
}

/** Watches until the time is up or a signal comes. @throws UsageError, UnsupportedError */
export async function runWatch(options: WatchArguments): Promise<void> {
  const interval = milliseconds(options.interval, '--interval');
  const limit = options.once === undefined ? null : milliseconds(options.once, '--once');
  const address = options.metrics === undefined ? null : parseMetricsAddress(options.metrics);
  const tell = options.quiet === true ? (): void => {} : say;
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort();
  // Node has made every signal that was ignored end the process: nohup is to be heeded nonetheless.
  const { ignoredSignals } = inheritedState(process.env[LAUNCH_VARIABLE]);
  const hangUp = (ignoredSignals & SIGHUP_BIT) === 0n ? stop : (): void => {};
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', hangUp);
  using directory = await ProfileDirectory.open(options.directory);
  const { by, include, exclude } = options;
  // First: if the address is taken nothing is watched and written. Nobody is answered before the watch is there.
  using server =
    address === null
      ? null
      : await orDiscard(directory, async () => serveMetrics(address, () => watch.facts()));
  const selection = { include, exclude };
  const watch = await orDiscard(directory, () => new Watch({ directory, by, interval, selection, say }));
  const missing = missingCapabilities();
  if (missing.length > 0) {
    say(
      `warning: without ${missing.join(' and ')} the executables and arguments of other users' processes cannot be looked at: those that run already may belong to no ${NAMES[by]} (callgate doctor)`,
    );
  }
  // Starting Node takes more than an hour of watching an idle machine: the share is of what comes after.
  const before = process.cpuUsage();
  let isWritten = false;
  try {
    if (server !== null) tell(`metrics are at ${server.url}`);
    tell(`watching ${NAMES[by]}s, profiles go to ${directory.path} every ${options.interval}`);
    await endOf(limit, interrupted.signal);
  } finally {
    isWritten = await watch.end();
    process.off('SIGINT', stop).off('SIGTERM', stop).off('SIGHUP', hangUp);
  }
  for (const record of watch.targets) tell(describe(record));
  const { lost, unattributed, seconds } = watch.facts();
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1e4 / seconds;
  if (unattributed > 0) {
    const some = plural(unattributed, 'process was', 'processes were');
    // What may not be looked at may be there still.
    const how = missing.length === 0 ? 'gone' : 'gone, or could not be looked at,';
    say(`warning: ${some} ${how} before it was known where ${unattributed === 1 ? 'it' : 'they'} belonged`);
  }
  tell(
    `${plural(watch.targets.length, NAMES[by])} in ${Math.round(seconds)} s, ${plural(lost, 'event')} lost, ${share.toFixed(1)} % of a processor`,
  );
  if (!isWritten) throw new UsageError(`watch: not every profile could be written to ${options.directory}`);
}

/** Makes what a watch consists of; if that cannot be made, its directory is not left behind. */
async function orDiscard<Part>(directory: ProfileDirectory, make: () => Part | Promise<Part>): Promise<Part> {
  try {
    return await make();
  } catch (error) {
    directory.discard();
    throw error;
  }
}

function describe(record: TargetRecord): string {
  const { target, distinct, newCalls, runs, starts, live, isChanged } = record;
  const inRuns = runs === starts ? '' : ` in ${plural(runs, 'run')}`;
  const where = isChanged ? 'not written' : `-> ${target.file}`;
  return `${target.name}: ${plural(distinct, 'call')}, ${newCalls} new, ${plural(starts, 'start')}${inRuns}, ${live} live ${where}`;
}

async function endOf(limit: number | null, signal: AbortSignal): Promise<void> {
  const timer = limit === null ? null : AbortSignal.timeout(limit);
  const ends = timer === null ? [signal] : [signal, timer];
  const any = AbortSignal.any(ends);
  if (!any.aborted) await once(any, 'abort');
}

function milliseconds(text: string, option: string): number {
  const value = parseDuration(text, option) / 1e6;
  if (value < SHORTEST || value > LONGEST) {
    throw new UsageError(`${option}: ${text} is out of range (100ms to 24d)`);
  }
  return value;
}
