import { CallgateError } from '../../base/errors.ts';
import { parseElf } from '../../elf/header.ts';
import { type SourceLine, sourceLines } from '../../elf/line-table.ts';
import { buildId } from '../../elf/note.ts';
import { fromDebugFile } from '../load/debug-file.ts';
import type { RootFileSystem } from '../load/root.ts';

/**
 * Source lines of some vaddrs of an object, by its own debug information or that of a separate debug file; empty where there is
 * none, or where the file is another one by now.
 *
 * @param path below the root
 * @param id build-id that the file must have, null for any
 */
export function objectLines(
  root: RootFileSystem,
  path: string,
  id: string | null,
  vaddrs: readonly number[],
): ReadonlyMap<number, SourceLine> {
  const bytes = root.read(path);
  if (bytes === null) return new Map();
  try {
    const elf = parseElf(bytes);
    const own = buildId(elf);
    if (id !== null && own !== id) return new Map();
    const lines = sourceLines(elf, vaddrs);
    if (lines.size > 0) return lines;
    const object = { elf, buildId: own, realPath: path };
    return fromDebugFile(object, root, (debug) => sourceLines(debug, vaddrs)) ?? lines;
  } catch (error) {
    // Lines are a help, no more: broken debug information is as good as none.
    if (error instanceof CallgateError) return new Map();
    throw error;
  }
}
