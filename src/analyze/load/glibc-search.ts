import { FormatError } from '../../base/errors.ts';
import { DT_FLAGS_1_BITS, E_MACHINE } from '../../elf/constants.ts';
import type { ElfFile } from '../../elf/file.ts';
import { absolutePath, directoryOf, expandTokens } from './dynamic-string.ts';
import { parseLibraryCache, type LibraryCacheEntry } from './library-cache.ts';
import type { LibraryCandidate, LibrarySearch } from './library-search.ts';
import type { LoadObject } from './load-object.ts';
import type { RootFileSystem } from './root.ts';

/** What the search depends on beside the object that asks. */
export interface GlibcSearchOptions {
  readonly root: RootFileSystem;
  /** The program interpreter, which holds the default directories; null when it is missing. */
  readonly loader: ElfFile | null;
  readonly program: LoadObject;
  /** LD_LIBRARY_PATH, split. */
  readonly libraryPath: readonly string[];
  readonly workingDirectory: string;
  /** Called once with a sentence for people when something was left out. */
  readonly report: (problem: string) => void;
}

/**
 * Finds libraries as glibc's loader does: DT_RPATH along the chain of loaders, LD_LIBRARY_PATH, DT_RUNPATH of the object that asks,
 * /etc/ld.so.cache, default directories (ld.so(8)); each directory's subdirectories for particular CPUs come first.
 */
export class GlibcSearch implements LibrarySearch {
  readonly skipsOtherMachines = true;
  readonly #options: GlibcSearchOptions;
  readonly #defaults: readonly string[];
  readonly #lib: string;
  readonly #platform: string;
  readonly #subdirectories = new Map<string, readonly LibraryCandidate[]>();
  #cache: ReadonlyMap<string, readonly LibraryCacheEntry[]> | undefined;

  constructor(options: GlibcSearchOptions) {
    this.#options = options;
    const { loader, program } = options;
    this.#defaults = (loader && systemDirectories(loader)) ?? fallbackDirectories(program.elf);
    this.#lib = (loader && libToken(loader)) ?? (program.elf.class === 64 ? 'lib64' : 'lib');
    this.#platform = PLATFORMS.get(program.elf.machine) ?? '';
  }

  isLoader(): boolean {
    return false;
  }

