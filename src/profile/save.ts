import { canonicalProcess, canonicalProfile, rememberedText } from './canonical.ts';
import { requireProfile } from './given.ts';
import type { Process, Profile } from './model.ts';

/**
 * The profile as text: canonical JSON, two spaces a level, one line for each call, thread, transition and listen.
 *
 * The same profile gives the same bytes whatever the order of its calls and programs; it ends in a newline.
 *
 * @throws UsageError for what is no profile
 */
export function formatProfile(profile: Profile): string {
  requireProfile('formatProfile', 'profile', profile);
  const lines: string[] = [];
  writeValue(lines, canonicalProfile(profile), '', '', [], '');
  return `${lines.join('\n')}\n`;
}

/** The lines that {@link formatProfile} writes for a process whose program keeps its place, but for the indent of the first; they are JSON. */
export function formatProcess(process: Process): string {
  const lines: string[] = [];
  writeValue(lines, canonicalProcess(process), '', '', ['processes'], PROCESS_INDENT);
  return lines.join('\n');
}

const PROCESS_INDENT = '    ';

/** Path of a value, array positions left out: `['processes', 'calls']` is the list of calls of any process. */
type Path = readonly string[];

const EXPANDED: ReadonlySet<string> = new Set([
  'calls',
  'threads',
  'transitions',
  'listens',
  'incomplete',
  'warnings',
  'analysis',
]);

/** Adds the lines of a value, of which the first begins with `before` and the last ends with `after`. */
function writeValue(
  lines: string[],
  value: unknown,
  before: string,
  after: string,
  path: Path,
  indent: string,
): void {
  const isList = Array.isArray(value);
  if (!isExpanded(value, path) || Object.keys(value).length === 0) {
    lines.push(before + JSON.stringify(value) + after);
    return;
  }
  const deeper = `${indent}  `;
  lines.push(before + (isList ? '[' : '{'));
  if (isList) writeElements(lines, value, path, deeper);
  else {
    const entries = Object.entries(value);
    for (const [index, [key, field]] of entries.entries()) {
      const comma = index === entries.length - 1 ? '' : ',';
      const name = `${deeper}${JSON.stringify(key)}: `;
      // There may be ten thousand processes, of which most fields are such.
      if (typeof field !== 'object' || field === null) lines.push(name + JSON.stringify(field) + comma);
      else writeValue(lines, field, name, comma, [...path, key], deeper);
    }
  }
  lines.push(indent + (isList ? ']' : '}') + after);
}

/** An element of a top-level list has a block of its own, one of any deeper list a line. */
function writeElements(lines: string[], list: readonly unknown[], path: Path, indent: string): void {
  const last = list.length - 1;
  for (let index = 0; index <= last; index++) {
    const comma = index === last ? '' : ',';
    const text =
      path[0] === 'processes' && path.length === 1 ? rememberedText(list[index] as Process) : undefined;
    if (text !== undefined) lines.push(indent + text + comma);
    else if (path.length === 1) writeValue(lines, list[index], indent, comma, path, indent);
    else lines.push(indent + JSON.stringify(list[index]) + comma);
  }
}

function isExpanded(value: unknown, path: Path): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const field = path[1];
  return field === undefined ? path[0] !== 'generator' : EXPANDED.has(field);
}
