import { describe, expect, it } from 'vitest';

import { decodeInstruction, describeInstruction, scanInstruction } from './decoder.ts';
import { FLOW, Instruction, OP, OPERAND, REPEAT, SEGMENT, TRAIT } from './instruction.ts';

const { NONE, REGISTER, REGISTER_HIGH, MEMORY, IMMEDIATE, VECTOR } = OPERAND;
const [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI] = [1, 2, 4, 8, 16, 32, 64, 128] as const;
const R8 = 0x100;
const R11 = 0x800;

type Want = Partial<Instruction>;
type Row = readonly [text: string, hex: string, want: Want];

const ADDRESS = 0x10_0000;

/** Decodes at ADDRESS with a window that ends with the bytes. */
function decode(hex: string): Instruction {
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const into = new Instruction();
  expect(decodeInstruction(bytes, 0, bytes.length, ADDRESS, into)).toBe(into.length);
  return into;
}

function check(rows: readonly Row[]): void {
  it.each(rows)('decodes %s (%s)', (_, hex, want) => {
    expect(decode(hex)).toMatchObject({ length: hex.split(' ').length, ...want });
  });
}

// Tables 2-2, 2-3, 2-5 and 2-7 of the Intel manual, volume 2.
describe('memory operands', () => {
  const load = {
    operation: OP.MOV,
    destinationKind: REGISTER,
    sourceKind: MEMORY,
    hasMemory: 1,
    readsMemory: 1,
  };
  check([
    ['mov eax, [rbx]', '8b 03', { ...load, memoryBase: 3, memoryIndex: -1, displacement: 0, size: 4 }],
    ['mov rax, [rbp-8]', '48 8b 45 f8', { ...load, memoryBase: 5, displacement: -8, size: 8 }],
    ['mov rax, [r13]', '49 8b 45 00', { ...load, memoryBase: 13, displacement: 0 }],
    ['mov rax, [rsp]', '48 8b 04 24', { ...load, memoryBase: 4, memoryIndex: -1, reads: RSP }],
    ['mov rax, [r12]', '49 8b 04 24', { ...load, memoryBase: 12, memoryIndex: -1 }],
    ['mov rax, [rax]', '48 8b 04 20', { ...load, memoryBase: 0, memoryIndex: -1 }],
    ['mov rax, [rax+r12]', '4a 8b 04 20', { ...load, memoryBase: 0, memoryIndex: 12, memoryScale: 1 }],
    [
      'mov rax, [rcx+rdx*8-1]',
      '48 8b 44 d1 ff',
      { ...load, memoryIndex: 2, memoryScale: 8, reads: RCX | RDX },
    ],
    [
      'mov rax, [rip+0x10]',
      '48 8b 05 10 00 00 00',
      { ...load, memoryBase: -1, ripTarget: ADDRESS + 7 + 16, reads: 0 },
    ],
    [
      'mov r8d, [rip+0] with REX.B',
      '45 8b 05 00 00 00 00',
      { ...load, ripTarget: ADDRESS + 7, destinationRegister: 8 },
    ],
    ['mov eax, [eip-1]', '67 8b 05 ff ff ff ff', { ...load, ripTarget: ADDRESS + 6, addressSize: 4 }],
    [
      'cmp byte [rip+1], 2',
      '80 3d 01 00 00 00 02',
      { operation: OP.CMP, ripTarget: ADDRESS + 8, immLow: 2, size: 1 },
    ],
    [
      'mov eax, [0x401000]',
      '8b 04 25 00 10 40 00',
      { ...load, memoryBase: -1, ripTarget: -1, displacement: 0x40_1000 },
    ],
    [
      'mov rax, fs:[0x28]',
      '64 48 8b 04 25 28 00 00 00',
      { ...load, segment: SEGMENT.FS, displacement: 0x28 },
    ],
    ['mov rax, gs:[rax]', '65 48 8b 00', { ...load, segment: SEGMENT.GS }],
    ['mov rax, [rax] with ds', '3e 48 8b 00', { ...load, segment: SEGMENT.NONE }],
    ['mov eax, [ebx+esi]', '67 8b 04 33', { ...load, addressSize: 4, memoryBase: 3, memoryIndex: 6 }],
    [
      'lea rdx, [rdi+rdi*2]',
      '48 8d 14 7f',
      { operation: OP.LEA, sourceKind: MEMORY, readsMemory: 0, writes: RDX },
    ],
    [
      'mov al, [0x1122334455667700]',
      'a0 77 66 55 44 33 22 11 00',
      { ...load, displacement: 0x0011_2233_4455_6677, size: 1 },
    ],
    [
      'mov [0x80000000], eax',
      '67 a3 00 00 00 80',
      { destinationKind: MEMORY, displacement: 0x8000_0000, writesMemory: 1 },
    ],
    [
      'vmovups zmm1, [rsi+64]',
      '62 f1 7c 48 10 4e 01',
      { operation: OP.VECTOR_MOVE, displacement: 64, size: 64 },
    ],
    ['vaddps zmm1, zmm0, [rsi+4]{1to16}', '62 f1 7c 58 58 4e 01', { operation: OP.OTHER, displacement: 4 }],
    ['vmovddup xmm1, [rsi+8]', '62 f1 ff 08 12 4e 01', { displacement: 8 }],
    ['vmovddup ymm1, [rsi+32]', '62 f1 ff 28 12 4e 01', { displacement: 32 }],
    [
      'vpgatherdd xmm1, [rax+xmm4*4], xmm2',
      'c4 e2 69 90 0c a0',
      { memoryBase: 0, memoryIndex: 4, memoryScale: 4, reads: RAX },
    ],
  ]);
});

