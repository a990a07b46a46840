import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { elfDynamic } from '../elf/dynamic.ts';
import { parseElf } from '../elf/header.ts';
import type { ProcessRecord } from './recorder.ts';

/** A file that a process has in memory, or will have. */
export interface MappedFile {
  /** Its path as the process knows it, without links: what /proc/PID/maps shows. */
  readonly path: string;
  /** What stands before that path to read it here: `/proc/PID/root`, or nothing. */
  readonly root: string;
  /** Last part of the name by which it was started, which may have been a link; null for a library. */
  readonly startedAs: string | null;
}

/**
 * Knows which files the object of a symbol trigger may mean.
 *
 * People name objects as they see them: as ldd(1) prints them, by the link by which a program is started, by what comes before `.so`.
 * The kernel shows files without links.
 */
export class ObjectNames {
  /** What has been found out by looking at files, by root, path and object. */
  readonly #known: Map<string, boolean> = new Map();
  readonly #sonames: Map<string, string | null> = new Map();

  /** Whether a file is the object that was named: by any path that leads to it, or without a slash by any of its names. */
  has(file: MappedFile, object: string): boolean {
    const isPath = object.includes('/');
    if (file.path === object || (!isPath && hasName(file, object))) return true;
    const key = `${file.root}\0${file.path}\0${object}`;
    let isKnown = this.#known.get(key);
    if (isKnown === undefined) {
      isKnown = isPath ? leadsTo(file, resolve(object)) : this.#isLinked(file, object);
      this.#known.set(key, isKnown);
    }
    return isKnown;
  }

  /** Whether a link beside the file has the name, or the file itself by its DT_SONAME, under which the loader looked for it. */
  #isLinked(file: MappedFile, object: string): boolean {
    if (leadsTo(file, `${dirname(file.path)}/${object}`)) return true;
    // Only what looks like it is read: libraries may be large.
    const [stem, suffix] = object.split('.so', 2);
    if (suffix === undefined || !basename(file.path).startsWith(stem as string)) return false;
    return this.#sonameOf(`${file.root}${file.path}`) === object;
  }

  #sonameOf(path: string): string | null {
    let soname = this.#sonames.get(path);
    if (soname === undefined) {
      try {
        soname = elfDynamic(parseElf(readFileSync(path)))?.soname ?? null;
      } catch {
        soname = null;
      }
      this.#sonames.set(path, soname);
    }
    return soname;
  }
}

/** Last part of the name by which the program of a process was started; null if that is not known. */
export function startedAs(process: ProcessRecord): string | null {
  let asked: ProcessRecord | null = process;
  while (asked !== null && asked.argv === null) asked = asked.parent;
  const name = asked?.argv?.[0];
  return name === undefined ? null : basename(name);
}

/** By the file's name alone. `libc` and `libc.so` stand for `libc.so.6`, `libcurl.so.4` for `libcurl.so.4.8.0`. */
function hasName({ path, startedAs: name }: MappedFile, object: string): boolean {
  const file = basename(path);
  if (file === object || name === object || file.startsWith(`${object}.so`)) return true;
  return /\.so(?:\.|$)/.test(object) && file.startsWith(`${object}.`);
}

/** Whether another path leads to the file as well; below the root of another process not over absolute links, which the kernel follows from ours. */
function leadsTo({ path, root }: MappedFile, other: string): boolean {
  try {
    const [one, two] = [path, other].map((each) => statSync(`${root}${each}`, { bigint: true }));
    return one?.ino === two?.ino && one?.dev === two?.dev;
  } catch {
    return false;
  }
}
