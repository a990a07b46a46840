import { FormatError } from '../../base/errors.ts';
import { sortedOrder } from '../../base/sorted-order.ts';
import { ST_BIND, ST_SHNDX, ST_TYPE } from '../../elf/constants.ts';
import { symbolColumns, type SymbolColumns } from '../../elf/symbol-columns.ts';
import { debugSymbols } from '../load/debug-file.ts';
import type { LoadObject } from '../load/load-object.ts';
import type { RootFileSystem } from '../load/root.ts';
import type { SymbolTable } from './symbol-table.ts';

/** What gives a symbol by index. */
type Symbols = SymbolColumns | SymbolTable;

/** The symbols of an object by vaddr and by name: its own and those of a separate debug file. */
export class ObjectNames {
  /** `.symtab`, `.dynsym`, and that of the debug file. */
  readonly #tables: readonly Symbols[];
  /** Of each symbol that names a place its table, and its index there; in the order of tables. */
  readonly #table: Uint8Array;
  readonly #index: Uint32Array;
  readonly #vaddrs: Int32Array;
  readonly #sizes: Float64Array;
  readonly #ranks: Uint8Array;
  readonly #count: number;
  /** Names that were asked for: a chain asks for the same ones again and again. */
  readonly #names: (string | undefined)[] = [];
  /** The best symbol of each vaddr, by ascending vaddr. */
  readonly #order: Int32Array;
  #byName: Map<string, number> | null = null;

  constructor(file: LoadObject, root: RootFileSystem, dynamic: SymbolTable) {
    const debug = debugSymbols(file, root);
    const tables: Symbols[] = [symbolColumns(file.elf), dynamic];
    if (debug !== null) tables.push(debug);
    const most = tables.reduce((sum, { count }) => sum + count, 0);
    this.#tables = tables;
    this.#table = new Uint8Array(most);
    this.#index = new Uint32Array(most);
    this.#vaddrs = new Int32Array(most);
    this.#sizes = new Float64Array(most);
    this.#ranks = new Uint8Array(most);
    let count = 0;
    for (const [table, symbols] of tables.entries()) count = this.#add(table, symbols, count);
    this.#count = count;
    this.#order = this.#bestOrder();
  }

  /** Adds the symbols of a table that name places; the number of symbols then. */
  #add(table: number, symbols: Symbols, from: number): number {
    const { type, bind, shndx, value, size } = symbols;
    let count = from;
    for (let index = 1; index < symbols.count; index++) {
      const vaddr = value[index] as number;
      if (!isAt(type[index] as number, shndx[index] as number) || !symbols.hasName(index)) continue;
      // No object of an image has more.
      if (vaddr < 0 || vaddr >= 2 ** 31) continue;
      this.#table[count] = table;
      this.#index[count] = index;
      this.#vaddrs[count] = vaddr;
      this.#sizes[count] = size[index] as number;
      this.#ranks[count] = rankOf(type[index] as number, bind[index] as number, size[index] as number);
      count++;
    }
    return count;
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
    const table = this.#table[at] as number;
    return (this.#names[at] ??= nameIn(this.#tables[table] as Symbols, this.#index[at] as number, table));
  }

  /** Of equal names a global one counts. */
  #namesByRank(): Map<string, number> {
    const byName = new Map<string, number>();
    const order = Uint32Array.from({ length: this.#count }, (_, at) => at);
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

  #bestOrder(): Int32Array {
    const order = sortedOrder(this.#vaddrs, this.#count);
    const ranks = this.#ranks;
    let kept = 0;
    let last = -1;
    for (let at = 0; at < order.length; at++) {
      const symbol = order[at] as number;
      const vaddr = this.#vaddrs[symbol] as number;
      if (vaddr === last) {
        const best = order[kept - 1] as number;
        if ((ranks[symbol] as number) > (ranks[best] as number)) order[kept - 1] = symbol;
      } else order[kept++] = symbol;
      last = vaddr;
    }
    return order.slice(0, kept);
  }
}

const MOST_LABELS = 32;

/** @throws FormatError for a malformed name of the object itself; one of its debug file is a help, no more, and counts as empty. */
function nameIn(symbols: Symbols, index: number, table: number): string {
  try {
    return symbols.name(index);
  } catch (error) {
    if (table < DEBUG_TABLE || !(error instanceof FormatError)) throw error;
    return '';
  }
}

/** Place of the debug file's table. */
const DEBUG_TABLE = 2;

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
