import { closeSync, fstatSync, openSync } from 'node:fs';
import { readBuildId } from '../build-id.ts';
import { readExecutable } from '../proc.ts';
import type { Recorder } from '../recorder.ts';

/** An executable file as the kernel knew it at the exec. */
export interface ExecutedFile {
  /** Where it lies in its mount namespace; null if the kernel could not say. */
  readonly path: string | null;
  readonly inode: bigint;
  readonly size: bigint;
  readonly mtimeSeconds: bigint;
  readonly mtimeNanoseconds: number;
}

/** Identifies what was executed, although the process may be gone or run something else by now. */
export class Executables {
  readonly #recorder: Recorder;
  readonly #known: Map<string, number | null> = new Map();
  /** Programs of which the file could not be looked at any more. */
  readonly unread: Set<string> = new Set();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** Index in the recorder, or null if not even the path is known. A file is read once however often it is executed. */
  identify(pid: number, file: ExecutedFile): number | null {
    const { path, inode, size, mtimeSeconds, mtimeNanoseconds } = file;
    const key = `${inode}:${size}:${mtimeSeconds}:${mtimeNanoseconds}:${path ?? ''}`;
    let program = this.#known.get(key);
    if (program === undefined) {
      program = this.#look(pid, file);
      this.#known.set(key, program);
    }
    return program;
  }

  #look(pid: number, file: ExecutedFile): number | null {
    // The process itself first: through it the file is found whatever mount namespace it has, and after it was deleted.
    const now = readExecutable(pid);
    const isStill = now !== null && (file.path === null || now.replace(/ \(deleted\)$/, '') === file.path);
    const path = isStill ? now : file.path;
    if (path === null) return null;
    const id =
      (isStill ? sameBuildId(`/proc/${pid}/exe`, file) : undefined) ??
      sameBuildId(path, file) ??
      sameBuildId(`/proc/${pid}/root${path}`, file);
    if (id === undefined) this.unread.add(path);
    return this.#recorder.program(path, id?.value ?? null);
  }
}

/** The build-id, null for a file without one; undefined if it cannot be read or is another file. */
function sameBuildId(path: string, file: ExecutedFile): { value: string | null } | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    const mtime = file.mtimeSeconds * 1_000_000_000n + BigInt(file.mtimeNanoseconds);
    // Not by inode: stacked file systems show another number than they keep.
    if (stat.size !== file.size || stat.mtimeNs !== mtime) return undefined;
    return { value: readBuildId(fd) };
  } catch {
    return { value: null };
  } finally {
    closeSync(fd);
  }
}
