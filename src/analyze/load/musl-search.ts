import { absolutePath, directoryOf, expandTokens } from './dynamic-string.ts';
import type { LibraryCandidate, LibrarySearch } from './library-search.ts';
import type { LoadObject } from './load-object.ts';
import type { RootFileSystem } from './root.ts';

/** What the search depends on beside the object that asks. */
export interface MuslSearchOptions {
  readonly root: RootFileSystem;
  /** PT_INTERP: it names the machine and the prefix of the path file. */
  readonly interpreter: string;
  /** LD_LIBRARY_PATH, split. */
  readonly libraryPath: readonly string[];
  readonly workingDirectory: string;
}

/**
 * Finds libraries as musl's loader does: LD_LIBRARY_PATH, then DT_RUNPATH or else DT_RPATH of the object that asks and of all by which it was
 * loaded, then the path file. Source: musl's ldso/dynlink.c.
 */
export class MuslSearch implements LibrarySearch {
  readonly skipsOtherMachines = false;
  readonly #options: MuslSearchOptions;
  readonly #systemPath: readonly string[];

  constructor(options: MuslSearchOptions) {
    this.#options = options;
    const { root, interpreter, workingDirectory } = options;
    const slash = interpreter.lastIndexOf('/');
    const architecture = /^ld-musl-(.*?)\.so/.exec(interpreter.slice(slash + 1))?.[1] ?? 'x86_64';
    const prefix = directoryOf(directoryOf(interpreter));
    const text = root.readText(`${prefix === '/' ? '' : prefix}/etc/ld-musl-${architecture}.path`);
    this.#systemPath = splitPath(text ?? '/lib:/usr/local/lib:/usr/lib', workingDirectory);
  }

  isLoader(name: string): boolean {
    return /^lib(?:c|pthread|rt|m|dl|util|xnet)\./.test(name) || name === this.#options.interpreter;
  }

  *candidates(
    name: string,
    by: LoadObject | null,
    loaderOf: (object: LoadObject) => LoadObject | null,
  ): Iterable<LibraryCandidate> {
    const { libraryPath, workingDirectory } = this.#options;
    if (name.includes('/')) {
      yield { path: absolutePath(name, workingDirectory), hwcap: null };
      return;
    }
    yield* inDirectories(
      libraryPath.flatMap((part) => splitPath(part, workingDirectory)),
      name,
    );
    for (let object = by; object !== null; object = loaderOf(object)) {
      const path = object.dynamic?.runpath ?? object.dynamic?.rpath ?? null;
      if (path === null) continue;
      const origin = directoryOf(object.role === 'program' ? object.realPath : object.path);
      yield* inDirectories(splitPath(expandOrigin(path, origin), workingDirectory), name);
    }
    yield* inDirectories(this.#systemPath, name);
  }
}

/** Only the one token; musl does not use a path that has others. */
function expandOrigin(path: string, origin: string): string {
  const expanded = expandTokens(path, { ORIGIN: origin, LIB: '$LIB', PLATFORM: '$PLATFORM' });
  return expanded.includes('$') ? '' : expanded;
}

function splitPath(text: string, workingDirectory: string): string[] {
  return text
    .split(/[:\n]/)
    .filter((part) => part !== '')
    .map((part) => absolutePath(part, workingDirectory));
}

function* inDirectories(directories: readonly string[], name: string): Iterable<LibraryCandidate> {
  for (const directory of directories) {
    yield { path: directory === '/' ? `/${name}` : `${directory}/${name}`, hwcap: null };
  }
}
