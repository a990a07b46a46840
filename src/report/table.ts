/** A column of a table: its title and on which side its cells stand. */
export interface Column {
  readonly title: string;
  /** Numbers stand on the right; default `left`. */
  readonly align?: 'left' | 'right';
}

/**
 * Lines of a table with a line of titles, columns two spaces apart and no spaces at the end of a line.
 *
 * A row may have fewer cells than there are columns.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = '',
): readonly string[] {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, column) =>
    [titles, ...rows].reduce((width, row) => Math.max(width, widthOf(row[column] ?? '')), 0),
  );
  return [titles, ...rows].map((row) => {
    const cells = columns.map(({ align }, column) => pad(row[column] ?? '', widths[column] ?? 0, align));
    return `${indent}${cells.join('  ')}`.trimEnd();
  });
}

/** Lines of `label` and value with the values below one another; an empty label goes on with the one before. */
export function formatFields(
  fields: readonly (readonly [label: string, value: string])[],
): readonly string[] {
  const width = fields.reduce((widest, [label]) => Math.max(widest, widthOf(label)), 0);
  return fields.map(([label, value]) => `${pad(label, width)}  ${value}`.trimEnd());
}

/** Text as lines of at most `width` characters, broken at its spaces. */
export function wrapText(text: string, width: number): readonly string[] {
  return wrapPieces(text.split(/(?<= )/), width);
}

/**
 * Pieces of text one behind the other, as lines of at most `width` characters as far as the pieces allow.
 *
 * Pieces carry the spaces between them at their ends; all lines but the first begin with `hanging`.
 */
export function wrapPieces(pieces: readonly string[], width: number, hanging = ''): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const piece of pieces) {
    if (line.trim() !== '' && widthOf(line) + widthOf(piece.trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = hanging;
    }
    line += piece;
  }
  return line === '' ? lines : [...lines, line.trimEnd()];
}

/** `1 process`, `2 processes`. */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + fill : fill + text;
}

/** Characters, not UTF-16 units. */
function widthOf(text: string): number {
  return [...text].length;
}
