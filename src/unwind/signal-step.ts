import { type Cpu, X86_64 } from './cpu.ts';
import type { MemoryView } from './memory-view.ts';
import { type FrameState, LOST, type Step } from './step.ts';

/**
 * Whether the code at an address is what a signal handler returns to in 64-bit mode: `mov $15, %rax; syscall`.
 *
 * C libraries whose assembly has no frame tables are recognised by it, musl for one; gcc's unwinder looks for the same
 * bytes (config/i386/linux-unwind.h).
 */
export function isSigreturn(cpu: Cpu, memory: MemoryView, address: bigint): boolean {
  if (cpu !== X86_64) return false;
  const code = memory.bytes(address, SIGRETURN.length);
  return code !== null && SIGRETURN.every((byte, index) => code[index] === byte);
}

/**
 * The registers of the code that a signal has interrupted, for a frame at {@link isSigreturn}.
 *
 * The kernel has saved them on the stack: the stack pointer is that of struct ucontext, whose `uc_mcontext` is at 40.
 * Source: arch/x86/include/asm/sigframe.h, arch/x86/include/uapi/asm/sigcontext.h.
 */
export function stepBySignalFrame({ cpu, registers, memory }: FrameState): Step {
  const stackPointer = registers[cpu.stackPointer] ?? null;
  if (stackPointer === null) return LOST;
  const saved = SIGCONTEXT.map((word) =>
    memory.word(cpu, BigInt.asUintN(64, stackPointer + MCONTEXT + BigInt(word * 8))),
  );
  return (saved[cpu.returnAddress] ?? null) === null ? LOST : { kind: 'caller', registers: saved };
}

const SIGRETURN = [0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05] as const;

/** Offset of `uc_mcontext` in struct ucontext. */
const MCONTEXT = 40n;

/** Index in struct sigcontext, in words, of each register by its DWARF number: rax rdx rcx rbx rsi rdi rbp rsp r8 to r15 rip. */
const SIGCONTEXT = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16] as const;
