import { FormatError, UnsupportedError } from '../../base/errors.ts';
import type { ElfFile } from '../../elf/file.ts';
import { parseElf } from '../../elf/header.ts';
import { debugLink } from '../../elf/interpreter.ts';
import { buildId } from '../../elf/note.ts';
import { symbolColumns, type SymbolColumns } from '../../elf/symbol-columns.ts';
import { directoryOf } from './dynamic-string.ts';
import type { LoadObject } from './load-object.ts';
import type { RootFileSystem } from './root.ts';

/** What is known of an object whose debug file is looked for. */
export type DebuggedObject = Pick<LoadObject, 'buildId' | 'elf' | 'realPath'>;

/**
 * The `.symtab` of the separate debug file of an object; null when there is none.
 *
 * What `.gnu_debugdata` holds is not read, as it is compressed with LZMA.
 */
export function debugSymbols(object: DebuggedObject, root: RootFileSystem): SymbolColumns | null {
  return fromDebugFile(object, root, symbolColumns);
}

/**
 * What `read` makes of the separate debug file of an object: by build-id, else by `.gnu_debuglink`; null when there is none.
 *
 * A debug file with another build-id is not taken. Source: GDB manual, "Debugging Information in Separate Files".
 */
export function fromDebugFile<T>(
  object: DebuggedObject,
  root: RootFileSystem,
  read: (elf: ElfFile) => T,
): T | null {
  for (const path of debugPaths(object)) {
    const bytes = path === object.realPath ? null : root.read(path);
    if (bytes === null) continue;
    try {
      const elf = parseElf(bytes);
      if (isForObject(elf, object)) return read(elf);
    } catch (error) {
      // Names are a help, no more: a broken debug file is as good as none.
      if (!(error instanceof FormatError || error instanceof UnsupportedError)) throw error;
    }
  }
  return null;
}

function debugPaths({ buildId: id, elf, realPath }: DebuggedObject): string[] {
  const paths: string[] = [];
  if (id !== null && id.length > 2) paths.push(`${DEBUG}/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
  let link: string | undefined;
  try {
    link = debugLink(elf)?.name;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  if (link === undefined || link.includes('/')) return paths;
  const directory = directoryOf(realPath);
  return [...paths, `${directory}/${link}`, `${directory}/.debug/${link}`, `${DEBUG}${directory}/${link}`];
}

const DEBUG = '/usr/lib/debug';

function isForObject(elf: ElfFile, object: DebuggedObject): boolean {
  return (
    elf.machine === object.elf.machine && elf.class === object.elf.class && buildId(elf) === object.buildId
  );
}
