import { elfDynamic, type ElfDynamic } from '../dynamic.ts';
import type { ElfFile } from '../file.ts';
import { type FrameRange, frameRanges } from '../frame.ts';
import { debugLink, type DebugLink, interpreter } from '../interpreter.ts';
import { buildId, type ElfNote, elfNotes } from '../note.ts';
import { type ElfRelocation, elfRelocations } from '../relocation.ts';
import { elfSymbols, type ElfSymbol } from '../symbol.ts';

/** All that can be read from a file. */
export interface Everything {
  readonly interpreter: string | null;
  readonly buildId: string | null;
  readonly notes: readonly ElfNote[];
  readonly dynamic: ElfDynamic | null;
  readonly symtab: readonly ElfSymbol[];
  readonly dynsym: readonly ElfSymbol[];
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
  relocations: elfRelocations,
  frames: frameRanges,
  debugLink,
};
