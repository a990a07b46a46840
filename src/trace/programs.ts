import { statSync, type Stats } from 'node:fs';
import type { ProgramKey } from '../policy/policy-sets.ts';
import type { Libc } from '../sys/libc.ts';
import { buildIdOf } from './build-id.ts';
import { readArgv, readExecutable, readStatus } from './proc.ts';
import type { Recorder } from './recorder.ts';

/** How a file gives privileges to who executes it. */
export type Privilege = 'setuid' | 'setgid' | 'setcap';

/** What a process runs, as the kernel resolved it. */
export interface ProgramOfProcess {
  /** Index in the recorder, or null if the executable could not be read. */
  readonly program: number | null;
  readonly path: string | null;
  readonly argv: readonly string[];
  /** What gives it privileges that are lost under no_new_privs, or null. */
  readonly privilege: Privilege | null;
}

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** Identifies executables; a file is read once however often it is executed. */
export class Programs {
  readonly #recorder: Recorder;
  readonly #libc: Libc;
  readonly #files: Map<string, ExecutableFile> = new Map();

  constructor(recorder: Recorder, libc: Libc) {
    this.#recorder = recorder;
    this.#libc = libc;
  }

  /** Looks at a process that is stopped, or at least alive. */
  of(pid: number): ProgramOfProcess {
    const path = readExecutable(pid);
    const argv = readArgv(pid);
    if (path === null) return { program: null, path, argv, privilege: null };
    const file = this.#fileOf(pid);
    const program = this.#recorder.program(path, file?.buildId ?? null);
    return { program, path, argv, privilege: file === null ? null : privilegeOf(pid, file) };
  }

  /** The same for who needs to know no more; null if the executable could not be read. */
  identify(pid: number): ProgramKey | null {
    const path = readExecutable(pid);
    return path === null ? null : { path, buildId: this.#fileOf(pid)?.buildId ?? null };
  }

  /** Null if the process is gone. A file that has been changed, by its times, is another one. */
  #fileOf(pid: number): ExecutableFile | null {
    // Through /proc the file is found whatever root and mount namespace the process has.
    const exe = `/proc/${pid}/exe`;
    let stat: Stats;
    try {
      stat = statSync(exe);
    } catch {
      return null;
    }
    const key = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;
    let file = this.#files.get(key);
    if (file === undefined) {
      const { mode, uid, gid } = stat;
      // SAFETY: the strings are copied by koffi; no buffer is passed.
      const hasCapabilities = this.#libc.getxattrSize(exe, 'security.capability') > 0;
      file = { buildId: buildIdOf(exe), mode, uid, gid, hasCapabilities };
      this.#files.set(key, file);
    }
    return file;
  }
}

/** What is read of a file once. */
interface ExecutableFile {
  readonly buildId: string | null;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly hasCapabilities: boolean;
}

function privilegeOf(pid: number, { mode, uid, gid, hasCapabilities }: ExecutableFile): Privilege | null {
  if (hasCapabilities) return 'setcap';
  const setuid = (mode & S_ISUID) !== 0;
  const setgid = (mode & S_ISGID) !== 0 && (mode & S_IXGRP) !== 0;
  if (!setuid && !setgid) return null;
  const status = readStatus(pid);
  const effective = (field: string): number => Number(status?.get(field)?.split('\t')[1] ?? -1);
  if (setuid && effective('Uid') !== uid) return 'setuid';
  return setgid && effective('Gid') !== gid ? 'setgid' : null;
}
