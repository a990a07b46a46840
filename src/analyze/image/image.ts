import { D_TAG, DT_FLAGS_BITS, ST_SHNDX, ST_TYPE } from '../../elf/constants.ts';
import type { LoadObject } from '../load/load-object.ts';
import type { LoadSet } from '../load/load-set.ts';
import {
  Binder,
  definingObject,
  definingSymbol,
  REFERENCE,
  type BindingObject,
  type PackedDefinition,
  type ReferenceKind,
} from './binding.ts';
import { Memory } from './memory.ts';
import { ObjectNames } from './object-names.ts';
import { RELOCATION_KIND, relocationOf, relocationsAt, type Relocations } from './relocations.ts';
import { SymbolTable } from './symbol-table.ts';

/** An object in the flat address space. */
export interface ImageObject {
  /** The same as in the load set. */
  readonly index: number;
  readonly file: LoadObject;
  /** What is added to a vaddr, page aligned; 0 for ET_EXEC. */
  readonly base: number;
  /** First address of its lowest segment, rounded down to a page. */
  readonly start: number;
  /** First address after its highest segment, rounded up to a page. */
  readonly end: number;
  readonly symbols: SymbolTable;
  readonly relocations: Relocations;
}

/** What a reference is bound to. */
export interface Definition {
  /** Index of the object. */
  readonly object: number;
  /** Index in its `.dynsym`. */
  readonly symbol: number;
  readonly address: number;
  /** True when the address is that of a resolver (STT_GNU_IFUNC), which returns the function's. */
  readonly isIfunc: boolean;
}

/** A name near an address. */
export interface NamedAddress {
  readonly name: string;
  /** In bytes from the symbol. */
  readonly offset: number;
  /** Address of the symbol. */
  readonly address: number;
  /** Of the symbol in bytes, 0 when unknown. */
  readonly size: number;
}

/**
 * All objects of a load set in one flat address space below 2^31, relocated and bound.
 *
 * An address is the index in `bytes`. The first 64 KiB belong to nobody, so that 0 is no address.
 */
export class Image extends Memory {
  readonly loadSet: LoadSet;
  /** By index in the load set. */
  readonly objects: readonly ImageObject[];
  readonly #objects: ImageObject[] = [];
  readonly #bindingObjects: BindingObject[] = [];
  readonly #binder: Binder;
  /** By object and REFERENCE: NaN for what was not asked for yet. */
  readonly #bound: Float64Array[][] = [];
  readonly #names: (ObjectNames | undefined)[] = [];

  /**
   * Maps, binds and relocates all objects of a load set.
   *
   * @throws FormatError when a table of an object is malformed.
   * @throws UnsupportedError when the objects do not fit below 2^31, or the machine's relocations are not known.
   */
  constructor(loadSet: LoadSet) {
    super();
    this.loadSet = loadSet;
    this.objects = this.#objects;
    this.#binder = new Binder(this.#bindingObjects, loadSet.libc === 'musl');
    this.update();
  }

