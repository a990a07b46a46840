import {
  ALU,
  ATOMIC,
  CALL,
  CLASS,
  EXIT,
  HELPER,
  JUMP,
  JUMP_ALWAYS,
  MODE,
  PSEUDO_MAP_FD,
  PSEUDO_MAP_VALUE,
  SIZE,
  SOURCE_REGISTER,
  type AluOperation,
  type Condition,
  type Helper,
  type Register,
  type Width,
} from './instruction-set.ts';

/** A place in a program where the descriptor of a map is to be filled in. */
export interface MapReference {
  /** Index of the instruction, in units of 8 bytes. */
  readonly at: number;
  /** Name of the map. */
  readonly map: string;
}

/** A program that has not been loaded: plain data, the same for the same input. */
export interface EbpfCode {
  /** struct bpf_insn[], 8 bytes each. */
  readonly instructions: Uint8Array;
  readonly maps: readonly MapReference[];
}

/** Bytes of one instruction; a 64-bit immediate takes two. */
export const INSTRUCTION_SIZE = 8;

const JUMP_MIN = -(2 ** 15);
const JUMP_MAX = 2 ** 15 - 1;

/**
 * Assembles eBPF. Jumps go to labels, which are resolved at the end; maps are named, and their descriptors filled
 * in when the program is loaded.
 *
 * A mistake in a program is a mistake in callgate, so every method throws a plain RangeError for it: an offset or
 * immediate that does not fit, a label that is missing, doubled or more than 32,767 instructions away.
 */
export class Assembler {
  readonly #words: number[] = [];
  readonly #labels: Map<string, number> = new Map();
  readonly #jumps: { at: number; label: string }[] = [];
  readonly #maps: MapReference[] = [];
  #fresh = 0;

  /** Index of the next instruction. */
  get length(): number {
    return this.#words.length / 2;
  }

  /** A label that no other part of the program has. */
  fresh(name: string): string {
    this.#fresh++;
    return `${name} ${this.#fresh}`;
  }

  /** Names the next instruction. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new RangeError(`ebpf: label ${name} is there twice`);
    this.#labels.set(name, this.length);
    return this;
  }

  /** 64-bit arithmetic; an immediate is sign-extended from 32 bits. */
  alu(operation: AluOperation, to: Register, operand: Register | number): this {
    return this.#operate(CLASS.ALU64, ALU[operation], to, operand, 0);
  }

  /** 32-bit arithmetic; the upper half of the result is zero. */
  alu32(operation: AluOperation, to: Register, operand: Register | number): this {
    return this.#operate(CLASS.ALU, ALU[operation], to, operand, 0);
  }

  mov(to: Register, operand: Register | number): this {
    return this.alu('mov', to, operand);
  }

  /** `to = *(width *)(base + offset)`, zero-extended. */
  load(to: Register, base: Register, offset: number, width: Width): this {
    return this.#emit(CLASS.LDX | MODE.MEM | SIZE[width], to, base, offset, 0);
  }

  /** `*(width *)(base + offset) = operand`; an immediate is sign-extended from 32 bits. */
  store(base: Register, offset: number, operand: Register | number, width: Width): this {
    if (typeof operand === 'number') {
      return this.#emit(CLASS.ST | MODE.MEM | SIZE[width], base, 'r0', offset, operand);
    }
    return this.#emit(CLASS.STX | MODE.MEM | SIZE[width], base, operand, offset, 0);
  }

  /** Atomically adds a register to memory. */
  atomicAdd(base: Register, offset: number, from: Register, width: 4 | 8): this {
    return this.#emit(CLASS.STX | MODE.ATOMIC | SIZE[width], base, from, offset, ATOMIC.ADD);
  }

  /** Atomically adds a register to memory and leaves there what was in memory before. */
  fetchAdd(base: Register, offset: number, from: Register, width: 4 | 8): this {
    const code = CLASS.STX | MODE.ATOMIC | SIZE[width];
    return this.#emit(code, base, from, offset, ATOMIC.ADD | ATOMIC.FETCH);
  }

  /** Atomically puts a register into memory if r0 is there; r0 = what was there before. */
  compareExchange(base: Register, offset: number, from: Register, width: 4 | 8): this {
    const code = CLASS.STX | MODE.ATOMIC | SIZE[width];
    return this.#emit(code, base, from, offset, ATOMIC.CMPXCHG | ATOMIC.FETCH);
  }

