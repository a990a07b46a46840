import { integer } from '../../base/integer.ts';
import { FLOW, type Instruction, OP, OPERAND, SEGMENT } from '../x86/instruction.ts';
import {
  addValues,
  bitwise,
  multiply,
  scaleShift,
  signExtend,
  subtractValues,
  truncate,
} from './arithmetic.ts';
import { decideBranch } from './condition.ts';
import { EFFECT } from './effect.ts';
import { COMPARE, low, STATE, StackSlots } from './state.ts';
import { TOP, VALUE, type ValuePool } from './value.ts';

/** What the value analysis must know of the object's memory; all addresses are vaddrs. */
export interface ValueMemory {
  /** True when the numbers in the code may be addresses: the object is not position-independent. */
  readonly isFixed: boolean;
  /** Whether an address lies in the object. */
  contains(vaddr: number): boolean;
  /** Whether 8 bytes hold a pointer that the loader writes and nobody changes: GOT slots, relocated read-only data. */
  isConstantWord(vaddr: number): boolean;
  /** Whether bytes are never written. */
  isReadOnly(vaddr: number): boolean;
  u8(vaddr: number): number;
  u32(vaddr: number): number;
  /** Signed; null when a double cannot hold it. */
  i64(vaddr: number): number | null;
}

const RAX = 0;
const RCX = 1;
const RSP = 4;
const RBP = 5;
const RDI = 7;
const R11 = 11;

/** What a System V function may change: rax, rcx, rdx, rsi, rdi, r8 to r11. */
const CALLER_SAVED = 0x0fc7;
/** clone, vfork, clone3. */
const SHARE_STACK: ReadonlySet<number> = new Set([56, 58, 435]);

/** Go's ABIInternal saves none but the stack and frame pointers. */
const GO_CALLER_SAVED = 0xffff & ~((1 << RSP) | (1 << RBP));

/** The effect of instructions on abstract states. */
export class Transfer {
  readonly pool: ValuePool;
  readonly slots: StackSlots;
  readonly #memory: ValueMemory;
  /** One bit for each register that a called function may change by the calling convention. */
  readonly callerSaved: number;
  readonly #isGo: boolean;

  constructor(pool: ValuePool, memory: ValueMemory, isGo: boolean) {
    this.pool = pool;
    this.slots = new StackSlots(pool);
    this.#memory = memory;
    this.callerSaved = isGo ? GO_CALLER_SAVED : CALLER_SAVED;
    this.#isGo = isGo;
  }

