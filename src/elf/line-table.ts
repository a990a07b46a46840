import { inflateSync } from 'node:zlib';
import { ByteCursor } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { SH_FLAGS } from './constants.ts';
import type { ElfFile } from './file.ts';
import { findSection, sectionBytes } from './section.ts';

/** A line of source code. */
export interface SourceLine {
  /** As the compiler was given it: relative paths are relative to where it ran. */
  readonly file: string;
  readonly line: number;
}

/** Largest section that is decompressed, in bytes. */
const SIZE_LIMIT = 2 ** 28;

/**
 * The source lines of some vaddrs, by `.debug_line`; those of which nothing is known are left out.
 *
 * Reads every line program once and keeps nothing but the answers. Compressed sections are read if zlib does it. Empty where there is no
 * debug information. Source: DWARF Debugging Information Format, versions 2 to 5, "Line Number Information".
 *
 * @throws FormatError when a line program is malformed.
 */
export function sourceLines(elf: ElfFile, vaddrs: Iterable<number>): Map<number, SourceLine> {
  const found = new Map<number, SourceLine>();
  const wanted = [...new Set(vaddrs)].sort((a, b) => a - b);
  const bytes = contentsOf(elf, '.debug_line');
  if (bytes === null || wanted.length === 0) return found;
  const reader = new LineReader(elf, wanted, found);
  const cursor = new ByteCursor(bytes, { context: 'debug_line' });
  while (cursor.remaining > 4) reader.unit(bytes, cursor);
  return found;
}

/** A section of debug information, decompressed; null when it is not there, or compressed in another way. */
function contentsOf(elf: ElfFile, name: string): Uint8Array | null {
  const section = findSection(elf, name);
  if (section === null) return null;
  const bytes = sectionBytes(elf, section);
  if ((section.flags & SH_FLAGS.SHF_COMPRESSED) === 0) return bytes;
  const cursor = new ByteCursor(bytes, { context: `elf: ${name}` });
  const type = cursor.u32();
  if (elf.class === 64) cursor.skip(4);
  const size = elf.class === 64 ? cursor.u53() : cursor.u32();
  cursor.skip(elf.class === 64 ? 8 : 4);
  if (type !== ELFCOMPRESS_ZLIB || size > SIZE_LIMIT) return null;
  try {
    return inflateSync(bytes.subarray(cursor.offset), { maxOutputLength: Math.max(size, 1) });
  } catch (cause) {
    throw new FormatError(`elf: ${name} cannot be decompressed`, { offset: section.offset, cause });
  }
}

const ELFCOMPRESS_ZLIB = 1;

/** What the header of a line program says. */
interface LineHeader {
  readonly version: number;
  readonly minimumLength: number;
  readonly operationsPerInstruction: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Number of operands of each standard opcode, from 1 on. */
  readonly operands: readonly number[];
  readonly directories: readonly Name[];
  readonly files: FileEntry[];
}

interface FileEntry {
  readonly name: Name;
  readonly directory: number;
}

/** A string, or where it stands: names are read when they are needed, for many may share long ones. */
type Name = string | { readonly section: string; readonly offset: number };

/** Opcodes (DW_LNS_*, DW_LNE_*) and content types and forms of version 5 (DW_LNCT_*, DW_FORM_*). */
const LNS = {
  COPY: 1,
  ADVANCE_PC: 2,
  ADVANCE_LINE: 3,
  SET_FILE: 4,
  CONST_ADD_PC: 8,
  FIXED_ADVANCE_PC: 9,
} as const;
const LNE = { END_SEQUENCE: 1, SET_ADDRESS: 2, DEFINE_FILE: 3 } as const;
const LNCT = { PATH: 1, DIRECTORY: 2 } as const;
const FORM = {
  DATA2: 0x05,
  DATA4: 0x06,
  DATA8: 0x07,
  STRING: 0x08,
  BLOCK: 0x09,
  DATA1: 0x0b,
  STRP: 0x0e,
  UDATA: 0x0f,
  DATA16: 0x1e,
  LINE_STRP: 0x1f,
} as const;

class LineReader {
  readonly #elf: ElfFile;
  readonly #wanted: readonly number[];
  readonly #found: Map<number, SourceLine>;
  readonly #strings = new Map<string, Uint8Array | null>();