describe('immediates and sizes', () => {
  check([
    [
      'mov rax, imm64',
      '48 b8 01 02 03 04 05 06 07 88',
      { immLow: 0x0403_0201, immHigh: 0x8807_0605 | 0, size: 8, thirdKind: NONE },
    ],
    [
      'mov eax, -1',
      'b8 ff ff ff ff',
      { immLow: -1, immHigh: -1, size: 4, sourceKind: IMMEDIATE, writes: RAX, reads: 0 },
    ],
    ['mov rax, -1', '48 c7 c0 ff ff ff ff', { immLow: -1, immHigh: -1, size: 8 }],
    ['mov ax, 0x8001', '66 b8 01 80', { immLow: 0x8001 - 0x1_0000, size: 2 }],
    ['mov word [rax], 0x1234', '66 c7 00 34 12', { immLow: 0x1234, writesMemory: 1, readsMemory: 0 }],
    ['sub rsp, 8', '48 83 ec 08', { operation: OP.SUB, immLow: 8, reads: RSP, writes: RSP }],
    ['and rsp, -16', '48 83 e4 f0', { operation: OP.AND, immLow: -16, immHigh: -1 }],
    ['push -1', '6a ff', { operation: OP.PUSH, sourceKind: IMMEDIATE, immLow: -1, size: 8, writesMemory: 1 }],
    ['push word 1', '66 68 01 00', { operation: OP.PUSH, immLow: 1, size: 2 }],
    ['shl rax, 0xff', '48 c1 e0 ff', { operation: OP.SHL, immLow: 255, immHigh: 0 }],
    ['sal rax, 1 as /6', '48 d1 f0', { operation: OP.SHL, immLow: 1, sourceKind: IMMEDIATE }],
    [
      'sar ecx, cl',
      'd3 f9',
      { operation: OP.SAR, sourceKind: REGISTER, sourceRegister: 1, reads: RCX, writes: RCX },
    ],
    [
      'imul eax, ebx, -2',
      '6b c3 fe',
      { operation: OP.IMUL, sourceRegister: 3, thirdKind: IMMEDIATE, immLow: -2, reads: RBX, writes: RAX },
    ],
    [
      'shld rax, rbx, 4',
      '48 0f a4 d8 04',
      { operation: OP.SHLD, sourceRegister: 3, thirdKind: IMMEDIATE, immLow: 4 },
    ],
    ['mov ah, 1', 'b4 01', { destinationKind: REGISTER_HIGH, destinationRegister: 0, writes: RAX }],
    ['mov spl, 1', '40 b4 01', { destinationKind: REGISTER, destinationRegister: 4, writes: RSP }],
    [
      'movzx eax, bh',
      '0f b6 c7',
      { operation: OP.MOVZX, sourceKind: REGISTER_HIGH, sourceRegister: 3, sourceSize: 1, reads: RBX },
    ],
    ['movsxd rax, ecx', '48 63 c1', { operation: OP.MOVSXD, size: 8, sourceSize: 4 }],
    ['REX not before the opcode', '48 66 89 c0', { size: 2 }],
    ['66 with REX.W', '66 48 89 c0', { size: 8 }],
    [
      'test byte [rax], 1 as /1',
      'f6 08 01',
      { operation: OP.TEST, immLow: 1, writesMemory: 0, readsMemory: 1 },
    ],
    ['not dword [rax]', 'f7 10', { operation: OP.NOT, readsMemory: 1, writesMemory: 1 }],
    ['enter 16, 0', 'c8 10 00 00', { immLow: 16, writes: RSP | RBP, readsMemory: 0 }],
  ]);
});

