import { ByteCursor } from '../base/byte-cursor.ts';
import { FormatError, UnsupportedError } from '../base/errors.ts';
import { ST_SHNDX } from './constants.ts';
import type { ElfFile, ElfSection } from './file.ts';
import { loadSegments, nameSections, readSections, readSegments, type TablePlaces } from './header-table.ts';

/**
 * Reads the header and both header tables of an ELF file (elf(5), gABI 4.1).
 *
 * Everything else is read on demand by the other functions of this folder, which throw a FormatError
 * where the file contradicts itself. The bytes are borrowed: do not change them afterwards.
 *
 * @param isMapped the file counts as the kernel and the loader see it, who look at no section headers: malformed ones, as packers leave them,
 * count as none.
 * @throws FormatError when the bytes are no ELF file, or a header is malformed.
 * @throws UnsupportedError when the file is big-endian.
 */
export function parseElf(bytes: Uint8Array, isMapped = false): ElfFile {
  const identification = readIdentification(bytes);
  const is64 = identification.class === 64;
  const header = readHeader(bytes, is64);
  const { sections, phnum } = readSectionTable(bytes, is64, header, isMapped);
  const segments = readSegments(bytes, is64, header, phnum);
  return {
    bytes,
    class: identification.class,
    machine: header.machine,
    type: header.type,
    osabi: identification.osabi,
    flags: header.flags,
    entry: header.entry,
    segments,
    loads: loadSegments(segments),
    sections,
  };
}

/** The sections, and how many segments there are, which the first of them may say. */
function readSectionTable(
  bytes: Uint8Array,
  is64: boolean,
  header: Header,
  isMapped: boolean,
): { readonly sections: readonly ElfSection[]; readonly phnum: number } {
  try {
    const hasSections = header.shoff !== 0 && header.shentsize !== 0;
    const first = hasSections ? readSections(bytes, is64, header, 1)[0] : undefined;
    // Counts that do not fit in 16 bits are in the null section (gABI 4.1).
    const shnum = first === undefined ? 0 : header.shnum === 0 ? first.size : header.shnum;
    const phnum = header.phnum === PN_XNUM && first !== undefined ? first.info : header.phnum;
    const shstrndx = header.shstrndx === ST_SHNDX.SHN_XINDEX && first ? first.link : header.shstrndx;
    const sections = nameSections(bytes, readSections(bytes, is64, header, shnum), shstrndx);
    return { sections, phnum };
  } catch (error) {
    if (!isMapped || !(error instanceof FormatError)) throw error;
    return { sections: [], phnum: header.phnum };
  }
}

/** `e_phnum` when the count is in `sh_info` of the null section (gABI 4.1). */
const PN_XNUM = 0xffff;

interface Header extends TablePlaces {
  readonly type: number;
  readonly machine: number;
  readonly entry: number;
  readonly flags: number;
  readonly phnum: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

function readIdentification(bytes: Uint8Array): { class: 32 | 64; osabi: number } {
  const cursor = new ByteCursor(bytes, { context: 'elf' });
  if (bytes.length < 16) {
    throw new FormatError(`elf: file has ${bytes.length} bytes, less than its identification (16)`, {
      offset: 0,
      value: bytes.length,
    });
  }
  const magic = Buffer.from(cursor.take(4)).toString('hex');
  if (magic !== '7f454c46') {
    throw new FormatError(`elf: magic is ${magic} (7f454c46)`, { offset: 0, value: magic });
  }
  const fileClass = cursor.u8();
  if (fileClass !== 1 && fileClass !== 2) {
    throw new FormatError(`elf: class is ${fileClass} (1, 2)`, { offset: 4, value: fileClass });
  }
  const data = cursor.u8();
  if (data === 2) {
    throw new UnsupportedError('elf: file is big-endian, only little-endian ones can be read', {
      feature: 'big-endian ELF',
    });
  }
  if (data !== 1) throw new FormatError(`elf: data encoding is ${data} (1, 2)`, { offset: 5, value: data });
  cursor.skip(1);
  return { class: fileClass === 2 ? 64 : 32, osabi: cursor.u8() };
}

function readHeader(bytes: Uint8Array, is64: boolean): Header {
  const cursor = new ByteCursor(bytes, { context: 'elf', offset: 16 });
  const type = cursor.u16();
  const machine = cursor.u16();
  cursor.skip(4);
  const entry = is64 ? cursor.u53() : cursor.u32();
  const phoff = is64 ? cursor.u53() : cursor.u32();
  const shoff = is64 ? cursor.u53() : cursor.u32();
  const flags = cursor.u32();
  cursor.skip(2);
  const phentsize = cursor.u16();
  const phnum = cursor.u16();
  const shentsize = cursor.u16();
  const shnum = cursor.u16();
  const shstrndx = cursor.u16();
  return {
    type,
    machine,
    entry,
    phoff,
    shoff,
    flags,
    phentsize,
    phnum,
    shentsize,
    shnum,
    shstrndx,
  };
}
