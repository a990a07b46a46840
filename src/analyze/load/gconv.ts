import { ByteCursor } from '../../base/byte-cursor.ts';
import { FormatError } from '../../base/errors.ts';
import { absolutePath } from './dynamic-string.ts';
import type { RootFileSystem } from './root.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';

/**
 * The character set converters that iconv(3) of glibc may open, and through it fopen's `ccs=` and wide streams.
 *
 * `directories` are those that hold libraries: gconv is below that of libc. Both the text files and the cache are read, as glibc takes the cache
 * when it is there. Sources: glibc's iconv/gconv_conf.c, iconv/gconv_cache.c.
 */
export function gconvLibraries(root: RootFileSystem, directories: readonly string[]): RunTimeLibraries {
  const list = new LibraryList();
  for (const parent of directories) {
    const directory = `${parent}/gconv`;
    const configurations = root
      .list(`${directory}/gconv-modules.d`)
      .filter((name) => name.endsWith('.conf'))
      .map((name) => `${directory}/gconv-modules.d/${name}`);
    for (const path of [`${directory}/gconv-modules`, ...configurations]) {
      for (const name of namesOfText(root.readText(path) ?? '')) {
        list.add(absolutePath(name, directory), `converter in ${path}`);
      }
    }
    const path = `${directory}/gconv-modules.cache`;
    const cache = root.read(path, LARGEST_CACHE);
    if (cache === null) continue;
    try {
      for (const name of parseGconvCache(cache)) {
        list.add(absolutePath(name, directory), `converter in ${path}`);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      list.problems.push(`${path} cannot be read: ${error.message}`);
    }
  }
  return list;
}

/**
 * The files of the modules in a gconv-modules.cache, as written in it: relative to its directory, or absolute.
 *
 * @throws FormatError when it is none, or malformed.
 */
export function parseGconvCache(bytes: Uint8Array): string[] {
  const cursor = new ByteCursor(bytes, { context: 'gconv cache' });
  const magic = cursor.u32();
  if (magic !== CACHE_MAGIC) {
    throw new FormatError(`gconv cache: magic is ${magic.toString(16)} (${CACHE_MAGIC.toString(16)})`, {
      offset: 0,
      value: magic,
    });
  }
  const strings = cursor.u16();
  cursor.skip(4);
  const modules = cursor.u16();
  const others = cursor.u16();
  const names = new Set<string>();
  const text = (offset: number): string => {
    const at = cursor.offset;
    cursor.offset = strings + offset;
    const value = cursor.cString();
    cursor.offset = at;
    return value;
  };
  // An entry has six offsets: canonical name, from directory and file, to directory and file, and those to others.
  cursor.offset = modules;
  while (cursor.offset + MODULE_SIZE <= others) {
    cursor.skip(2);
    for (let direction = 0; direction < 2; direction++) {
      const directory = cursor.u16();
      const file = cursor.u16();
      const name = file === 0 ? '' : text(directory) + text(file);
      // What begins with the sign is inside of libc.
      if (name !== '' && !name.startsWith('=')) names.add(name);
    }
    cursor.skip(2);
  }
  return [...names];
}

const CACHE_MAGIC = 0x20010324;
const MODULE_SIZE = 12;
const LARGEST_CACHE = 2 ** 24;

/** `module FROM TO FILE COST`, `.so` being left out. */
function namesOfText(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, , , file] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (keyword !== 'module' || file === undefined || file === 'INTERNAL') return [];
    return [file.endsWith('.so') ? file : `${file}.so`];
  });
}
