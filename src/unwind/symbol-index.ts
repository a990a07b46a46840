import { loadAt } from '../elf/address.ts';
import { SH_FLAGS, ST_BIND, ST_TYPE } from '../elf/constants.ts';
import type { ElfFile } from '../elf/file.ts';
import type { SymbolTable } from '../elf/symbol.ts';
import { functionTable, type FunctionTable } from './function-table.ts';
import { unlessMalformed } from './malformed.ts';

/** A function and a place in it. */
export interface SymbolPlace {
  /** As the symbol table has it: C++ names are mangled; without version. */
  readonly name: string;
  /** Bytes from the start of the function. */
  readonly offset: number;
}

/**
 * Names the functions of one object; each symbol table is read when it is first needed.
 *
 * Tables are scanned and not sorted: a backtrace asks for a few places, and sorting takes longer than many scans.
 */
export class SymbolIndex {
  readonly #elf: ElfFile;
  readonly #tables = new Map<SymbolTable, FunctionTable | null>();

  constructor(elf: ElfFile) {
    this.#elf = elf;
  }

  /**
   * The function that a vaddr is in, by `.symtab`, else by `.dynsym`; null when none covers it, or the tables are malformed.
   *
   * That is the one that starts last among those whose size reaches the vaddr; a function of unknown size
   * reaches to the next one, or to the end of its section.
   */
  at(vaddr: number): SymbolPlace | null {
    return this.#search('symtab', vaddr) ?? this.#search('dynsym', vaddr);
  }

  #search(name: SymbolTable, vaddr: number): SymbolPlace | null {
    return unlessMalformed(() => {
      const table = this.#table(name);
      return table === null ? null : placeIn(this.#elf, table, vaddr);
    });
  }

  #table(name: SymbolTable): FunctionTable | null {
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    // A table that throws is not read again.
    this.#tables.set(name, null);
    const table = functionTable(this.#elf, name);
    this.#tables.set(name, table);
    return table;
  }
}

/** Names of one address that are looked at; real ones have some at most. */
const ALIASES = 16;

function placeIn(elf: ElfFile, table: FunctionTable, vaddr: number): SymbolPlace | null {
  const { starts, sizes } = table;
  let covering = -1;
  let nearest = -1;
  for (let index = 0; index < starts.length; index++) {
    const start = starts[index] as number;
    if (start > vaddr) continue;
    if (start > nearest) nearest = start;
    if (start > covering && start + (sizes[index] as number) > vaddr) covering = start;
  }
  const isSized = covering >= 0;
  const start = isSized ? covering : nearest;
  if (start < 0 || (!isSized && !inSameSection(elf, start, vaddr))) return null;
  const name = bestName(table, start, (size) => (isSized ? start + size > vaddr : size === 0));
  return name === null ? null : { name, offset: vaddr - start };
}

function inSameSection(elf: ElfFile, a: number, b: number): boolean {
  if (elf.sections.length === 0) return loadAt(elf, a) === loadAt(elf, b);
  return elf.sections.some(
    ({ flags, addr, size }) =>
      (flags & SH_FLAGS.SHF_EXECINSTR) !== 0 && a >= addr && b >= addr && a < addr + size && b < addr + size,
  );
}

/** Of several names of a function the public one: typed, with the fewest underscores in front, not local, then the first. */
function bestName(table: FunctionTable, start: number, fits: (size: number) => boolean): string | null {
  let best: string | null = null;
  let bestRank = -Infinity;
  let seen = 0;
  for (let index = 0; index < table.starts.length && seen < ALIASES; index++) {
    if (table.starts[index] !== start || !fits(table.sizes[index] as number)) continue;
    seen++;
    const { name, info } = table.symbol(index);
    if (name === '') continue;
    const isTyped = (info & 0xf) !== ST_TYPE.STT_NOTYPE;
    const isLocal = info >> 4 === ST_BIND.STB_LOCAL;
    const underscores = /^_*/.exec(name)?.[0].length ?? 0;
    const rank = (isTyped ? 1000 : 0) - underscores * 2 - (isLocal ? 1 : 0);
    if (rank <= bestRank) continue;
    best = name;
    bestRank = rank;
  }
  return best;
}
