import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { type Cpu, type RegisterValues, wrap } from './cpu.ts';
import type { MemoryView } from './memory-view.ts';

/** What a DWARF expression may look at. */
export interface ExpressionContext {
  readonly cpu: Cpu;
  readonly registers: RegisterValues;
  readonly memory: MemoryView;
}

/**
 * The value that a DWARF expression computes; null when it needs a register or a piece of memory that is not known.
 *
 * All operations of DWARF 4, section 2.5.1, that call frame information can use, but for DW_OP_addr and those of several
 * address spaces: no compiler writes them there.
 *
 * @param initial what is on the stack at the start: the CFA for the rules of registers, nothing for that of the CFA.
 * @throws FormatError when an operation is not known or has too few operands, or the expression goes on for too long.
 */
export function evaluateExpression(
  bytes: Uint8Array,
  context: ExpressionContext,
  initial: readonly bigint[],
): bigint | null {
  const machine = new StackMachine(bytes, context, initial);
  for (let step = 0; machine.hasNext; step++) {
    if (step >= STEPS) throw new FormatError(`unwind: expression has more than ${STEPS} steps`);
    if (!machine.step()) return null;
  }
  return machine.pop();
}

/** Branches may go back, so steps are counted. */
const STEPS = 256;

const DEPTH = 64;

class StackMachine {
  readonly #cursor: ByteCursor;
  readonly #context: ExpressionContext;
  readonly #stack: bigint[];

  constructor(bytes: Uint8Array, context: ExpressionContext, initial: readonly bigint[]) {
    this.#cursor = new ByteCursor(bytes, { context: 'unwind: expression' });
    this.#context = context;
    this.#stack = [...initial];
  }

  get hasNext(): boolean {
    return this.#cursor.remaining > 0;
  }

  pop(): bigint {
    const value = this.#stack.pop();
    if (value === undefined) throw this.#error('expression takes from an empty stack');
    return value;
  }

  /** Executes one operation; false when what it reads is not known. */
  step(): boolean {
    const cursor = this.#cursor;
    const at = cursor.offset;
    const op = cursor.u8();
    if (op >= 0x30 && op <= 0x4f) return this.#push(BigInt(op - 0x30));
    if (op >= 0x70 && op <= 0x8f) return this.#pushRegister(op - 0x70);
    if (op >= 0x08 && op <= 0x11) return this.#push(this.#constant(op));
    switch (op) {
      case 0x06: // DW_OP_deref
        return this.#dereference(this.#context.cpu.wordSize);
      case 0x94: // DW_OP_deref_size
        return this.#dereference(this.#accessSize());
      case 0x92: // DW_OP_bregx
        return this.#pushRegister(cursor.uleb128());
      case 0x12: // DW_OP_dup
        return this.#pick(0);
      case 0x13: // DW_OP_drop
        this.pop();
        return true;
      case 0x14: // DW_OP_over
        return this.#pick(1);
      case 0x15: // DW_OP_pick
        return this.#pick(cursor.u8());
      case 0x16: // DW_OP_swap
        return this.#rotate(2);
      case 0x17: // DW_OP_rot
        return this.#rotate(3);
      case 0x19: {
        // DW_OP_abs
        const value = this.#signed(this.pop());
        return this.#push(value < 0n ? -value : value);
      }
      case 0x1f: // DW_OP_neg
        return this.#push(-this.pop());
      case 0x20: // DW_OP_not
        return this.#push(~this.pop());
      case 0x23: // DW_OP_plus_uconst
        return this.#push(this.pop() + BigInt(cursor.uleb128()));
      case 0x28: {
        // DW_OP_bra
        const distance = cursor.i16();
        if (this.pop() !== 0n) this.#jump(distance);
        return true;
      }
      case 0x2f: // DW_OP_skip
        this.#jump(cursor.i16());
        return true;
      case 0x96: // DW_OP_nop
        return true;
      default: {
        const operation = BINARY[op];
        if (operation === undefined)
          throw this.#error(`operation at ${hex(at)} is ${hex(op)}, which is not known`);
        const right = this.pop();
        const left = this.pop();
        return this.#push(operation(left, right, (value) => this.#signed(value)));
      }
    }
  }