  /** Changes the state as the instruction does. */
  apply(ins: Instruction, state: Int32Array): void {
    switch (ins.operation) {
      case OP.NOP:
        return;
      case OP.MOV:
        this.#store(ins, state, this.source(ins, state));
        return;
      case OP.LEA:
        this.#store(ins, state, ins.size === 8 ? this.addressOf(ins, state) : this.#lea32(ins, state));
        return;
      case OP.MOVZX:
        this.#store(ins, state, this.#widen(ins, state, false));
        return;
      case OP.MOVSX:
      case OP.MOVSXD:
        this.#store(ins, state, this.#widen(ins, state, true));
        return;
      case OP.CMP:
      case OP.TEST:
        this.#compare(ins, state);
        return;
      case OP.ADD:
      case OP.SUB:
      case OP.AND:
      case OP.OR:
      case OP.XOR:
      case OP.SHL:
      case OP.SHR:
      case OP.SAR:
      case OP.INC:
      case OP.DEC:
      case OP.NEG:
      case OP.NOT:
      case OP.SBB:
        this.#arithmetic(ins, state);
        return;
      case OP.IMUL:
        this.#imul(ins, state);
        return;
      case OP.PUSH:
        this.#push(ins, state);
        return;
      case OP.POP:
        this.#pop(ins, state);
        return;
      case OP.LEAVE:
        this.#setRegister(state, RSP, addValues(this.pool, state[RBP] as number, this.pool.constant(8)));
        this.#setRegister(state, RBP, this.#readFrame(state, state[RSP] as number, -8, 8));
        return;
      case OP.CMOV: {
        const decision = decideBranch(this.pool, state, ins.condition);
        const next = this.source(ins, state);
        const old = truncate(this.pool, this.#register(state, ins.destinationRegister), ins.size);
        this.#store(ins, state, decision === 1 ? next : decision === 0 ? old : this.pool.join(old, next));
        return;
      }
      case OP.SETCC:
        this.#setcc(ins, state);
        return;
      case OP.XCHG:
        this.#exchange(ins, state);
        return;
      case OP.CBW:
        if (ins.size >= 4) {
          const from = truncate(this.pool, state[RAX] as number, ins.size / 2);
          this.#setRegister(state, RAX, signExtend(this.pool, from, ins.size / 2, ins.size));
        } else this.#setRegister(state, RAX, TOP);
        return;
      default:
        this.#other(ins, state);
    }
  }

  /**
   * What a call leaves of a state once it has returned; `clobbers` is what the callee may change, -1 for what the convention says, `effects`
   * what it does beyond that.
   */
  applyCall(state: Int32Array, clobbers: number, effects: number): void {
    const isTwice = (effects & EFFECT.TWICE) !== 0;
    const against = effects & 0xffff;
    const lost = (clobbers < 0 || isTwice ? this.callerSaved : clobbers & this.callerSaved) | against;
    const seen = this.callerSaved | against;
    for (let register = 0; register < 16; register++) {
      if (((seen >>> register) & 1) === 0) continue;
      if (this.pool.kind(state[register] as number) === VALUE.FRAME) state[STATE.ESCAPED] = 1;
      if (((lost >>> register) & 1) === 1) this.#setRegister(state, register, TOP);
    }
    this.#clearFlags(state);
    this.#forgetMemory(state);
    // Between the first return and the second one the function may have written any slot.
    if (state[STATE.ESCAPED] === 1 || isTwice) this.slots.forgetAll(state);
  }

  /** Whom an indirect call goes to. */
  callee(ins: Instruction, state: Int32Array): number {
    if (ins.sourceKind === OPERAND.REGISTER) return this.#register(state, ins.sourceRegister);
    return ins.hasMemory === 1 ? this.load(state, this.addressOf(ins, state), 8) : TOP;
  }

  /** What a system call leaves of a state. */
  applySyscall(state: Int32Array): void {
    const sharesStack = this.#sharesStack(state);
    this.#setRegister(state, RAX, TOP);
    this.#setRegister(state, RCX, TOP);
    this.#setRegister(state, R11, TOP);
    this.#clearFlags(state);
    this.#forgetMemory(state);
    if (state[STATE.ESCAPED] === 1 || sharesStack) this.slots.forgetAll(state);
  }

  /** Whether a system call is one that gives a child the same stack: it writes to slots before the parent goes on. */
  #sharesStack(state: Int32Array): boolean {
    return this.pool.members(state[RAX] as number).some((member) => {
      const number = this.pool.payload(member);
      return this.pool.kind(member) === VALUE.CONST && SHARE_STACK.has(number);
    });
  }

  /** Value of the source operand, of the instruction's size. */
  source(ins: Instruction, state: Int32Array): number {
    return this.#operand(ins, state, ins.sourceKind, ins.sourceRegister, ins.size);
  }