describe('flow', () => {
  check([
    ['jmp to itself', 'eb fe', { flow: FLOW.JUMP, target: ADDRESS, condition: -1 }],
    ['jmp rel32', 'e9 fb ff ff ff', { flow: FLOW.JUMP, target: ADDRESS, traits: TRAIT.FLOW }],
    ['jmp rel32 despite 66', '66 e9 00 00 00 00', { flow: FLOW.JUMP, target: ADDRESS + 6 }],
    ['ja rel8', '77 10', { flow: FLOW.BRANCH, condition: 7, target: ADDRESS + 18 }],
    ['jg rel32', '0f 8f 00 00 00 00', { flow: FLOW.BRANCH, condition: 15, target: ADDRESS + 6 }],
    ['jrcxz', 'e3 00', { flow: FLOW.BRANCH, condition: -1, target: ADDRESS + 2, reads: RCX, writes: 0 }],
    ['loop', 'e2 00', { flow: FLOW.BRANCH, condition: -1, reads: RCX, writes: RCX }],
    ['xbegin', 'c7 f8 02 00 00 00', { flow: FLOW.BRANCH, condition: -1, target: ADDRESS + 8, writes: RAX }],
    ['xbegin rel16', '66 c7 f8 fe ff', { flow: FLOW.BRANCH, target: ADDRESS + 3 }],
    ['call', 'e8 00 00 00 00', { flow: FLOW.CALL, target: ADDRESS + 5, writes: RSP, writesMemory: 1 }],
    ['bnd ret', 'f2 c3', { flow: FLOW.RETURN, readsMemory: 1 }],
    ['ret 8', 'c2 08 00', { flow: FLOW.RETURN, immLow: 8 }],
    [
      'notrack jmp [rax*8+table]',
      '3e ff 24 c5 00 10 40 00',
      {
        flow: FLOW.JUMP_INDIRECT,
        target: -1,
        sourceKind: MEMORY,
        memoryBase: -1,
        memoryIndex: 0,
        memoryScale: 8,
        displacement: 0x40_1000,
        traits: TRAIT.FLOW | TRAIT.WIDE_DISPLACEMENT,
      },
    ],
    [
      'call [rip]',
      'ff 15 00 00 00 00',
      { flow: FLOW.CALL_INDIRECT, ripTarget: ADDRESS + 6, traits: TRAIT.FLOW | TRAIT.RIP_RELATIVE },
    ],
    [
      'jmp r11',
      '41 ff e3',
      { flow: FLOW.JUMP_INDIRECT, sourceKind: REGISTER, sourceRegister: 11, reads: R11, writes: 0 },
    ],
    ['syscall', '0f 05', { flow: FLOW.SYSCALL, writes: RAX | RCX | R11 }],
    ['sysenter', '0f 34', { flow: FLOW.SYSENTER }],
    ['int 0x80', 'cd 80', { flow: FLOW.INTERRUPT, immLow: 0x80, writes: RAX }],
    ['int3', 'cc', { flow: FLOW.TRAP }],
    ['hlt', 'f4', { flow: FLOW.TRAP }],
    ['ud2', '0f 0b', { flow: FLOW.TRAP }],
    ['ud1 with operand', '0f b9 40 01', { flow: FLOW.TRAP }],
    ['uiret', 'f3 0f 01 ec', { flow: FLOW.RETURN }],
    ['vmcall', '0f 01 c1', { flow: FLOW.NEXT }],
  ]);
});

