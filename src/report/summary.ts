import { escapeText } from './escape.ts';
import { formatCount } from '../base/count.ts';
import { formatDuration } from '../base/duration.ts';
import { callTotals, countProcesses } from '../profile/sets.ts';
import type { Profile } from '../profile/model.ts';

/**
 * What `callgate trace` prints at its end: sizes, phases, whether anything is missing, and where the profile is.
 *
 * @param error what is told as an error besides, and not as a reason again
 */
export function formatSummary(profile: Profile, path: string, error: Error | null = null): string {
  const run = profile.runs[0];
  const threads = profile.processes.reduce((sum, { threads: own }) => sum + own.length, 0);
  const processes = countProcesses(profile);
  const { distinct, uses, isCounted, inPhase } = callTotals(profile);
  const made = isCounted
    ? ` of ${formatCount(uses)} made`
    : ` (${formatCount(uses)} uses were counted, the others passed)`;
  const lines = [
    `${escapeText(run?.command[0] ?? 'program')}: ${plural(distinct, 'distinct system call')}${made}, in ${plural(processes, 'process', 'processes')} and ${plural(threads, 'further thread')}, ${formatDuration(run?.duration ?? 0)}`,
  ];
  if (profile.phases.length > 1) {
    const sizes = profile.phases.map(({ name }, index) => `${name} ${inPhase[index]}`);
    const [, main] = profile.phases;
    const source = main?.source === 'auto' ? ` (proposed: ${main.trigger ?? ''})` : '';
    lines.push(`phases: ${sizes.join(', ')}${source}`);
  }
  const isTold = (reason: string): boolean => error !== null && reason.endsWith(error.message);
  const reasons = run?.incomplete ?? [];
  for (const reason of reasons.filter((one) => !isTold(one))) lines.push(`incomplete: ${escapeText(reason)}`);
  lines.push(`profile: ${escapeText(path)}`);
  return lines.map((line) => `callgate: ${line}\n`).join('');
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
