import {
  accessSync,
  closeSync,
  constants,
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

/** Symbolic links that are followed, as by the kernel. */
const LINK_CAP = 40;

/**
 * A result file that is written at the end of long work, checked at its beginning.
 *
 * A regular file is replaced by rename, so a reader never sees half of it and a failure leaves the old one; a symbolic
 * link to one stays. What holds the space for it until then has no name, so that it goes with the process, however that ends. Pipes, devices and what is open already (/dev/stdout) are written to directly.
 */
export class OutputFile {
  readonly path: string;
  /** The file to replace; null if `#fd` is written to directly. */
  readonly #target: string | null;
  /** What is written to, or what holds the space. */
  #fd: number;
  /** Whether the descriptor is open and not the process's own. */
  #owned: boolean;
  /** Why another file than the one that was wanted was written; null if it was not. */
  problem: string | null = null;

  private constructor(path: string, fd: number, target: string | null, owned = true) {
    this.path = path;
    this.#fd = fd;
    this.#target = target;
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
      return new OutputFile(path, reserve(target), target);
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
    const target = this.#target;
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    try {
      if (target === null) writeAll(this.#fd, bytes);
      this.discard();
      if (target !== null) replace(target, bytes);
      return this.path;
    } catch (error) {
      const rescue = join(tmpdir(), `${basename(this.path)}.${process.pid}`);
      try {
        writeFileSync(rescue, bytes, { flag: 'wx', mode: 0o600 });
        this.problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
        return rescue;
      } catch {
        throw new UsageError(
          `output: cannot write ${this.path}: ${(error as Error).message}, nor ${rescue} instead`,
          { cause: error },
        );
      }
    }
  }

  /**
   * Puts the file in its place, empty, to be written bit by bit; `discard` closes it.
   *
   * @returns where to write
   */
  begin(): number {
    if (this.#target === null) return this.#fd;
    this.discard();
    const fd = openReplacement(this.#target);
    this.#fd = fd;
    this.#owned = true;
    return fd;
  }

  /** Closes the file; leaves everything as it was before if nothing has been put in its place. */
  discard(): void {
    if (this.#owned) closeSync(this.#fd);
    this.#owned = false;
  }
}

/** A file beside `target` that takes space and has no name. */
function reserve(target: string): number {
  const temporary = temporaryOf(target);
  const fd = openSync(temporary, 'wx', 0o666);
  rmSync(temporary);
  try {
    writeAll(fd, Buffer.alloc(RESERVE, ' '));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Puts a file with this content in the place of `target`, in one step. */
function replace(target: string, bytes: Uint8Array): void {
  const temporary = temporaryOf(target);
  try {
    writeFileSync(temporary, bytes, { flag: 'wx', mode: 0o666 });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** An empty file in the place of `target`, open. */
function openReplacement(target: string): number {
  const temporary = temporaryOf(target);
  const fd = openSync(temporary, 'wx', 0o666);
  try {
    renameSync(temporary, target);
    return fd;
  } catch (error) {
    closeSync(fd);
    rmSync(temporary, { force: true });
    throw error;
  }
}

function temporaryOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
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
