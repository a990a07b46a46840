import { FormatError, UsageError } from '../../base/errors.ts';
import { E_TYPE } from '../../elf/constants.ts';
import { interpreter } from '../../elf/interpreter.ts';
import { absolutePath } from './dynamic-string.ts';
import { findExecutable } from './find-executable.ts';
import { GlibcSearch } from './glibc-search.ts';
import type { LibrarySearch } from './library-search.ts';
import { readPreloadFile } from './preload.ts';
import type { LibraryVariant, LoadObject, LoadReason, MissingObject } from './load-object.ts';
import { MuslSearch } from './musl-search.ts';
import { NOT_FOUND, ObjectReader, type ObjectFile } from './object-reader.ts';
import { RootFileSystem } from './root.ts';
import { executedByEnv, parseScriptLine, type ScriptLine } from './script-line.ts';
import { readVdso } from './vdso.ts';
import { baseName } from '../../base/base-name.ts';

/** How a load set is built. */
export interface LoadSetOptions {
  /** Where files are read; default the machine's own root. */
  readonly root?: RootFileSystem;
  /** LD_LIBRARY_PATH, split at colons and semicolons; default none. */
  readonly libraryPath?: readonly string[];
  /** LD_PRELOAD, split; default none. What /etc/ld.so.preload names comes after it. */
  readonly preload?: readonly string[];
  /** The working directory for relative names, below the root; default `/`. */
  readonly workingDirectory?: string;
  /** PATH, split: where env looks for the interpreter of a script; default the usual directories. */
  readonly searchPath?: readonly string[];
  /**
   * Subdirectories for particular CPUs that are taken, such as `x86-64-v3`; default none, the files for every CPU.
   * What is passed over is in `LoadSet.variants`.
   */
  readonly hwcaps?: readonly string[];
}

/** What `LoadSet.open` did. */
export interface OpenResult {
  /** The object that was asked for, which may have been there before; null when it is missing. */
  readonly object: LoadObject | null;
  /** What the set did not have before, in the order of the load. */
  readonly added: readonly LoadObject[];
}

/** Which loader maps the program: it decides where libraries are looked for and how symbols are bound. */
export type LoaderKind = 'glibc' | 'musl' | 'static' | 'unknown';

/**
 * The objects that a program is made of when it runs, in the order in which the loader maps them.
 *
 * Nothing is run. The set only grows: `open` adds what dlopen would.
 */
export interface LoadSet {
  /** 0 is the program. The interpreter stands where an object first needs it, else after the others; the vDSO after that. */
  readonly objects: readonly LoadObject[];
  /** Indexes of the objects that every lookup searches, in order: program, preloads, then breadth first. */
  readonly globalScope: readonly number[];
  /** Not found or not readable: the set is then incomplete. */
  readonly missing: readonly MissingObject[];
  /** Names that were to be opened at run time, and of which no file is there: whoever opens them goes on without. */
  readonly absent: ReadonlySet<string>;
  /** What the set takes for granted, a sentence each. */
  readonly assumptions: readonly string[];
  /** Files that other CPUs, or this one, would be given instead. */
  readonly variants: readonly LibraryVariant[];
  /** Set when the path given was a script: its interpreter is then the program. */
  readonly script: ScriptLine | null;
  readonly libc: LoaderKind;
  readonly root: RootFileSystem;
  /**
   * Adds what dlopen(name) called by the object `from` would map: it, and what it needs.
   *
   * A name with a slash is a path (relative to the working directory), another one is searched as dlopen(3) does with the
   * DT_RPATH or DT_RUNPATH of `from`; null for no object in particular. Not found: `object` is null and `missing` has an entry more,
   * or `absent` if it `mayBeAbsent` and no file of that name is there.
   */
  open(name: string, from: number | null, reason: string, mayBeAbsent?: boolean): OpenResult;
  /**
   * The objects that the references of an object search after the global scope: what it was opened with and all that needs, breadth first.
   * Empty for what is there from the start, but for the vDSO: itself.
   */
  localScope(index: number): readonly number[];
}

/**
 * The load set of the program at a path, which is below the root.
 *
 * Assumes that the program does not run with privileges of its file (AT_SECURE), where the loader ignores the environment.
 *
 * @throws FormatError when the program itself is neither ELF file nor script, or malformed; or needs more objects than a process can map.
 * @throws UnsupportedError when it is big-endian.
 * @throws UsageError when there is no such file.
 */