  /** Atomically sets the bits of a register in memory. */
  atomicOr(base: Register, offset: number, from: Register, width: 4 | 8): this {
    return this.#emit(CLASS.STX | MODE.ATOMIC | SIZE[width], base, from, offset, ATOMIC.OR);
  }

  jump(label: string): this {
    this.#jumps.push({ at: this.length, label });
    return this.#emit(CLASS.JMP | JUMP_ALWAYS, 'r0', 'r0', 0, 0);
  }

  /** Jumps if all 64 bits of `left` compare so with the operand. */
  jumpIf(condition: Condition, left: Register, operand: Register | number, label: string): this {
    this.#jumps.push({ at: this.length, label });
    return this.#operate(CLASS.JMP, JUMP[condition], left, operand, 0);
  }

  /** Jumps if the low 32 bits of `left` compare so with the operand. */
  jumpIf32(condition: Condition, left: Register, operand: Register | number, label: string): this {
    this.#jumps.push({ at: this.length, label });
    return this.#operate(CLASS.JMP32, JUMP[condition], left, operand, 0);
  }

  call(helper: Helper): this {
    return this.#emit(CLASS.JMP | CALL, 'r0', 'r0', 0, HELPER[helper]);
  }

  exit(): this {
    return this.#emit(CLASS.JMP | EXIT, 'r0', 'r0', 0, 0);
  }

  /** A constant of 64 bits. */
  constant(to: Register, value: bigint): this {
    if (value !== BigInt.asUintN(64, value)) throw new RangeError(`ebpf: constant ${value} (64 bits)`);
    return this.#wide(to, 0, Number(value & 0xffffffffn), Number(value >> 32n));
  }

  /** The map itself, as helpers take it. */
  map(to: Register, map: string): this {
    this.#maps.push({ at: this.length, map });
    return this.#wide(to, PSEUDO_MAP_FD, 0, 0);
  }

  /** Address of a byte in the only value of an array map. */
  mapValue(to: Register, map: string, offset: number): this {
    this.#maps.push({ at: this.length, map });
    return this.#wide(to, PSEUDO_MAP_VALUE, 0, offset);
  }

  /** @throws RangeError for a label that is missing or too far away. */
  assemble(): EbpfCode {
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new RangeError(`ebpf: label ${label} is nowhere`);
      const distance = target - at - 1;
      if (distance < JUMP_MIN || distance > JUMP_MAX) {
        throw new RangeError(`ebpf: jump to ${label}, ${distance} instructions (${JUMP_MIN} to ${JUMP_MAX})`);
      }
      const word = this.#words[at * 2] as number;
      this.#words[at * 2] = ((word & 0xffff) | ((distance & 0xffff) << 16)) >>> 0;
    }
    const words = Uint32Array.from(this.#words);
    return { instructions: new Uint8Array(words.buffer), maps: [...this.#maps] };
  }

  #operate(kind: number, operation: number, to: Register, operand: Register | number, offset: number): this {
    if (typeof operand === 'number') return this.#emit(kind | operation, to, 'r0', offset, operand);
    return this.#emit(kind | operation | SOURCE_REGISTER, to, operand, offset, 0);
  }

  #wide(to: Register, source: number, low: number, high: number): this {
    this.#words.push(CLASS.LD | MODE.IMM | SIZE[8] | (number(to) << 8) | (source << 12), low >>> 0);
    this.#words.push(0, high >>> 0);
    return this;
  }

  #emit(code: number, to: Register, from: Register, offset: number, immediate: number): this {
    if (!Number.isInteger(offset) || offset < JUMP_MIN || offset > JUMP_MAX) {
      throw new RangeError(`ebpf: offset ${offset} (${JUMP_MIN} to ${JUMP_MAX})`);
    }
    if (!Number.isInteger(immediate) || immediate < -(2 ** 31) || immediate > 2 ** 32 - 1) {
      throw new RangeError(`ebpf: immediate ${immediate} (32 bits)`);
    }
    const word = code | (number(to) << 8) | (number(from) << 12) | ((offset & 0xffff) << 16);
    this.#words.push(word >>> 0, immediate >>> 0);
    return this;
  }
}

function number(register: Register): number {
  return Number(register.slice(1));
}
