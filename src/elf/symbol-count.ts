import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { loadedRun } from './address.ts';
import { D_TAG, SH_TYPE } from './constants.ts';
import type { DynamicTable } from './dynamic.ts';
import type { ElfFile } from './file.ts';
import { elfRelocations } from './relocation.ts';
import { entryCount } from './section.ts';

/**
 * The number of entries in the dynamic symbol table at a vaddr, the null symbol included.
 *
 * The dynamic section does not say it. It comes from the section header if there is one, else from DT_HASH,
 * else from DT_GNU_HASH, which knows of the defined symbols only: the highest symbol that a relocation
 * names is then counted too.
 *
 * @throws FormatError when the table that says it is malformed.
 */
export function dynamicSymbolCount(elf: ElfFile, { values }: DynamicTable, vaddr: number): number {
  const section = elf.sections.find(({ type, addr }) => type === SH_TYPE.SHT_DYNSYM && addr === vaddr);
  if (section !== undefined) return entryCount(section, elf.class === 64 ? 24 : 16);

  const hash = values.get(D_TAG.DT_HASH);
  if (hash !== undefined) return countByHash(elf, hash);

  const gnuHash = values.get(D_TAG.DT_GNU_HASH);
  let count = gnuHash === undefined ? 0 : countByGnuHash(elf, gnuHash);
  for (const { symbol } of elfRelocations(elf)) {
    if (symbol >= count) count = symbol + 1;
  }
  return count;
}

/** gABI 5, "Hash Table": the number of chain entries is that of the symbols. */
function countByHash(elf: ElfFile, vaddr: number): number {
  const cursor = tableCursor(elf, vaddr, 'hash table');
  cursor.skip(4);
  return cursor.u32();
}

/** The last symbol is the end of the chain that starts last; layout: glibc's elf/dl-lookup.c and `setup_hash.c`. */
function countByGnuHash(elf: ElfFile, vaddr: number): number {
  const cursor = tableCursor(elf, vaddr, 'gnu hash table');
  const bucketCount = cursor.u32();
  const firstHashed = cursor.u32();
  const bloomWords = cursor.u32();
  cursor.skip(4);
  cursor.skip(bloomWords * (elf.class / 8));
  let last = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) last = Math.max(last, cursor.u32());
  if (last === 0) return firstHashed;
  if (last < firstHashed) {
    throw new FormatError(
      `elf: gnu hash table names symbol ${last}, before the first it holds (${firstHashed})`,
      {
        offset: cursor.offset,
        value: last,
      },
    );
  }
  const chains = cursor.offset;
  cursor.offset = chains + (last - firstHashed) * 4;
  // The lowest bit marks the end of a chain.
  while ((cursor.u32() & 1) === 0);
  return firstHashed + (cursor.offset - chains) / 4;
}

function tableCursor(elf: ElfFile, vaddr: number, what: string): ByteCursor {
  return new ByteCursor(elf.bytes, {
    context: `elf: ${what} at ${hex(vaddr)}`,
    ...loadedRun(elf, vaddr, what),
  });
}
