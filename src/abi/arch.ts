/**
 * Instruction-set side of a call: what the kernel saw, not what the machine is.
 *
 * x32 shares AUDIT_ARCH_X86_64 with x86_64; its numbers carry bit 30 in the kernel and are given here without it.
 */
export type Arch = 'x86_64' | 'i386' | 'x32' | 'aarch64';

/** Every arch, in the order in which documents sort them. */
export const ARCHES: readonly Arch[] = ['x86_64', 'i386', 'x32', 'aarch64'];

/** AUDIT_ARCH_* as seccomp_data.arch carries it; source: include/uapi/linux/audit.h and elf-em.h. */
export const AUDIT_ARCH: Readonly<Record<Arch, number>> = {
  x86_64: 0xc000003e,
  i386: 0x40000003,
  x32: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** __X32_SYSCALL_BIT of arch/x86/include/uapi/asm/unistd.h. */
export const X32_SYSCALL_BIT = 0x40000000;
