import { ST_BIND, ST_SHNDX, ST_TYPE } from '../../elf/constants.ts';
import { elfSymbols, type ElfSymbol } from '../../elf/symbol.ts';
import { debugSymbols } from '../load/debug-file.ts';
import type { LoadObject } from '../load/load-object.ts';
import type { RootFileSystem } from '../load/root.ts';

/** The symbols of an object by vaddr and by name: its own and those of a separate debug file. */
export class ObjectNames {
  /** By ascending vaddr, the best name of each. */
  readonly #symbols: readonly ElfSymbol[];
  readonly #byName = new Map<string, number>();

  constructor(file: LoadObject, root: RootFileSystem) {
    const all = [...elfSymbols(file.elf), ...debugSymbols(file, root)].filter(isPlace);
    all.sort((a, b) => a.value - b.value || rankOf(b) - rankOf(a));
    this.#symbols = all.filter(({ value }, index) => index === 0 || all[index - 1]?.value !== value);
    // Of equal names a global one counts.
    for (const { name, value } of all.toSorted((a, b) => rankOf(b) - rankOf(a))) {
      if (!this.#byName.has(name)) this.#byName.set(name, value);
    }
  }

  /** The symbol that covers a vaddr, else the closest before it. */
  at(vaddr: number): { readonly name: string; readonly vaddr: number; readonly size: number } | null {
    let low = 0;
    let high = this.#symbols.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#symbols[middle] as ElfSymbol).value <= vaddr) low = middle + 1;
      else high = middle;
    }
    const closest = this.#symbols[low - 1];
    if (closest === undefined) return null;
    // A label inside of a function begins later than the function and has no size.
    let found = closest;
    for (let index = low - 1; index >= Math.max(0, low - MOST_LABELS); index--) {
      const symbol = this.#symbols[index] as ElfSymbol;
      if (vaddr >= symbol.value + symbol.size) continue;
      found = symbol;
      break;
    }
    return { name: found.name, vaddr: found.value, size: found.size };
  }

  /** The vaddr of a symbol; null when there is none of the name. */
  vaddrOf(name: string): number | null {
    return this.#byName.get(name) ?? null;
  }
}

const MOST_LABELS = 32;

function isPlace({ type, shndx, name }: ElfSymbol): boolean {
  if (shndx === ST_SHNDX.SHN_UNDEF || shndx === ST_SHNDX.SHN_ABS || name === '') return false;
  return (
    type === ST_TYPE.STT_FUNC ||
    type === ST_TYPE.STT_OBJECT ||
    type === ST_TYPE.STT_GNU_IFUNC ||
    type === ST_TYPE.STT_NOTYPE
  );
}

function rankOf({ type, bind, size }: ElfSymbol): number {
  const typed = type === ST_TYPE.STT_NOTYPE ? 0 : 4;
  const global = bind === ST_BIND.STB_GLOBAL ? 2 : bind === ST_BIND.STB_LOCAL ? 0 : 1;
  return typed + global + (size > 0 ? 0.5 : 0);
}