  /** Address of the memory operand. */
  addressOf(ins: Instruction, state: Int32Array): number {
    const pool = this.pool;
    if (ins.segment !== SEGMENT.NONE) return TOP;
    if (ins.ripTarget >= 0) return pool.address(ins.ripTarget);
    const base = ins.memoryBase < 0 ? -1 : this.#asAddress(state[ins.memoryBase] as number);
    if (ins.memoryIndex < 0) {
      if (base < 0) return this.#asAddress(pool.constant(ins.displacement));
      return addValues(pool, base, pool.constant(ins.displacement));
    }
    const index = state[ins.memoryIndex] as number;
    if (base < 0) {
      const scaled = scaleShift(pool, index, ins.memoryScale);
      return addValues(pool, this.#asAddress(pool.constant(ins.displacement)), scaled);
    }
    const start = addValues(pool, base, pool.constant(ins.displacement));
    const sum = addValues(pool, start, scaleShift(pool, index, ins.memoryScale));
    return sum;
  }

  /** The 8 bytes at a value that is an address, as far as they are known. */
  load(state: Int32Array, address: number, size: number): number {
    const pool = this.pool;
    if (pool.kind(address) === VALUE.SET) {
      return pool.union(pool.members(address).map((member) => this.load(state, member, size)));
    }
    const payload = pool.payload(address);
    switch (pool.kind(address)) {
      case VALUE.FRAME:
        return size >= 4 ? this.slots.read(state, payload, size) : TOP;
      case VALUE.ADDRESS:
        return this.#loadConstant(integer(payload), size);
      case VALUE.ELEMENT: {
        if (size !== 4 && size !== 8) return TOP;
        const limit = pool.extra(address);
        const count = limit < 0 ? -1 : Math.floor(limit / size) + 1;
        return pool.tableEntry(size === 4 ? VALUE.ENTRY4 : VALUE.ENTRY8, payload, count);
      }
      default:
        return TOP;
    }
  }

  #loadConstant(vaddr: number, size: number): number {
    const memory = this.#memory;
    if (size === 8 && memory.isConstantWord(vaddr)) return this.pool.of(VALUE.WORD, vaddr);
    if (!memory.isReadOnly(vaddr)) {
      // Go keeps numbers of system calls in variables; elsewhere nothing asks for what variables hold.
      return this.#isGo && size === 8 && memory.contains(vaddr) ? this.pool.of(VALUE.VARIABLE, vaddr) : TOP;
    }
    if (size === 8) {
      const number = memory.i64(vaddr);
      return number === null ? TOP : this.#asAddress(this.pool.constant(number));
    }
    if (size === 4) return this.pool.constant(memory.u32(vaddr));
    if (size === 1) return this.pool.constant(memory.u8(vaddr));
    return TOP;
  }

  /** In code that is not position-independent numbers may be addresses. */
  #asAddress(id: number): number {
    if (!this.#memory.isFixed || this.pool.kind(id) !== VALUE.CONST) return id;
    const number = this.pool.payload(id);
    return this.#memory.contains(number) ? this.pool.address(number) : id;
  }

