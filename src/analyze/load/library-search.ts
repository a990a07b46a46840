import type { LoadObject } from './load-object.ts';

/** A file that a loader would try for a name. */
export interface LibraryCandidate {
  /** Below the root, absolute. */
  readonly path: string;
  /** The glibc-hwcaps subdirectory that it is from, or another that depends on the CPU; null for every CPU. */
  readonly hwcap: string | null;
}

/** How one loader finds libraries. */
export interface LibrarySearch {
  /**
   * The files that are tried, in order, for a name that is not loaded yet, whether they are there or not.
   *
   * `by` is the object that asks, null for none; `loaderOf` gives the object because of which another was loaded.
   */
  candidates(
    name: string,
    by: LoadObject | null,
    loaderOf: (object: LoadObject) => LoadObject | null,
  ): Iterable<LibraryCandidate>;
  /** True when the loader goes on after a file for another machine, false when it gives up. */
  readonly skipsOtherMachines: boolean;
  /** True for a name that always means the loader itself. */
  isLoader(name: string): boolean;
}