describe('registers that are written', () => {
  check([
    ['mul rcx', '48 f7 e1', { operation: OP.MUL, sourceRegister: 1, reads: RAX | RCX, writes: RAX | RDX }],
    ['mul cl', 'f6 e1', { writes: RAX }],
    ['div rcx', '48 f7 f1', { operation: OP.DIV, writes: RAX | RDX, reads: RAX | RDX | RCX }],
    ['cqo', '48 99', { operation: OP.CWD, size: 8, writes: RDX, reads: RAX }],
    ['cpuid', '0f a2', { writes: RAX | RBX | RCX | RDX }],
    ['rdtscp', '0f 01 f9', { writes: RAX | RCX | RDX }],
    ['xgetbv', '0f 01 d0', { writes: RAX | RDX, reads: RCX }],
    ['rep movsq', 'f3 48 a5', { operation: OP.MOVS, repeat: REPEAT.REP, size: 8, writes: RCX | RSI | RDI }],
    ['stosb', 'aa', { operation: OP.STOS, repeat: REPEAT.NONE, size: 1, writes: RDI, reads: RAX | RDI }],
    ['repne scasb', 'f2 ae', { operation: OP.SCAS, repeat: REPEAT.REPNE, writes: RCX | RDI }],
    ['xchg r8, rax', '49 90', { operation: OP.XCHG, writes: RAX | R8 }],
    ['nop', '90', { operation: OP.NOP, writes: 0, reads: 0 }],
    ['pause', 'f3 90', { operation: OP.NOP, writes: 0 }],
    ['endbr64', 'f3 0f 1e fa', { operation: OP.NOP, writes: 0 }],
    ['rdsspq rax', 'f3 48 0f 1e c8', { operation: OP.OTHER, writes: RAX }],
    [
      'nop word cs:[rax+rax]',
      '66 2e 0f 1f 84 00 00 00 00 00',
      { operation: OP.NOP, writes: 0, readsMemory: 0 },
    ],
    ['prefetcht0 [rdi]', '0f 18 0f', { operation: OP.NOP, writes: 0 }],
    [
      'lock cmpxchg [rsi], rcx',
      'f0 48 0f b1 0e',
      { operation: OP.CMPXCHG, writes: RAX, reads: RAX | RCX | RSI, writesMemory: 1 },
    ],
    ['cmpxchg16b [rdi]', '48 0f c7 0f', { writes: RAX | RDX, reads: RAX | RBX | RCX | RDX | RDI }],
    ['xadd [rax], rcx', '48 0f c1 08', { operation: OP.XADD, writes: RCX, readsMemory: 1, writesMemory: 1 }],
    ['bswap r15', '49 0f cf', { operation: OP.BSWAP, destinationRegister: 15, writes: 0x8000 }],
    ['sete bpl', '40 0f 94 c5', { operation: OP.SETCC, condition: 4, writes: RBP }],
    [
      'cmovne eax, [rax]',
      '0f 45 00',
      { operation: OP.CMOV, condition: 5, reads: RAX, writes: RAX, readsMemory: 1 },
    ],
    [
      'pop [rsp]',
      '8f 04 24',
      { operation: OP.POP, destinationKind: MEMORY, writes: RSP, readsMemory: 1, writesMemory: 1 },
    ],
    ['leave', 'c9', { operation: OP.LEAVE, writes: RSP | RBP }],
    ['mov eax, cr0 with mod 0', '0f 20 00', { writes: RAX, hasMemory: 0 }],
    ['mov edx, es', '8c c2', { operation: OP.OTHER, writes: RDX }],
    ['fnstsw ax', 'df e0', { writes: RAX }],
    ['rdfsbase rdx', 'f3 48 0f ae c2', { writes: RDX }],
    ['rdrand ecx', '0f c7 f1', { writes: RCX }],
    ['smsw ebx', '0f 01 e3', { writes: RBX }],
    ['popcnt eax, ecx', 'f3 0f b8 c1', { writes: RAX, reads: RCX }],
    ['crc32 ebx, ah', 'f2 0f 38 f0 dc', { writes: RBX, reads: RAX | RBX }],
    ['movbe [rax], ecx', '0f 38 f1 08', { writes: 0, writesMemory: 1 }],
    ['mulx rax, rbx, rcx', 'c4 e2 e3 f6 c1', { writes: RAX | RBX, reads: RCX | RDX }],
    ['andn eax, ebx, ecx', 'c4 e2 60 f2 c1', { writes: RAX, reads: RBX | RCX, vectorWrites: 0 }],
    ['blsr eax, ecx', 'c4 e2 78 f3 c9', { writes: RAX, reads: RCX }],
    ['pext rax, rbx, rcx', 'c4 e2 e2 f5 c1', { writes: RAX }],
    ['rorx eax, ecx, 5', 'c4 e3 7b f0 c1 05', { writes: RAX, reads: RCX }],
    ['kmovq rax, k1', 'c4 e1 fb 93 c1', { writes: RAX }],
    ['vpmovmskb eax, ymm1', 'c5 fd d7 c1', { writes: RAX }],
    ['vpextrq rcx, xmm0, 1', 'c4 e3 f9 16 c1 01', { writes: RCX }],
    ['vcvttsd2si rax, xmm1', 'c4 e1 fb 2c c1', { writes: RAX }],
    ['vcvttsd2usi rax, xmm1', '62 f1 ff 08 78 c1', { writes: RAX }],
    ['ptest xmm0, xmm1', '66 0f 38 17 c1', { writes: 0, reads: 0 }],
    ['pcmpistri xmm0, xmm1, 0', '66 0f 3a 63 c1 00', { writes: RCX }],
    ['maskmovdqu xmm0, xmm1', '66 0f f7 c1', { writes: 0, reads: RDI, writesMemory: 1 }],
    ['bextr eax, ecx, imm32 (XOP)', '8f ea 78 10 c1 01 02 00 00', { writes: RAX, reads: RCX }],
  ]);
});

