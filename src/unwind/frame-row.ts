import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import type { ElfFile, FileRange } from '../elf/file.ts';
import { readEncodedPointer } from '../elf/frame-pointer.ts';
import type { FrameEntry } from './frame-record.ts';

/** How the canonical frame address (CFA) is computed (DWARF 4, section 6.4.1). */
export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: number }
  | { readonly kind: 'expression'; readonly expression: Uint8Array };

/** Where the caller's value of a register is (DWARF 4, section 6.4.1); offsets count from the CFA. */
export type RegisterRule =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'same' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'val-offset'; readonly offset: number }
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'expression'; readonly expression: Uint8Array }
  | { readonly kind: 'val-expression'; readonly expression: Uint8Array };

/** One row of the table that call frame information describes; a register without a rule has none, not even 'same'. */
export interface FrameRow {
  readonly cfa: CfaRule;
  readonly rules: ReadonlyMap<number, RegisterRule>;
}

/**
 * The row that holds at a vaddr of the entry's code.
 *
 * Source: DWARF 4, section 6.4.2 and figure "Call frame instruction encodings"; DW_CFA_GNU_* from binutils' dwarf2.h.
 *
 * @throws FormatError when an instruction is malformed or not known, or no rule gives the CFA.
 */
export function frameRow(elf: ElfFile, entry: FrameEntry, vaddr: number): FrameRow {
  const builder = new RowBuilder(elf, entry, vaddr);
  builder.run(entry.cie.instructions);
  builder.keepInitial();
  builder.run(entry.instructions);
  return builder.row();
}

/** Real code has some thousand instructions at most. */
const INSTRUCTIONS = 32_768;

/** Compilers nest remembered states by one or two. */
const REMEMBERED = 64;

/** Numbers above are of registers that x86 does not have, or that no frame is found by. */
const REGISTERS = 128;

class RowBuilder {
  readonly #elf: ElfFile;
  readonly #entry: FrameEntry;
  readonly #target: number;
  readonly #remembered: { cfa: CfaRule | null; rules: Map<number, RegisterRule> }[] = [];
  #initial: ReadonlyMap<number, RegisterRule> = new Map();
  #rules = new Map<number, RegisterRule>();
  #cfa: CfaRule | null = null;
  #location: number;
  #budget = INSTRUCTIONS;

  constructor(elf: ElfFile, entry: FrameEntry, target: number) {
    this.#elf = elf;
    this.#entry = entry;
    this.#target = target;
    this.#location = entry.start;
  }

