import { TOP, VALUE, type ValuePool } from './value.ts';

/** Indexes into a state; the first 16 are the registers. */
export const STATE = {
  /** COMPARE.*: what the flags stem from. */
  FLAG_KIND: 16,
  /** Values that were compared. */
  FLAG_A: 17,
  FLAG_B: 18,
  /** Size of the comparison in bytes. */
  FLAG_SIZE: 19,
  /** Where the first value came from, if it is still there: a register, SLOTS and more for a stack slot, MEMORY_BASE for other memory, -1 for none. */
  FLAG_PLACE: 20,
  /** 1 once an address in the own frame may be known to others. */
  ESCAPED: 21,
  /** 1 once stack arguments may have been changed. */
  ARGUMENTS_DIRTY: 22,
  /** The low NARROW_SIZE bytes of register NARROW_REGISTER (-1 for none) are known to hold NARROW_VALUE. */
  NARROW_REGISTER: 23,
  NARROW_SIZE: 24,
  NARROW_VALUE: 25,
  /** The MEMORY_SIZE bytes at register MEMORY_BASE (-1 for none) plus MEMORY_OFFSET are known to hold MEMORY_VALUE. */
  MEMORY_BASE: 26,
  MEMORY_OFFSET: 27,
  MEMORY_SIZE: 28,
  MEMORY_VALUE: 29,
  /** First stack slot. */
  SLOTS: 30,
} as const;

/** What flags stem from. */
export const COMPARE = { NONE: 0, CMP: 1, TEST: 2 } as const;

/** Most stack slots that are followed in a function. */
const SLOT_LIMIT = 40;

/** Integers of a state. */
export const STATE_SIZE: number = STATE.SLOTS + SLOT_LIMIT;

/** A slot that is as it was at the function's entry. */
const UNSET = -1;

const RSP = 4;

/** The stack slots of one function: which are followed, and reading and writing them in a state. */
export class StackSlots {
  readonly #pool: ValuePool;
  /** Offset from the entry's stack pointer and size of each slot. */
  readonly #offsets: number[] = [];
  readonly #sizes: number[] = [];

  constructor(pool: ValuePool) {
    this.#pool = pool;
  }

  /** Forgets the slots, before another function. */
  clear(): void {
    this.#offsets.length = 0;
    this.#sizes.length = 0;
  }

