/**
 * The numbers of eBPF that callgate uses. Source: Documentation/bpf/standardization/instruction-set.rst and
 * include/uapi/linux/bpf.h of the kernel.
 */

/** Register r0 takes results, r1 to r5 are arguments and lost in a call, r6 to r9 are kept, r10 is the frame pointer. */
export type Register = 'r0' | 'r1' | 'r2' | 'r3' | 'r4' | 'r5' | 'r6' | 'r7' | 'r8' | 'r9' | 'r10';

/** Width of a memory access, bytes. */
export type Width = 1 | 2 | 4 | 8;

/** Instruction classes: the low three bits of an opcode. */
export const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, JMP32: 6, ALU64: 7 } as const;

/** Bit of an opcode by which the second operand is a register. */
export const SOURCE_REGISTER = 0x08;

/** Modes of a memory access. */
export const MODE = { IMM: 0x00, MEM: 0x60, ATOMIC: 0xc0 } as const;

/** Sizes of a memory access by its width. */
export const SIZE: Readonly<Record<Width, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

export type AluOperation = 'add' | 'sub' | 'mul' | 'or' | 'and' | 'lsh' | 'rsh' | 'xor' | 'mov' | 'arsh';

export const ALU: Readonly<Record<AluOperation, number>> = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
};

/** Conditions of a jump; the comparisons are unsigned but for those that begin with `s`. */
export type Condition = 'eq' | 'gt' | 'ge' | 'set' | 'ne' | 'sgt' | 'sge' | 'lt' | 'le' | 'slt' | 'sle';

export const JUMP: Readonly<Record<Condition, number>> = {
  eq: 0x10,
  gt: 0x20,
  ge: 0x30,
  set: 0x40,
  ne: 0x50,
  sgt: 0x60,
  sge: 0x70,
  lt: 0xa0,
  le: 0xb0,
  slt: 0xc0,
  sle: 0xd0,
};

export const JUMP_ALWAYS = 0x00;
export const CALL = 0x80;
export const EXIT = 0x90;

/** Immediate of an atomic operation: what it does, and BPF_FETCH where the old value is wanted. */
export const ATOMIC = { ADD: 0x00, OR: 0x40, CMPXCHG: 0xf0, FETCH: 0x01 } as const;

/** src_reg of a 64-bit immediate load: what its value stands for. */
export const PSEUDO_MAP_FD = 1;
export const PSEUDO_MAP_VALUE = 2;

/** Helper functions by number; source: include/uapi/linux/bpf.h, __BPF_FUNC_MAPPER. */
export const HELPER = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  map_delete_elem: 3,
  ktime_get_ns: 5,
  get_current_pid_tgid: 14,
  current_task_under_cgroup: 37,
  get_current_cgroup_id: 80,
  probe_read_user: 112,
  probe_read_kernel: 113,
  probe_read_kernel_str: 115,
  ringbuf_output: 130,
  get_current_task_btf: 158,
  task_pt_regs: 175,
} as const;

export type Helper = keyof typeof HELPER;
