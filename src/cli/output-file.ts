import {
  accessSync,
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
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

interface Replacement {
  readonly target: string;
  readonly temporary: string;
}

/** Symbolic links that are followed, as by the kernel. */
const LINK_CAP = 40;

/**
 * A result file that is written at the end of long work, checked at its beginning.
 *
 * A regular file is replaced by rename, so a reader never sees half of it and a failure leaves the old one; a symbolic
 * link to one stays. Pipes, devices and what is open already (/dev/stdout) are written to directly.
 */
export class OutputFile {
  readonly path: string;
  /** The file to replace and what will replace it; null if `#fd` is written to directly. */
  readonly #replacement: Replacement | null;
  readonly #fd: number;
  /** False for a descriptor that is the process's own. */
  readonly #owned: boolean;

  private constructor(path: string, fd: number, replacement: Replacement | null, owned = true) {
    this.path = path;
    this.#fd = fd;
    this.#replacement = replacement;
    this.#owned = owned;
  }

  /** @throws UsageError if the file could not be written at the end either */
  static prepare(path: string): OutputFile {
    try {
      const target = followLinks(resolve(path));
      const open = openDescriptor(target);
      if (open !== null) return new OutputFile(path, open, null, false);
      const stat = statSync(target, { throwIfNoEntry: false });
      if (stat?.isDirectory() === true) throw new UsageError(`output: ${path} is a directory (give a file)`);
      if (stat !== undefined) accessSync(target, constants.W_OK);
      if (stat !== undefined && !stat.isFile()) return new OutputFile(path, openSync(target, 'w'), null);
      const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
      const fd = openSync(temporary, 'wx', 0o666);
      try {
        writeSync(fd, Buffer.alloc(RESERVE, ' '));
      } catch (error) {
        closeSync(fd);
        rmSync(temporary, { force: true });
        throw error;
      }
      return new OutputFile(path, fd, { target, temporary });
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new UsageError(
        `output: cannot write ${path}: ${(error as Error).message} (choose another file with -o)`,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * Writes the content and puts the file in its place.
   *
   * @returns the path that was written: another one, in the directory for temporary files, if the disk is full by now
   * @throws UsageError if it can be written nowhere
   */
  commit(content: string | Uint8Array): string {
    const replacement = this.#replacement;
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length;) {
        at += writeSync(this.#fd, bytes, at, bytes.length - at, replacement === null ? null : at);
      }
      if (replacement !== null) {
        ftruncateSync(this.#fd, bytes.length);
      }
      if (this.#owned) closeSync(this.#fd);
      if (replacement !== null) renameSync(replacement.temporary, replacement.target);
      return this.path;
    } catch (error) {
      this.discard();
      const rescue = join(tmpdir(), `${basename(this.path)}.${process.pid}`);
      try {
        writeFileSync(rescue, content, { flag: 'wx' });
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
      if (this.#owned) closeSync(this.#fd);
    } catch {
      // Closed by a commit that failed later.
    }
    if (this.#replacement !== null) rmSync(this.#replacement.temporary, { force: true });
  }
}

/**
 * The file that a path leads to, whether it exists or not. Links below /proc are where it ends: they
 * name what a process has open, which may have no path.
 */
function followLinks(path: string): string {
  let target = path;
  for (let links = 0; links < LINK_CAP; links++) {
    const directory = realpathSync(dirname(target));
    target = join(directory, basename(target));
    if (
      directory.startsWith('/proc/') ||
      lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink() !== true
    ) {
      return target;
    }
    target = resolve(directory, readlinkSync(target));
  }
  return target;
}

/** The descriptor of this process that a path such as /dev/stdout stands for; null for any other. */
function openDescriptor(target: string): number | null {
  const match = /^\/proc\/([0-9]+)\/fd\/([0-9]+)$/.exec(target);
  return match !== null && Number(match[1]) === process.pid ? Number(match[2]) : null;
}
