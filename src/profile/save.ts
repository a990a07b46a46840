import { canonicalProfile } from './canonical.ts';
import type { Profile } from './model.ts';

/**
 * The profile as text: canonical JSON, two spaces a level, one line for each call, thread, transition and listen.
 *
 * The same profile gives the same bytes whatever the order of its calls and programs; it ends in a newline.
 */
export function formatProfile(profile: Profile): string {
  return `${formatValue(canonicalProfile(profile), [], '')}\n`;
}

/** Path of a value, array positions left out: `['processes', 'calls']` is the list of calls of any process. */
type Path = readonly string[];

function formatValue(value: unknown, path: Path, indent: string): string {
  if (!isExpanded(value, path)) return JSON.stringify(value);
  const deeper = `${indent}  `;
  const isList = Array.isArray(value);
  const lines = isList
    ? value.map((item) => deeper + formatElement(item, path, deeper))
    : entriesOf(value).map(
        ([key, field]) => `${deeper}${JSON.stringify(key)}: ${formatValue(field, [...path, key], deeper)}`,
      );
  if (lines.length === 0) return isList ? '[]' : '{}';
  return `${isList ? '[' : '{'}\n${lines.join(',\n')}\n${indent}${isList ? ']' : '}'}`;
}

/** An element of a top-level list has a block of its own, one of any deeper list a line. */
function formatElement(item: unknown, path: Path, indent: string): string {
  return path.length === 1 ? formatValue(item, path, indent) : JSON.stringify(item);
}

function isExpanded(value: unknown, path: Path): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const field = path[1];
  if (field === undefined) return path[0] !== 'generator';
  return ['calls', 'threads', 'transitions', 'listens', 'incomplete', 'warnings', 'analysis'].includes(field);
}

function entriesOf(value: object): [string, unknown][] {
  return Object.entries(value);
}
