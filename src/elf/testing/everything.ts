import { elfDynamic, type ElfDynamic } from '../dynamic.ts';
import type { ElfFile } from '../file.ts';
import { type FrameRange, frameRanges } from '../frame.ts';
import { debugLink, type DebugLink, interpreter } from '../interpreter.ts';
import { buildId, type ElfNote, elfNotes } from '../note.ts';
import { type ElfRelocation, elfRelocations } from '../relocation.ts';
import { SymbolColumns } from '../symbol-columns.ts';
import { elfSymbols, type ElfSymbol } from '../symbol.ts';

type ColumnSymbol = Pick<ElfSymbol, 'name' | 'value' | 'size' | 'type' | 'bind' | 'shndx'>;

/** All that can be read from a file. */
export interface Everything {
  readonly interpreter: string | null;
  readonly buildId: string | null;
  readonly notes: readonly ElfNote[];
  readonly dynamic: ElfDynamic | null;
  readonly symtab: readonly ElfSymbol[];
  readonly dynsym: readonly ElfSymbol[];
  /** Of `.symtab` as columns. */
  readonly columns: readonly ColumnSymbol[];
  readonly relocations: readonly ElfRelocation[];
  readonly frames: readonly FrameRange[];
  readonly debugLink: DebugLink | null;
}

/** Each reader of the folder by what it reads, so that a failure of one does not hide the others. */
export const READERS: { readonly [Name in keyof Everything]: (elf: ElfFile) => Everything[Name] } = {
  interpreter,
  buildId,
  notes: elfNotes,
  dynamic: elfDynamic,
  symtab: (elf) => elfSymbols(elf, 'symtab'),
  dynsym: (elf) => elfSymbols(elf, 'dynsym'),
  columns: columnSymbols,
  relocations: elfRelocations,
  frames: frameRanges,
  debugLink,
};

function columnSymbols(elf: ElfFile): ColumnSymbol[] {
  const columns = new SymbolColumns(elf);
  return Array.from({ length: Math.max(0, columns.count - 1) }, (_, at) => ({
    name: columns.name(at + 1),
    value: columns.value[at + 1] as number,
    size: columns.size[at + 1] as number,
    type: columns.type[at + 1] as number,
    bind: columns.bind[at + 1] as number,
    shndx: columns.shndx[at + 1] as number,
  }));
}