  constructor(elf: ElfFile, wanted: readonly number[], found: Map<number, SourceLine>) {
    this.#elf = elf;
    this.#wanted = wanted;
    this.#found = found;
  }

  /** Reads the unit at a cursor, which then stands behind it. */
  unit(bytes: Uint8Array, cursor: ByteCursor): void {
    let length = cursor.u32();
    const is64 = length === 0xffffffff;
    if (is64) length = cursor.u53();
    const start = cursor.offset;
    const end = start + length;
    if (end > bytes.length) {
      throw new FormatError(`debug_line: unit at 0x${start.toString(16)} ends past the section`, {
        offset: start,
        value: length,
      });
    }
    const unit = new ByteCursor(bytes, { context: 'debug_line', offset: start, end });
    cursor.offset = end;
    const header = this.#header(unit, is64);
    if (header !== null) this.#program(unit, header);
  }

  /** Null for a version that is not known. */
  #header(unit: ByteCursor, is64: boolean): LineHeader | null {
    const version = unit.u16();
    if (version < 2 || version > 5) return null;
    // Sizes of addresses and of segment selectors; the file says the former as well.
    if (version === 5) unit.skip(2);
    const headerLength = is64 ? unit.u53() : unit.u32();
    const program = unit.offset + headerLength;
    const minimumLength = unit.u8();
    const operationsPerInstruction = version >= 4 ? unit.u8() : 1;
    unit.skip(1);
    const lineBase = unit.i8();
    const lineRange = unit.u8();
    const opcodeBase = unit.u8();
    if (lineRange === 0 || operationsPerInstruction === 0) {
      throw new FormatError('debug_line: line range or operations per instruction, 0 (1 or more)', {
        offset: unit.offset,
      });
    }
    const operands: number[] = [];
    for (let opcode = 1; opcode < opcodeBase; opcode++) operands.push(unit.u8());
    const directories: Name[] = [];
    const files: FileEntry[] = [];
    if (version === 5) {
      for (const { name } of this.#entries(unit, is64)) directories.push(name);
      files.push(...this.#entries(unit, is64));
    } else {
      // Both lists count from 1; directory 0 is where the compiler ran.
      directories.push('');
      for (let name = unit.cString(); name !== ''; name = unit.cString()) directories.push(name);
      files.push({ name: '', directory: 0 });
      for (let name = unit.cString(); name !== ''; name = unit.cString()) files.push(oldEntry(unit, name));
    }
    unit.offset = program;
    return {
      version,
      minimumLength,
      operationsPerInstruction,
      lineBase,
      lineRange,
      opcodeBase,
      operands,
      directories,
      files,
    };
  }

  /** Directories or files of version 5. */
  #entries(unit: ByteCursor, is64: boolean): FileEntry[] {
    const formats: (readonly [content: number, form: number])[] = [];
    for (let left = unit.u8(); left > 0; left--) formats.push([unit.uleb128(), unit.uleb128()]);
    const entries: FileEntry[] = [];
    const count = unit.uleb128();
    if (formats.length === 0) return entries;
    for (let index = 0; index < count; index++) {
      let name: Name = '';
      let directory = 0;
      for (const [content, form] of formats) {
        const value = valueOf(unit, form, is64);
        if (content === LNCT.PATH && typeof value !== 'number' && value !== null) name = value;
        else if (content === LNCT.DIRECTORY && typeof value === 'number') directory = value;
      }
      entries.push({ name, directory });
    }
    return entries;
  }

  #text(name: Name): string {
    if (typeof name === 'string') return name;
    const { section, offset } = name;
    let bytes = this.#strings.get(section);
    if (bytes === undefined) {
      bytes = contentsOf(this.#elf, section);
      this.#strings.set(section, bytes);
    }
    if (bytes === null) return '';
    return new ByteCursor(bytes, { context: `elf: ${section}`, offset }).cString(NAME_LIMIT);
  }