  #push(value: bigint): boolean {
    if (this.#stack.length >= DEPTH)
      throw this.#error(`expression puts more than ${DEPTH} values on the stack`);
    this.#stack.push(wrap(this.#context.cpu, value));
    return true;
  }

  #pushRegister(register: number): boolean {
    const offset = BigInt(this.#cursor.sleb128());
    const value = this.#context.registers[register] ?? null;
    return value !== null && this.#push(value + offset);
  }

  /** DW_OP_const1u to DW_OP_consts: 1, 2, 4 and 8 bytes, unsigned and signed by turns, then the two LEB128 forms. */
  #constant(op: number): bigint {
    const cursor = this.#cursor;
    const read = [
      () => cursor.u8(),
      () => cursor.i8(),
      () => cursor.u16(),
      () => cursor.i16(),
      () => cursor.u32(),
      () => cursor.i32(),
      () => cursor.u64(),
      () => cursor.i64(),
      () => cursor.uleb128(),
      () => cursor.sleb128(),
    ][op - 0x08] as () => number | bigint;
    return BigInt(read());
  }

  #accessSize(): number {
    const size = this.#cursor.u8();
    if (size > this.#context.cpu.wordSize)
      throw this.#error(`expression reads ${size} bytes (${this.#context.cpu.wordSize})`);
    return size;
  }

  #dereference(size: number): boolean {
    const value = this.#context.memory.number(this.pop(), size);
    return value !== null && this.#push(value);
  }

  #pick(depth: number): boolean {
    const value = this.#stack[this.#stack.length - 1 - depth];
    if (value === undefined) throw this.#error('expression takes from an empty stack');
    return this.#push(value);
  }

  /** Moves the top below the `count - 1` values under it. */
  #rotate(count: number): boolean {
    const top = this.pop();
    if (this.#stack.length < count - 1) throw this.#error('expression takes from an empty stack');
    this.#stack.splice(this.#stack.length - (count - 1), 0, top);
    return true;
  }

  #jump(distance: number): void {
    this.#cursor.offset += distance;
    const { offset, end } = this.#cursor;
    if (offset < 0 || offset > end)
      throw this.#error(`expression jumps to ${hex(offset)}, outside of it (${hex(end)})`);
  }

  #signed(value: bigint): bigint {
    return BigInt.asIntN(this.#context.cpu.wordSize * 8, value);
  }

  #error(what: string): FormatError {
    return new FormatError(`unwind: ${what}`, { offset: this.#cursor.offset });
  }
}

type Binary = (left: bigint, right: bigint, signed: (value: bigint) => bigint) => bigint;

/** Operations on two values by code; division and comparison are signed, DW_OP_mod and DW_OP_shr are not. */
const BINARY: { readonly [op: number]: Binary | undefined } = {
  0x1a: (left, right) => left & right,
  0x1b: (left, right, signed) => signed(left) / nonZero(signed(right)),
  0x1c: (left, right) => left - right,
  0x1d: (left, right) => left % nonZero(right),
  0x1e: (left, right) => left * right,
  0x21: (left, right) => left | right,
  0x22: (left, right) => left + right,
  0x24: (left, right) => (right < 64n ? left << right : 0n),
  0x25: (left, right) => (right < 64n ? left >> right : 0n),
  0x26: (left, right, signed) => signed(left) >> (right < 64n ? right : 63n),
  0x27: (left, right) => left ^ right,
  0x29: (left, right) => BigInt(left === right),
  0x2a: (left, right, signed) => BigInt(signed(left) >= signed(right)),
  0x2b: (left, right, signed) => BigInt(signed(left) > signed(right)),
  0x2c: (left, right, signed) => BigInt(signed(left) <= signed(right)),
  0x2d: (left, right, signed) => BigInt(signed(left) < signed(right)),
  0x2e: (left, right) => BigInt(left !== right),
};

function nonZero(value: bigint): bigint {
  if (value === 0n) throw new FormatError('unwind: expression divides by zero');
  return value;
}
