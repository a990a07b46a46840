import { closeSync, fstatSync, openSync } from 'node:fs';
import { readBuildId } from '../build-id.ts';
import { readArgv, readExecutable } from '../proc.ts';
import type { Recorder } from '../recorder.ts';
import { ARGUMENT_COUNT } from './events.ts';

/** An executable file as the kernel knew it at the exec. */
export interface ExecutedFile {
  /** Where it lies in its mount namespace; null if the kernel could not say. */
  readonly path: string | null;
  readonly inode: bigint;
  readonly size: bigint;
  readonly mtimeSeconds: bigint;
  readonly mtimeNanoseconds: number;
}

/** Arguments as the kernel had them at the exec, those at the front. */
interface ExecutedArgv {
  readonly argv: readonly string[] | null;
  readonly isArgvCut: boolean;
}

/** Identifies what was executed, although the process may be gone or run something else by now. */
export class Executables {
  readonly #recorder: Recorder;
  readonly #known: Map<string, number> = new Map();
  /** Programs of which the file could not be looked at any more. */
  readonly unread: Set<string> = new Set();
  /** Execs of which the path was not known, and those of which not all arguments that a profile has room for were. */
  unnamed = 0;
  argvCut = 0;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** Index in the recorder, or null if not even the path is known. A file is read once however often it is executed. */
  identify(pid: number, file: ExecutedFile): number | null {
    const { path, inode, size, mtimeSeconds, mtimeNanoseconds } = file;
    const key = `${inode}:${size}:${mtimeSeconds}:${mtimeNanoseconds}:${path ?? ''}`;
    let program: number | null | undefined = this.#known.get(key);
    if (program === undefined) {
      program = this.#look(pid, file);
      // What is not known may be the next time, by a process that lives longer.
      if (program === null) this.unnamed++;
      else this.#known.set(key, program);
    }
    return program;
  }

  /** What a process was executed with: what the kernel has told, and where that is not all and the process is still there the rest. */
  argvOf(pid: number, { argv, isArgvCut }: ExecutedArgv): readonly string[] | null {
    if (argv !== null && !isArgvCut) return argv;
    const now = readArgv(pid);
    const isStill = now.length > 0 && (argv ?? []).every((part, index) => now[index] === part);
    if (isStill) return now;
    if (argv === null || argv.length < ARGUMENT_COUNT) this.argvCut++;
    return argv;
  }

  #look(pid: number, file: ExecutedFile): number | null {
    // The process itself first: through it the file is found whatever mount namespace it has, and after it was deleted.
    const now = readExecutable(pid);
    const bare = (path: string): string => path.replace(/ \(deleted\)$/, '');
    const isNamed = now !== null && (file.path === null || bare(now) === bare(file.path));
    const ofProcess = isNamed ? sameBuildId(`/proc/${pid}/exe`, file) : undefined;
    // Where the kernel had no path only the file itself tells whether it is still the same.
    const path = isNamed && (file.path !== null || ofProcess !== undefined) ? now : file.path;
    if (path === null) return null;
    const id = ofProcess ?? sameBuildId(path, file) ?? sameBuildId(`/proc/${pid}/root${path}`, file);
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
