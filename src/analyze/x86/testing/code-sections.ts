import { readFileSync } from 'node:fs';

import { SH_FLAGS, SH_TYPE } from '../../../elf/constants.ts';
import { parseElf } from '../../../elf/header.ts';

/** An executable section: where it lies in the file and what it is loaded at. */
export type CodeSection = {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly end: number;
  readonly address: number;
};

/** All executable sections of a program. */
export function codeSections(path: string): CodeSection[] {
  const elf = parseElf(readFileSync(path));
  return elf.sections
    .filter(
      (section) => section.type === SH_TYPE.SHT_PROGBITS && (section.flags & SH_FLAGS.SHF_EXECINSTR) !== 0,
    )
    .map((section) => ({
      bytes: elf.bytes,
      offset: section.offset,
      end: section.offset + section.size,
      address: section.addr,
    }));
}