describe('vector moves', () => {
  const move = { operation: OP.VECTOR_MOVE };
  check([
    [
      'movq xmm0, rax',
      '66 48 0f 6e c0',
      { ...move, destinationKind: VECTOR, sourceKind: REGISTER, sourceRegister: 0, size: 8, vectorWrites: 1 },
    ],
    [
      'movd ecx, xmm9',
      '66 44 0f 7e c9',
      {
        ...move,
        destinationKind: REGISTER,
        destinationRegister: 1,
        sourceRegister: 9,
        size: 4,
        writes: RCX,
        vectorWrites: 0,
      },
    ],
    ['movq xmm1, [rax]', 'f3 0f 7e 08', { ...move, sourceKind: MEMORY, size: 8, destinationRegister: 1 }],
    ['movq [rax], xmm1', '66 0f d6 08', { ...move, destinationKind: MEMORY, size: 8, writesMemory: 1 }],
    [
      'movaps [rsp+16], xmm0',
      '0f 29 44 24 10',
      { ...move, destinationKind: MEMORY, sourceKind: VECTOR, size: 16, displacement: 16 },
    ],
    ['movups xmm15, [r12]', '45 0f 10 3c 24', { ...move, destinationRegister: 15, vectorWrites: 0x8000 }],
    [
      'movdqa xmm2, xmm3 as store',
      '66 0f 7f da',
      { ...move, destinationRegister: 2, sourceRegister: 3, sourceKind: VECTOR },
    ],
    ['vmovdqu ymm1, [rdi]', 'c5 fe 6f 0f', { ...move, size: 32 }],
    ['vmovdqu64 ymm17, [rdi]', '62 e1 fe 28 6f 0f', { ...move, size: 32, destinationRegister: 17 }],
    [
      'vmovdqu64 ymm17{k1}, [rdi]',
      '62 e1 fe 29 6f 0f',
      { operation: OP.OTHER, vectorWrites: 1 << 17, readsMemory: 1 },
    ],
    ['movsd xmm0, [rax]', 'f2 0f 10 00', { ...move, size: 8 }],
    ['movsd xmm0, xmm1', 'f2 0f 10 c1', { operation: OP.OTHER, destinationKind: NONE }],
    [
      'movhps xmm0, [rdx]',
      '0f 16 02',
      { operation: OP.VECTOR_MOVE_HIGH, sourceKind: MEMORY, thirdKind: NONE },
    ],
    ['movlps [rdx], xmm0', '0f 13 02', { operation: OP.VECTOR_MOVE_LOW, destinationKind: MEMORY }],
    ['movlhps xmm0, xmm1', '0f 16 c1', { operation: OP.PUNPCKLQDQ, sourceRegister: 1 }],
    [
      'punpcklqdq xmm0, xmm1',
      '66 0f 6c c1',
      { operation: OP.PUNPCKLQDQ, destinationRegister: 0, sourceRegister: 1 },
    ],
    [
      'vpunpcklqdq xmm0, xmm2, xmm1',
      'c5 e9 6c c1',
      { operation: OP.PUNPCKLQDQ, thirdKind: VECTOR, thirdRegister: 2 },
    ],
    [
      'pinsrq xmm0, rax, 1',
      '66 48 0f 3a 22 c0 01',
      { operation: OP.PINSRQ, sourceKind: REGISTER, immLow: 1 },
    ],
    ['pinsrd xmm0, eax, 1', '66 0f 3a 22 c0 01', { operation: OP.OTHER, reads: RAX }],
    [
      'pxor xmm3, xmm3',
      '66 0f ef db',
      { operation: OP.VECTOR_XOR, destinationRegister: 3, sourceRegister: 3 },
    ],
    ['vzeroall', 'c5 fc 77', { vectorWrites: -1 }],
    ['movq mm0, rax is not for vector registers', '48 0f 6e c0', { operation: OP.OTHER, reads: RAX }],
    ['pfadd mm0, mm1', '0f 0f c1 9e', { operation: OP.OTHER }],
  ]);
});