  /** The slots as they are now, to read states of this function later. */
  snapshot(): StackSlots {
    const copy = new StackSlots(this.#pool);
    copy.#offsets.push(...this.#offsets);
    copy.#sizes.push(...this.#sizes);
    return copy;
  }

  /** The value of `size` (4 or 8) bytes at an offset. */
  read(state: Int32Array, offset: number, size: number): number {
    const slot = this.#find(offset, size);
    const known = slot < 0 ? UNSET : (state[STATE.SLOTS + slot] as number);
    if (known !== UNSET) return known;
    if (size === 4) {
      const wide = this.#find(offset, 8);
      const value = wide < 0 ? UNSET : (state[STATE.SLOTS + wide] as number);
      if (value !== UNSET) return low(this.#pool, value);
    }
    if (offset < 8 || state[STATE.ARGUMENTS_DIRTY] === 1) return TOP;
    return this.#pool.of(size === 4 ? VALUE.ARGUMENT_LOW : VALUE.ARGUMENT, offset);
  }

  /** Index in a state of a slot that is followed and set, -1 otherwise. */
  placeOf(state: Int32Array, offset: number, size: number): number {
    const slot = this.#find(offset, size);
    return slot < 0 || state[STATE.SLOTS + slot] === UNSET ? -1 : STATE.SLOTS + slot;
  }

  /** Writes `size` bytes; of sizes other than 4 and 8 only the old values are forgotten. */
  write(state: Int32Array, offset: number, size: number, value: number): void {
    this.forget(state, offset, size);
    if (size !== 4 && size !== 8) return;
    let slot = this.#find(offset, size);
    if (slot < 0) {
      if (this.#offsets.length >= SLOT_LIMIT) return;
      slot = this.#offsets.length;
      this.#offsets.push(offset);
      this.#sizes.push(size);
    }
    state[STATE.SLOTS + slot] = value;
  }

  /** Forgets what overlaps a run of bytes. */
  forget(state: Int32Array, offset: number, size: number): void {
    const end = offset + size;
    if (end > 8) state[STATE.ARGUMENTS_DIRTY] = 1;
    for (let slot = 0; slot < this.#offsets.length; slot++) {
      const at = this.#offsets[slot] as number;
      if (at < end && at + (this.#sizes[slot] as number) > offset) this.#drop(state, STATE.SLOTS + slot);
    }
  }

  forgetAll(state: Int32Array): void {
    state[STATE.ARGUMENTS_DIRTY] = 1;
    for (let slot = 0; slot < this.#offsets.length; slot++) this.#drop(state, STATE.SLOTS + slot);
  }

  #drop(state: Int32Array, index: number): void {
    state[index] = TOP;
    if (state[STATE.FLAG_PLACE] === index) state[STATE.FLAG_PLACE] = -1;
  }

  #find(offset: number, size: number): number {
    for (let slot = 0; slot < this.#offsets.length; slot++) {
      if (this.#offsets[slot] === offset && this.#sizes[slot] === size) return slot;
    }
    return -1;
  }
}

/** Fills a state with what is known at a function's entry: each register its own ENTRY value, the stack pointer FRAME 0. */
export function entryState(pool: ValuePool, into: Int32Array): void {
  for (let register = 0; register < 16; register++) into[register] = pool.of(VALUE.ENTRY, register);
  into[RSP] = pool.of(VALUE.FRAME, 0);
  into.fill(0, 16, STATE.SLOTS);
  into[STATE.FLAG_PLACE] = -1;
  into[STATE.NARROW_REGISTER] = -1;
  into[STATE.MEMORY_BASE] = -1;
  into.fill(UNSET, STATE.SLOTS);
}

/** Fills a state with nothing known, not even the stack pointer: code that is entered from who knows where. */
export function unknownState(into: Int32Array): void {
  into.fill(TOP);
  into[STATE.FLAG_PLACE] = -1;
  into[STATE.NARROW_REGISTER] = -1;
  into[STATE.MEMORY_BASE] = -1;
  into[STATE.ESCAPED] = 1;
  into[STATE.ARGUMENTS_DIRTY] = 1;
}

/** Joins a state into another; true when that changed it. */
export function joinState(pool: ValuePool, into: Int32Array, at: number, other: Int32Array): boolean {
  let changed = false;
  for (let index = 0; index < 16; index++) {
    const old = into[at + index] as number;
    const next = other[index] as number;
    if (old === next || old === TOP) continue;
    const joined = pool.join(old, next);
    if (joined !== old) {
      into[at + index] = joined;
      changed = true;
    }
  }
  for (let index: number = STATE.SLOTS; index < STATE_SIZE; index++) {
    const old = into[at + index] as number;
    const next = other[index] as number;
    if (old === next || old === TOP) continue;
    const joined = old === UNSET || next === UNSET ? TOP : pool.join(old, next);
    if (joined !== old) {
      into[at + index] = joined;
      changed = true;
    }
  }
  return joinFlags(into, at, other) || changed;
}

function joinFlags(into: Int32Array, at: number, other: Int32Array): boolean {
  let changed = false;
  if (into[at + STATE.FLAG_KIND] !== COMPARE.NONE) {
    let same = true;
    for (let index: number = STATE.FLAG_KIND; index <= STATE.FLAG_PLACE; index++) {
      if (into[at + index] !== other[index]) same = false;
    }
    if (!same) {
      into[at + STATE.FLAG_KIND] = COMPARE.NONE;
      into[at + STATE.FLAG_A] = TOP;
      into[at + STATE.FLAG_B] = TOP;
      into[at + STATE.FLAG_SIZE] = 0;
      into[at + STATE.FLAG_PLACE] = -1;
      changed = true;
    }
  }
  for (let index: number = STATE.ESCAPED; index <= STATE.ARGUMENTS_DIRTY; index++) {
    if (into[at + index] === 0 && other[index] === 1) {
      into[at + index] = 1;
      changed = true;
    }
  }
  if (into[at + STATE.MEMORY_BASE] !== -1) {
    for (let index: number = STATE.MEMORY_BASE; index <= STATE.MEMORY_VALUE; index++) {
      if (into[at + index] === other[index]) continue;
      into[at + STATE.MEMORY_BASE] = -1;
      changed = true;
      break;
    }
  }
  if (into[at + STATE.NARROW_REGISTER] !== -1) {
    const same =
      into[at + STATE.NARROW_REGISTER] === other[STATE.NARROW_REGISTER] &&
      into[at + STATE.NARROW_SIZE] === other[STATE.NARROW_SIZE] &&
      into[at + STATE.NARROW_VALUE] === other[STATE.NARROW_VALUE];
    if (!same) {
      into[at + STATE.NARROW_REGISTER] = -1;
      changed = true;
    }
  }
  return changed;
}

/** The low 4 bytes of a value, zero-extended. */
export function low(pool: ValuePool, id: number): number {
  const payload = pool.payload(id);
  switch (pool.kind(id)) {
    case VALUE.CONST:
      return payload >= 0 && payload <= 0xffffffff ? id : pool.constant(low32(payload));
    case VALUE.ENTRY:
      return pool.of(VALUE.ENTRY_LOW, payload);
    case VALUE.ARGUMENT:
      return pool.of(VALUE.ARGUMENT_LOW, payload);
    case VALUE.SET:
      return pool.union(pool.members(id).map((member) => low(pool, member)));
    case VALUE.ADDRESS:
    case VALUE.ENTRY_LOW:
    case VALUE.ARGUMENT_LOW:
    case VALUE.RANGE:
    case VALUE.ENTRY4:
    case VALUE.DERIVED:
      return id;
    default:
      return TOP;
  }
}

/** A signed 64-bit number modulo 2^32. */
export function low32(value: number): number {
  return ((value % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
}
