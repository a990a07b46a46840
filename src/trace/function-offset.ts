import { readFileSync } from 'node:fs';
import { loadAt, vaddrToFileOffset } from '../elf/address.ts';
import { P_FLAGS } from '../elf/constants.ts';
import { findFunction } from '../elf/function.ts';
import { parseElf } from '../elf/header.ts';

/** File offset of the function of a symbol trigger, given by name or address; null for a file that is gone, is no ELF or does not have it. */
export function functionOffset(path: string, name: string): number | null {
  try {
    const elf = parseElf(readFileSync(path));
    const address = /^0x[0-9a-f]{1,16}$/i.test(name) ? Number(name) : findFunction(elf, name)?.value;
    if (address === undefined || ((loadAt(elf, address)?.flags ?? 0) & P_FLAGS.PF_X) === 0) return null;
    return vaddrToFileOffset(elf, address);
  } catch {
    return null;
  }
}
