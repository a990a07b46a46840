/** A library that a program may open while it runs, as far as files of its root tell. */
export interface RunTimeLibrary {
  /** For LoadSet.open: a path below the root, or a name that is searched. */
  readonly name: string;
  /** For people: which file says so, or in which directory it is. */
  readonly reason: string;
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

  add(name: string, reason: string): void {
    if (this.#names.has(name)) return;
    this.#names.add(name);
    this.libraries.push({ name, reason });
  }

  addAll({ libraries, problems }: RunTimeLibraries): void {
    for (const { name, reason } of libraries) this.add(name, reason);
    this.problems.push(...problems);
  }
}
