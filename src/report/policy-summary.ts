import { measurePolicy } from '../policy/check.ts';
import type { Policy, PolicyCall } from '../policy/model.ts';
import { escapeText } from './escape.ts';
import { plural } from './table.ts';

/** What `callgate policy` says of the policy that it made: sizes, what is blocked, which groups were added. */
export function formatPolicySummary(policy: Policy, notes: readonly string[], path: string): string {
  const coverage = measurePolicy(policy);
  const lines = [
    ...policy.phases.map(({ name, calls, programs }) => {
      const set = coverage.find(({ phase, program }) => phase === name && program === null);
      const shares = (set?.arches ?? []).map(
        ({ arch, blocked, total }) =>
          `${blocked} of ${total} blocked on ${arch} (${percent(blocked, total)})`,
      );
      const own = programs.length === 0 ? '' : `, ${plural(programs.length, 'narrower set')} for programs`;
      return `${name}: ${plural(calls.length, 'call')} allowed${restricted(calls)}, ${shares.join(', ')}${own}`;
    }),
    ...policy.groups.map(({ name, reason }) => {
      const added = policy.phases[0]?.calls.filter((call) => isOnlyOf(call, name)) ?? [];
      return `group ${name}: ${plural(added.length, 'call')} more, ${reason}`;
    }),
    ...notes.map((note) => `note: ${note}`),
    `policy: ${path}`,
  ];
  return lines.map((line) => `callgate: ${escapeText(line)}\n`).join('');
}

function restricted(calls: readonly PolicyCall[]): string {
  const count = calls.filter(({ args }) => args.length > 0).length;
  return count === 0 ? '' : ` (${count} with argument rules)`;
}

/** Whether nothing but this group asks for the call. */
function isOnlyOf({ why }: PolicyCall, group: string): boolean {
  return why.length > 0 && why.every((text) => text.startsWith(`group ${group}:`));
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${Math.floor((100 * part) / whole)} %`;
}
