import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';

import { UsageError } from '../../base/errors.ts';

/**
 * A directory tree that is read as if it were the root: symbolic links, absolute ones too, are resolved inside it and
 * `..` stops at it.
 *
 * All paths given and returned are below that root and begin with a slash. What cannot be read counts as not there; `failure` and
 * `listFailure` tell it from what is not there.
 */
export class RootFileSystem {
  /** The host's path of the root, without symbolic links; `/` for the machine's own. */
  readonly directory: string;
  readonly #isHost: boolean;
  readonly #lists = new Map<string, DirectoryList>();

  /** @throws UsageError when there is no such directory. */
  constructor(directory = '/') {
    try {
      this.directory = realpathSync.native(directory);
      readdirSync(this.directory);
    } catch (error) {
      throw new UsageError(
        `root: ${directory} is no directory that can be read, ${(error as NodeJS.ErrnoException).code}`,
        { cause: error },
      );
    }
    this.#isHost = this.directory === '/';
  }

  /** Where a path leads; its own path again for a deleted file of a process, which has no other. */
  lookUp(path: string): PathAnswer {
    if (path.includes('\0')) return NOTHING;
    try {
      const real = this.#isHost ? realpathSync.native(path) : this.#walk(path);
      return real === null ? NOTHING : { real, failure: null };
    } catch (error) {
      if (this.#isHost && isDeleted(path)) return { real: path, failure: null };
      return { real: null, failure: failureOf(error) };
    }
  }

  /** The path without symbolic links, `.` and `..`; null when there is no such file or directory. */
  realPath(path: string): string | null {
    return this.lookUp(path).real;
  }

  /** The error, such as `EACCES`, for which it is not known whether anything is at a path; null when it is known. */
  failure(path: string): string | null {
    return this.lookUp(path).failure;
  }

  /** Whether it is known that nothing is at a path. */
  isAbsent(path: string): boolean {
    const { real, failure } = this.lookUp(path);
    return real === null && failure === null;
  }

  /** The host's path of what is at a path, symbolic links resolved inside the root; null when nothing is there. */
  hostPath(path: string): string | null {
    const real = this.realPath(path);
    return real === null || this.#isHost ? real : this.directory + real;
  }

  /** The contents of a regular file; null when there is none or it has more than `limit` bytes. */
  read(path: string, limit: number = LARGEST_FILE): Uint8Array | null {
    return this.#readWith(path, (descriptor, size) => (size > limit ? null : readFileSync(descriptor)));
  }

  /** The first bytes of a regular file, `length` at most; null when there is none. */
  readHead(path: string, length: number): Uint8Array | null {
    return this.#readWith(path, (descriptor) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, length, 0));
    });
  }

  /** A file's text, invalid UTF-8 replaced; null when there is none or it has more than `limit` bytes, default a mebibyte. */
  readText(path: string, limit: number = LARGEST_TEXT): string | null {
    const bytes = this.read(path, limit);
    return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  }

  /** The names in a directory, sorted by code unit; empty when it is none. */
  list(path: string): readonly string[] {
    return this.#listed(path).names;
  }

  /** The error, such as `EACCES`, for which the names in a directory are not known; null when they are, and for what is no directory. */
  listFailure(path: string): string | null {
    return this.#listed(path).failure;
  }

  /** What is the same for all names of one file: device and inode; null when there is no such regular file. */
  identity(path: string): string | null {
    const host = this.hostPath(path);
    if (host === null) return null;
    const status = (PROCESS_LINK.test(host) ? statSync : lstatSync)(host, {
      bigint: true,
      throwIfNoEntry: false,
    });
    return status?.isFile() === true ? `${status.dev}:${status.ino}` : null;
  }

  #listed(path: string): DirectoryList {
    const known = this.#lists.get(path);
    if (known !== undefined) return known;
    let names: string[] = [];
    let failure = this.failure(path);
    const host = this.hostPath(path);
    try {
      if (host !== null) names = readdirSync(host).sort();
    } catch (error) {
      failure = failureOf(error);
    }
    const list = { names, failure };
    this.#lists.set(path, list);
    return list;
  }

  #readWith(path: string, take: (descriptor: number, size: number) => Uint8Array | null): Uint8Array | null {
    const host = this.hostPath(path);
    if (host === null) return null;
    let descriptor: number | undefined;
    try {
      // Opening a FIFO that nobody writes to would wait for ever.
      const follow = PROCESS_LINK.test(host) ? 0 : constants.O_NOFOLLOW;
      descriptor = openSync(host, constants.O_RDONLY | constants.O_NONBLOCK | follow);
      const status = fstatSync(descriptor);
      return status.isFile() ? take(descriptor, status.size) : null;
    } catch {
      return null;
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  /** path_resolution(7), with this root; `..` of the root is the root. Throws what lstat and readlink throw, and ELOOP. */
  #walk(path: string): string | null {
    const left = path.split('/').toReversed();
    const done: string[] = [];
    let links = 0;
    for (let part = left.pop(); part !== undefined; part = left.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        done.pop();
        continue;
      }
      const here = `${this.directory}/${[...done, part].join('/')}`;
      const status = lstatSync(here, { throwIfNoEntry: false });
      if (status === undefined) return null;
      if (!status.isSymbolicLink()) {
        done.push(part);
        continue;
      }
      const target = readlinkSync(here);
      if (++links > MOST_LINKS)
        throw Object.assign(new Error(`${path} has too many links`), { code: 'ELOOP' });
      if (target.startsWith('/')) done.length = 0;
      left.push(...target.split('/').toReversed());
    }
    return `/${done.join('/')}`;
  }
}

/** The answer of RootFileSystem.lookUp: both are null where nothing is. */
export interface PathAnswer {
  /** The path below the root, without symbolic links. */
  readonly real: string | null;
  /** The error for which it is not known, such as `EACCES`. */
  readonly failure: string | null;
}

interface DirectoryList {
  readonly names: readonly string[];
  readonly failure: string | null;
}

const NOTHING: PathAnswer = { real: null, failure: null };

/** Null for the errors that say that nothing is there; any other one says only that it was not to be seen. */
function failureOf(error: unknown): string | null {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return code === 'ENOENT' || code === 'ENOTDIR' ? null : code;
}

/** Links that lead to files of a process, whatever has become of their names (proc(5)). */
const PROCESS_LINK = /^\/proc\/(?:\d+|self|thread-self)\/(?:task\/\d+\/)?(?:exe|fd\/\d+)$/;

function isDeleted(path: string): boolean {
  try {
    return PROCESS_LINK.test(path) && readlinkSync(path).endsWith(' (deleted)') && statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The kernel's limit (path_resolution(7)). */
const MOST_LINKS = 40;

/** No program or library comes near it, and Node reads less than 2 GiB at once. */
const LARGEST_FILE = 2 ** 30;

const LARGEST_TEXT = 2 ** 20;