describe('invalid bytes', () => {
  it.each([
    ['push es', '06'],
    ['daa', '27'],
    ['pusha', '60'],
    ['alias of 80', '82 c0 01'],
    ['far call', '9a 00 00 00 00 00 00'],
    ['into', 'ce'],
    ['aam', 'd4 0a'],
    ['salc', 'd6'],
    ['far jmp', 'ea 00 00 00 00 00 00'],
    ['lea with a register', '8d c0'],
    ['mov to cs', '8e c8'],
    ['pop group /1', '8f 48 00'],
    ['ff /7', 'ff f8'],
    ['far call of a register', 'ff d8'],
    ['lock mov', 'f0 89 01'],
    ['lock add to a register', 'f0 01 c0'],
    ['lock cmp', 'f0 39 08'],
    ['cmpxchg8b of a register', '0f c7 c8'],
    ['mov cr1', '0f 20 c8'],
    ['mov dr8', '44 0f 21 c0'],
    ['F3 0F 13', 'f3 0f 13 00'],
    ['66 before VEX', '66 c5 f8 28 c1'],
    ['REX before VEX', '48 c5 f8 28 c1'],
    ['F3 before EVEX', 'f3 62 f1 7c 48 10 c1'],
    ['VEX map 0', 'c4 e0 78 28 c1'],
    ['vmovaps with vvvv', 'c5 f0 28 c1'],
    ['andn with L', 'c4 e2 64 f2 c1'],
    ['EVEX map 4', '62 f4 7c 48 10 c1'],
    ['EVEX without its fixed bit', '62 f1 78 48 10 c1'],
    ['EVEX length 3', '62 f1 7c 68 10 c1'],
    ['gather into its index', 'c4 e2 69 90 24 a0'],
    ['gather into its mask', 'c4 e2 71 90 0c a0'],
    ['gather with its index as mask', 'c4 e2 59 90 0c a0'],
    ['tile product into an input', 'c4 e2 6b 5e c0'],
    ['tile product into the other input', 'c4 e2 6b 5e d1'],
    ['tile product of a tile with itself', 'c4 e2 6b 5e ca'],
    ['complex product into an input', '62 f6 7e 48 56 01'],
    ['gather without SIB', 'c4 e2 69 90 0b'],
    ['gather without mask', '62 f2 7d 48 90 0c a0'],
    ['zeroing a store', '62 f1 7c c9 11 08'],
    ['XOP map 7', '8f e7 78 10 c1'],
    ['3DNow without opcode', '0f 0f c1 00'],
    ['undefined x87', 'd9 d1'],
    ['bndldx relative to rip', '0f 1a 05 00 00 00 00'],
    ['sixteen bytes', '66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90'],
  ])('refuses %s (%s)', (_, hex) => {
    expect(decode(hex)).toMatchObject({ length: 0, flow: FLOW.NEXT, target: -1, traits: 0 });
  });

  it('accepts fifteen bytes', () => {
    expect(decode('66 66 66 66 66 66 66 66 66 66 66 66 66 66 90').length).toBe(15);
  });

  it.each([
    '64 48 8b 84 c8 28 00 00 00',
    '62 f1 7c 48 10 8e 00 01 00 00',
    '66 0f 3a 63 c1 00',
    '48 b8 01 02 03 04 05 06 07 08',
  ])('refuses every beginning of %s, before the end of the code and of the buffer', (hex) => {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    const roomy = new Uint8Array(100);
    roomy.set(bytes);
    const into = new Instruction();
    expect(decodeInstruction(bytes, 0, bytes.length, 0, into)).toBe(bytes.length);
    for (let end = 0; end < bytes.length; end++) {
      expect(decodeInstruction(bytes.slice(0, end), 0, end, 0, into)).toBe(0);
      expect(decodeInstruction(roomy, 0, end, 0, into)).toBe(0);
      expect(decodeInstruction(bytes, 0, end, 0, into)).toBe(0);
    }
  });
});

