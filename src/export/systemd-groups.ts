import { SYSTEMD_GROUPS, SYSTEMD_GROUPS_VERSION } from './generated/systemd-groups.ts';

/** The release of systemd whose groups callgate has. */
export const SYSTEMD_VERSION: string = SYSTEMD_GROUPS_VERSION;

/** Name of every group of SystemCallFilter=, `@known` among them, in alphabetical order. */
export function systemdGroupNames(): readonly string[] {
  return rows().map(([name = '']) => name);
}

/** The calls of a group, those of the groups in it included, sorted; empty for a group that there is not. */
export function systemdGroup(name: string): readonly string[] {
  const groups = new Map(rows().map(([group = '', ...members]) => [group, members]));
  const calls = new Set<string>();
  const seen = new Set<string>();
  const add = (group: string): void => {
    if (seen.has(group)) return;
    seen.add(group);
    for (const member of groups.get(group) ?? []) {
      if (member.startsWith('@')) add(member);
      else calls.add(member);
    }
  };
  add(name);
  return [...calls].sort();
}

function rows(): string[][] {
  return SYSTEMD_GROUPS.trim()
    .split('\n')
    .map((row) => row.split(' '));
}
