import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { parseElf } from '../elf/header.ts';
import { buildId } from '../elf/note.ts';
import type { Libc } from '../sys/libc.ts';
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
  readonly #buildIds: Map<string, string | null> = new Map();

  constructor(recorder: Recorder, libc: Libc) {
    this.#recorder = recorder;
    this.#libc = libc;
  }

  /** Looks at a process that is stopped, or at least alive. */
  of(pid: number): ProgramOfProcess {
    const path = readExecutable(pid);
    const argv = readArgv(pid);
    if (path === null) return { program: null, path, argv, privilege: null };
    let fd: number;
    try {
      // Through /proc the file is found whatever root and mount namespace the process has.
      fd = openSync(`/proc/${pid}/exe`, 'r');
    } catch {
      return { program: this.#recorder.program(path, null), path, argv, privilege: null };
    }
    try {
      const stat = fstatSync(fd);
      const key = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
      let id = this.#buildIds.get(key);
      if (id === undefined) {
        id = readBuildId(fd);
        this.#buildIds.set(key, id);
      }
      const program = this.#recorder.program(path, id);
      return { program, path, argv, privilege: this.#privilegeOf(pid, stat) };
    } finally {
      closeSync(fd);
    }
  }

  #privilegeOf(pid: number, stat: { mode: number; uid: number; gid: number }): Privilege | null {
    const setuid = (stat.mode & S_ISUID) !== 0;
    const setgid = (stat.mode & S_ISGID) !== 0 && (stat.mode & S_IXGRP) !== 0;
    // SAFETY: the strings are copied by koffi; no buffer is passed.
    if (this.#libc.getxattrSize(`/proc/${pid}/exe`, 'security.capability') > 0) return 'setcap';
    if (!setuid && !setgid) return null;
    const status = readStatus(pid);
    const effective = (field: string): number => Number(status?.get(field)?.split('\t')[1] ?? -1);
    if (setuid && effective('Uid') !== stat.uid) return 'setuid';
    return setgid && effective('Gid') !== stat.gid ? 'setgid' : null;
  }
}

function readBuildId(fd: number): string | null {
  try {
    return buildId(parseElf(readFileSync(fd)));
  } catch {
    // Something that the kernel executes and we cannot parse still has a path.
    return null;
  }
}
