import { FormatError } from '../../base/errors.ts';
import { ST_BIND, ST_SHNDX, ST_TYPE, ST_VISIBILITY } from '../../elf/constants.ts';
import { VERSYM_HIDDEN } from '../../elf/version.ts';
import { isNamed, VERSION_INDEX, type SymbolTable } from './symbol-table.ts';

/** How a reference will be used; it decides what may satisfy it (glibc's ELF_RTYPE_CLASS_*). */
export const REFERENCE = {
  /** A pointer: GLOB_DAT, ABSOLUTE. The PLT entry of a program without PIC may stand for a function, so that pointers to it are equal. */
  POINTER: 0,
  /** A call through the PLT, or thread-local storage. */
  CALL: 1,
  /** COPY: not the program's own. */
  COPY: 2,
} as const;

/** One of REFERENCE. */
export type ReferenceKind = (typeof REFERENCE)[keyof typeof REFERENCE];

/** What binding needs to know of an object. */
export interface BindingObject {
  readonly symbols: SymbolTable;
  readonly isProgram: boolean;
  /** DF_SYMBOLIC or DT_SYMBOLIC: it looks into itself first. */
  readonly isSymbolic: boolean;
  /** Indexes of the objects that its references are looked up in, in order. */
  readonly scope: readonly number[];
}

/** Object and symbol in one number: `object * 2^32 + symbol`; -1 for none. */
export type PackedDefinition = number;

/**
 * Finds definitions as a loader does. Nothing is written; the same question gives the same answer.
 *
 * Source: glibc's elf/dl-lookup.c, musl's ldso/dynlink.c.
 */
export class Binder {
  readonly #objects: readonly BindingObject[];
  readonly #isMusl: boolean;
  /** STB_GNU_UNIQUE: the first that was bound in the process, by name. */
  #stepsLeft = MOST_STEPS;
  readonly #unique = new Map<string, PackedDefinition>();

  /** `objects` may grow. */
  constructor(objects: readonly BindingObject[], isMusl: boolean) {
    this.#objects = objects;
    this.#isMusl = isMusl;
  }

  /** The definition to which a reference of an object is bound; -1 when nothing defines it. */
  bind(object: number, symbol: number, kind: ReferenceKind): PackedDefinition {
    const from = this.#objects[object];
    if (from === undefined || symbol <= 0 || symbol >= from.symbols.count) return -1;
    const { symbols } = from;
    // A local symbol, or a hidden one, needs no lookup.
    const isUndefined = symbols.shndx[symbol] === ST_SHNDX.SHN_UNDEF;
    if (symbols.bind[symbol] === ST_BIND.STB_LOCAL || symbols.isOwn(symbol)) {
      return isUndefined ? -1 : pack(object, symbol);
    }
    const found = this.#search(object, from, symbol, kind);
    if (symbols.visibility[symbol] !== ST_VISIBILITY.STV_PROTECTED || isUndefined) return found;
    // A protected symbol means its own object, but for pointers to functions for which the program has a PLT entry.
    const defined = kind === REFERENCE.POINTER ? this.#search(object, from, symbol, REFERENCE.CALL) : found;
    return defined === -1 || definingObject(defined) === object ? found : pack(object, symbol);
  }

  #search(object: number, from: BindingObject, symbol: number, kind: ReferenceKind): PackedDefinition {
    const hash = from.symbols.hash(symbol);
    if (from.isSymbolic && kind !== REFERENCE.COPY) {
      const own = this.#definition(object, from, symbol, hash, kind);
      if (own > 0) return this.#found(object, own);
    }
    const { scope } = from;
    for (let at = 0; at < scope.length; at++) {
      const candidate = scope[at] as number;
      const own = this.#definition(candidate, from, symbol, hash, kind);
      if (own > 0) return this.#found(candidate, own);
    }
    return -1;
  }

  /** A unique symbol is the same everywhere, also where scopes differ. */
  #found(object: number, symbol: number): PackedDefinition {
    const packed = pack(object, symbol);
    const symbols = (this.#objects[object] as BindingObject).symbols;
    if (symbols.bind[symbol] !== ST_BIND.STB_GNU_UNIQUE) return packed;
    const name = symbols.name(symbol);
    const known = this.#unique.get(name);
    if (known !== undefined) return known;
    this.#unique.set(name, packed);
    return packed;
  }

  /** The symbol of an object that satisfies a reference of another; 0 for none. */
  #definition(
    object: number,
    from: BindingObject,
    reference: number,
    hash: number,
    kind: ReferenceKind,
  ): number {
    const target = this.#objects[object];
    if (target === undefined || (kind === REFERENCE.COPY && target.isProgram)) return 0;
    const { symbols } = target;
    let version: string | null | undefined;
    let versioned = 0;
    let versionedCount = 0;
    for (let index = symbols.firstOf(hash); index > 0; index = symbols.nextOf(index, hash)) {
      if (--this.#stepsLeft < 0) throw new FormatError('image: symbols have too many definitions to look up');
      if (isMissing(symbols, index) || !isNamed(symbols.type[index] as number)) continue;
      if (kind !== REFERENCE.POINTER && symbols.shndx[index] === ST_SHNDX.SHN_UNDEF) continue;
      if (symbols.bind[index] === ST_BIND.STB_LOCAL || symbols.isOwn(index)) continue;
      if (!symbols.hasNameOf(index, from.symbols, reference)) continue;
      const entry = symbols.versym[index];
      if (entry === undefined) return index;
      const isHidden = (entry & VERSYM_HIDDEN) !== 0;
      // musl knows no versions beyond the default.
      if (this.#isMusl) {
        if (isHidden) continue;
        return index;
      }
      version ??= from.symbols.version(reference);
      const own = symbols.version(index);
      if (version !== null) {
        if (own === version || (own === null && !isHidden)) return index;
      } else if ((entry & VERSION_INDEX) < FIRST_NEWER_VERSION) return index;
      else if (!isHidden && versionedCount++ === 0) versioned = index;
    }
    // Without a version asked for, the one default version is meant if there is but one.
    return versionedCount === 1 ? versioned : 0;
  }
}

/** The object of a packed definition. */
export function definingObject(packed: PackedDefinition): number {
  return Math.floor(packed / 2 ** 32);
}

/** The symbol of a packed definition, in its object. */
export function definingSymbol(packed: PackedDefinition): number {
  return packed % 2 ** 32;
}

function pack(object: number, symbol: number): PackedDefinition {
  return object * 2 ** 32 + symbol;
}

/** A symbol without value defines nothing, unless zero is its value. */
function isMissing(symbols: SymbolTable, index: number): boolean {
  return (
    symbols.value[index] === 0 &&
    symbols.shndx[index] !== ST_SHNDX.SHN_ABS &&
    symbols.type[index] !== ST_TYPE.STT_TLS
  );
}

/** Versions 0 and 1 are none, 2 is the oldest of an object: a reference without version accepts them. */
const FIRST_NEWER_VERSION = 3;

/** Far more than the largest program needs; some seconds for a file made to hurt. */
const MOST_STEPS = 2 ** 27;
