import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectories } from '../base/directories.ts';
import { UsageError } from '../base/errors.ts';
import type { Cost } from './measure.ts';

/** One run of one method on one program: a line of the raw data. */
export interface StudyRun {
  /** Identity of what was run: program, method, repetition, and a hash of all that would make it another run. */
  readonly key: string;
  readonly program: string;
  readonly method: string;
  /** From 0. */
  readonly repetition: number;
  /** ISO 8601, UTC. */
  readonly start: string;
  /** Seconds; what the method took in all, starts of the program included. */
  readonly wall: number;
  readonly cost: Cost | null;
  /** Calls by phase, `arch nr`; the first entry is the whole set. Empty for methods that find none. */
  readonly sets: readonly StudySet[];
  /** Sites that static analysis could not bound; null for other methods. */
  readonly unresolved: number | null;
  /** What went wrong, one line each; empty is success. */
  readonly failures: readonly string[];
}

/** One set of calls. */
export interface StudySet {
  /** Name of a phase, null for the whole set. */
  readonly phase: string | null;
  /** `arch nr`, in order of documents. */
  readonly calls: readonly string[];
}

/**
 * The raw data of a study: a file of JSON lines that is only ever appended to, so that a study that was stopped goes on
 * where it was.
 */
export class Ledger {
  readonly #file: string;
  readonly #runs: Map<string, StudyRun> = new Map();

  constructor(file: string) {
    this.#file = file;
    try {
      makeDirectories(dirname(file));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(`study: cannot make ${dirname(file)}, ${code} (--data names another directory)`, {
        cause: error,
      });
    }
    if (!existsSync(file)) return;
    const text = readFileSync(file, 'utf8');
    for (const line of text.split('\n')) {
      const run = parseLine(line);
      if (run !== null) this.#runs.set(run.key, run);
    }
    // A line that was cut off by a kill must not swallow the next one.
    if (text !== '' && !text.endsWith('\n')) appendFileSync(file, '\n');
  }

  get(key: string): StudyRun | undefined {
    return this.#runs.get(key);
  }

  /** Appends a run; it is on disk when this returns. */
  add(run: StudyRun): void {
    const descriptor = openSync(this.#file, 'a');
    try {
      appendFileSync(descriptor, `${JSON.stringify(run)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    this.#runs.set(run.key, run);
  }
}

/** Identity of a run; `inputs` is all that would make it another one. */
export function runKey(program: string, method: string, repetition: number, inputs: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
  return `${program}/${method}/${repetition}/${hash}`;
}

/** Null for a line that is no run, such as the last one of a study that was killed. */
function parseLine(line: string): StudyRun | null {
  try {
    const value = JSON.parse(line) as StudyRun | null;
    return typeof value?.key === 'string' && Array.isArray(value.sets) ? value : null;
  } catch {
    return null;
  }
}
