import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../../base/directories.ts';

/** Bytes of all entries together beyond which the oldest ones go. */
const SIZE_LIMIT = 512 * 1024 * 1024;

/** Milliseconds after which a temporary file cannot belong to a writer that still runs. */
const ABANDONED_AFTER = 3_600_000;

/** Length of the SHA-256 that an entry begins with. */
const DIGEST_SIZE = 32;

/**
 * Files by key in one directory, for any number of processes at once.
 *
 * An entry appears by rename, so that it is there as a whole or not at all, and begins with the SHA-256 of its key and content: what
 * does not fit counts as not there. No method throws for what the file system does: without a cache everything is merely slower.
 */
export class EntryStore {
  readonly #directory: string;
  readonly #limit: number;

  /** `limit` is in bytes. */
  constructor(directory: string, limit: number = SIZE_LIMIT) {
    this.#directory = directory;
    this.#limit = limit;
  }

  /** The content of an entry, null when there is none that is whole. */
  read(key: string): Uint8Array | null {
    const path = this.#path(key);
    try {
      const bytes = readRegular(path);
      const content = bytes.subarray(DIGEST_SIZE);
      if (bytes.length < DIGEST_SIZE || !bytes.subarray(0, DIGEST_SIZE).equals(digest(key, content)))
        return null;
      this.#touch(path);
      return content;
    } catch {
      return null;
    }
  }

  /** Keeps an entry; false when it cannot be written. */
  write(key: string, content: Uint8Array): boolean {
    const temporary = join(this.#directory, `.${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
    try {
      makeDirectories(this.#directory, 0o700);
      writeFileSync(temporary, Buffer.concat([digest(key, content), content]), { flag: 'wx', mode: 0o600 });
      renameSync(temporary, this.#path(key));
    } catch {
      removeQuietly(temporary);
      return false;
    }
    this.#evict();
    return true;
  }

  #path(key: string): string {
    return join(this.#directory, createHash('sha256').update(key).digest('hex'));
  }

  /** What was used last goes last. */
  #touch(path: string): void {
    try {
      const now = new Date();
      utimesSync(path, now, now);
    } catch {
      // Somebody else's, or read-only.
    }
  }

  #evict(): void {
    const files: { path: string; size: number; mtimeMs: number }[] = [];
    try {
      for (const name of readdirSync(this.#directory)) {
        const path = join(this.#directory, name);
        const status = statSync(path, { throwIfNoEntry: false });
        if (status === undefined) continue;
        const { size, mtimeMs } = status;
        if (!name.endsWith('.tmp')) files.push({ path, size, mtimeMs });
        else if (Date.now() - mtimeMs > ABANDONED_AFTER) rmSync(path, { force: true });
      }
      let total = files.reduce((sum, { size }) => sum + size, 0);
      files.sort((a, b) => a.mtimeMs - b.mtimeMs);
      for (const { path, size } of files) {
        if (total <= this.#limit) break;
        rmSync(path, { force: true });
        total -= size;
      }
    } catch {
      // The next writer tries again.
    }
  }
}

/** @throws when it is no regular file, too. */
function readRegular(path: string): Buffer {
  // Opening a FIFO that nobody writes to would wait for ever.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error('no regular file');
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Its directory cannot be written either.
  }
}

function digest(key: string, content: Uint8Array): Buffer {
  return createHash('sha256').update(key).update('\0').update(content).digest();
}
