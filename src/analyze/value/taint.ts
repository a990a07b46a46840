import { FLOW, Instruction, OP, OPERAND, SEGMENT } from '../x86/instruction.ts';
import { EFFECT, effectsOfCall } from './effect.ts';
import type { FunctionBody } from './flow.ts';
import { Frames, NO_FRAME } from './frames.ts';
import { isLocalSlot } from './local-slots.ts';

/** Where tainted values begin in a function. */
export interface TaintSources {
  /** Registers that hold one at entry, one bit each. */
  readonly registers: number;
  /** vaddrs of instructions that put one into their destination: LEA, MOV. */
  readonly places: ReadonlySet<number>;
  /** If given, a value that MOV stores whole in other memory than the frame is not kept thereby; the vaddr is added. */
  readonly stores?: Set<number>;
  /** If given, the values are addresses of data, and what is read there is none of them. */
  readonly address?: AddressUses;
  /** Whether the call at a vaddr is known not to return. */
  readonly neverReturns?: (vaddr: number) => boolean;
}

/** What a function does with an address of data, by vaddr. */
export interface AddressUses {
  /** Instructions that read at the address, or past it. */
  readonly reads: Set<number>;
  /** LEA that adds a constant: its result is not followed. */
  readonly shifts: Set<number>;
  /** Other instructions that compute something from it. */
  readonly steps: Set<number>;
}

/** What a function does with tainted values. */
export interface TaintOutcome {
  /** It may leave one where it can be found after the function has returned: memory other than its frame, its result, the kernel. */
  readonly isKept: boolean;
  /** vaddrs of calls and leaving jumps that hand one over, and the registers, one bit each. */
  readonly handed: ReadonlyMap<number, number>;
  /** vaddrs of calls and leaving jumps that find one where their arguments on the stack would be. */
  readonly stacked: ReadonlySet<number>;
  /** vaddrs of calls and leaving jumps that go to a tainted address. */
  readonly through: ReadonlySet<number>;
}

/** Registers that carry arguments: rdi, rsi, rdx, rcx, r8, r9. */
const ARGUMENT_MASK = (1 << 7) | (1 << 6) | (1 << 2) | (1 << 1) | (1 << 8) | (1 << 9);
const RAX = 0;
const RCX = 1;
const RDX = 2;
const RSP = 4;
const RBP = 5;
const RSI = 6;
const R10 = 10;
const R11 = 11;

/**
 * Beside the bits of registers: rdx may be the second half of a result, for rax may be the first. It is none where it holds the difference of
 * the stack protector's words, or what a system call has returned, its negation or -1.
 */
const RESULT = 1 << 16;

/** Most stack slots that may hold a tainted value; past it the value counts as kept. */
const SLOT_LIMIT = 30;

/** Blocks past which a function is taken to keep what it gets. */
const BLOCK_LIMIT = 4000;

/** Bytes from the top of the stack in which a function looks for its first arguments there. */
const STACK_ARGUMENTS = 16;

const KEEPS: TaintOutcome = { isKept: true, handed: new Map(), stacked: new Set(), through: new Set() };

/**
 * Follows values through one function, wherever they may be: in registers, in stack slots, in what is computed or loaded from them.
 *
 * What a value points to counts as tainted too. Calling a tainted value, comparing it and reading through it keep nothing.
 */
export class TaintFlow {
  readonly #callerSaved: number;
  readonly #ins = new Instruction();
  #frames: Frames | null = null;
  #framesOf: FunctionBody | null = null;
  #body: FunctionBody | null = null;
  #sources: TaintSources = { registers: 0, places: new Set() };
  #handed = new Map<number, number>();
  #stacked = new Set<number>();
  #through = new Set<number>();
  #isKept = false;
  /** Registers, vector registers and slots that may hold a tainted value, one bit each, of the current instruction. */
  #registers = 0;
  #vectors = 0;
  #slots = 0;
  /** The same at the start of each block, three a block; -1 for a block that was not reached. */
  #states = new Int32Array(0);
  #isReached = new Uint8Array(0);
  #work: number[] = [];
  /** Offsets of the slots. */
  readonly #offsets: number[] = [];
  /** What a landing pad may find. */
  #padRegisters = 0;
  #padSlots = 0;
  /** Slots that hold one at any time, and calls that return twice: then a slot may hold what is put there later on. */
  #everSlots = 0;
  readonly #twice = new Set<number>();

  /** @param callerSaved registers that a called function may change, one bit each. */
  constructor(callerSaved: number) {
    this.#callerSaved = callerSaved;
  }

