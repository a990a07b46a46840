import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { makeDirectories } from '../base/directories.ts';
import { DocumentError, UsageError } from '../base/errors.ts';
import { createProfileParser, type ProfileParser } from '../profile/load.ts';
import type { Profile } from '../profile/model.ts';
import { formatProfile } from '../profile/save.ts';

/** Files that are being written, which a watch that was killed may have left. */
const TEMPORARY = /^\..*\.json\.tmp$/;

/** Profiles hold the arguments of every program: nobody else is to read them. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The directory of the profiles of a watch, which no other watch writes to meanwhile. */
export class ProfileDirectory implements Disposable {
  readonly path: string;
  readonly #made: readonly string[];
  #lock: Server;
  #parse: ProfileParser | null = null;

  private constructor(path: string, made: readonly string[], lock: Server) {
    this.path = path;
    this.#made = made;
    this.#lock = lock;
  }

  /**
   * Makes the directory if need be, and locks it.
   *
   * The lock is a Unix socket with an abstract name: the kernel lets go of it however this process ends.
   *
   * @throws UsageError if it cannot be written to, or another watch has it
   */
  static async open(path: string): Promise<ProfileDirectory> {
    const directory = resolve(path);
    let made: readonly string[];
    let name: string;
    try {
      made = makeDirectories(directory, DIRECTORY_MODE);
      accessSync(directory, constants.W_OK | constants.X_OK);
      // Root may write anywhere but where nothing can be written.
      const probe = join(directory, '.probe.json.tmp');
      writeFileSync(probe, '', { mode: FILE_MODE });
      rmSync(probe);
      name = lockName(directory);
    } catch (error) {
      throw new UsageError(
        `watch: cannot write to directory ${path}, ${(error as NodeJS.ErrnoException).code} (choose another with -d)`,
        { cause: error },
      );
    }
    const lock = await listen(name);
    if (lock === null) {
      throw new UsageError(`watch: another watch writes to ${path} (one directory each: -d)`);
    }
    for (const file of readdirSync(directory)) if (TEMPORARY.test(file)) rmSync(join(directory, file));
    return new ProfileDirectory(directory, made, lock);
  }

  /**
   * The profile that an earlier watch has left; null if there is none.
   *
   * One that is damaged is put aside under another name, of which `say` tells.
   */
  read(file: string, say: (text: string) => void): Profile | null {
    const path = join(this.path, file);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      return this.#putAside(path, (error as NodeJS.ErrnoException).code ?? 'unreadable', say);
    }
    try {
      this.#parse ??= createProfileParser();
      const profile = this.#parse(text, file);
      return isByWatch(profile) ? profile : this.#putAside(path, 'it is not by a watch', say);
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      return this.#putAside(path, error.message.split('\n')[0] as string, say);
    }
  }

  /** Whether a profile is there. */
  has(file: string): boolean {
    return existsSync(join(this.path, file));
  }

  /** Makes the directory again if somebody has removed it. Returns whether it did; where it cannot be made writing fails. */
  restore(): boolean {
    if (existsSync(this.path)) return false;
    try {
      makeDirectories(this.path, DIRECTORY_MODE);
      // Another directory, another lock. Should somebody be quicker, both go on: which of them is to end nobody could say.
      const replace = (lock: Server | null): void => {
        if (lock === null) return;
        this.#lock.close();
        this.#lock = lock;
      };
      listen(lockName(this.path)).then(replace, () => {});
    } catch {
      return false;
    }
    return true;
  }

  /** Replaces a profile in one step. @throws NodeJS.ErrnoException; what was there stays then */
  write(file: string, profile: Profile): void {
    const temporary = join(this.path, `.${file}.tmp`);
    try {
      const fd = openSync(temporary, 'w', FILE_MODE);
      try {
        writeFileSync(fd, formatProfile(profile));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, join(this.path, file));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Removes what was made, as nothing comes of it. */
  discard(): void {
    try {
      for (const path of this.#made.toReversed()) rmdirSync(path);
    } catch {
      // Somebody has put something into it.
    }
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }

  #putAside(path: string, reason: string, say: (text: string) => void): null {
    let aside = `${path}.damaged`;
    for (let count = 2; existsSync(aside); count++) aside = `${path}.damaged.${count}`;
    renameSync(path, aside);
    say(`${path} cannot be continued: ${reason}; it is ${aside} now`);
    return null;
  }
}

/**
 * Whether a watch can have written a profile: one phase, runs by eBPF without a workload, and processes without parents, threads,
 * waits, errors and the calls of a launch. One with more in it, as a trace's, would lose that if it were continued.
 */
function isByWatch({ runs, phases, processes }: Profile): boolean {
  return (
    phases.length === 1 &&
    runs.every(({ method, workload }) => method === 'ebpf' && workload === undefined) &&
    processes.every(({ parent, threads, calls }) => {
      const isPlain = calls.every(
        ({ waits, errnos, launch }) => waits === undefined && errnos === undefined && launch === undefined,
      );
      return parent === null && threads.length === 0 && isPlain;
    })
  );
}

/** By the directory itself, whatever its path. */
function lockName(directory: string): string {
  const { dev, ino } = statSync(directory);
  return `\0callgate-watch:${dev}:${ino}`;
}

/** Null if the name is taken. */
function listen(name: string): Promise<Server | null> {
  return new Promise((fulfil, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? fulfil(null) : reject(error),
    );
    server.listen(name, () => {
      server.unref();
      fulfil(server);
    });
  });
}