  /**
   * Takes in what the load set has gained since, and returns the new objects. Bindings made before stay, as with RTLD_LOCAL.
   *
   * @throws as the constructor; the image is then not to be used.
   */
  update(): readonly ImageObject[] {
    const from = this.#objects.length;
    const files = this.loadSet.objects.slice(from);
    const bases = this.map(files);
    for (const [index, file] of files.entries()) this.#add(file, bases[index] as number);
    // As the loader does, from the last to the first, so that the program copies what is relocated already.
    for (let index = this.#objects.length - 1; index >= from; index--) this.#relocate(index);
    return this.#objects.slice(from);
  }

  /** Index in `objects[object].relocations` of the one whose place is the address, -1 for none. */
  relocationAt(address: number): number {
    const object = this.#objects[this.objectAt(address)];
    return object === undefined ? -1 : relocationOf(object.relocations, address);
  }

  /**
   * The address to which a symbol reference of an object is bound, as the loader does; null when nothing defines it.
   *
   * For an IFUNC it is the address of the resolver: `definition` tells. `isCall` as for a JUMP_SLOT; default as for GLOB_DAT.
   */
  bind(object: number, symbol: number, isCall = false): number | null {
    const packed = this.#bind(object, symbol, isCall ? REFERENCE.CALL : REFERENCE.POINTER);
    return packed < 0 ? null : this.#addressOf(packed);
  }

  /** The same with all that is known. */
  definition(object: number, symbol: number, isCall = false): Definition | null {
    const packed = this.#bind(object, symbol, isCall ? REFERENCE.CALL : REFERENCE.POINTER);
    return packed < 0 ? null : this.#definition(definingObject(packed), definingSymbol(packed));
  }

  /**
   * All that dlsym or dlvsym could return for a name, whatever the handle, in the order of objects.
   *
   * Without version a definition that is not the default one counts only when the object has no other.
   */
  lookup(name: string, version?: string): readonly Definition[] {
    return this.#objects.flatMap(({ index, symbols }) => {
      const all = symbols.definitions(name);
      const fitting = all.filter((symbol) =>
        version === undefined ? symbols.isDefault(symbol) : symbols.version(symbol) === version,
      );
      const chosen = fitting.length === 0 && version === undefined ? all : fitting;
      return chosen.map((symbol) => this.#definition(index, symbol));
    });
  }