  /** Whether a function looks at what its caller has on the stack above the return address. */
  readsStack(body: FunctionBody): boolean {
    if (body.count > BLOCK_LIMIT) return true;
    for (const offset of this.#framesFor(body).operands.values()) if (offset >= 8) return true;
    return false;
  }

  #framesFor(body: FunctionBody): Frames {
    if (this.#frames === null || this.#framesOf?.entry !== body.entry) {
      this.#frames = new Frames(body, this.#callerSaved);
      this.#framesOf = body;
    }
    return this.#frames;
  }

  /** What becomes of the values of some sources in a function. */
  run(body: FunctionBody, sources: TaintSources): TaintOutcome {
    if (body.count > BLOCK_LIMIT) return KEEPS;
    const frames = this.#framesFor(body);
    // Code that the analysis of values does not come to is code of which nothing is known.
    for (const place of sources.places) if (!frames.reached.has(place)) return KEEPS;
    this.#body = body;
    this.#sources = sources;
    this.#handed = new Map();
    this.#stacked = new Set();
    this.#through = new Set();
    this.#isKept = false;
    this.#offsets.length = 0;
    this.#padRegisters = 0;
    this.#padSlots = 0;
    this.#everSlots = 0;
    this.#twice.clear();
    this.#states = new Int32Array(body.count * 3);
    this.#isReached = new Uint8Array(body.count);
    this.#work = [];
    this.#registers = sources.registers | this.#result();
    this.#vectors = 0;
    this.#slots = 0;
    this.#enter(this.#blockAt(body.entry));
    this.#registers = this.#result();
    for (let block = 0; block < body.count; block++) if (body.isEnteredFromOutside(block)) this.#enter(block);
    this.#settle();
    for (let ever = 0; ever !== this.#everSlots && !this.#isKept;) {
      ever = this.#everSlots;
      this.#work.push(...this.#blocksWithTwice(body));
      this.#settle();
    }
    return this.#isKept
      ? KEEPS
      : { isKept: false, handed: this.#handed, stacked: this.#stacked, through: this.#through };
  }

  #settle(): void {
    for (let block = this.#work.pop(); block !== undefined && !this.#isKept; block = this.#work.pop()) {
      this.#registers = this.#states[block * 3] as number;
      this.#vectors = this.#states[block * 3 + 1] as number;
      this.#slots = this.#states[block * 3 + 2] as number;
      this.#passThrough(block);
    }
  }

  /** Reached blocks with calls that return twice, which are noted. */
  #blocksWithTwice(body: FunctionBody): number[] {
    const ins = this.#ins;
    const blocks: number[] = [];
    for (let block = 0; block < body.count; block++) {
      if (this.#isReached[block] === 0) continue;
      let isTwice = false;
      const end = body.ends[block] as number;
      for (let address = body.starts[block] as number; address < end;) {
        const length = body.decode(address, ins);
        if (length === 0) break;
        address += length;
        if ((effectsOfCall(body, ins) & EFFECT.TWICE) === 0) continue;
        this.#twice.add(ins.address);
        isTwice = true;
      }
      if (isTwice) blocks.push(block);
    }
    return blocks;
  }

