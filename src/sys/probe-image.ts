import { I386_EXIT_CODE } from './probe-facts.ts';

const BASE = 0x400000;
const ET_EXEC = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const READ_EXECUTE = 5;

const SYS_exit_group = 231;

/** Encodings of `mov reg, imm32` (sign-extended) for rdi, rsi, rdx, r10 and r8. */
const MOVES: readonly (readonly number[])[] = [
  [0x48, 0xc7, 0xc7],
  [0x48, 0xc7, 0xc6],
  [0x48, 0xc7, 0xc2],
  [0x49, 0xc7, 0xc2],
  [0x49, 0xc7, 0xc0],
];

/**
 * Assembles a static x86-64 program that makes one system call, with up to five arguments, and ends: with 0 if the call
 * succeeded, else with its errno.
 */
export function assembleCall(nr: number, args: readonly number[]): Uint8Array {
  const code: number[] = [];
  for (const [index, value] of args.entries()) code.push(...(MOVES[index] as number[]), ...word(value));
  code.push(0xb8, ...word(nr), 0x0f, 0x05); // mov eax, nr; syscall
  code.push(0x31, 0xff); // xor edi, edi
  code.push(0x85, 0xc0, 0x79, 4); // test eax, eax; jns +4
  code.push(0xf7, 0xd8, 0x89, 0xc7); // neg eax; mov edi, eax
  code.push(0xb8, ...word(SYS_exit_group), 0x0f, 0x05);
  return link64(code);
}

/** Assembles a static i386 program that ends with {@link I386_EXIT_CODE}, by `int 0x80`. */
export function assembleI386Exit(): Uint8Array {
  const code = [0xb8, 1, 0, 0, 0, 0xbb, I386_EXIT_CODE, 0, 0, 0, 0xcd, 0x80];
  const headers = 52 + 32;
  const file = new Uint8Array(headers + code.length);
  const view = new DataView(file.buffer);
  writeIdent(file, 1, EM_386);
  view.setUint32(24, BASE + headers, true); // e_entry
  view.setUint32(28, 52, true); // e_phoff
  view.setUint16(40, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 1, true);
  const fields = [PT_LOAD, 0, BASE, BASE, file.length, file.length, READ_EXECUTE, 0x1000];
  for (const [index, field] of fields.entries()) view.setUint32(52 + index * 4, field, true);
  file.set(code, headers);
  return file;
}

/** ELF header and one PT_LOAD that maps the whole file; source: elf(5). */
function link64(code: readonly number[]): Uint8Array {
  const headers = 64 + 56;
  const file = new Uint8Array(headers + code.length);
  const view = new DataView(file.buffer);
  writeIdent(file, 2, EM_X86_64);
  view.setBigUint64(24, BigInt(BASE + headers), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, PT_LOAD, true);
  view.setUint32(68, READ_EXECUTE, true);
  const fields = [0, BASE, BASE, file.length, file.length, 0x1000];
  for (const [index, field] of fields.entries()) view.setBigUint64(72 + index * 8, BigInt(field), true);
  file.set(code, headers);
  return file;
}

function writeIdent(file: Uint8Array, elfClass: 1 | 2, machine: number): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, elfClass, 1, 1]);
  file.set([ET_EXEC, 0, machine, 0, 1], 16);
}

function word(value: number): number[] {
  return [value, value >> 8, value >> 16, value >> 24].map((byte) => byte & 0xff);
}