  /** What an object exports: defined, global or weak, not hidden, of all versions; without thread-local variables. */
  exports(object: number): readonly Definition[] {
    const symbols = this.#objects[object]?.symbols;
    const found: Definition[] = [];
    for (let index = 1; index < (symbols?.count ?? 0); index++) {
      if (symbols?.isExported(index) && symbols.type[index] !== ST_TYPE.STT_TLS)
        found.push(this.#definition(object, index));
    }
    return found;
  }

  /** The symbol that covers an address, or the closest before it in the object; from `.symtab`, debug files and `.dynsym`. */
  symbolAt(address: number): NamedAddress | null {
    const object = this.#objects[this.objectAt(address)];
    if (object === undefined) return null;
    const found = this.#namesOf(object).at(address - object.base);
    if (found === null) return null;
    const { name, vaddr, size } = found;
    return { name, offset: address - object.base - vaddr, address: object.base + vaddr, size };
  }

  /** Address of a function or variable by name in an object, local symbols included; null when there is none. */
  addressOf(object: number, name: string): number | null {
    const target = this.#objects[object];
    if (target === undefined) return null;
    const vaddr = this.#namesOf(target).vaddrOf(name);
    return vaddr === null ? null : target.base + vaddr;
  }

  #namesOf({ index, file, symbols }: ImageObject): ObjectNames {
    return (this.#names[index] ??= new ObjectNames(file, this.loadSet.root, symbols));
  }

  #add(file: LoadObject, base: number): void {
    const { index, elf, dynamic } = file;
    const lowest = elf.loads[0];
    const highest = elf.loads.at(-1);
    const symbols = new SymbolTable(elf);
    this.#objects.push({
      index,
      file,
      base,
      start: base + Math.floor((lowest?.vaddr ?? 0) / PAGE) * PAGE,
      end: base + Math.ceil(((highest?.vaddr ?? 0) + (highest?.memsz ?? 0)) / PAGE) * PAGE,
      symbols,
      relocations: relocationsAt(elf, base),
    });
    const isSymbolic =
      dynamic !== null &&
      ((dynamic.flags & DT_FLAGS_BITS.DF_SYMBOLIC) !== 0 ||
        dynamic.entries.some(({ tag }) => tag === D_TAG.DT_SYMBOLIC));
    const { globalScope } = this.loadSet;
    const local = this.loadSet.localScope(index);
    const scope =
      file.role === 'vdso' ? local : local.length === 0 ? globalScope : [...globalScope, ...local];
    this.#bindingObjects.push({ symbols, isProgram: file.role === 'program', isSymbolic, scope });
    this.#bound.push([]);
  }

  #bind(object: number, symbol: number, kind: ReferenceKind): PackedDefinition {
    const perKind = this.#bound[object];
    if (perKind === undefined) return -1;
    const count = this.#objects[object]?.symbols.count ?? 0;
    const bound = (perKind[kind] ??= new Float64Array(count).fill(NaN));
    let packed = bound[symbol];
    if (packed === undefined) return -1;
    if (Number.isNaN(packed)) {
      packed = this.#binder.bind(object, symbol, kind);
      bound[symbol] = packed;
    }
    return packed;
  }

  #addressOf(packed: PackedDefinition): number {
    const { base, symbols } = this.#objects[definingObject(packed)] as ImageObject;
    const symbol = definingSymbol(packed);
    const value = symbols.value[symbol] as number;
    return symbols.shndx[symbol] === ST_SHNDX.SHN_ABS ? value : base + value;
  }

  #definition(object: number, symbol: number): Definition {
    const isIfunc = this.#objects[object]?.symbols.type[symbol] === ST_TYPE.STT_GNU_IFUNC;
    return { object, symbol, address: this.#addressOf(object * 2 ** 32 + symbol), isIfunc };
  }

  #relocate(object: number): void {
    const { base, relocations } = this.#objects[object] as ImageObject;
    const { count, place, kind, target, isIfunc, addend, symbol } = relocations;
    for (let index = 0; index < count; index++) {
      const at = place[index] as number;
      switch (kind[index]) {
        case RELOCATION_KIND.RELATIVE:
          target[index] = base + (addend[index] as number);
          this.writePointer(at, target[index] as number);
          break;
        case RELOCATION_KIND.IRELATIVE:
          target[index] = base + (addend[index] as number);
          isIfunc[index] = 1;
          this.writePointer(at, target[index] as number);
          break;
        case RELOCATION_KIND.ABSOLUTE:
        case RELOCATION_KIND.GLOB_DAT:
          this.#resolve(object, index, symbol[index] as number, REFERENCE.POINTER);
          this.writePointer(at, target[index] as number);
          break;
        case RELOCATION_KIND.JUMP_SLOT:
          this.#resolve(object, index, symbol[index] as number, REFERENCE.CALL);
          this.writePointer(at, target[index] as number);
          break;
        case RELOCATION_KIND.COPY:
          this.#copy(object, index, symbol[index] as number);
          break;
        default:
          // The symbol of thread-local storage is bound, though it has no address.
          this.#bindRelocation(object, index, symbol[index] as number, REFERENCE.CALL);
      }
    }
  }

  /** Fills in the target of a relocation with a symbol, or without one, where the base stands for it. */
  #resolve(object: number, index: number, symbol: number, reference: ReferenceKind): void {
    const { base, relocations } = this.#objects[object] as ImageObject;
    const addend =
      relocations.kind[index] === RELOCATION_KIND.ABSOLUTE ? (relocations.addend[index] as number) : 0;
    if (symbol === 0) {
      relocations.target[index] = base + addend;
      return;
    }
    const packed = this.#bindRelocation(object, index, symbol, reference);
    if (packed < 0) return;
    relocations.target[index] = this.#addressOf(packed) + addend;
    const { symbols } = this.#objects[definingObject(packed)] as ImageObject;
    if (symbols.type[definingSymbol(packed)] === ST_TYPE.STT_GNU_IFUNC) relocations.isIfunc[index] = 1;
  }

  #bindRelocation(object: number, index: number, symbol: number, reference: ReferenceKind): PackedDefinition {
    const packed = this.#bind(object, symbol, reference);
    if (packed < 0) return -1;
    const { relocations } = this.#objects[object] as ImageObject;
    relocations.definingObject[index] = definingObject(packed);
    relocations.definingSymbol[index] = definingSymbol(packed);
    return packed;
  }

  #copy(object: number, index: number, symbol: number): void {
    const packed = this.#bindRelocation(object, index, symbol, REFERENCE.COPY);
    if (packed < 0) return;
    const { relocations, symbols } = this.#objects[object] as ImageObject;
    const source = this.#objects[definingObject(packed)] as ImageObject;
    const from = this.#addressOf(packed);
    relocations.target[index] = from;
    const size = Math.min(
      symbols.size[symbol] as number,
      source.symbols.size[definingSymbol(packed)] as number,
    );
    this.copy(relocations.place[index] as number, from, size);
  }
}

const PAGE = 4096;