  *candidates(
    name: string,
    by: LoadObject | null,
    loaderOf: (object: LoadObject) => LoadObject | null,
  ): Iterable<LibraryCandidate> {
    const { libraryPath, program, workingDirectory } = this.#options;
    if (name.includes('$') && by !== null) name = this.#expand(name, by);
    if (name.includes('/')) {
      yield { path: absolutePath(name, workingDirectory), hwcap: null };
      return;
    }
    const inDirectories = (directories: readonly string[]): Iterable<LibraryCandidate> =>
      this.#inDirectories(directories, name);
    if (by === null || by.dynamic?.runpath == null) {
      let didProgram = false;
      for (let object = by; object !== null; object = loaderOf(object)) {
        yield* inDirectories(this.#split(rpathOf(object), object));
        didProgram ||= object === program;
      }
      if (!didProgram) yield* inDirectories(this.#split(rpathOf(program), program));
    }
    yield* inDirectories(libraryPath.flatMap((part) => this.#split(part, program)));
    if (by !== null) yield* inDirectories(this.#split(by.dynamic?.runpath ?? null, by));
    const noDefaults = ((by ?? program).dynamic?.flags1 ?? 0) & DT_FLAGS_1_BITS.DF_1_NODEFLIB;
    for (const { path, hwcap } of this.#fromCache(name)) {
      if (noDefaults && this.#defaults.some((directory) => path.startsWith(`${directory}/`))) continue;
      yield { path, hwcap };
    }
    if (!noDefaults) yield* inDirectories(this.#defaults);
  }

  *#inDirectories(directories: readonly string[], name: string): Iterable<LibraryCandidate> {
    for (const directory of directories) {
      for (const { path, hwcap } of this.#subdirectoriesOf(directory)) {
        yield { path: `${path}/${name}`, hwcap };
      }
      yield { path: directory === '/' ? `/${name}` : `${directory}/${name}`, hwcap: null };
    }
  }

  /** Best first, as far as names tell: `x86-64-v4` before `x86-64-v3`. */
  #subdirectoriesOf(directory: string): readonly LibraryCandidate[] {
    const known = this.#subdirectories.get(directory);
    if (known !== undefined) return known;
    const { root } = this.#options;
    const found: LibraryCandidate[] = [];
    const hwcaps = `${directory}/glibc-hwcaps`;
    for (const name of root.list(hwcaps).toReversed()) {
      found.push({ path: `${hwcaps}/${name}`, hwcap: name });
    }
    const addLegacy = (folder: string, left: readonly string[]): void => {
      for (const [index, name] of left.entries()) {
        const path = `${folder}/${name}`;
        if (root.realPath(path) === null) continue;
        addLegacy(path, left.slice(index + 1));
        found.push({ path, hwcap: path.slice(directory.length + 1) });
      }
    };
    if (this.#options.program.elf.machine === E_MACHINE.EM_X86_64) addLegacy(directory, LEGACY_PARTS);
    this.#subdirectories.set(directory, found);
    return found;
  }

  /** The directories of a DT_RPATH or its like; an empty one is the working directory. */
  #split(text: string | null, object: LoadObject): string[] {
    if (text === null) return [];
    return text.split(':').map((part) => {
      const path = absolutePath(this.#expand(part, object), this.#options.workingDirectory);
      return path.replace(/(?<=.)\/+$/, '');
    });
  }

  #expand(text: string, object: LoadObject): string {
    // The kernel tells the program's own path without symbolic links, /proc/self/exe.
    const path = object.role === 'program' ? object.realPath : object.path;
    return expandTokens(text, { ORIGIN: directoryOf(path), LIB: this.#lib, PLATFORM: this.#platform });
  }

  #fromCache(name: string): readonly LibraryCacheEntry[] {
    this.#cache ??= this.#readCache();
    return this.#cache.get(name) ?? [];
  }

  #readCache(): ReadonlyMap<string, readonly LibraryCacheEntry[]> {
    const byName = new Map<string, LibraryCacheEntry[]>();
    const bytes = this.#options.root.read(CACHE_PATH, LARGEST_CACHE);
    if (bytes === null) return byName;
    try {
      for (const entry of parseLibraryCache(bytes)) {
        const entries = byName.get(entry.name);
        if (entries === undefined) byName.set(entry.name, [entry]);
        // What is for particular CPUs is preferred wherever it stands.
        else if (entry.hwcap === null) entries.push(entry);
        else entries.unshift(entry);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#options.report(`${CACHE_PATH} is not used, as the loader would not: ${error.message}`);
    }
    return byName;
  }
}

const CACHE_PATH = '/etc/ld.so.cache';
const LARGEST_CACHE = 2 ** 26;

/** Subdirectories of the scheme before glibc-hwcaps, in the order of nesting; searched up to glibc 2.36. */
const LEGACY_PARTS = ['tls', 'xeon_phi', 'haswell', 'avx512_1', 'x86_64'];

/** AT_PLATFORM of the oldest CPU (arch/ARCH/include/asm/elf.h). */
const PLATFORMS: ReadonlyMap<number, string> = new Map([
  [E_MACHINE.EM_X86_64, 'x86_64'],
  [E_MACHINE.EM_386, 'i686'],
  [E_MACHINE.EM_AARCH64, 'aarch64'],
]);

/** DT_RPATH, which does not count beside a DT_RUNPATH. */
function rpathOf(object: LoadObject): string | null {
  return object.dynamic?.runpath == null ? (object.dynamic?.rpath ?? null) : null;
}

/** The default directories are constants of the loader: zero-terminated paths, one after the other, each with a slash at its end. */
function systemDirectories(loader: ElfFile): string[] | null {
  const text = Buffer.from(loader.bytes.buffer, loader.bytes.byteOffset, loader.bytes.length).toString(
    'latin1',
  );
  let best: string[] = [];
  for (const [run] of text.matchAll(/(?<=\0)(?:\/[\x21-\x7e]{1,200}\/\0){1,16}/g)) {
    const directories = run.split('\0').slice(0, -1);
    if (directories.length > best.length && directories.every((path) => path.includes('lib')))
      best = directories;
  }
  return best.length === 0 ? null : best.map((path) => path.slice(0, -1));
}

/** `$LIB` is a constant of the loader: `lib64`, or in Debian `lib/x86_64-linux-gnu`. */
function libToken(loader: ElfFile): string | null {
  const bytes = Buffer.from(loader.bytes.buffer, loader.bytes.byteOffset, loader.bytes.length);
  const tuple = TUPLES.get(loader.machine);
  const tokens = [...(tuple === undefined ? [] : [`lib/${tuple}`]), 'lib64', 'lib32', 'libx32', 'lib'];
  return tokens.find((token) => bytes.includes(`\0${token}\0`)) ?? null;
}

/** Debian's names of machines (multiarch specification). */
const TUPLES: ReadonlyMap<number, string> = new Map([
  [E_MACHINE.EM_X86_64, 'x86_64-linux-gnu'],
  [E_MACHINE.EM_386, 'i386-linux-gnu'],
  [E_MACHINE.EM_AARCH64, 'aarch64-linux-gnu'],
]);

function fallbackDirectories(program: ElfFile): string[] {
  const tuple = TUPLES.get(program.machine);
  const multiarch = tuple === undefined ? [] : [`/lib/${tuple}`, `/usr/lib/${tuple}`];
  const wide = program.class === 64 ? ['/lib64', '/usr/lib64'] : [];
  return [...multiarch, ...wide, '/lib', '/usr/lib'];
}
