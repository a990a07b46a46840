import { requireTool } from './tools.ts';

/** The groups of the installed systemd, as the text of src/export/generated/systemd-groups.ts. */
export function generateSystemdGroups(): { readonly version: string; readonly text: string } {
  const [, version = ''] =
    /^systemd ([0-9]+) /m.exec(requireTool('systemd-analyze', ['--version'], 'systemd')) ?? [];
  const rows: string[][] = [];
  for (const line of requireTool('systemd-analyze', ['syscall-filter', '--no-pager'], 'systemd').split(
    '\n',
  )) {
    // What follows is about the kernel of this machine.
    if (line.startsWith('#')) break;
    const word = line.trim();
    if (line.startsWith('@')) rows.push([word]);
    else if (word !== '' && !word.startsWith('#')) rows.at(-1)!.push(word);
  }
  const text = `// Generated from systemd-analyze syscall-filter of systemd ${version} by test/export/systemd-groups.test.ts.
// Do not edit: npx vitest run test/export/systemd-groups.test.ts --update

/** Release of systemd that the groups are those of. */
export const SYSTEMD_GROUPS_VERSION = '${version}';

/** Lines of a group and its members: calls, and groups whose calls it has too. */
export const SYSTEMD_GROUPS: string = \`
${rows.map((row) => row.join(' ')).join('\n')}
\`;
`;
  return { version, text };
}
