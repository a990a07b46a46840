import { ByteCursor, hex, utf8 } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { NT_GNU_BUILD_ID, P_TYPE, SH_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';

/** A note (elf(5), "Notes (Nhdr)"). */
export interface ElfNote {
  /** The owner, such as `GNU`, without its terminating zero. */
  readonly name: string;
  /** NT_*; what it means depends on the owner. */
  readonly type: number;
  /** The descriptor, a view of the file. */
  readonly desc: Uint8Array;
}

/**
 * All notes of a file: those of PT_NOTE segments, then those that only SHT_NOTE sections hold.
 *
 * @throws FormatError when a note does not fit in its segment or section.
 */
export function elfNotes(elf: ElfFile): ElfNote[] {
  return [...walkNotes(elf)];
}

/**
 * The build-id in lower-case hex; null when the file has none.
 *
 * @throws FormatError when a note before it is malformed.
 */
export function buildId(elf: ElfFile): string | null {
  for (const note of walkNotes(elf)) {
    if (note.type === NT_GNU_BUILD_ID && note.name === 'GNU' && note.desc.length > 0) {
      return Buffer.from(note.desc).toString('hex');
    }
  }
  return null;
}

interface NoteRange {
  readonly what: string;
  readonly offset: number;
  readonly size: number;
  readonly align: number;
}

function* noteRanges(elf: ElfFile): Generator<NoteRange> {
  for (const [index, { type, offset, filesz, align }] of elf.segments.entries()) {
    if (type === P_TYPE.PT_NOTE) yield { what: `elf: note segment ${index}`, offset, size: filesz, align };
  }
  for (const { index, type, offset, size, addralign } of elf.sections) {
    if (type === SH_TYPE.SHT_NOTE)
      yield { what: `elf: note section ${index}`, offset, size, align: addralign };
  }
}

function* walkNotes(elf: ElfFile): Generator<ElfNote> {
  const seen = new Set<number>();
  // Sections repeat what segments hold, no more: a file that names its notes more often wants to be slow.
  let budget = elf.bytes.length * 2;
  for (const { what, offset, size, align } of noteRanges(elf)) {
    if (size === 0) continue;
    const cursor = new ByteCursor(elf.bytes, { context: what, offset, end: offset + size });
    // The gABI wants 8 in 64-bit files; what tools write and read is 4, unless the alignment says 8.
    const padding = align === 8 ? 8 : 4;
    while (cursor.remaining >= 12) {
      const at = cursor.offset;
      const namesz = cursor.u32();
      const descsz = cursor.u32();
      const type = cursor.u32();
      const name = cursor.take(namesz);
      pad(cursor, offset, padding);
      const desc = cursor.take(descsz);
      pad(cursor, offset, padding);
      budget -= cursor.offset - at;
      if (budget < 0) {
        throw new FormatError(`${what} repeats what others hold at ${hex(at)}`, { offset: at, value: size });
      }
      if (seen.has(at)) continue;
      seen.add(at);
      const end = name.indexOf(0);
      yield { name: utf8(name, 0, end < 0 ? name.length : end), type, desc };
    }
  }
}

/** Moves on to the alignment; the padding after the last note may be missing. */
function pad(cursor: ByteCursor, base: number, padding: number): void {
  const aligned = base + Math.ceil((cursor.offset - base) / padding) * padding;
  cursor.offset = Math.min(aligned, cursor.end);
}
