import { ST_BIND, ST_SHNDX, ST_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';
import { elfSymbols, type ElfSymbol } from './symbol.ts';

/**
 * The symbol that defines a function; null when there is none.
 *
 * The name may carry a version, `memcpy@GLIBC_2.14` or `memcpy@@GLIBC_2.14`, which then must match. Among several, these win, in
 * this order: STT_FUNC and STT_GNU_IFUNC over labels without type, which assembly has; global and weak over local;
 * `.symtab` over `.dynsym`; a default version, or none, over others; the earlier over the later.
 * The value of an STT_GNU_IFUNC is the vaddr of its resolver. Give the `symbols` when asking more than once.
 *
 * @throws FormatError when a symbol table is malformed.
 */
export function findFunction(
  elf: ElfFile,
  name: string,
  symbols: readonly ElfSymbol[] = elfSymbols(elf),
): ElfSymbol | null {
  const at = name.indexOf('@', 1);
  const bareName = at < 0 ? name : name.slice(0, at);
  const version = at < 0 ? null : name.slice(at).replace(/^@+/, '');
  let best: ElfSymbol | null = null;
  let bestRank = -1;
  for (const symbol of symbols) {
    if (symbol.name !== bareName || (version !== null && symbol.version !== version)) continue;
    const rank = rankOf(symbol);
    if (rank <= bestRank) continue;
    best = symbol;
    bestRank = rank;
  }
  return best;
}

/** -1 when the symbol is no defined function. */
function rankOf(symbol: ElfSymbol): number {
  const isFunction = symbol.type === ST_TYPE.STT_FUNC || symbol.type === ST_TYPE.STT_GNU_IFUNC;
  if (!isFunction && symbol.type !== ST_TYPE.STT_NOTYPE) return -1;
  const isInSection = symbol.shndx !== ST_SHNDX.SHN_ABS && symbol.shndx !== ST_SHNDX.SHN_COMMON;
  if (symbol.shndx === ST_SHNDX.SHN_UNDEF || !isInSection) return -1;
  const isGlobal = symbol.bind !== ST_BIND.STB_LOCAL;
  const isPlain = symbol.version === null || symbol.isDefaultVersion;
  return (isFunction ? 8 : 0) + (isGlobal ? 4 : 0) + (symbol.table === 'symtab' ? 2 : 0) + (isPlain ? 1 : 0);
}
