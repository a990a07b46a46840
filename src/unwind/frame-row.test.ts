import { describe, expect, it } from 'vitest';

import { FormatError } from '../base/errors.ts';
import { FrameIndex } from './frame-index.ts';
import { type FrameRow, frameRow } from './frame-row.ts';
import { AT_ENTRY, handMadeElf } from './testing/eh-frame.ts';

const START = 0x800;

function rowAt(instructions: readonly number[], distance: number, initial = AT_ENTRY): FrameRow {
  const elf = handMadeElf([{ start: START, size: 0x1000000, initial, instructions }]);
  const entry = new FrameIndex(elf).find(START + distance)!;
  return frameRow(elf, entry, START + distance);
}

const RETURN_ADDRESS = [16, { kind: 'offset', offset: -8 }] as const;

describe('frameRow', () => {
  it.each([
    { name: 'before the first advance', distance: 0, offset: 8 },
    { name: 'after an advance by 1', distance: 1, offset: 16 },
    { name: 'after an advance by a byte', distance: 0x81, offset: 24 },
    { name: 'after an advance by two bytes', distance: 0x1081, offset: 32 },
    { name: 'right before an advance by four', distance: 0x11080, offset: 32 },
    { name: 'after an advance by four', distance: 0x11081, offset: 40 },
  ])('gives the row $name', ({ distance, offset }) => {
    const instructions = [0x41, 0x0e, 16, 2, 0x80, 0x0e, 24, 3, 0, 0x10, 0x0e, 32, 4, 0, 0, 1, 0, 0x0e, 40];
    expect(rowAt(instructions, distance).cfa).toEqual({ kind: 'register', register: 7, offset });
  });

  it.each<{ name: string; instructions: readonly number[]; rule: unknown }>([
    { name: 'DW_CFA_offset', instructions: [0x86, 2], rule: { kind: 'offset', offset: -16 } },
    { name: 'DW_CFA_offset_extended', instructions: [0x05, 6, 2], rule: { kind: 'offset', offset: -16 } },
    {
      name: 'DW_CFA_offset_extended_sf',
      instructions: [0x11, 6, 0x7e],
      rule: { kind: 'offset', offset: 16 },
    },
    {
      name: 'DW_CFA_GNU_negative_offset_extended',
      instructions: [0x2f, 6, 2],
      rule: { kind: 'offset', offset: 16 },
    },
    { name: 'DW_CFA_val_offset', instructions: [0x14, 6, 2], rule: { kind: 'val-offset', offset: -16 } },
    { name: 'DW_CFA_val_offset_sf', instructions: [0x15, 6, 0x7e], rule: { kind: 'val-offset', offset: 16 } },
    { name: 'DW_CFA_register', instructions: [0x09, 6, 12], rule: { kind: 'register', register: 12 } },
    { name: 'DW_CFA_same_value', instructions: [0x08, 6], rule: { kind: 'same' } },
    { name: 'DW_CFA_undefined', instructions: [0x07, 6], rule: { kind: 'undefined' } },
    {
      name: 'DW_CFA_expression',
      instructions: [0x10, 6, 2, 0x77, 8],
      rule: { kind: 'expression', expression: Uint8Array.of(0x77, 8) },
    },
    {
      name: 'DW_CFA_val_expression',
      instructions: [0x16, 6, 2, 0x77, 8],
      rule: { kind: 'val-expression', expression: Uint8Array.of(0x77, 8) },
    },
    { name: 'DW_CFA_restore to no rule', instructions: [0x86, 2, 0xc6], rule: undefined },
    { name: 'DW_CFA_restore_extended to no rule', instructions: [0x86, 2, 0x06, 6], rule: undefined },
    {
      name: 'DW_CFA_GNU_args_size',
      instructions: [0x2e, 16, 0x86, 2],
      rule: { kind: 'offset', offset: -16 },
    },
  ])('understands $name', ({ instructions, rule }) => {
    const { rules } = rowAt(instructions, 0);
    expect([...rules]).toEqual(rule === undefined ? [RETURN_ADDRESS] : [RETURN_ADDRESS, [6, rule]]);
  });

  it.each<{ name: string; instructions: readonly number[]; cfa: unknown }>([
    {
      name: 'DW_CFA_def_cfa',
      instructions: [0x0c, 6, 16],
      cfa: { kind: 'register', register: 6, offset: 16 },
    },
    {
      name: 'DW_CFA_def_cfa_sf',
      instructions: [0x12, 6, 0x7e],
      cfa: { kind: 'register', register: 6, offset: 16 },
    },
    {
      name: 'DW_CFA_def_cfa_register',
      instructions: [0x0d, 6],
      cfa: { kind: 'register', register: 6, offset: 8 },
    },
    {
      name: 'DW_CFA_def_cfa_offset_sf',
      instructions: [0x13, 0x7e],
      cfa: { kind: 'register', register: 7, offset: 16 },
    },
    {
      name: 'DW_CFA_def_cfa_expression',
      instructions: [0x0f, 3, 0x77, 8, 0x06],
      cfa: { kind: 'expression', expression: Uint8Array.of(0x77, 8, 0x06) },
    },
  ])('understands $name', ({ instructions, cfa }) => {
    expect(rowAt(instructions, 0).cfa).toEqual(cfa);
  });

  it('goes to a place by DW_CFA_set_loc', () => {
    const instructions = [0x01, 0x10, 0x08, 0, 0, 0, 0, 0, 0, 0x0e, 16];
    expect(rowAt(instructions, 0xf).cfa).toMatchObject({ offset: 8 });
    expect(rowAt(instructions, 0x10).cfa).toMatchObject({ offset: 16 });
  });

  it('restores the CFA with the rules of a remembered state', () => {
    const instructions = [0x0e, 16, 0x86, 2, 0x0a, 0x41, 0x0c, 6, 8, 0xc6, 0x41, 0x0b];
    expect([...rowAt(instructions, 1).rules]).toEqual([RETURN_ADDRESS]);
    const restored = rowAt(instructions, 2);
    expect(restored.cfa).toEqual({ kind: 'register', register: 7, offset: 16 });
    expect([...restored.rules]).toEqual([RETURN_ADDRESS, [6, { kind: 'offset', offset: -16 }]]);
  });

  it.each<{ name: string; instructions: readonly number[]; initial?: readonly number[]; message: RegExp }>([
    { name: 'an instruction that is not known', instructions: [0x2d], message: /0x2d, which is not known/ },
    { name: 'a state that was not remembered', instructions: [0x0b], message: /no remembered state/ },
    {
      name: 'states without end',
      instructions: Array.from({ length: 65 }, () => 0x0a),
      message: /more than 64 remembered states/,
    },
    {
      name: 'instructions without end',
      instructions: Array.from({ length: 40_000 }, () => 0),
      message: /more than 32768 instructions/,
    },
    { name: 'an operand past the end', instructions: [0, 0, 0, 0, 0, 0, 0x0e], message: /past end of range/ },
    { name: 'a CFA that was never defined', instructions: [], initial: [], message: /no rule for the cfa/ },
    {
      name: 'an offset without a register',
      instructions: [0x0e, 8],
      initial: [],
      message: /not by register/,
    },
  ])('refuses $name', ({ instructions, initial, message }) => {
    expect(() => rowAt(instructions, 0, initial)).toThrow(message);
    expect(() => rowAt(instructions, 0, initial)).toThrow(FormatError);
  });
});
