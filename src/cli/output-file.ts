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
  unlinkSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { escapeText } from '../report/escape.ts';
import { spoiltDirectory } from '../trace/inherited.ts';

/** Space that is taken before the work begins, so that a full disk is found out then. */
const RESERVE = 256 * 1024;

/** Longest name of a file, in bytes. */
const NAME_CAP = 255;

/** Characters of a name that stand in the names of files made beside it or in its place: four bytes each at most, and something comes after. */
const STEM_CAP = 50;

/** Symbolic links that are followed, as by the kernel. */
const LINK_CAP = 40;

/** A result that could not be written where it was wanted. */
export interface Rescue {
  /** Where it is. */
  readonly path: string;
  /** Why it is not where it was wanted. */
  readonly problem: string;
}

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

  private constructor(path: string, fd: number, target: string | null, owned = true) {
    this.path = path;
    this.#fd = fd;
    this.#target = target;
    this.#owned = owned;
  }

  /**
   * @param remedy what to do where it cannot be written
   * @throws UsageError if the file could not be written at the end either
   */
  static prepare(path: string, remedy = 'choose another file with -o'): OutputFile {
    try {
      const target = followLinks(resolve(path));
      const open = openDescriptor(target);
      if (open !== null) return new OutputFile(path, open, null, false);
      const stat = statSync(target, { throwIfNoEntry: false });
      if (stat?.isDirectory() === true) {
        throw new UsageError(`output: ${escapeText(path)} is a directory (give a file)`);
      }
      if (stat !== undefined) accessSync(target, constants.W_OK);
      if (stat?.isFIFO() === true) return new OutputFile(path, openPipe(path, target), null);
      if (stat !== undefined && !stat.isFile()) return new OutputFile(path, openSync(target, 'w'), null);
      return new OutputFile(path, reserve(target), target);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      const directory = isAbsolute(path) ? null : spoiltDirectory();
      if (directory !== null) {
        throw new UsageError(`output: the name of the directory is not UTF-8, ${directory} (${remedy})`, {
          cause: error,
        });
      }
      throw new UsageError(`output: cannot write ${escapeText(path)}: ${failureText(error)} (${remedy})`, {
        cause: error,
      });
    }
  }

  /**
   * Writes the content and puts the file in its place.
   *
   * @throws UsageError if it cannot be written; a file that was there before stays
   */
  commit(content: string | Uint8Array): void {
    try {
      this.#write(content);
    } catch (error) {
      throw new UsageError(`output: cannot write ${escapeText(this.path)}: ${failureText(error)}`, {
        cause: error,
      });
    }
  }

  /**
   * Writes the content like `commit`, and where that fails into the directory for temporary files: what long work has
   * found is not lost because the disk is full by then.
   *
   * @returns where it is instead, and why; null if it is where it was wanted
   * @throws UsageError if it can be written nowhere
   */
  commitOrRescue(content: string | Uint8Array): Rescue | null {
    try {
      this.#write(content);
      return null;
    } catch (error) {
      const path = join(tmpdir(), `${stemOf(this.path)}.${process.pid}`);
      try {
        writeFileSync(path, content, { flag: 'wx', mode: 0o600 });
      } catch {
        throw new UsageError(
          `output: cannot write ${escapeText(this.path)}: ${failureText(error)}, nor ${escapeText(path)} instead`,
          { cause: error },
        );
      }
      return { path, problem: (error as NodeJS.ErrnoException).code ?? (error as Error).message };
    }
  }

  #write(content: string | Uint8Array): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    try {
      if (this.#target === null) writeAll(this.#fd, bytes);
    } finally {
      this.discard();
    }
    if (this.#target !== null) replace(this.#target, bytes);
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
  unlinkSync(temporary);
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

/** Why a file cannot be written, without the name of the one that was to take its place. */
function failureText(error: unknown): string {
  return escapeText((error as Error).message.replace(/, \w+ '.*\.[0-9]+\.tmp'.*$/s, ''));
}

function temporaryOf(target: string): string {
  return join(dirname(target), `.${stemOf(target)}.${process.pid}.tmp`);
}

function stemOf(path: string): string {
  return [...basename(path)].slice(0, STEM_CAP).join('');
}

/** The name of a result about something: `ls.callgate.json`. A name that would be too long for a file is cut. */
export function nameAfter(subject: string, ending: string): string {
  const bytes = Buffer.from(subject).subarray(0, NAME_CAP - ending.length);
  // A character that was cut in two would be another one.
  return `${bytes.toString().replace(/\ufffd+$/, '')}${ending}`;
}

/** Writes all of the bytes, however slowly a pipe that does not block takes them. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

/** Milliseconds until a pipe is tried again. */
const PIPE_PAUSE = 5;

/** Times that a pipe without a reader is tried: one that is started at the same time may come a little later. */
const PIPE_TRIES = 50;

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_PAUSE);
}

/**
 * Opens a named pipe without waiting long for its reader: no signal would be handled until there is one.
 *
 * @throws UsageError if nobody reads it
 */
function openPipe(path: string, target: string): number {
  for (let tries = 1; ; tries++) {
    try {
      return openSync(target, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      if (tries < PIPE_TRIES) pause();
      else {
        const message = `output: ${escapeText(path)} is a pipe that nobody reads (start its reader first)`;
        throw new UsageError(message, { cause: error });
      }
    }
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
