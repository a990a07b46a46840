import type { Cpu } from './cpu.ts';
import type { MemoryView } from './memory-view.ts';

/**
 * Whether the instruction before an address is a near call, so that the address may be a return address.
 *
 * Source: Intel SDM, volume 2, CALL (E8 and FF /2) and table "32-Bit Addressing Forms with the ModR/M Byte".
 */
export function followsCall(cpu: Cpu, memory: MemoryView, address: bigint): boolean {
  const before = bytesBefore(cpu, memory, address, LONGEST_CALL);
  if (before === null) return false;
  if (before[LONGEST_CALL - 5] === 0xe8) return true;
  for (let length = 2; length <= LONGEST_CALL; length++) {
    const at = LONGEST_CALL - length;
    if (before[at] === 0xff && length === indirectCallLength(before, at)) return true;
  }
  return false;
}

/**
 * Whether the instruction before an address enters the kernel: a task that is stopped in a system call is there.
 *
 * Source: Intel SDM, volume 2, SYSCALL (0F 05), SYSENTER (0F 34) and INT 0x80 (CD 80).
 */
export function followsSystemCall(cpu: Cpu, memory: MemoryView, address: bigint): boolean {
  const before = bytesBefore(cpu, memory, address, 2);
  if (before === null) return false;
  const [first, second] = before;
  return (first === 0x0f && (second === 0x05 || second === 0x34)) || (first === 0xcd && second === 0x80);
}

/** FF, ModR/M, SIB and a displacement of 4 bytes. */
const LONGEST_CALL = 7;

function bytesBefore(cpu: Cpu, memory: MemoryView, address: bigint, length: number): Uint8Array | null {
  const start = address - BigInt(length);
  return start < 0n || address >= 1n << BigInt(cpu.wordSize * 8) ? null : memory.bytes(start, length);
}

/** The length of the instruction FF /2 at `at`; 0 when it is no near call. */
function indirectCallLength(bytes: Uint8Array, at: number): number {
  const modrm = bytes[at + 1] as number;
  if (((modrm >> 3) & 7) !== 2) return 0;
  const mode = modrm >> 6;
  const operand = modrm & 7;
  if (mode === 3) return 2;
  const hasSib = operand === 4;
  const hasBase = mode !== 0 || (hasSib ? ((bytes[at + 2] as number) & 7) !== 5 : operand !== 5);
  const displacement = mode === 1 ? 1 : mode === 2 || !hasBase ? 4 : 0;
  return 2 + (hasSib ? 1 : 0) + displacement;
}