  /** Runs a line program: rows that cover a wanted address are kept. */
  #program(unit: ByteCursor, header: LineHeader): void {
    const { minimumLength, operationsPerInstruction, lineBase, lineRange, opcodeBase, operands } = header;
    let address = 0;
    let operation = 0;
    let file = 1;
    let line = 1;
    // The row before, from which on its line holds; -1 before the first of a sequence.
    let rowAddress = -1;
    let rowFile = 1;
    let rowLine = 1;
    const advance = (count: number): void => {
      if (operationsPerInstruction === 1) address += minimumLength * count;
      else {
        const total = operation + count;
        address += minimumLength * Math.floor(total / operationsPerInstruction);
        operation = total % operationsPerInstruction;
      }
    };
    const row = (isEnd: boolean): void => {
      if (rowAddress >= 0 && address > rowAddress) this.#keep(rowAddress, address, header, rowFile, rowLine);
      rowAddress = isEnd ? -1 : address;
      rowFile = file;
      rowLine = line;
    };
    while (unit.remaining > 0) {
      const opcode = unit.u8();
      if (opcode >= opcodeBase) {
        const adjusted = opcode - opcodeBase;
        advance(Math.floor(adjusted / lineRange));
        line += lineBase + (adjusted % lineRange);
        row(false);
        continue;
      }
      switch (opcode) {
        case 0: {
          const size = unit.uleb128();
          const next = unit.offset + size;
          if (size === 0) break;
          const extended = unit.u8();
          if (extended === LNE.END_SEQUENCE) {
            row(true);
            address = 0;
            operation = 0;
            file = 1;
            line = 1;
          } else if (extended === LNE.SET_ADDRESS) {
            address = size === 9 ? Number(unit.u64()) : unit.u32();
            operation = 0;
          } else if (extended === LNE.DEFINE_FILE) header.files.push(oldEntry(unit, unit.cString()));
          unit.offset = next;
          break;
        }
        case LNS.COPY:
          row(false);
          break;
        case LNS.ADVANCE_PC:
          advance(unit.uleb128());
          break;
        case LNS.ADVANCE_LINE:
          line += unit.sleb128();
          break;
        case LNS.SET_FILE:
          file = unit.uleb128();
          break;
        case LNS.CONST_ADD_PC:
          advance(Math.floor((255 - opcodeBase) / lineRange));
          break;
        case LNS.FIXED_ADVANCE_PC:
          address += unit.u16();
          operation = 0;
          break;
        default:
          for (let left = operands[opcode - 1] ?? 0; left > 0; left--) unit.uleb128();
      }
    }
  }

  /** Notes a line for the wanted addresses from `start` up to `end`. */
  #keep(start: number, end: number, { directories, files }: LineHeader, file: number, line: number): void {
    const wanted = this.#wanted;
    let low = 0;
    let high = wanted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((wanted[middle] as number) < start) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < wanted.length && (wanted[at] as number) < end; at++) {
      const address = wanted[at] as number;
      const entry = files[file];
      // What a linker left out of the file still has lines, at address 0.
      if (entry === undefined || line <= 0 || start === 0 || this.#found.has(address)) continue;
      const name = this.#text(entry.name);
      const directory = this.#text(directories[entry.directory] ?? '');
      const path = name.startsWith('/') || directory === '' ? name : `${directory}/${name}`;
      if (name !== '') this.#found.set(address, { file: path, line });
    }
  }
}

/** Longest name of a file, in bytes. */
const NAME_LIMIT = 4096;

function oldEntry(unit: ByteCursor, name: string): FileEntry {
  const directory = unit.uleb128();
  unit.uleb128();
  unit.uleb128();
  return { name, directory };
}

function valueOf(unit: ByteCursor, form: number, is64: boolean): Name | number | null {
  switch (form) {
    case FORM.STRING:
      return unit.cString();
    case FORM.LINE_STRP:
      return { section: '.debug_line_str', offset: is64 ? unit.u53() : unit.u32() };
    case FORM.STRP:
      return { section: '.debug_str', offset: is64 ? unit.u53() : unit.u32() };
    case FORM.UDATA:
      return unit.uleb128();
    case FORM.DATA1:
      return unit.u8();
    case FORM.DATA2:
      return unit.u16();
    case FORM.DATA4:
      return unit.u32();
    case FORM.DATA8:
      unit.skip(8);
      return null;
    case FORM.DATA16:
      unit.skip(16);
      return null;
    case FORM.BLOCK:
      unit.skip(unit.uleb128());
      return null;
    default:
      throw new FormatError(`debug_line: unknown form 0x${form.toString(16)}`, {
        offset: unit.offset,
        value: form,
      });
  }
}