  #enter(block: number): void {
    if (block < 0) return;
    const at = block * 3;
    const registers = (this.#states[at] as number) | this.#registers;
    const vectors = (this.#states[at + 1] as number) | this.#vectors;
    const slots = (this.#states[at + 2] as number) | this.#slots;
    if (
      this.#isReached[block] === 1 &&
      registers === this.#states[at] &&
      vectors === this.#states[at + 1] &&
      slots === this.#states[at + 2]
    )
      return;
    this.#isReached[block] = 1;
    this.#states[at] = registers;
    this.#states[at + 1] = vectors;
    this.#states[at + 2] = slots;
    this.#work.push(block);
  }

  #passThrough(block: number): void {
    const body = this.#body as FunctionBody;
    const frames = this.#framesFor(body);
    const ins = this.#ins;
    const end = body.ends[block] as number;
    const result = this.#result();
    for (let address = body.starts[block] as number; address < end;) {
      const length = body.decode(address, ins);
      if (length === 0) return;
      address += length;
      switch (ins.flow) {
        case FLOW.NEXT:
          if (result !== 0 && (ins.writes & (1 << RAX)) !== 0) this.#noteResult(ins);
          this.#apply(ins);
          break;
        case FLOW.BRANCH:
          this.#jump(ins);
          break;
        case FLOW.JUMP:
          this.#jump(ins);
          return;
        case FLOW.JUMP_INDIRECT: {
          const targets = body.jumpTargets(ins.address);
          if (targets === null) this.#handOver(ins);
          else for (const target of Array.from(targets)) this.#enter(this.#blockAt(target));
          return;
        }
        case FLOW.CALL:
        case FLOW.CALL_INDIRECT:
          this.#handOver(ins);
          this.#meetPads();
          if (this.#sources.neverReturns?.(ins.address) === true) return;
          this.#registers = (this.#registers & ~this.#callerSaved) | result;
          this.#vectors = 0;
          if (this.#twice.has(ins.address)) this.#slots |= this.#everSlots;
          break;
        case FLOW.RETURN: {
          const results = (this.#registers & result) === result ? (1 << RAX) | (1 << RDX) : 1 << RAX;
          if ((this.#registers & results) !== 0 || (this.#vectors & 3) !== 0) this.#isKept = true;
          return;
        }
        case FLOW.TRAP:
          return;
        default:
          if (!frames.harmless.has(ins.address)) {
            if ((this.#registers & (ARGUMENT_MASK | (1 << R10))) !== 0 || this.#isVisible(ins))
              this.#isKept = true;
          }
          this.#registers &= ~((1 << RAX) | (1 << RCX) | (1 << R11) | result);
      }
      if (this.#isKept) return;
    }
    const next = this.#blockAt(end);
    if (next >= 0) this.#enter(next);
    // What follows is another function.
    else if ((this.#registers & ARGUMENT_MASK) !== 0 || this.#slots !== 0) this.#isKept = true;
  }

  /** A jump within the function, or one that is a call without return. */
  #jump(ins: Instruction): void {
    const target = this.#blockAt(ins.target);
    this.#enter(target);
    if (target < 0 || ins.target === this.#body?.entry) this.#handOver(ins);
  }

  /** Whether what a call is handed leads to a slot that holds a tainted value: objects extend upwards from their address. */
  #isVisible({ address }: Instruction): boolean {
    if (this.#slots === 0) return false;
    const frames = this.#frames;
    const lowest = (this.#isExact() ? frames?.exposed.get(address) : frames?.lowest.get(address)) ?? NO_FRAME;
    return this.#someSlot((offset) => offset >= lowest);
  }

  /** Whether it counts where an object in the frame begins whose address was handed over: not for what set-up may have kept. */
  #isExact(): boolean {
    return this.#sources.stores !== undefined || this.#sources.address !== undefined;
  }

  /** Follows whether what rax holds may be half of a result. */
  #noteResult({ operation, segment, reads, sourceKind, immLow }: Instruction): void {
    if (operation === OP.SUB && segment === SEGMENT.FS) this.#registers &= ~RESULT;
    else if ((reads & (1 << RAX)) === 0 && !(sourceKind === OPERAND.IMMEDIATE && immLow === -1))
      this.#registers |= RESULT;
  }

  /** The bit of RESULT where it is followed. */
  #result(): number {
    return this.#isExact() ? RESULT : 0;
  }

  #someSlot(test: (offset: number) => boolean): boolean {
    for (let slot = 0; slot < this.#offsets.length; slot++) {
      if (((this.#slots >>> slot) & 1) === 1 && test(this.#offsets[slot] as number)) return true;
    }
    return false;
  }

  #handOver(ins: Instruction): void {
    if (this.#isVisible(ins)) this.#isKept = true;
    if (this.#slots !== 0) {
      const top = this.#frames?.tops.get(ins.address) ?? NO_FRAME;
      // A jump leaves the return address on top.
      const first = ins.flow === FLOW.CALL || ins.flow === FLOW.CALL_INDIRECT ? top : top + 8;
      if (top === NO_FRAME) this.#isKept = true;
      else if (this.#someSlot((offset) => this.#isArgument(offset, first, top)))
        this.#stacked.add(ins.address);
    }
    if (ins.flow === FLOW.CALL_INDIRECT || ins.flow === FLOW.JUMP_INDIRECT) {
      const isThrough = ins.sourceKind === OPERAND.REGISTER ? this.#has(ins.sourceRegister) : this.#load(ins);
      if (isThrough) this.#through.add(ins.address);
      if (this.#sources.address !== undefined && this.#isAddressTainted(ins)) this.#isKept = true;
    }
    const registers = this.#registers & ARGUMENT_MASK;
    if (registers !== 0) this.#handed.set(ins.address, (this.#handed.get(ins.address) ?? 0) | registers);
    // Vector registers carry arguments too, but no pointers.
  }

  #isArgument(offset: number, first: number, top: number): boolean {
    if (offset < first || offset >= first + STACK_ARGUMENTS) return false;
    return !this.#isExact() || !isLocalSlot(this.#body as FunctionBody, this.#frames as Frames, top, offset);
  }

  #meetPads(): void {
    const registers = this.#registers & ~this.#callerSaved;
    if ((registers & ~this.#padRegisters) === 0 && (this.#slots & ~this.#padSlots) === 0) return;
    this.#padRegisters |= registers;
    this.#padSlots |= this.#slots;
    const body = this.#body as FunctionBody;
    const [all, vectors, slots] = [this.#registers, this.#vectors, this.#slots];
    this.#registers = this.#padRegisters | this.#result();
    this.#vectors = 0;
    this.#slots = this.#padSlots;
    for (let block = 0; block < body.count; block++) if (body.isEnteredFromOutside(block)) this.#enter(block);
    this.#registers = all;
    this.#vectors = vectors;
    this.#slots = slots;
  }

  #apply(ins: Instruction): void {
    if ((this.#registers | this.#vectors | this.#slots) === 0 && !this.#sources.places.has(ins.address))
      return;
    if (this.#sources.address !== undefined && this.#useAddress(ins, this.#sources.address)) return;
    switch (ins.operation) {
      case OP.NOP:
      case OP.CMP:
      case OP.TEST:
      case OP.SCAS:
      case OP.CMPS:
        return;
      case OP.SETCC:
        this.#put(ins, false);
        return;
      case OP.MOV:
        this.#put(ins, this.#source(ins));
        return;
      case OP.MOVZX:
      case OP.MOVSX:
      case OP.MOVSXD:
        this.#put(ins, this.#source(ins));
        return;
      case OP.LEA:
        this.#put(ins, this.#isAddressTainted(ins) || this.#sources.places.has(ins.address));
        return;
      case OP.XOR:
      case OP.SUB:
        if (ins.sourceKind === OPERAND.REGISTER && ins.sourceRegister === ins.destinationRegister) {
          this.#put(ins, false);
          return;
        }
        this.#combine(ins);
        return;
      case OP.PUSH: {
        const isTainted = this.#source(ins);
        this.#putSlot(this.#frames?.operands.get(ins.address) ?? NO_FRAME, ins.size, isTainted);
        return;
      }
      case OP.POP:
        this.#put(ins, this.#slotHas(this.#frames?.operands.get(ins.address) ?? NO_FRAME, 8));
        return;
      case OP.LEAVE:
        this.#set(RBP, this.#slotHas(this.#frames?.operands.get(ins.address) ?? NO_FRAME, 8));
        return;
      case OP.XCHG:
      case OP.XADD:
      case OP.CMPXCHG:
        this.#exchange(ins);
        return;
      case OP.MOVS:
        if (this.#has(RSI) || (this.#slots !== 0 && this.#mayReadSlot(ins))) this.#isKept = true;
        return;
      case OP.LODS:
        this.#set(RAX, this.#has(RSI) || (this.#slots !== 0 && this.#mayReadSlot(ins)));
        return;
      case OP.STOS:
        if (this.#has(RAX)) this.#isKept = true;
        return;
      case OP.OTHER:
        this.#other(ins);
        return;
      default:
        if (ins.operation >= OP.VECTOR_MOVE) this.#vector(ins);
        else this.#combine(ins);
    }
  }

  #has(register: number): boolean {
    return register >= 0 && ((this.#registers >>> register) & 1) === 1;
  }

  #set(register: number, isTainted: boolean): void {
    if (isTainted) this.#registers |= 1 << register;
    else this.#registers &= ~(1 << register);
  }

  #isAddressTainted(ins: Instruction): boolean {
    return ins.hasMemory === 1 && (this.#has(ins.memoryBase) || this.#has(ins.memoryIndex));
  }

  /** Whether the source operand may be tainted; what is loaded through a tainted pointer is. */
  #source(ins: Instruction): boolean {
    if (this.#sources.places.has(ins.address)) return true;
    if (ins.sourceKind === OPERAND.REGISTER || ins.sourceKind === OPERAND.REGISTER_HIGH)
      return this.#has(ins.sourceRegister);
    return ins.sourceKind === OPERAND.MEMORY && this.#load(ins);
  }

  #load(ins: Instruction): boolean {
    const offset = this.#frames?.operands.get(ins.address);
    if (offset !== undefined) return this.#slotHas(offset, ins.size);
    // Through an address of the frame that was stored somewhere the own slots are read. What is read may be a piece of an address, which a
    // loop copies byte by byte.
    const lowest = this.#slots === 0 ? undefined : this.#frames?.escaped.get(ins.address);
    if (lowest !== undefined && this.#mayBeSlot(lowest)) return true;
    return this.#sources.address === undefined && this.#isAddressTainted(ins);
  }

  /** Whether a string operation reads the frame. */
  #mayReadSlot({ address }: Instruction): boolean {
    return this.#frames?.operands.has(address) === true || this.#frames?.escaped.has(address) === true;
  }

  #mayBeSlot(lowest: number): boolean {
    return !this.#isExact() || this.#someSlot((offset) => offset + 8 > lowest);
  }

  #put(ins: Instruction, isTainted: boolean): void {
    if (ins.destinationKind === OPERAND.REGISTER) {
      // A part of a register leaves the rest as it was.
      if (ins.size >= 4 || isTainted) this.#set(ins.destinationRegister, isTainted);
    } else if (ins.destinationKind === OPERAND.MEMORY) {
      const offset = this.#frames?.operands.get(ins.address);
      if (offset !== undefined) this.#putSlot(offset, ins.size, isTainted);
      else if (isTainted) this.#store(ins);
    }
  }

  #store(ins: Instruction): void {
    if (ins.operation === OP.MOV && ins.size === 8 && this.#sources.stores !== undefined)
      this.#sources.stores.add(ins.address);
    else this.#isKept = true;
  }

  /** Notes what an instruction does with an address of data; whether that is all. */
  #useAddress(ins: Instruction, { reads, shifts, steps }: AddressUses): boolean {
    const isTainted = this.#isAddressTainted(ins);
    if (isTainted && ins.readsMemory === 1) reads.add(ins.address);
    switch (ins.operation) {
      case OP.MOV:
      case OP.CMP:
      case OP.TEST:
      case OP.PUSH:
      case OP.POP:
      case OP.CMOV:
      case OP.MOVZX:
      case OP.MOVSX:
      case OP.MOVSXD:
        return false;
      case OP.LEA:
        if (!isTainted || ins.displacement === 0) return false;
        if (ins.destinationRegister === ins.memoryBase) steps.add(ins.address);
        else {
          shifts.add(ins.address);
          this.#put(ins, false);
          return true;
        }
        return false;
      case OP.LODS:
        this.#isKept ||= this.#has(RSI);
        return false;
      default: {
        // An index is added to the address as well as the address to an index.
        const read = ins.operation === OP.ADD ? ins.reads & ins.writes : ins.reads;
        if ((read & this.#registers) !== 0 && !this.#isOnlyAddress(ins)) steps.add(ins.address);
        return false;
      }
    }
  }

  #putSlot(offset: number, size: number, isTainted: boolean): void {
    if (offset === NO_FRAME) {
      if (isTainted) this.#isKept = true;
      return;
    }
    for (let slot = 0; slot < this.#offsets.length; slot++) {
      const at = this.#offsets[slot] as number;
      if (isTainted) continue;
      const isWhole = at >= offset && at + 8 <= offset + size;
      // What is left of an address that was overwritten in part is none.
      if (isWhole || (this.#isExact() && at < offset + size && at + 8 > offset)) this.#slots &= ~(1 << slot);
    }
    if (!isTainted) return;
    let slot = this.#offsets.indexOf(offset);
    if (slot < 0) {
      slot = this.#offsets.push(offset) - 1;
      if (slot >= SLOT_LIMIT) this.#isKept = true;
    }
    this.#slots |= 1 << slot;
    this.#everSlots |= 1 << slot;
  }

  #slotHas(offset: number, size: number): boolean {
    // Where in the stack is not known: it may be any slot.
    if (offset === NO_FRAME) return this.#slots !== 0;
    return this.#slots !== 0 && this.#someSlot((at) => at < offset + size && at + 8 > offset);
  }

  /** The result is tainted if an input is. */
  #combine(ins: Instruction): void {
    const isTainted =
      this.#source(ins) || (ins.thirdKind === OPERAND.REGISTER && this.#has(ins.thirdRegister));
    if (ins.destinationKind === OPERAND.MEMORY) {
      if (isTainted) this.#put(ins, true);
      return;
    }
    if (ins.destinationKind === OPERAND.NONE) {
      if ((this.#registers & ins.reads) !== 0) this.#registers |= ins.writes;
      return;
    }
    if (isTainted) this.#put(ins, true);
  }

  #exchange(ins: Instruction): void {
    const isTainted = ((ins.reads & this.#registers) !== 0 && !this.#isOnlyAddress(ins)) || this.#load(ins);
    if (ins.destinationKind === OPERAND.MEMORY || ins.sourceKind === OPERAND.MEMORY) {
      const offset = this.#frames?.operands.get(ins.address);
      if (isTainted && offset === undefined) this.#isKept = true;
      else if (isTainted) this.#putSlot(offset as number, 8, true);
    }
    if (isTainted) this.#registers |= ins.writes;
  }

  /** Whether all tainted registers that an instruction reads are only part of its address. */
  #isOnlyAddress(ins: Instruction): boolean {
    let address = 0;
    if (ins.hasMemory === 1 && ins.memoryBase >= 0) address |= 1 << ins.memoryBase;
    if (ins.hasMemory === 1 && ins.memoryIndex >= 0 && ins.memoryIndex < 16) address |= 1 << ins.memoryIndex;
    const isOperand =
      (ins.sourceKind === OPERAND.REGISTER && this.#has(ins.sourceRegister)) ||
      (ins.destinationKind === OPERAND.REGISTER && this.#has(ins.destinationRegister));
    return (ins.reads & this.#registers & ~address) === 0 && !isOperand;
  }

  #vector(ins: Instruction): void {
    let isTainted = this.#sources.places.has(ins.address);
    if (ins.sourceKind === OPERAND.REGISTER) isTainted ||= this.#has(ins.sourceRegister);
    else if (ins.sourceKind === OPERAND.VECTOR) isTainted ||= this.#hasVector(ins.sourceRegister);
    else if (ins.sourceKind === OPERAND.MEMORY) isTainted ||= this.#load(ins);
    if (ins.thirdKind === OPERAND.VECTOR) isTainted ||= this.#hasVector(ins.thirdRegister);
    if (ins.operation !== OP.VECTOR_MOVE && ins.destinationKind === OPERAND.VECTOR) {
      const isCleared = ins.operation === OP.VECTOR_XOR && ins.sourceRegister === ins.destinationRegister;
      isTainted = !isCleared && (isTainted || this.#hasVector(ins.destinationRegister));
    }
    if (ins.destinationKind === OPERAND.VECTOR) {
      const bit = 1 << (ins.destinationRegister & 31);
      this.#vectors = isTainted ? this.#vectors | bit : this.#vectors & ~bit;
    } else if (ins.destinationKind === OPERAND.REGISTER) this.#set(ins.destinationRegister, isTainted);
    else if (ins.destinationKind === OPERAND.MEMORY) {
      const offset = this.#frames?.operands.get(ins.address);
      if (offset === undefined) {
        if (isTainted) this.#isKept = true;
      } else if (isTainted) for (let at = 0; at < ins.size; at += 8) this.#putSlot(offset + at, 8, true);
      else this.#putSlot(offset, ins.size, false);
    }
  }

  #hasVector(register: number): boolean {
    return register >= 0 && ((this.#vectors >>> (register & 31)) & 1) === 1;
  }

  /** What has no name: what it writes is tainted if anything that it reads is. */
  #other(ins: Instruction): void {
    const isOperand = (ins.reads & this.#registers) !== 0 && !this.#isOnlyAddress(ins);
    const isLoaded = ins.readsMemory === 1 && (this.#load(ins) || this.#sources.places.has(ins.address));
    const isVector = this.#vectors !== 0 && ins.vectorWrites !== 0;
    if (!isOperand && !isLoaded && !isVector && this.#vectors === 0) return;
    if (ins.writesMemory === 1) this.#isKept ||= isOperand || this.#vectors !== 0;
    if (isOperand || isLoaded || isVector) {
      this.#registers |= ins.writes & ~(1 << RSP);
      this.#vectors |= ins.vectorWrites;
    }
  }

  #blockAt(address: number): number {
    const body = this.#body as FunctionBody;
    let lowest = 0;
    let highest = body.count;
    while (lowest < highest) {
      const middle = (lowest + highest) >>> 1;
      if ((body.starts[middle] as number) < address) lowest = middle + 1;
      else highest = middle;
    }
    return lowest < body.count && body.starts[lowest] === address ? lowest : -1;
  }
}