  #operand(ins: Instruction, state: Int32Array, kind: number, register: number, size: number): number {
    switch (kind) {
      case OPERAND.REGISTER:
        return this.#registerOf(state, register, size);
      case OPERAND.IMMEDIATE:
        return truncate(
          this.pool,
          this.pool.constant(ins.immHigh * 0x1_0000_0000 + (ins.immLow >>> 0)),
          size,
        );
      case OPERAND.MEMORY: {
        const value = this.load(state, this.addressOf(ins, state), size);
        const isSame =
          value === TOP &&
          state[STATE.MEMORY_BASE] === ins.memoryBase &&
          ins.memoryBase >= 0 &&
          state[STATE.MEMORY_OFFSET] === ins.displacement &&
          state[STATE.MEMORY_SIZE] === size &&
          ins.memoryIndex < 0;
        return isSame ? (state[STATE.MEMORY_VALUE] as number) : value;
      }
      default:
        return TOP;
    }
  }

  #forgetMemory(state: Int32Array): void {
    state[STATE.MEMORY_BASE] = -1;
    if (state[STATE.FLAG_PLACE] === STATE.MEMORY_BASE) state[STATE.FLAG_PLACE] = -1;
  }

  #register(state: Int32Array, register: number): number {
    return register >= 0 && register < 16 ? (state[register] as number) : TOP;
  }

  #registerOf(state: Int32Array, register: number, size: number): number {
    const value = truncate(this.pool, this.#register(state, register), size);
    if (
      size < 4 &&
      state[STATE.NARROW_REGISTER] === register &&
      state[STATE.NARROW_SIZE] === size &&
      !this.pool.isConstant(value)
    ) {
      return state[STATE.NARROW_VALUE] as number;
    }
    return value;
  }

  #setRegister(state: Int32Array, register: number, value: number): void {
    if (register < 0 || register > 15) return;
    if (register === RSP && this.pool.kind(value) !== VALUE.FRAME) state[STATE.ESCAPED] = 1;
    state[register] = value;
    if (state[STATE.FLAG_PLACE] === register) state[STATE.FLAG_PLACE] = -1;
    if (state[STATE.NARROW_REGISTER] === register) state[STATE.NARROW_REGISTER] = -1;
    if (state[STATE.MEMORY_BASE] === register) this.#forgetMemory(state);
  }

  /** Writes the destination operand. */
  #store(ins: Instruction, state: Int32Array, value: number): void {
    const { destinationKind: kind, destinationRegister: register, size } = ins;
    if (kind === OPERAND.REGISTER) {
      if (size === 8) this.#setRegister(state, register, value);
      else if (size === 4) this.#setRegister(state, register, low(this.pool, value));
      else this.#setRegister(state, register, this.#insert(this.#register(state, register), value, size));
    } else if (kind === OPERAND.REGISTER_HIGH) {
      this.#setRegister(state, register, TOP);
    } else if (kind === OPERAND.MEMORY) {
      this.#storeAt(ins, state, this.addressOf(ins, state), size, value);
    }
  }

  /** A register of which the low one or two bytes change: known where both values are small numbers. */
  #insert(old: number, value: number, size: number): number {
    const { pool } = this;
    if (pool.kind(old) !== VALUE.CONST || pool.kind(value) !== VALUE.CONST) return TOP;
    const whole = pool.payload(old);
    if (whole < 0 || whole > 0x7fff_ffff) return TOP;
    const mask = size === 1 ? 0xff : 0xffff;
    return pool.constant((whole & ~mask) | (pool.payload(value) & mask));
  }

  #storeAt(ins: Instruction, state: Int32Array, address: number, size: number, value: number): void {
    if (this.pool.kind(address) !== VALUE.FRAME) this.#forgetMemory(state);
    const kind = this.pool.kind(address);
    if (this.pool.kind(value) === VALUE.FRAME) state[STATE.ESCAPED] = 1;
    if (kind === VALUE.FRAME) this.slots.write(state, this.pool.payload(address), size, value);
    else if (kind !== VALUE.ADDRESS && kind !== VALUE.ELEMENT && ins.segment === SEGMENT.NONE)
      this.#wildStore(ins, state);
  }

  /** A store to who knows where: it may hit the own frame if that has an address outside, or is the base. */
  #wildStore(ins: Instruction, state: Int32Array): void {
    const isFrame = (register: number): boolean =>
      register >= 0 && this.pool.kind(this.#register(state, register)) === VALUE.FRAME;
    if (state[STATE.ESCAPED] === 1 || isFrame(ins.memoryBase) || isFrame(ins.memoryIndex))
      this.slots.forgetAll(state);
  }

  #readFrame(state: Int32Array, stackPointer: number, delta: number, size: number): number {
    if (this.pool.kind(stackPointer) !== VALUE.FRAME) return TOP;
    return this.slots.read(state, this.pool.payload(stackPointer) + delta, size);
  }

  #lea32(ins: Instruction, state: Int32Array): number {
    return low(this.pool, this.addressOf(ins, state));
  }

  #widen(ins: Instruction, state: Int32Array, isSigned: boolean): number {
    const pool = this.pool;
    const from = ins.sourceSize;
    let value = this.#operand(ins, state, ins.sourceKind, ins.sourceRegister, from);
    if (ins.sourceKind === OPERAND.REGISTER_HIGH) value = TOP;
    const kind = pool.kind(value);
    if (kind === VALUE.ENTRY4) return value;
    if (isSigned) return signExtend(pool, value, from, ins.size);
    if (kind === VALUE.TOP || kind === VALUE.DERIVED)
      return from < 4 ? pool.of(VALUE.RANGE, from === 1 ? 0xff : 0xffff) : TOP;
    return value;
  }

  #compare(ins: Instruction, state: Int32Array): void {
    const { pool } = this;
    const a = this.#operand(ins, state, ins.destinationKind, ins.destinationRegister, ins.size);
    const b = this.source(ins, state);
    let place = -1;
    if (ins.destinationKind === OPERAND.REGISTER) place = ins.destinationRegister;
    else if (ins.destinationKind === OPERAND.MEMORY) {
      const address = this.addressOf(ins, state);
      if (pool.kind(address) === VALUE.FRAME && ins.size >= 4) {
        const offset = pool.payload(address);
        // Only what is followed can be refined.
        this.slots.write(state, offset, ins.size, this.slots.read(state, offset, ins.size));
        place = this.slots.placeOf(state, offset, ins.size);
      } else if (ins.memoryBase >= 0 && ins.memoryIndex < 0 && ins.segment === SEGMENT.NONE) {
        // Known once a branch has decided on it; until then just any value of its size.
        state[STATE.MEMORY_BASE] = ins.memoryBase;
        state[STATE.MEMORY_OFFSET] = ins.displacement;
        state[STATE.MEMORY_SIZE] = ins.size;
        state[STATE.MEMORY_VALUE] = TOP;
        place = STATE.MEMORY_BASE;
      }
    }
    if (ins.operation === OP.TEST && a !== b) {
      // Only a test of a value against itself says something of the value.
      place = -1;
    }
    this.#setFlags(state, ins.operation === OP.CMP ? COMPARE.CMP : COMPARE.TEST, a, b, ins.size, place);
  }

  #setFlags(state: Int32Array, kind: number, a: number, b: number, size: number, place: number): void {
    state[STATE.FLAG_KIND] = kind;
    state[STATE.FLAG_A] = a;
    state[STATE.FLAG_B] = b;
    state[STATE.FLAG_SIZE] = size;
    state[STATE.FLAG_PLACE] = place;
  }

  #clearFlags(state: Int32Array): void {
    this.#setFlags(state, COMPARE.NONE, TOP, TOP, 0, -1);
  }

  #arithmetic(ins: Instruction, state: Int32Array): void {
    const { pool } = this;
    const { size, operation } = ins;
    const a = this.#operand(ins, state, ins.destinationKind, ins.destinationRegister, size);
    const isUnary =
      operation === OP.INC || operation === OP.DEC || operation === OP.NEG || operation === OP.NOT;
    const b = isUnary ? TOP : this.source(ins, state);
    let result: number = TOP;
    switch (operation) {
      case OP.ADD:
        result = addValues(pool, this.#asAddress(a), this.#asAddress(b));
        break;
      case OP.INC:
        result = addValues(pool, a, pool.constant(1));
        break;
      case OP.DEC:
        result = addValues(pool, a, pool.constant(-1));
        break;
      case OP.SUB:
        result = this.#isSameRegister(ins) ? pool.constant(0) : subtractValues(pool, a, b);
        break;
      case OP.XOR:
        result = this.#isSameRegister(ins) ? pool.constant(0) : bitwise(pool, operation, a, b, size);
        break;
      case OP.NEG:
        result = subtractValues(pool, pool.constant(0), a);
        break;
      case OP.NOT:
        result = subtractValues(pool, pool.constant(-1), a);
        break;
      case OP.SBB:
        result = this.#isSameRegister(ins) ? pool.union([pool.constant(0), pool.constant(-1)]) : TOP;
        break;
      default:
        result = bitwise(pool, operation, a, b, size);
    }
    if (pool.kind(a) === VALUE.FRAME && pool.kind(result) !== VALUE.FRAME) state[STATE.ESCAPED] = 1;
    this.#store(ins, state, truncate(pool, result, size));
    // The flags of a subtraction are those of a comparison; of the others, those of a test of the result.
    if (operation === OP.SUB) this.#setFlags(state, COMPARE.CMP, a, b, size, -1);
    else if (operation === OP.AND || operation === OP.OR || operation === OP.XOR) {
      const kept = truncate(pool, result, size);
      this.#setFlags(state, COMPARE.TEST, kept, kept, size, -1);
    } else if (operation !== OP.NOT) this.#clearFlags(state);
  }

  #isSameRegister(ins: Instruction): boolean {
    return (
      ins.destinationKind === OPERAND.REGISTER &&
      ins.sourceKind === OPERAND.REGISTER &&
      ins.destinationRegister === ins.sourceRegister
    );
  }

  #imul(ins: Instruction, state: Int32Array): void {
    if (ins.destinationKind !== OPERAND.REGISTER) {
      this.#other(ins, state);
      return;
    }
    const a = this.source(ins, state);
    const b =
      ins.thirdKind === OPERAND.NONE
        ? this.#registerOf(state, ins.destinationRegister, ins.size)
        : this.#operand(ins, state, ins.thirdKind, ins.thirdRegister, ins.size);
    this.#store(ins, state, truncate(this.pool, multiply(this.pool, a, b), ins.size));
    this.#clearFlags(state);
  }

  #push(ins: Instruction, state: Int32Array): void {
    const value = this.#operand(ins, state, ins.sourceKind, ins.sourceRegister, ins.size);
    const next = addValues(this.pool, state[RSP] as number, this.pool.constant(-ins.size));
    this.#setRegister(state, RSP, next);
    // A frame address pushed is saved by the own function, or an argument: the latter escapes.
    if (this.pool.kind(value) === VALUE.FRAME) state[STATE.ESCAPED] = 1;
    if (this.pool.kind(next) === VALUE.FRAME)
      this.slots.write(state, this.pool.payload(next), ins.size, value);
  }

  #pop(ins: Instruction, state: Int32Array): void {
    const value = this.#readFrame(state, state[RSP] as number, 0, ins.size);
    this.#setRegister(state, RSP, addValues(this.pool, state[RSP] as number, this.pool.constant(ins.size)));
    this.#store(ins, state, value);
  }

  #setcc(ins: Instruction, state: Int32Array): void {
    const { pool } = this;
    const decision = decideBranch(pool, state, ins.condition);
    if (ins.destinationKind !== OPERAND.REGISTER) {
      this.#store(ins, state, TOP);
      return;
    }
    const old = this.#register(state, ins.destinationRegister);
    const outcomes = decision < 0 ? [0, 1] : [decision];
    const whole = pool.kind(old) === VALUE.CONST && pool.payload(old) < 256 && pool.payload(old) >= 0;
    const value = pool.union(outcomes.map((outcome) => pool.constant(outcome)));
    this.#setRegister(state, ins.destinationRegister, whole ? value : TOP);
    if (whole) return;
    state[STATE.NARROW_REGISTER] = ins.destinationRegister;
    state[STATE.NARROW_SIZE] = 1;
    state[STATE.NARROW_VALUE] = value;
  }

  #exchange(ins: Instruction, state: Int32Array): void {
    if (ins.destinationKind === OPERAND.REGISTER && ins.sourceKind === OPERAND.REGISTER && ins.size >= 4) {
      const a = this.#registerOf(state, ins.destinationRegister, ins.size);
      const b = this.#registerOf(state, ins.sourceRegister, ins.size);
      this.#setRegister(state, ins.destinationRegister, b);
      this.#setRegister(state, ins.sourceRegister, a);
      return;
    }
    this.#other(ins, state);
  }

  /** What is not understood: every register that it writes is unknown, and so is the memory. */
  #other(ins: Instruction, state: Int32Array): void {
    if (ins.flow === FLOW.NEXT && ins.writesMemory === 1) {
      this.#forgetMemory(state);
      const address = ins.hasMemory === 1 ? this.addressOf(ins, state) : (state[RDI] as number);
      const kind = this.pool.kind(address);
      if (kind === VALUE.FRAME && ins.hasMemory === 1)
        this.slots.forget(state, this.pool.payload(address), 64);
      else if (kind === VALUE.FRAME) this.slots.forgetAll(state);
      else if (kind !== VALUE.ADDRESS && kind !== VALUE.ELEMENT) this.#wildStore(ins, state);
    }
    let writes = ins.writes;
    for (let register = 0; writes !== 0; register++, writes >>>= 1) {
      if ((writes & 1) === 1) this.#setRegister(state, register, TOP);
    }
    if (ins.operation === OP.OTHER || ins.operation < OP.VECTOR_MOVE) this.#clearFlags(state);
  }
}
