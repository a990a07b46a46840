/** The last part of a path, without node:path: the page of a report has none. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
