import * as fc from 'fast-check';
import { Decoder, DecoderOptions } from 'iced-x86';
import { describe, expect, it } from 'vitest';

import { decodeInstruction, scanInstruction } from './decoder.ts';
import { Instruction } from './instruction.ts';
import { IcedComparison } from './testing/iced-comparison.ts';

const ADDRESS = 0x40_0000;
const byte = fc.integer({ min: 0, max: 255 });
const prefix = fc.constantFrom(
  0x66,
  0x67,
  0xf2,
  0xf3,
  0xf0,
  0x2e,
  0x3e,
  0x64,
  0x65,
  0x40,
  0x41,
  0x44,
  0x48,
  0x4f,
);
const tail = fc.array(byte, { minLength: 15, maxLength: 20 });

/** Bytes that are likelier to be instructions of the rarer kinds than chance would have it. */
const windows = fc.oneof(
  tail,
  fc.tuple(fc.array(prefix, { maxLength: 4 }), tail).map((parts) => parts.flat()),
  fc
    .tuple(fc.array(prefix, { maxLength: 2 }), fc.constantFrom([0x0f], [0x0f, 0x38], [0x0f, 0x3a]), tail)
    .map((parts) => parts.flat()),
  fc
    .tuple(byte, byte, tail)
    .map(([first, second, rest]) => [0xc4, (first & 0xe0) | (1 + (first % 3)), second, ...rest]),
  fc
    .tuple(byte, byte, byte, tail)
    .map(([first, second, third, rest]) => [
      0x62,
      (first & 0xf0) | (1 + (first % 6)),
      second | 4,
      third,
      ...rest,
    ]),
  fc
    .tuple(byte, byte, tail)
    .map(([first, second, rest]) => [0x62, (first & 0xf0) | (1 + (first % 6)), second | 0x7c, 0x48, ...rest]),
  fc
    .tuple(byte, byte, tail)
    .map(([first, second, rest]) => [0x8f, (first & 0xe0) | (8 + (first % 3)), second & ~3, ...rest]),
);

describe('decodeInstruction', () => {
  it('says the same as iced-x86 of any bytes', () => {
    const comparison = new IcedComparison();
    const ours = new Instruction();
    fc.assert(
      fc.property(windows, (window) => {
        const bytes = Uint8Array.from(window);
        const decoder = new Decoder(64, bytes, DecoderOptions.MPX);
        decoder.ip = BigInt(ADDRESS);
        const length = comparison.decode(decoder);
        decoder.free();
        expect(decodeInstruction(bytes, 0, bytes.length, ADDRESS, ours)).toBe(length);
        if (length > 0) expect(comparison.differences(ours)).toEqual([]);
      }),
      { numRuns: 20_000 },
    );
  });

  it('depends on nothing before or after the instruction', () => {
    fc.assert(
      fc.property(
        windows,
        fc.array(byte, { maxLength: 40 }),
        fc.array(byte, { maxLength: 60 }),
        (window, before, after) => {
          const alone = new Instruction();
          const bytes = Uint8Array.from(window);
          const length = decodeInstruction(bytes, 0, bytes.length, ADDRESS, alone);
          fc.pre(length > 0);
          const exact = new Instruction();
          const surrounded = new Instruction();
          expect(decodeInstruction(bytes.slice(0, length), 0, length, ADDRESS, exact)).toBe(length);
          const more = Uint8Array.from([...before, ...window.slice(0, length), ...after]);
          expect(decodeInstruction(more, before.length, more.length, ADDRESS, surrounded)).toBe(length);
          expect(exact).toEqual(alone);
          expect(surrounded).toEqual(alone);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('leaves nothing of the instruction before in the object', () => {
    fc.assert(
      fc.property(windows, windows, (first, second) => {
        const used = new Instruction();
        const fresh = new Instruction();
        decodeInstruction(Uint8Array.from(first), 0, first.length, ADDRESS, used);
        const length = decodeInstruction(Uint8Array.from(second), 0, second.length, ADDRESS, used);
        fc.pre(length > 0);
        decodeInstruction(Uint8Array.from(second), 0, second.length, ADDRESS, fresh);
        expect(used).toEqual(fresh);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('scanInstruction', () => {
  it('finds the length, flow, target and traits that decodeInstruction finds', () => {
    fc.assert(
      fc.property(windows, fc.nat(30), (window, end) => {
        const bytes = Uint8Array.from(window);
        const scanned = new Instruction();
        const decoded = new Instruction();
        const length = decodeInstruction(bytes, 0, Math.min(end, bytes.length), ADDRESS, decoded);
        expect(scanInstruction(bytes, 0, Math.min(end, bytes.length), ADDRESS, scanned)).toBe(length);
        const { flow, target, traits } = decoded;
        expect(scanned).toMatchObject({ length, flow, target, traits });
      }),
      { numRuns: 3000 },
    );
  });
});
