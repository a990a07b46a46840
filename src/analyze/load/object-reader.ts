import { FormatError, UnsupportedError } from '../../base/errors.ts';
import { E_MACHINE, E_TYPE, P_TYPE } from '../../elf/constants.ts';
import { elfDynamic, type ElfDynamic } from '../../elf/dynamic.ts';
import type { ElfFile } from '../../elf/file.ts';
import { parseElf } from '../../elf/header.ts';
import { buildId } from '../../elf/note.ts';
import type { RootFileSystem } from './root.ts';

/** An ELF file that was read, before it has a place in a load set. */
export interface ObjectFile {
  readonly path: string;
  readonly realPath: string;
  /** Device and inode: two names of one file have the same. */
  readonly identity: string;
  readonly elf: ElfFile;
  readonly dynamic: ElfDynamic | null;
  readonly soname: string | null;
  readonly buildId: string | null;
}

/** A file that can be mapped, or why not; `exists` is false when the loader looks further, as past one that it cannot read. */
export type ReadResult =
  | { readonly file: ObjectFile }
  | { readonly problem: string; readonly exists: boolean };

/** The problem of a path at which no file is. */
export const NOT_FOUND = 'not found';

/** The problem of a path of which it is not known whether a file is there, for an error such as `EACCES`. */
export function cannotLook(path: string, failure: string): string {
  return `${path} cannot be looked at, ${failure}`;
}

/** The problem of a directory whose names are not known, for an error such as `EACCES`. */
export function cannotList(directory: string, failure: string): string {
  return `${directory} cannot be listed, ${failure}`;
}

/** Reads ELF files below a root, each path once. */
export class ObjectReader {
  readonly #root: RootFileSystem;
  readonly #results = new Map<string, ReadResult>();

  constructor(root: RootFileSystem) {
    this.#root = root;
  }

  /** A malformed file is data here: the loader would report it, or crash. */
  read(path: string): ReadResult {
    let result = this.#results.get(path);
    if (result === undefined) {
      result = this.#read(path);
      this.#results.set(path, result);
    }
    return result;
  }

  /**
   * The same from bytes at hand.
   *
   * @throws FormatError when they are no ELF file, or its dynamic section is malformed.
   * @throws UnsupportedError when it is big-endian.
   */
  fromBytes(path: string, bytes: Uint8Array): ObjectFile {
    const elf = parseElf(bytes, true);
    const dynamic = elfDynamic(elf);
    return {
      path,
      realPath: this.#root.realPath(path) ?? path,
      identity: this.#root.identity(path) ?? path,
      elf,
      dynamic,
      soname: dynamic?.soname ?? null,
      buildId: buildIdOf(elf),
    };
  }

  /** True when the file is started by the kernel alone: no interpreter, and no library that happens to need nothing. */
  isStaticProgram(elf: ElfFile): boolean {
    if (elf.type === E_TYPE.ET_EXEC) return true;
    return elf.entry !== 0 && !elf.segments.some(({ type }) => type === P_TYPE.PT_INTERP);
  }

  /** True when this process runs on the machine that the file is for. */
  isOwnMachine(elf: ElfFile): boolean {
    if (elf.class !== 64) return false;
    return elf.machine === (process.arch === 'x64' ? E_MACHINE.EM_X86_64 : E_MACHINE.EM_AARCH64);
  }

  #read(path: string): ReadResult {
    if (this.#root.identity(path) === null) {
      const failure = this.#root.failure(path);
      return { problem: failure === null ? NOT_FOUND : cannotLook(path, failure), exists: false };
    }
    const bytes = this.#root.read(path);
    if (bytes === null) return { problem: `${path} cannot be read`, exists: false };
    try {
      return { file: this.fromBytes(path, bytes) };
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof UnsupportedError)) throw error;
      return { problem: `${path} cannot be mapped: ${error.message}`, exists: true };
    }
  }
}

function buildIdOf(elf: ElfFile): string | null {
  try {
    return buildId(elf);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return null;
  }
}
