import { expect, test } from 'vitest';
import { SYSTEMD_GROUPS_VERSION } from '../../src/export/generated/systemd-groups.ts';
import { generateSystemdGroups } from './systemd-groups.ts';

test('the groups are those of the installed systemd, if it is the same release', async () => {
  const { version, text } = generateSystemdGroups();
  if (version !== SYSTEMD_GROUPS_VERSION) {
    // Groups grow from release to release; the one of the table is checked where it is installed.
    expect(Number(version)).toBeGreaterThan(0);
    return;
  }
  await expect(text).toMatchFileSnapshot('../../src/export/generated/systemd-groups.ts');
});
