/** One assignment of a unit file. */
export interface UnitSetting {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/**
 * The assignments of a unit file, of several joined by `systemctl cat`, or of a drop-in, in their order.
 *
 * Lines that end in `\` go on; lines that begin with `#` or `;` are comments, also between those. Source:
 * systemd.syntax(7).
 */
export function parseUnit(text: string): readonly UnitSetting[] {
  const settings: UnitSetting[] = [];
  let section = '';
  let pending = '';
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line.startsWith('#') || line.startsWith(';')) continue;
    if (line.endsWith('\\')) {
      pending += `${line.slice(0, -1)} `;
      continue;
    }
    const whole = `${pending}${line}`.trim();
    pending = '';
    const header = /^\[([^\]]*)\]$/.exec(whole);
    if (header !== null) section = header[1]!;
    const equals = whole.indexOf('=');
    if (header === null && equals > 0) {
      settings.push({ section, key: whole.slice(0, equals).trim(), value: whole.slice(equals + 1).trim() });
    }
  }
  return settings;
}
