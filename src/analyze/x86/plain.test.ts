import { describe, expect, it } from 'vitest';

import { scanInstruction } from './decoder.ts';
import { FLOW, Instruction, TRAIT } from './instruction.ts';
import { plainLength, plainShapes } from './plain.ts';
import { codeSections } from './testing/code-sections.ts';

const WIDE = TRAIT.WIDE_DISPLACEMENT | TRAIT.WIDE_IMMEDIATE;
const PLACES = [
  ['position-independent', false, TRAIT.RIP_RELATIVE],
  ['fixed', true, TRAIT.RIP_RELATIVE | WIDE],
] as const;

/** Every start of an instruction: prefixes, three bytes of opcode and ModRM, and a byte that may be a SIB byte. */
function* windows(): Generator<Uint8Array> {
  const prefixes = [
    [],
    [0x48],
    [0x41],
    [0x66],
    [0xf2],
    [0xf3],
    [0x66, 0x48],
    [0xf3, 0x4f],
    [0x48, 0x66],
    [0x67],
    [0xf0],
    [0x2e],
  ];
  const bytes = new Uint8Array(40).fill(0x11);
  for (const prefix of prefixes) {
    for (const escape of [[], [0x0f]]) {
      const lead = [...prefix, ...escape];
      bytes.set(lead);
      for (let opcode = 0; opcode < 256; opcode++) {
        bytes[lead.length] = opcode;
        for (let modrm = 0; modrm < 256; modrm++) {
          bytes[lead.length + 1] = modrm;
          for (const sib of [0x25, 0x24, 0x65]) {
            bytes[lead.length + 2] = sib;
            yield bytes;
          }
        }
      }
    }
  }
}

describe.each(PLACES)('plainLength of %s code', (_, isFixed, wanted) => {
  const shapes = plainShapes(isFixed);
  const ins = new Instruction();

  /** Whether it is plain; null when the length is another one than the decoder's, or there was more to know. */
  const check = (bytes: Uint8Array, offset: number, end: number): boolean | null => {
    const plain = plainLength(bytes, offset, shapes);
    if (plain === 0) return false;
    const length = scanInstruction(bytes, offset, end, 0x1000, ins);
    return plain === length && ins.flow === FLOW.NEXT && (ins.traits & wanted) === 0 ? true : null;
  };

  it('is that of the decoder for every opcode, or 0', () => {
    const wrong: string[] = [];
    let plain = 0;
    for (const bytes of windows()) {
      const found = check(bytes, 0, 40);
      if (found === null) wrong.push(Buffer.from(bytes.subarray(0, 8)).toString('hex'));
      else if (found) plain++;
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(plain).toBeGreaterThan(300_000);
  });

  it('covers most instructions of libc', () => {
    let all = 0;
    let plain = 0;
    let wrong = 0;
    for (const { bytes, offset, end } of codeSections('/lib/x86_64-linux-gnu/libc.so.6')) {
      for (let at = offset; at < end - 16;) {
        const found = check(bytes, at, end);
        if (found === null) wrong++;
        else if (found) plain++;
        all++;
        at += scanInstruction(bytes, at, end, 0x1000, ins) || 1;
      }
    }
    expect(wrong).toBe(0);
    expect(plain / all).toBeGreaterThan(isFixed ? 0.4 : 0.5);
  });
});