  /** Executes instructions up to the target. */
  run(range: FileRange): void {
    const cursor = new ByteCursor(this.#elf.bytes, { context: 'unwind: call frame instructions', ...range });
    while (cursor.remaining > 0) {
      if (this.#budget-- === 0) throw error(cursor, `more than ${INSTRUCTIONS} instructions`);
      this.#step(cursor);
      if (this.#location > this.#target) return;
    }
  }

  /** Takes the present rules for those that DW_CFA_restore returns to. */
  keepInitial(): void {
    this.#initial = new Map(this.#rules);
  }

  row(): FrameRow {
    if (this.#cfa === null) {
      throw new FormatError(`unwind: fde of ${hex(this.#entry.start)} has no rule for the cfa`);
    }
    return { cfa: this.#cfa, rules: this.#rules };
  }

  #step(cursor: ByteCursor): void {
    const { codeAlignment, dataAlignment } = this.#entry.cie;
    const code = cursor.u8();
    const low = code & 0x3f;
    switch (code & 0xc0) {
      case 0x40: // DW_CFA_advance_loc
        this.#location += low * codeAlignment;
        return;
      case 0x80: // DW_CFA_offset
        this.#set(low, { kind: 'offset', offset: cursor.uleb128() * dataAlignment });
        return;
      case 0xc0: // DW_CFA_restore
        this.#restore(low);
        return;
      default:
        break;
    }
    switch (code) {
      case 0x00: // DW_CFA_nop
        return;
      case 0x01: // DW_CFA_set_loc
        this.#location =
          readEncodedPointer(cursor, this.#entry.cie.pointerEncoding, this.#entry.pointers) ?? 0;
        return;
      case 0x02: // DW_CFA_advance_loc1
        this.#location += cursor.u8() * codeAlignment;
        return;
      case 0x03: // DW_CFA_advance_loc2
        this.#location += cursor.u16() * codeAlignment;
        return;
      case 0x04: // DW_CFA_advance_loc4
        this.#location += cursor.u32() * codeAlignment;
        return;
      case 0x0a: // DW_CFA_remember_state
        if (this.#remembered.length >= REMEMBERED)
          throw error(cursor, `more than ${REMEMBERED} remembered states`);
        this.#remembered.push({ cfa: this.#cfa, rules: new Map(this.#rules) });
        return;
      case 0x0b: {
        // DW_CFA_restore_state
        const state = this.#remembered.pop();
        if (state === undefined) throw error(cursor, 'no remembered state to restore');
        this.#cfa = state.cfa;
        this.#rules = state.rules;
        return;
      }
      case 0x2e: // DW_CFA_GNU_args_size
        cursor.uleb128();
        return;
      default:
        if (!this.#stepCfa(code, cursor)) this.#stepRule(code, cursor);
    }
  }

  /** Executes an instruction that sets the CFA; false when it is none. */
  #stepCfa(code: number, cursor: ByteCursor): boolean {
    const { dataAlignment } = this.#entry.cie;
    switch (code) {
      case 0x0c: // DW_CFA_def_cfa
        this.#cfa = { kind: 'register', register: cursor.uleb128(), offset: cursor.uleb128() };
        return true;
      case 0x12: // DW_CFA_def_cfa_sf
        this.#cfa = {
          kind: 'register',
          register: cursor.uleb128(),
          offset: cursor.sleb128() * dataAlignment,
        };
        return true;
      case 0x0d: // DW_CFA_def_cfa_register
        this.#cfa = { ...this.#registerCfa(cursor), register: cursor.uleb128() };
        return true;
      case 0x0e: // DW_CFA_def_cfa_offset
        this.#cfa = { ...this.#registerCfa(cursor), offset: cursor.uleb128() };
        return true;
      case 0x13: // DW_CFA_def_cfa_offset_sf
        this.#cfa = { ...this.#registerCfa(cursor), offset: cursor.sleb128() * dataAlignment };
        return true;
      case 0x0f: // DW_CFA_def_cfa_expression
        this.#cfa = { kind: 'expression', expression: cursor.take(cursor.uleb128()) };
        return true;
      default:
        return false;
    }
  }

  #stepRule(code: number, cursor: ByteCursor): void {
    const { dataAlignment } = this.#entry.cie;
    const known = code >= 0x05 && code <= 0x16;
    if (!known && code !== 0x2f) throw error(cursor, `${hex(code)}, which is not known`);
    const register = cursor.uleb128();
    switch (code) {
      case 0x05: // DW_CFA_offset_extended
        return this.#set(register, { kind: 'offset', offset: cursor.uleb128() * dataAlignment });
      case 0x06: // DW_CFA_restore_extended
        return this.#restore(register);
      case 0x07: // DW_CFA_undefined
        return this.#set(register, { kind: 'undefined' });
      case 0x08: // DW_CFA_same_value
        return this.#set(register, { kind: 'same' });
      case 0x09: // DW_CFA_register
        return this.#set(register, { kind: 'register', register: cursor.uleb128() });
      case 0x10: // DW_CFA_expression
        return this.#set(register, { kind: 'expression', expression: cursor.take(cursor.uleb128()) });
      case 0x11: // DW_CFA_offset_extended_sf
        return this.#set(register, { kind: 'offset', offset: cursor.sleb128() * dataAlignment });
      case 0x14: // DW_CFA_val_offset
        return this.#set(register, { kind: 'val-offset', offset: cursor.uleb128() * dataAlignment });
      case 0x15: // DW_CFA_val_offset_sf
        return this.#set(register, { kind: 'val-offset', offset: cursor.sleb128() * dataAlignment });
      case 0x16: // DW_CFA_val_expression
        return this.#set(register, { kind: 'val-expression', expression: cursor.take(cursor.uleb128()) });
      default: // DW_CFA_GNU_negative_offset_extended
        return this.#set(register, { kind: 'offset', offset: -cursor.uleb128() * dataAlignment });
    }
  }

  #registerCfa(cursor: ByteCursor): Extract<CfaRule, { kind: 'register' }> {
    if (this.#cfa?.kind === 'register') return this.#cfa;
    throw error(cursor, 'a change of the cfa that is not by register and offset');
  }

  #set(register: number, rule: RegisterRule): void {
    if (register < REGISTERS) this.#rules.set(register, rule);
  }

  #restore(register: number): void {
    const rule = this.#initial.get(register);
    if (rule === undefined) this.#rules.delete(register);
    else this.#rules.set(register, rule);
  }
}

function error(cursor: ByteCursor, what: string): FormatError {
  return new FormatError(`unwind: call frame instructions at ${hex(cursor.offset)} have ${what}`, {
    offset: cursor.offset,
  });
}
