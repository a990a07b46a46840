import { SH_TYPE } from '../../elf/constants.ts';
import type { ElfFile } from '../../elf/file.ts';
import { parseElf } from '../../elf/header.ts';
import { BODY_OFFSET, elfImage } from '../../elf/testing/image.ts';

/** One function of a hand-made object. */
export interface HandMadeFrame {
  readonly start: number;
  readonly size: number;
  /** Call frame instructions of the CIE; default: CFA at rsp + 8, return address below it. */
  readonly initial?: readonly number[];
  /** Call frame instructions of the FDE. */
  readonly instructions?: readonly number[];
  readonly isSignalFrame?: boolean;
}

/** DW_CFA_def_cfa rsp + 8, DW_CFA_offset rip at CFA - 8: what holds at the entry of a function. */
export const AT_ENTRY: readonly number[] = [0x0c, 7, 8, 0x90, 1];

/** vaddrs of hand-made objects are below it. */
export const IMAGE_SIZE = 0x10000;

/** The bytes of an x86-64 object with an `.eh_frame` of one CIE and one FDE per function, and code alignment 1, data alignment -8. */
export function handMadeImage(frames: readonly HandMadeFrame[]): Uint8Array {
  const table: number[] = [];
  for (const { start, size, initial = AT_ENTRY, instructions = [], isSignalFrame = false } of frames) {
    const cieAt = table.length;
    const augmentation = [...Buffer.from(isSignalFrame ? 'zRS\0' : 'zR\0')];
    pushRecord(table, [...word32(0), 1, ...augmentation, 1, 0x78, 16, 1, 0, ...initial]);
    const distance = table.length + 4 - cieAt;
    pushRecord(table, [...word32(distance), ...word64(start), ...word64(size), 0, ...instructions]);
  }
  const names = [...Buffer.from('\0.eh_frame\0')];
  return elfImage({
    body: Uint8Array.from([...table, ...names]),
    segments: [{ type: 1, offset: 0, size: IMAGE_SIZE }],
    sections: [
      { type: 0 },
      {
        nameIndex: 1,
        type: SH_TYPE.SHT_PROGBITS,
        addr: BODY_OFFSET,
        offset: BODY_OFFSET,
        size: table.length,
      },
      { type: SH_TYPE.SHT_STRTAB, offset: BODY_OFFSET + table.length, size: names.length },
    ],
    shstrndx: 2,
  });
}

/** As {@link handMadeImage}, parsed. */
export function handMadeElf(frames: readonly HandMadeFrame[]): ElfFile {
  return parseElf(handMadeImage(frames));
}

function pushRecord(table: number[], body: readonly number[]): void {
  const padded = [...body];
  while (padded.length % 8 !== 4) padded.push(0);
  table.push(...word32(padded.length), ...padded);
}

function word32(value: number): number[] {
  return [...new Uint8Array(Uint32Array.of(value).buffer)];
}

function word64(value: number): number[] {
  return [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
}
