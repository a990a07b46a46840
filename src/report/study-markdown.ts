import { syscallName } from '../abi/syscalls.ts';
import type { Arch } from '../abi/arch.ts';
import type { Spread } from '../study/results.ts';

/** A table of Markdown; columns after the first stand on the right if `isNumeric`. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  isNumeric = false,
): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(oneCell).join(' | ')} |`;
  const rule = head.map((_, index) => (isNumeric && index > 0 ? '--:' : '---'));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Text that stays in its cell. */
export function oneCell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replace(/\s+/g, ' ');
}

/** Three digits of a number. */
export function digits(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}

/** Median with the range around it. */
export function spreadText(value: Spread | null, places: number): string {
  if (value === null) return '';
  const [median, min, max] = [value.median, value.min, value.max].map((each) => each.toFixed(places));
  return min === max ? `${median}` : `${median} (${min} to ${max})`;
}

/** At most `most` names of calls that are given as `arch nr`. */
export function callNames(keys: readonly string[], most: number): string {
  const names = keys.slice(0, most).map((key) => {
    const [arch = '', nr = ''] = key.split(' ');
    return syscallName(arch as Arch, Number(nr)) ?? key;
  });
  return `${names.join(', ')}${keys.length > most ? ', ...' : ''}`;
}
