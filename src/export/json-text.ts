/**
 * JSON with integers of any size, two spaces a level, a list or object that fits on a line on one line; ends with a
 * newline. `undefined` fields are left out.
 */
export function formatJson(value: unknown): string {
  return `${formatValue(value, '', 0)}\n`;
}

/** Columns that a list or an object on one line may take. */
const LINE_WIDTH = 110;

function formatValue(value: unknown, indent: string, used: number): string {
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item: unknown): [string, unknown] => ['', item])
    : Object.entries(value)
        .filter(([, field]) => field !== undefined)
        .map(([key, field]): [string, unknown] => [`${JSON.stringify(key)}: `, field]);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  if (parts.length === 0) return `${open}${close}`;
  const deeper = `${indent}  `;
  const flat = parts.map(([key, field]) => `${key}${formatValue(field, '', 0)}`);
  const space = isList ? '' : ' ';
  const line = `${open}${space}${flat.join(', ')}${space}${close}`;
  if (!line.includes('\n') && indent.length + used + line.length <= LINE_WIDTH) return line;
  const lines = parts.map(([key, field]) => `${deeper}${key}${formatValue(field, deeper, key.length)}`);
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}