describe('scanInstruction', () => {
  it.each([
    ['mov eax, [rip]', '8b 05 00 00 00 00', TRAIT.RIP_RELATIVE],
    ['mov eax, [rax+disp32]', '8b 80 00 10 40 00', TRAIT.WIDE_DISPLACEMENT],
    ['mov eax, [disp32]', '8b 04 25 00 10 40 00', TRAIT.WIDE_DISPLACEMENT],
    ['mov eax, [rax+disp8]', '8b 40 08', 0],
    ['mov edi, imm32', 'bf 00 10 40 00', TRAIT.WIDE_IMMEDIATE],
    ['mov qword [rip], imm32', '48 c7 05 00 00 00 00 00 10 40 00', TRAIT.RIP_RELATIVE | TRAIT.WIDE_IMMEDIATE],
    ['mov ax, imm16', '66 b8 00 10', 0],
    ['jmp rel32', 'e9 00 00 00 00', TRAIT.FLOW],
  ])('marks %s', (_, hex, traits) => {
    expect(decode(hex).traits).toBe(traits);
  });

  it('leaves to describeInstruction what decodeInstruction does at once', () => {
    const bytes = Uint8Array.from(Buffer.from('4803850001000090', 'hex'));
    const whole = new Instruction();
    const steps = new Instruction();
    expect(decodeInstruction(bytes, 0, 8, ADDRESS, whole)).toBe(7);
    expect(scanInstruction(bytes, 0, 8, ADDRESS, steps)).toBe(7);
    describeInstruction(bytes, 0, steps);
    expect(steps).toEqual(whole);
  });
});
