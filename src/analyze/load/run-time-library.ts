import { cannotList } from './object-reader.ts';
import type { RootFileSystem } from './root.ts';

/** A library that a program may open while it runs, as far as files of its root tell. */
export interface RunTimeLibrary {
  /** For LoadSet.open: a path below the root, or a name that is searched. */
  readonly name: string;
  /** For people: which file says so, or in which directory it is. */
  readonly reason: string;
  /** Indexes in the load set of the objects that open it; missing when that may be any. */
  readonly openers?: readonly number[];
  /** Whether it is an error that it cannot be opened, for somebody has asked for it; default false. */
  readonly isRequired?: boolean;
}

/** What a configuration says about libraries; `problems` are sentences about what could not be followed, so that more may be opened. */
export interface RunTimeLibraries {
  readonly libraries: readonly RunTimeLibrary[];
  readonly problems: readonly string[];
}

/** Collects libraries, each name once, with the first reason. */
export class LibraryList implements RunTimeLibraries {
  readonly libraries: RunTimeLibrary[] = [];
  readonly problems: string[] = [];
  readonly #names = new Set<string>();

  add(name: string, reason: string, openers?: readonly number[]): void {
    if (this.#names.has(name)) return;
    this.#names.add(name);
    this.libraries.push({ name, reason, ...(openers === undefined ? {} : { openers }) });
  }

  /** Adds the names in a directory that fit a pattern; it is a problem when they are not known. */
  addListed(root: RootFileSystem, directory: string, fits: RegExp, reason: string): void {
    for (const name of root.list(directory)) {
      if (fits.test(name)) this.add(`${directory}/${name}`, reason);
    }
    const failure = root.listFailure(directory);
    if (failure !== null) this.addProblem(cannotList(directory, failure));
  }

  /** Adds what could not be followed, each sentence once. */
  addProblem(problem: string): void {
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  /** Adds what some objects of the load set open. */
  addAll({ libraries, problems }: RunTimeLibraries, openers: readonly number[]): void {
    for (const { name, reason } of libraries) this.add(name, reason, openers);
    for (const problem of problems) this.addProblem(problem);
  }
}