export function loadSet(path: string, options: LoadSetOptions = {}): LoadSet {
  return new LoadSetBuilder(path, options);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface GrowingObject extends Mutable<LoadObject> {
  needed: number[];
}

class LoadSetBuilder implements LoadSet {
  readonly objects: GrowingObject[] = [];
  readonly globalScope: number[] = [];
  readonly missing: MissingObject[] = [];
  readonly absent = new Set<string>();
  readonly assumptions: string[] = [];
  readonly variants: LibraryVariant[] = [];
  readonly script: ScriptLine | null;
  readonly libc: LoaderKind;
  readonly root: RootFileSystem;
  readonly #workingDirectory: string;
  readonly #searchPath: readonly string[];
  readonly #hwcaps: readonly string[];
  readonly #reader: ObjectReader;
  readonly #search: LibrarySearch;
  /** Objects by every name that the loader knows them by. */
  readonly #byName = new Map<string, GrowingObject>();
  readonly #byIdentity = new Map<string, GrowingObject>();
  readonly #localScopes = new Map<number, readonly number[]>();
  /** Mapped by the kernel, so that its names are known before it has its place; null once it has. */
  #loader: { readonly name: string; readonly file: ObjectFile } | null = null;
  #requests = 0;

  constructor(path: string, options: LoadSetOptions) {
    this.root = options.root ?? new RootFileSystem();
    this.#workingDirectory = options.workingDirectory ?? '/';
    this.#searchPath = options.searchPath ?? DEFAULT_PATH;
    this.#hwcaps = options.hwcaps ?? [];
    this.#reader = new ObjectReader(this.root);
    const { file, script, unknown } = this.#findProgram(path);
    this.script = script;
    const program = this.#add(file, 'program', {
      kind: 'program',
      by: null,
      name: path,
      text: script === null ? '' : `interpreter of the script ${script.path}`,
    });
    // A trace has the path that the kernel resolved: so has an analysis, or the two would not be of one program.
    program.path = file.realPath;
    if (unknown !== null) {
      this.missing.push({
        name: unknown,
        by: 0,
        kind: 'program',
        problem: 'env executes it, and it was not found',
      });
    }
    const loaderName = interpreter(file.elf);
    this.#loader = loaderName === null ? null : this.#findLoader(loaderName);
    this.libc = this.#loaderKind(program, loaderName);
    this.#search = this.#makeSearch(program, loaderName, options);
    if (this.libc !== 'static') {
      this.#preload(program, options.preload ?? []);
      this.#loadNeeded(0);
      this.globalScope.push(...this.objects.keys());
    } else this.globalScope.push(0);
    for (const object of this.objects) object.isGlobal = true;
    this.#placeLoader(null);
    this.#addVdso(program);
  }

  open(name: string, from: number | null, reason: string, mayBeAbsent = false): OpenResult {
    const before = this.objects.length;
    const by = from === null ? null : (this.objects[from] ?? null);
    // A relative path leads elsewhere in another working directory.
    const isOptional = mayBeAbsent && (!name.includes('/') || name.startsWith('/'));
    const object = this.#load(name, by, { kind: 'open', by: from, name, text: reason }, isOptional);
    if (object !== null && object.index >= before) {
      object.openedWith = object.index;
      this.#loadNeeded(before);
      for (const added of this.objects.slice(before)) added.openedWith = object.index;
    }
    return { object, added: this.objects.slice(before) };
  }

  localScope(index: number): readonly number[] {
    const object = this.objects[index];
    if (object === undefined || object.isGlobal) return [];
    if (object.openedWith === 0) return [index];
    const root = object.openedWith;
    let scope = this.#localScopes.get(root);
    if (scope === undefined) {
      const order = new Set([root]);
      for (const member of order) this.objects[member]?.needed.forEach((needed) => order.add(needed));
      scope = [...order];
      this.#localScopes.set(root, scope);
    }
    return scope;
  }

  #findProgram(path: string): {
    file: ObjectFile;
    script: ScriptLine | null;
    /** What env executes, if it was not found. */
    unknown: string | null;
  } {
    let unknown: string | null = null;
    let script: ScriptLine | null = null;
    let at = absolutePath(path, this.#workingDirectory);
    for (let depth = 0; depth <= MOST_SCRIPTS; depth++) {
      const bytes = this.root.read(at);
      if (bytes === null) throw new UsageError(`load set: ${at} is no file that can be read`);
      const line = parseScriptLine(at, bytes);
      if (line === null) {
        const file = this.#reader.fromBytes(at, bytes);
        refuseOthers(at, file.elf.type);
        return { file, script, unknown };
      }
      script ??= line;
      at = absolutePath(line.interpreter, this.#workingDirectory);
      const executed = executedByEnv(line);
      const found =
        executed === null
          ? null
          : findExecutable(this.root, executed, this.#searchPath, this.#workingDirectory);
      if (executed !== null && found === null) unknown = executed;
      if (found !== null) {
        this.assumptions.push(`${at} only finds and executes ${found}: what it does itself is not included`);
        at = found;
      }
    }
    throw new FormatError(`load set: ${path} is a script for a script, more than ${MOST_SCRIPTS} deep`, {
      value: path,
    });
  }

  /** The path of a command as execvp(3) finds it; null for none. */
  #findLoader(name: string): { name: string; file: ObjectFile } | null {
    const result = this.#reader.read(absolutePath(name, this.#workingDirectory));
    if ('file' in result) return { name, file: result.file };
    this.missing.push({ name, by: 0, kind: 'interpreter', problem: result.problem });
    return null;
  }

  #loaderKind(program: LoadObject, loaderName: string | null): LoaderKind {
    const needed = program.dynamic?.needed ?? [];
    const isMusl = (name: string): boolean => name.startsWith('ld-musl-') || name.startsWith('libc.musl-');
    if (loaderName === null) {
      if (needed.length === 0 && this.#reader.isStaticProgram(program.elf)) return 'static';
      return needed.some(isMusl) ? 'musl' : 'glibc';
    }
    const base = baseName(loaderName);
    if (isMusl(base) || needed.some(isMusl)) return 'musl';
    if (/^ld(?:64)?(?:-linux|-\d|\.so)/.test(base)) return 'glibc';
    this.assumptions.push(`the loader ${loaderName} finds libraries as glibc's does`);
    return 'unknown';
  }

  #makeSearch(program: LoadObject, loaderName: string | null, options: LoadSetOptions): LibrarySearch {
    const shared = {
      root: this.root,
      libraryPath: options.libraryPath ?? [],
      workingDirectory: this.#workingDirectory,
    };
    if (this.libc === 'musl') {
      return new MuslSearch({ ...shared, interpreter: loaderName ?? '/lib/ld-musl-x86_64.so.1' });
    }
    const report = (problem: string): void => void this.assumptions.push(problem);
    return new GlibcSearch({ ...shared, program, loader: this.#loader?.file.elf ?? null, report });
  }

  #preload(program: GrowingObject, names: readonly string[]): void {
    const fromFile = this.libc === 'musl' ? [] : readPreloadFile(this.root);
    for (const name of names) {
      this.#load(name, program, { kind: 'preload', by: null, name, text: 'LD_PRELOAD' });
    }
    for (const name of fromFile) {
      this.#load(name, program, { kind: 'preload', by: null, name, text: '/etc/ld.so.preload' });
    }
  }

  /** Breadth first from an index on. */
  #loadNeeded(from: number): void {
    for (let index = from; index < this.objects.length; index++) {
      const object = this.objects[index] as GrowingObject;
      for (const name of object.dynamic?.needed ?? []) {
        const needed = this.#load(name, object, { kind: 'needed', by: index, name, text: '' });
        if (needed !== null) object.needed.push(needed.index);
      }
    }
  }

  #load(
    name: string,
    by: GrowingObject | null,
    reason: LoadReason,
    isOptional = false,
  ): GrowingObject | null {
    if (++this.#requests > MOST_REQUESTS) {
      throw new FormatError(`load set: more than ${MOST_REQUESTS} libraries are asked for`, { value: name });
    }
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#loader !== null && this.#isLoader(this.#loader, name)) return this.#placeLoader(reason);
    // musl's is libc under any of its names, whoever asks.
    if (this.#search.isLoader(name)) {
      const loader = this.objects.find(({ role }) => role === 'interpreter');
      if (loader !== undefined) return loader;
    }
    const found = this.#find(name, by);
    if ('problem' in found) {
      if (isOptional && !found.exists) {
        this.absent.add(name);
        return null;
      }
      const isNew = !this.missing.some((entry) => entry.name === name && entry.by === reason.by);
      if (isNew) this.missing.push({ name, by: reason.by, kind: reason.kind, problem: found.problem });
      return null;
    }
    // Another object has looked for it elsewhere.
    this.absent.delete(name);
    const { file, variants } = found;
    const identical = this.#byIdentity.get(file.identity);
    if (identical !== undefined) {
      this.#byName.set(name, identical);
      return identical;
    }
    if (this.#loader !== null && file.identity === this.#loader.file.identity)
      return this.#placeLoader(reason);
    const object = this.#add(file, 'library', reason);
    for (const { hwcap, path } of variants) this.variants.push({ object: object.index, hwcap, path });
    return object;
  }

  #find(
    name: string,
    by: GrowingObject | null,
  ):
    | { readonly file: ObjectFile; readonly variants: readonly Omit<LibraryVariant, 'object'>[] }
    | { readonly problem: string; readonly exists: boolean } {
    const machine = this.objects[0] as GrowingObject;
    const variants: { hwcap: string; path: string; file: ObjectFile }[] = [];
    let problem = NOT_FOUND;
    const from = this.libc === 'musl' && by === null ? machine : by;
    for (const { path, hwcap } of this.#search.candidates(name, from, (object) => this.#loaderOf(object))) {
      const result = this.#reader.read(path);
      if ('problem' in result) {
        if (result.exists) return result;
        if (result.problem !== NOT_FOUND) problem = result.problem;
        continue;
      }
      const { file } = result;
      if (file.elf.class !== machine.elf.class || file.elf.machine !== machine.elf.machine) {
        problem = `${path} is for another machine`;
        if (this.#search.skipsOtherMachines) continue;
        return { problem, exists: true };
      }
      if (hwcap !== null && !this.#hwcaps.includes(hwcap)) variants.push({ hwcap, path, file });
      else return { file, variants };
    }
    const last = variants.pop();
    if (last === undefined) return { problem, exists: problem !== NOT_FOUND };
    // There is none for every CPU: the one that stands last asks for least.
    return { file: last.file, variants };
  }

  #loaderOf(object: LoadObject): LoadObject | null {
    const { kind, by } = object.reason;
    if (kind === 'needed' && by !== null) return this.objects[by] ?? null;
    const hasNone = kind !== 'preload' && (kind !== 'open' || this.libc !== 'musl');
    return hasNone ? null : (this.objects[0] ?? null);
  }

  #isLoader(loader: { name: string; file: ObjectFile }, name: string): boolean {
    const { soname } = loader.file;
    return name === loader.name || (soname !== null && name === soname) || this.#search.isLoader(name);
  }

  /** Gives the loader its place: where it is first needed, for a reason, or at the end. */
  #placeLoader(reason: LoadReason | null): GrowingObject {
    const loader = this.#loader as { name: string; file: ObjectFile };
    if (loader === null) return this.objects[0] as GrowingObject;
    this.#loader = null;
    return this.#add(loader.file, 'interpreter', {
      kind: 'interpreter',
      by: 0,
      name: loader.name,
      text: reason === null ? '' : `needed as ${reason.name}`,
    });
  }

  #addVdso(program: LoadObject): void {
    if (!this.#reader.isOwnMachine(program.elf)) return;
    const bytes = readVdso();
    if (bytes === null) {
      this.assumptions.push('the vDSO makes no calls but those that it is known to fall back to');
      return;
    }
    const object = this.#add({ ...this.#reader.fromBytes(VDSO, bytes), identity: VDSO }, 'vdso', {
      kind: 'vdso',
      by: null,
      name: VDSO,
      text: 'mapped by the kernel',
    });
    object.path = VDSO;
  }

  #add(file: ObjectFile, role: LoadObject['role'], reason: LoadReason): GrowingObject {
    const { path, realPath, elf, dynamic, soname, buildId } = file;
    const index = this.objects.length;
    const object: GrowingObject = {
      index,
      role,
      reason,
      path,
      realPath,
      elf,
      dynamic,
      soname,
      buildId,
      needed: [],
      isGlobal: false,
      openedWith: 0,
    };
    this.objects.push(object);
    this.#byIdentity.set(file.identity, object);
    const names = [path, soname, role === 'program' ? null : reason.name];
    for (const name of names) {
      if (name !== null && !this.#byName.has(name)) this.#byName.set(name, object);
    }
    return object;
  }
}

/** What is neither a program nor a library that could be mapped as one. */
function refuseOthers(path: string, type: number): void {
  if (type === E_TYPE.ET_EXEC || type === E_TYPE.ET_DYN) return;
  const what =
    type === E_TYPE.ET_REL
      ? 'is an object file that was not linked'
      : type === E_TYPE.ET_CORE
        ? 'is a core dump'
        : `has type ${type}`;
  throw new UsageError(`load set: ${path} ${what} (programs and shared libraries only)`);
}

const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The kernel's limit (fs/exec.c, exec_binprm). */
const MOST_SCRIPTS = 5;

/** Far more than any program needs, few enough that a file made to hurt is refused soon. */
const MOST_REQUESTS = 20_000;

const VDSO = 'linux-vdso.so.1';
