/** What the kernel gives to a filter: struct seccomp_data of include/uapi/linux/seccomp.h. */
export interface SeccompData {
  /** System call number as the kernel has it: with bit 30 for x32, -1 either signed or as 0xffffffff. */
  readonly nr: number;
  /** AUDIT_ARCH_*. */
  readonly arch: number;
  readonly instructionPointer: bigint;
  /** Up to six arguments; those left out are 0. */
  readonly args: readonly bigint[];
}

/** sizeof(struct seccomp_data), in bytes. */
export const SECCOMP_DATA_SIZE = 64;

/**
 * Indices of the 32-bit words of struct seccomp_data; the byte offset is four times the index.
 *
 * Low halves come first: every arch that callgate knows is little-endian.
 */
export const WORD = { nr: 0, arch: 1, ipLow: 2, ipHigh: 3 } as const;

/** Index of the word with the low half of an argument; the high half is the next one. */
export function lowWord(arg: number): number {
  return 4 + 2 * arg;
}

/** The sixteen 32-bit words of struct seccomp_data as a little-endian machine has them. */
export function packSeccompData(data: SeccompData): Uint32Array {
  const words = new Uint32Array(SECCOMP_DATA_SIZE / 4);
  words[WORD.nr] = data.nr;
  words[WORD.arch] = data.arch;
  words[WORD.ipLow] = Number(data.instructionPointer & 0xffffffffn);
  words[WORD.ipHigh] = Number((data.instructionPointer >> 32n) & 0xffffffffn);
  for (let arg = 0; arg < 6; arg++) {
    const value = data.args[arg] ?? 0n;
    words[lowWord(arg)] = Number(value & 0xffffffffn);
    words[lowWord(arg) + 1] = Number((value >> 32n) & 0xffffffffn);
  }
  return words;
}

/** A word in the notation of printed programs, such as `nr` or `args[1].high`; an unknown one is `data[OFFSET]`. */
export function formatWord(word: number): string {
  if (word === WORD.nr) return 'nr';
  if (word === WORD.arch) return 'arch';
  if (word === WORD.ipLow) return 'instruction_pointer.low';
  if (word === WORD.ipHigh) return 'instruction_pointer.high';
  if (word >= 4 && word < 16) return `args[${(word - 4) >> 1}].${word % 2 === 0 ? 'low' : 'high'}`;
  return `data[${word * 4}]`;
}
