import { describe, expect, it } from 'vitest';
import { Assembler } from './assembler.ts';

/** Instructions as lines of hexadecimal bytes. */
function lines(code: Assembler): string[] {
  const { instructions } = code.assemble();
  return Array.from({ length: instructions.length / 8 }, (_, index) =>
    Buffer.from(instructions.subarray(index * 8, index * 8 + 8)).toString('hex'),
  );
}

/** Encodings of the macros of the kernel's samples/bpf/bpf_insn.h, as its documentation gives them. */
const ENCODINGS: readonly { name: string; build: (code: Assembler) => unknown; want: readonly string[] }[] = [
  { name: 'r0 = 0', build: (code) => code.mov('r0', 0), want: ['b700000000000000'] },
  { name: 'r6 = r1', build: (code) => code.mov('r6', 'r1'), want: ['bf16000000000000'] },
  { name: 'r2 += -4', build: (code) => code.alu('add', 'r2', -4), want: ['07020000fcffffff'] },
  { name: 'w3 &= 7', build: (code) => code.alu32('and', 'r3', 7), want: ['5403000007000000'] },
  { name: 'r1 <<= r2', build: (code) => code.alu('lsh', 'r1', 'r2'), want: ['6f21000000000000'] },
  { name: 'r0 = *(u8 *)(r1 + 2)', build: (code) => code.load('r0', 'r1', 2, 1), want: ['7110020000000000'] },
  { name: 'r0 = *(u16 *)(r1 + 2)', build: (code) => code.load('r0', 'r1', 2, 2), want: ['6910020000000000'] },
  { name: 'r0 = *(u32 *)(r1 + 2)', build: (code) => code.load('r0', 'r1', 2, 4), want: ['6110020000000000'] },
  { name: 'r0 = *(u64 *)(r1 + 2)', build: (code) => code.load('r0', 'r1', 2, 8), want: ['7910020000000000'] },
  {
    name: '*(u32 *)(r10 - 4) = r0',
    build: (code) => code.store('r10', -4, 'r0', 4),
    want: ['630afcff00000000'],
  },
  { name: '*(u64 *)(r10 - 8) = 1', build: (code) => code.store('r10', -8, 1, 8), want: ['7a0af8ff01000000'] },
  {
    name: 'lock *(u64 *)(r0 + 0) += r1',
    build: (code) => code.atomicAdd('r0', 0, 'r1', 8),
    want: ['db10000000000000'],
  },
  {
    name: 'r1 = atomic_fetch_add(r0 + 4, r1)',
    build: (code) => code.fetchAdd('r0', 4, 'r1', 4),
    want: ['c310040001000000'],
  },
  {
    name: 'lock *(u32 *)(r0 + 4) |= r1',
    build: (code) => code.atomicOr('r0', 4, 'r1', 4),
    want: ['c310040040000000'],
  },
  { name: 'call map_lookup_elem', build: (code) => code.call('map_lookup_elem'), want: ['8500000001000000'] },
  { name: 'exit', build: (code) => code.exit(), want: ['9500000000000000'] },
  {
    name: 'r1 = 0x1122334455667788 ll',
    build: (code) => code.constant('r1', 0x1122334455667788n),
    want: ['1801000088776655', '0000000044332211'],
  },
  {
    name: 'r1 = map',
    build: (code) => code.map('r1', 'calls'),
    want: ['1811000000000000', '0000000000000000'],
  },
  {
    name: 'r1 = map value + 16',
    build: (code) => code.mapValue('r1', 'state', 16),
    want: ['1821000000000000', '0000000010000000'],
  },
  {
    name: 'a jump over one instruction',
    build: (code) => code.jumpIf('eq', 'r0', 0, 'end').mov('r1', 1).label('end').exit(),
    want: ['1500010000000000', 'b701000001000000', '9500000000000000'],
  },
  {
    name: 'a jump backwards',
    build: (code) => code.label('top').mov('r1', 1).jumpIf32('slt', 'r1', 'r2', 'top'),
    want: ['b701000001000000', 'ce21feff00000000'],
  },
  {
    name: 'goto',
    build: (code) => code.jump('end').label('end').exit(),
    want: ['0500000000000000', '9500000000000000'],
  },
];

describe('an instruction', () => {
  it.each(ENCODINGS)('is encoded as the kernel documents it: $name', ({ build, want }) => {
    const code = new Assembler();
    build(code);
    expect(lines(code)).toEqual(want);
  });
});

describe('a program', () => {
  it('names the maps and the places where their descriptors belong', () => {
    const code = new Assembler().mov('r0', 0).map('r1', 'calls').mapValue('r2', 'state', 8).exit();
    expect(code.assemble().maps).toEqual([
      { at: 1, map: 'calls' },
      { at: 3, map: 'state' },
    ]);
  });

  it('has room for jumps of 32,767 instructions and no more', () => {
    const build = (count: number): Assembler => {
      const code = new Assembler().jump('end');
      for (let index = 0; index < count; index++) code.mov('r0', 0);
      return code.label('end').exit();
    };
    expect(lines(build(32767))[0]).toBe('0500ff7f00000000');
    expect(() => build(32768).assemble()).toThrow('ebpf: jump to end, 32768 instructions (-32768 to 32767)');
  });

  it.each([
    {
      name: 'a label that is nowhere',
      build: (code: Assembler) => code.jump('end').assemble(),
      error: 'ebpf: label end is nowhere',
    },
    {
      name: 'a label that is there twice',
      build: (code: Assembler) => code.label('a').label('a'),
      error: 'ebpf: label a is there twice',
    },
    {
      name: 'an offset of more than 16 bits',
      build: (code: Assembler) => code.load('r0', 'r1', 40000, 8),
      error: 'ebpf: offset 40000',
    },
    {
      name: 'an immediate of more than 32 bits',
      build: (code: Assembler) => code.mov('r0', 2 ** 33),
      error: 'ebpf: immediate 8589934592',
    },
    {
      name: 'a constant of more than 64 bits',
      build: (code: Assembler) => code.constant('r0', 1n << 64n),
      error: 'ebpf: constant',
    },
  ])('is refused with $name', ({ build, error }) => {
    expect(() => build(new Assembler())).toThrow(error);
  });
});
