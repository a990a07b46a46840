import { UsageError } from '../base/errors.ts';
import type { Violation } from '../trace/backend.ts';
import { writeAll, type OutputFile } from './output-file.ts';

/**
 * The file of `run --report`: a JSON object a line, written as violations come, so that it can be followed and holds what
 * there was if callgate is killed. An older file goes when the first of them comes, or at the end.
 */
export class ViolationReport {
  readonly #file: OutputFile;
  #fd: number | null = null;
  /** Why nothing can be written any more; null if it can be. */
  #problem: string | null = null;
  #missing = 0;

  constructor(file: OutputFile) {
    this.#file = file;
  }

  add(violation: Violation): void {
    if (this.#problem === null) this.#write(reportLine(violation));
    // The program goes on: what is wrong with the file is said at the end.
    if (this.#problem !== null) this.#missing++;
  }

  /** @throws UsageError if something could not be written */
  end(): void {
    if (this.#problem === null) this.#write('');
    this.#file.discard();
    if (this.#problem === null) return;
    const { path } = this.#file;
    throw new UsageError(
      `output: cannot write ${path}: ${this.#problem}, ${this.#missing} violations are missing`,
    );
  }

  /** Leaves what there is: an older file if nothing has been written. */
  discard(): void {
    this.#file.discard();
  }

  #write(line: string): void {
    try {
      this.#fd ??= this.#file.begin();
      writeAll(this.#fd, Buffer.from(line));
    } catch (error) {
      this.#problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    }
  }
}

/** A violation as a JSON object on a line of its own. */
function reportLine(violation: Violation): string {
  return `${JSON.stringify({ ...violation, args: violation.args.map((value) => `0x${value.toString(16)}`) })}\n`;
}
