import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { parseElf } from '../elf/header.ts';
import { buildId } from '../elf/note.ts';

/** Bytes at the start of a file in which linkers put the notes. */
const HEAD_SIZE = 65536;

/** Places in the header of a 64-bit file; source: elf(5), Elf64_Ehdr. */
const EI_CLASS = 4;
const ELFCLASS64 = 2;
const SECTION_OFFSET = [40, 48] as const;
const SECTION_COUNTS = [60, 64] as const;

/**
 * The build-id of an open file, in lower-case hex; null if it has none. Of a file of a hundred megabytes mostly the start is read only.
 *
 * @throws FormatError or UnsupportedError if it is no ELF file that can be read
 */
export function readBuildId(fd: number): string | null {
  const buffer = Buffer.allocUnsafe(HEAD_SIZE);
  const head = buffer.subarray(0, readSync(fd, buffer, 0, HEAD_SIZE, 0));
  return noteInHead(head) ?? buildId(parseElf(readFileSync(fd)));
}

/** The same of a file by its path; null also where it cannot be read or parsed. */
export function buildIdOf(path: string): string | null {
  let fd: number | null = null;
  try {
    fd = openSync(path, 'r');
    return readBuildId(fd);
  } catch {
    // Something that the kernel executes and we cannot read or parse still has a path.
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** By the segments, which come before the sections in any case: the file is taken for one without sections. */
function noteInHead(head: Uint8Array): string | null {
  if (head.length < SECTION_COUNTS[1] || head[EI_CLASS] !== ELFCLASS64) return null;
  head.fill(0, ...SECTION_OFFSET).fill(0, ...SECTION_COUNTS);
  try {
    return buildId(parseElf(head));
  } catch {
    return null;
  }
}
