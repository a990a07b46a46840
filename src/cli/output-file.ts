import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../base/errors.ts';

/** Space that is taken before the work begins, so that a full disk is found out then. */
const RESERVE = 256 * 1024;

/**
 * A result file that is written at the end of long work, checked at its beginning.
 *
 * A regular file is replaced by rename, so a reader never sees half of it and a failure leaves the old one;
 * pipes and devices are written to directly.
 */
export class OutputFile {
  readonly path: string;
  readonly #temporary: string | null;
  readonly #fd: number;

  private constructor(path: string, temporary: string | null, fd: number) {
    this.path = path;
    this.#temporary = temporary;
    this.#fd = fd;
  }

  /** @throws UsageError if the file could not be written at the end either */
  static prepare(path: string): OutputFile {
    const target = resolve(path);
    try {
      const stat = statSync(target, { throwIfNoEntry: false });
      if (stat?.isDirectory() === true) throw new UsageError(`output: ${path} is a directory (give a file)`);
      if (stat !== undefined) accessSync(target, constants.W_OK);
      if (stat !== undefined && !stat.isFile()) return new OutputFile(path, null, openSync(target, 'w'));
      const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
      const fd = openSync(temporary, 'wx', 0o666);
      try {
        writeSync(fd, Buffer.alloc(RESERVE, ' '));
      } catch (error) {
        closeSync(fd);
        rmSync(temporary, { force: true });
        throw error;
      }
      return new OutputFile(path, temporary, fd);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new UsageError(`output: cannot write ${path}: ${(error as Error).message} (choose another file with -o)`, {
        cause: error,
      });
    }
  }

  /**
   * Writes the text and puts the file in its place.
   *
   * @returns the path that was written: another one, in the directory for temporary files, if the disk is full by now
   * @throws UsageError if it can be written nowhere
   */
  commit(text: string): string {
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#temporary === null ? null : at);
      }
      if (this.#temporary !== null) {
        ftruncateSync(this.#fd, bytes.length);
        fsyncSync(this.#fd);
      }
      closeSync(this.#fd);
      if (this.#temporary !== null) renameSync(this.#temporary, resolve(this.path));
      return this.path;
    } catch (error) {
      this.discard();
      const rescue = join(tmpdir(), `${basename(this.path)}.${process.pid}`);
      try {
        writeFileSync(rescue, text, { flag: 'wx' });
        return rescue;
      } catch {
        throw new UsageError(
          `output: cannot write ${this.path}: ${(error as Error).message}, nor ${rescue} instead`,
          { cause: error },
        );
      }
    }
  }

  /** Leaves everything as it was before. */
  discard(): void {
    try {
      closeSync(this.#fd);
    } catch {
      // Closed by a commit that failed later.
    }
    if (this.#temporary !== null) rmSync(this.#temporary, { force: true });
  }
}
