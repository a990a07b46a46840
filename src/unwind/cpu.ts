/** What unwinding must know of a processor mode; register numbers are those of its DWARF mapping. */
export interface Cpu {
  readonly name: 'x86_64' | 'i386';
  /** `e_machine` of the objects whose frame tables speak of this mode's registers. */
  readonly machine: number;
  /** Bytes of an address, and of a word on the stack. */
  readonly wordSize: 4 | 8;
  readonly stackPointer: number;
  readonly framePointer: number;
  /** Number that stands for the return address; as a value it is the program counter. */
  readonly returnAddress: number;
  /** Index in struct user_regs_struct, in 64-bit words, of each register by its DWARF number. */
  readonly userRegisters: readonly number[];
}

/** Values by DWARF register number; null where a value is not known. */
export type RegisterValues = readonly (bigint | null)[];

/**
 * 64-bit mode.
 *
 * Source: System V ABI, AMD64 supplement, figure "DWARF Register Number Mapping"; arch/x86/include/asm/user_64.h.
 */
export const X86_64: Cpu = {
  name: 'x86_64',
  machine: 62,
  wordSize: 8,
  stackPointer: 7,
  framePointer: 6,
  returnAddress: 16,
  // rax rdx rcx rbx rsi rdi rbp rsp r8 to r15 rip
  userRegisters: [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16],
};

/**
 * 32-bit mode, as ptrace(2) shows it to a 64-bit tracer.
 *
 * Source: System V ABI, Intel386 supplement, table "DWARF Register Number Mapping"; arch/x86/include/asm/user_64.h.
 */
export const I386: Cpu = {
  name: 'i386',
  machine: 3,
  wordSize: 4,
  stackPointer: 4,
  framePointer: 5,
  returnAddress: 8,
  // eax ecx edx ebx esp ebp esi edi eip
  userRegisters: [10, 11, 12, 5, 19, 4, 13, 14, 16],
};

/** The mode in which a task runs, from the 27 words of struct user_regs_struct. */
export function cpuOf(userRegisters: BigUint64Array): Cpu {
  return userRegisters[CS] === USER32_CS ? I386 : X86_64;
}

/** The registers of a stopped task by DWARF number, cut to the width of the mode. */
export function registerValues(cpu: Cpu, userRegisters: BigUint64Array): RegisterValues {
  return cpu.userRegisters.map((index) => wrap(cpu, userRegisters[index] ?? 0n));
}

/** A number cut to an unsigned word. */
export function wrap(cpu: Cpu, value: bigint): bigint {
  return BigInt.asUintN(cpu.wordSize * 8, value);
}

/** Index of cs in struct user_regs_struct. */
const CS = 17;

/** Code segment of 32-bit programs: __USER32_CS of arch/x86/include/asm/segment.h. */
const USER32_CS = 0x23n;
