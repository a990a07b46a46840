import { ST_BIND, ST_SHNDX, ST_TYPE } from '../../elf/constants.ts';
import { elfSymbols, type ElfSymbol } from '../../elf/symbol.ts';
import { debugSymbols } from '../load/debug-file.ts';
import type { LoadObject } from '../load/load-object.ts';
import type { RootFileSystem } from '../load/root.ts';
import type { SymbolTable } from './symbol-table.ts';

/** The symbols of an object by vaddr and by name: its own and those of a separate debug file. */
export class ObjectNames {
  readonly #dynamic: SymbolTable;
  /** Those of `.symtab`, then those of `.dynsym` by index, then those of the debug file. */
  readonly #symbols: readonly (ElfSymbol | number)[];
  readonly #vaddrs: Float64Array;
  readonly #sizes: Float64Array;
  readonly #ranks: Uint8Array;
  /** Indexes of the best symbol of each vaddr, by ascending vaddr. */
  readonly #order: Uint32Array;
  #byName: Map<string, number> | null = null;

  constructor(file: LoadObject, root: RootFileSystem, dynamic: SymbolTable) {
    this.#dynamic = dynamic;
    const symbols: (ElfSymbol | number)[] = elfSymbols(file.elf, 'symtab').filter(isPlace);
    for (let index = 1; index < dynamic.count; index++) {
      const isNamed = dynamic.hasName(index);
      if (isNamed && isAt(dynamic.type[index] as number, dynamic.shndx[index] as number)) symbols.push(index);
    }
    for (const symbol of debugSymbols(file, root)) if (isPlace(symbol)) symbols.push(symbol);
    this.#symbols = symbols;
    this.#vaddrs = new Float64Array(symbols.length);
    this.#sizes = new Float64Array(symbols.length);
    this.#ranks = new Uint8Array(symbols.length);
    for (const [at, symbol] of symbols.entries()) {
      if (typeof symbol === 'number') {
        this.#vaddrs[at] = dynamic.value[symbol] as number;
        this.#sizes[at] = dynamic.size[symbol] as number;
        this.#ranks[at] = rankOf(
          dynamic.type[symbol] as number,
          dynamic.bind[symbol] as number,
          dynamic.size[symbol] as number,
        );
      } else {
        this.#vaddrs[at] = symbol.value;
        this.#sizes[at] = symbol.size;
        this.#ranks[at] = rankOf(symbol.type, symbol.bind, symbol.size);
      }
    }
    this.#order = this.#bestOrder();
  }

  /** The symbol that covers a vaddr, else the closest before it. */
  at(vaddr: number): { readonly name: string; readonly vaddr: number; readonly size: number } | null {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#vaddrs[this.#order[middle] as number] as number) <= vaddr) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return null;
    let found = this.#order[low - 1] as number;
    // A label inside of a function begins later than the function and has no size.
    for (let place = low - 1; place >= Math.max(0, low - MOST_LABELS); place--) {
      const symbol = this.#order[place] as number;
      if (vaddr >= (this.#vaddrs[symbol] as number) + (this.#sizes[symbol] as number)) continue;
      found = symbol;
      break;
    }
    return {
      name: this.#nameOf(found),
      vaddr: this.#vaddrs[found] as number,
      size: this.#sizes[found] as number,
    };
  }

  /** The vaddr of a symbol; null when there is none of the name. */
  vaddrOf(name: string): number | null {
    this.#byName ??= this.#namesByRank();
    return this.#byName.get(name) ?? null;
  }

  #nameOf(at: number): string {
    const symbol = this.#symbols[at] as ElfSymbol | number;
    return typeof symbol === 'number' ? this.#dynamic.name(symbol) : symbol.name;
  }

  /** Of equal names a global one counts. */
  #namesByRank(): Map<string, number> {
    const byName = new Map<string, number>();
    const order = Uint32Array.from(this.#symbols.keys());
    order.sort(
      (a, b) =>
        (this.#ranks[b] as number) - (this.#ranks[a] as number) ||
        (this.#vaddrs[a] as number) - (this.#vaddrs[b] as number) ||
        a - b,
    );
    for (const at of order) {
      const name = this.#nameOf(at);
      if (!byName.has(name)) byName.set(name, this.#vaddrs[at] as number);
    }
    return byName;
  }

  #bestOrder(): Uint32Array {
    const count = this.#symbols.length;
    const keys = new Float64Array(count);
    const order = new Uint32Array(count);
    let isSmall = count <= KEY_STEP;
    for (let at = 0; at < count; at++) {
      const vaddr = this.#vaddrs[at] as number;
      if (vaddr < 0 || vaddr >= 2 ** 31) isSmall = false;
      keys[at] = (vaddr * 16 + (15 - (this.#ranks[at] as number))) * KEY_STEP + at;
      order[at] = at;
    }
    if (isSmall) {
      // vaddr, rank and index in one number sort without a comparison function, many times faster.
      keys.sort();
      for (let at = 0; at < count; at++) order[at] = (keys[at] as number) % KEY_STEP;
    } else {
      order.sort(
        (a, b) =>
          (this.#vaddrs[a] as number) - (this.#vaddrs[b] as number) ||
          (this.#ranks[b] as number) - (this.#ranks[a] as number) ||
          a - b,
      );
    }
    let kept = 0;
    let last = -1;
    for (let at = 0; at < count; at++) {
      const symbol = order[at] as number;
      const vaddr = this.#vaddrs[symbol] as number;
      if (kept > 0 && vaddr === last) continue;
      order[kept++] = symbol;
      last = vaddr;
    }
    return order.slice(0, kept);
  }
}

const MOST_LABELS = 32;

/** vaddr (31 bits), rank (4) and index fit in 53 bits. */
const KEY_STEP = 2 ** 18;

function isPlace({ type, shndx, name }: ElfSymbol): boolean {
  return name !== '' && isAt(type, shndx);
}

function isAt(type: number, shndx: number): boolean {
  if (shndx === ST_SHNDX.SHN_UNDEF || shndx === ST_SHNDX.SHN_ABS) return false;
  return (
    type === ST_TYPE.STT_FUNC ||
    type === ST_TYPE.STT_OBJECT ||
    type === ST_TYPE.STT_GNU_IFUNC ||
    type === ST_TYPE.STT_NOTYPE
  );
}

/** The higher the better, at most 13. */
function rankOf(type: number, bind: number, size: number): number {
  const typed = type === ST_TYPE.STT_NOTYPE ? 0 : 8;
  const global = bind === ST_BIND.STB_GLOBAL ? 4 : bind === ST_BIND.STB_LOCAL ? 0 : 2;
  return typed + global + (size > 0 ? 1 : 0);
}
