import { lstatSync, statSync } from 'node:fs';
import { type PathAnswer, RootFileSystem } from '../load/root.ts';

/** What was asked of a file system, and what the answer rested on. */
export interface FileRecord {
  /** Path below the root. */
  readonly path: string;
  /** Whether the directory's names were asked for. */
  readonly isList: boolean;
  /** What identifies path and content; null when there was nothing, the error when it was not to be seen. */
  readonly state: string | null;
}

/** Milliseconds within which a file system may give two contents one time. */
const GRANULARITY = 2_000;

/** A root that notes whatever is looked at, so that a result can be kept until any of it changes. */
export class RecordingRoot extends RootFileSystem {
  readonly #records = new Map<string, FileRecord>();
  #isFresh = false;

  override lookUp(path: string): PathAnswer {
    const answer = super.lookUp(path);
    this.#note(path, answer, false);
    return answer;
  }

  override list(path: string): readonly string[] {
    this.#note(path, super.lookUp(path), true);
    return super.list(path);
  }

  override listFailure(path: string): string | null {
    this.#note(path, super.lookUp(path), true);
    return super.listFailure(path);
  }

  /** All that was looked at; null when something changed so recently that a further change might not show. */
  records(): readonly FileRecord[] | null {
    return this.#isFresh ? null : [...this.#records.values()];
  }

  /** Whether all is as it was when it was noted. */
  isUnchanged(records: readonly FileRecord[]): boolean {
    return records.every(({ path, state }) => this.#state(path, super.lookUp(path)) === state);
  }

  #note(path: string, answer: PathAnswer, isList: boolean): void {
    const key = `${isList ? 'list' : 'file'} ${path}`;
    if (this.#records.has(key)) return;
    this.#records.set(key, { path, isList, state: this.#state(path, answer) });
  }

  #state(path: string, { real, failure }: PathAnswer): string | null {
    if (real === null) return failure;
    const host = this.directory === '/' ? real : this.directory + real;
    const status =
      statSync(host, { bigint: true, throwIfNoEntry: false }) ??
      lstatSync(host, { bigint: true, throwIfNoEntry: false });
    if (status === undefined) return null;
    const { dev, ino, size, mode, mtimeNs, ctimeNs } = status;
    if (Date.now() - Number(ctimeNs / 1_000_000n) < GRANULARITY) this.#isFresh = true;
    return [real === path ? '' : real, dev, ino, size, mode, mtimeNs, ctimeNs].join(' ');
  }
}
