import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FormatError } from '../../base/errors.ts';
import { decodeProgram, encodeProgram } from './cbpf.ts';

test('instructions are little-endian struct sock_filter', () => {
  expect([...encodeProgram([{ code: 0x15, jt: 1, jf: 2, k: 0xc000003e }])]).toEqual([
    0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0,
  ]);
});

test('any instructions survive encoding and decoding', () => {
  const instruction = fc.record({
    code: fc.nat(0xffff),
    jt: fc.nat(255),
    jf: fc.nat(255),
    k: fc.nat(0xffffffff),
  });
  fc.assert(
    fc.property(fc.array(instruction), (program) => {
      expect(decodeProgram(encodeProgram(program))).toEqual(program);
    }),
  );
});

test('a part of an instruction is refused', () => {
  expect(() => decodeProgram(new Uint8Array(12))).toThrow(FormatError);
});
