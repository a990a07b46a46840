import type { FlowAnalysis } from '../value/flow.ts';
import type { Transfer } from '../value/transfer.ts';
import { TOP, VALUE } from '../value/value.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import { ExploredBody } from './body.ts';
import type { JumpResolver } from './jump-tables.ts';
import { CODE, type Explorer } from './explorer.ts';
import { lastAtMost } from './int-list.ts';
import { FACT } from './object-code.ts';

/** So many instructions before a call are looked at for what sets its register. */
const WINDOW = 32;

/** Longest instruction, in bytes. */
const LONGEST = 15;

/** Most entries that are read of a table without a known end. */
const ENTRY_LIMIT = 1024;

/** Thunks that stand in the middle of a function are shorter than this; nobody comes to them but by the call behind them. */
const THUNK_SPACE = 32;

const RSP = 4;
const RBP = 5;

/** In place of a register: a slot of the frame, and other memory. */
const FRAME = -1;
const ELSEWHERE = -2;

/**
 * Indirect calls, and jumps that leave the function, to an address that code has just computed as the sum of two others.
 *
 * Nothing takes the address of such a function: what is known of it is a distance, of 4 bytes in most cases, as in tables that need no
 * relocation. Where the values of the function tell the table, all of its entries count as taken. Everything else is noted as unknown.
 */
export class ComputedCalls {
  readonly #explorer: Explorer;
  readonly #flow: FlowAnalysis;
  readonly #transfer: Transfer;
  readonly #jumps: JumpResolver;
  readonly #ins = new Instruction();

  constructor(explorer: Explorer, flow: FlowAnalysis, transfer: Transfer, jumps: JumpResolver) {
    this.#explorer = explorer;
    this.#flow = flow;
    this.#transfer = transfer;
    this.#jumps = jumps;
  }

  /** Looks at the calls that were found since the last time. */
  run(): void {
    const { indirect } = this.#explorer;
    const found = new Map<number, Map<number, number>>();
    while (indirect.length > 0) {
      const at = indirect.pop();
      const index = indirect.pop();
      const size = this.#mayBeSum(at) ? this.#sizeOfSum(at) : 0;
      if (size === 0) continue;
      const places = found.get(index);
      if (places === undefined) found.set(index, new Map([[at, size]]));
      else places.set(at, size);
    }
    for (const [index, places] of found) this.#resolve(index, places);
  }

  /** Whether the bytes of the code before a call may be those of a sum: most calls go through what was loaded right before. */
  #mayBeSum(vaddr: number): boolean {
    const { bytes, base } = this.#explorer.view;
    let register = this.#registerOf(vaddr);
    if (register < 0) return register === FRAME;
    let at = vaddr;
    for (let count = 0; count < WINDOW; count++) {
      at = this.#before(at);
      if (at < 0) return false;
      const rex = bytes[at + base] as number;
      if ((rex & 0xf8) !== 0x48) continue;
      const operands = bytes[at + base + 2] as number;
      const first = ((operands >> 3) & 7) | ((rex & 4) << 1);
      const second = operands < 0xc0 ? -1 : (operands & 7) | ((rex & 1) << 3);
      switch (bytes[at + base + 1]) {
        case 0x8b:
          if (first !== register) break;
          if (second < 0) return isFrame(rex, operands, bytes[at + base + 3] as number);
          register = second;
          break;
        case 0x89:
          if (second === register) register = first;
          break;
        case 0x8d:
          // Without an index it adds a number of the instruction's own, if it has one.
          if (first === register)
            return (operands & 7) === 4 || operands >= 0x40 || this.#explorer.view.isFixed;
          break;
        case 0x03:
        case 0x2b:
          if (first === register) return true;
          break;
        case 0x01:
        case 0x29:
        case 0x81:
        case 0x83:
          if (second === register) return true;
          break;
        case 0x05:
          if (register === 0) return true;
          break;
        default:
      }
    }
    return false;
  }

  /** The register that a call or jump goes through, FRAME for a slot of the frame, ELSEWHERE for other memory. */
  #registerOf(vaddr: number): number {
    const { bytes, base } = this.#explorer.view;
    let place = vaddr + base;
    // Prefixes: notrack and bnd.
    while (bytes[place] === 0x3e || bytes[place] === 0xf2) place++;
    const isHigh = bytes[place] === 0x41;
    if (isHigh) place++;
    // All else is a direct call or jump to a thunk.
    if (bytes[place] !== 0xff) {
      const isKnown = this.#explorer.view.decode(vaddr, this.#ins) !== 0;
      return isKnown && this.#ins.sourceKind === OPERAND.REGISTER ? this.#ins.sourceRegister : ELSEWHERE;
    }
    const modrm = bytes[place + 1] as number;
    if (modrm >= 0xc0) return (modrm & 7) | (isHigh ? 8 : 0);
    return isFrame(isHigh ? 1 : 0, modrm, bytes[place + 2] as number) ? FRAME : ELSEWHERE;
  }

  /** Bytes of the numbers that are added up to where a call goes: 4 if one of them is so small, else 8; 0 if it is no sum. */
  #sizeOfSum(vaddr: number): number {
    const { view } = this.#explorer;
    const ins = this.#ins;
    if (view.decode(vaddr, ins) === 0) return 0;
    const start = placeOf(ins);
    const sum = start === null ? -1 : this.#writerOf(vaddr, start);
    if (sum < 0 || !this.#isSum(ins)) return 0;
    // A number of the instruction's own.
    if (ins.operation === OP.LEA ? ins.memoryIndex < 0 : ins.sourceKind === OPERAND.IMMEDIATE) return 4;
    const operands =
      ins.operation === OP.LEA
        ? [ins.memoryBase, ins.memoryIndex]
        : [ins.destinationRegister, ins.sourceKind === OPERAND.REGISTER ? ins.sourceRegister : -1];
    const isSmall = operands.some((register) => {
      if (register < 0 || this.#writerOf(sum, { register, offset: 0 }) < 0) return false;
      const { operation } = ins;
      return operation === OP.MOVSXD || operation === OP.CBW || (operation === OP.MOV && ins.size === 4);
    });
    return isSmall ? 4 : 8;
  }

  /** The instruction of straight-line code before a vaddr that sets a register or slot, with its copies followed; -1 for none. */
  #writerOf(vaddr: number, start: Place): number {
    const { view } = this.#explorer;
    const ins = this.#ins;
    let place = start;
    let at = vaddr;
    for (let count = 0; count < WINDOW; count++) {
      const next = at;
      at = this.#before(next);
      if (at < 0 || view.decode(at, ins) === 0) return -1;
      if (ins.flow === FLOW.JUMP && ins.target !== next) return -1;
      if (ins.flow === FLOW.JUMP_INDIRECT || ins.flow === FLOW.RETURN) return -1;
      const { register, offset, isSlot } = place;
      if (isSlot === true) {
        const isStore =
          ins.operation === OP.MOV &&
          ins.destinationKind === OPERAND.MEMORY &&
          ins.sourceKind === OPERAND.REGISTER &&
          ins.memoryBase === register &&
          ins.displacement === offset;
        if (isStore) place = { register: ins.sourceRegister, offset: 0 };
        else if (((ins.writes >>> register) & 1) === 1) return -1;
        continue;
      }
      const isCall = ins.flow === FLOW.CALL || ins.flow === FLOW.CALL_INDIRECT;
      if (isCall && ((this.#transfer.callerSaved >>> register) & 1) === 1) return -1;
      if (((ins.writes >>> register) & 1) === 0) continue;
      const source = ins.operation === OP.MOV && ins.size === 8 ? placeOf(ins) : null;
      if (source === null) return at;
      place = source;
    }
    return -1;
  }

  /** Where the instruction begins that ends at a vaddr, or that jumps to it over a thunk; -1 for none. */
  #before(vaddr: number): number {
    const { flags, low, view } = this.#explorer;
    for (let at = vaddr - 1; at >= vaddr - THUNK_SPACE && at >= low; at--) {
      if (((flags[at - low] as number) & CODE.INSTRUCTION) === 0) continue;
      if (at >= vaddr - LONGEST) return at;
      const ins = this.#ins;
      return view.scan(at, ins) > 0 && ins.flow === FLOW.JUMP && ins.target === vaddr ? at : -1;
    }
    return -1;
  }

  #isSum(ins: Instruction): boolean {
    const { view } = this.#explorer;
    if (ins.size !== 8 || ins.destinationKind !== OPERAND.REGISTER) return false;
    if (ins.operation !== OP.LEA) return ins.operation === OP.ADD || ins.operation === OP.SUB;
    if (ins.memoryBase < 0 || ins.memoryIndex >= 0) return ins.memoryBase >= 0;
    const isInFrame = ins.memoryBase === RSP || ins.memoryBase === RBP;
    return (view.isFixed && view.contains(ins.displacement)) || (ins.displacement !== 0 && !isInFrame);
  }

  /**
   * Looks at some calls of a function, with all values if straight-line code does not say enough. Large sums are not worth that but in code of
   * the large model: the loader has many.
   */
  #resolve(index: number, places: ReadonlyMap<number, number>): void {
    const open = new Map<number, number>();
    for (const [at, size] of places) {
      if (this.#takeMembers(index, at, this.#straightValue(at))) continue;
      if (size === 4 || this.#explorer.wideFunctions.has(index)) open.set(at, size);
      else this.#explorer.fact(index, FACT.COMPUTED, at, size);
    }
    if (open.size === 0) return;
    const { targets, effects } = this.#jumps;
    const body = new ExploredBody(this.#explorer, index, targets, () => -1, effects);
    const callees = new Map<number, number>();
    this.#flow.run(body, (ins, state) => {
      if (open.has(ins.address)) callees.set(ins.address, this.#calleeOf(ins, state));
    });
    for (const [at, size] of open) {
      const callee = callees.get(at);
      // Without one the values say that nothing comes there.
      if (callee !== undefined && !this.#takeMembers(index, at, callee))
        this.#explorer.fact(index, FACT.COMPUTED, at, size);
    }
  }

  /** Where a call goes by the few instructions before it alone. */
  #straightValue(vaddr: number): number {
    const { flags, low, view } = this.#explorer;
    let start = vaddr;
    for (let count = 0; count < WINDOW; count++) {
      if (((flags[start - low] as number) & (CODE.LEADER | CODE.OUTSIDE)) !== 0) break;
      const before = this.#before(start);
      if (before < 0) break;
      start = before;
    }
    const state = this.#flow.straight(view, start, vaddr, [], false, () => false);
    if (state === null || view.decode(vaddr, this.#ins) === 0) return TOP;
    return this.#calleeOf(this.#ins, state);
  }

  #calleeOf(ins: Instruction, state: Int32Array): number {
    const place = placeOf(ins);
    if (place !== null && place.isSlot !== true) return state[place.register] as number;
    return this.#transfer.load(state, this.#transfer.addressOf(ins, state), 8);
  }

  #takeMembers(index: number, at: number, callee: number): boolean {
    return this.#transfer.pool.members(callee).every((member) => this.#takeAll(index, at, member));
  }

  /** Takes the addresses that a value stands for; false if it does not say which. */
  #takeAll(index: number, at: number, value: number): boolean {
    const { pool } = this.#transfer;
    const explorer = this.#explorer;
    if (pool.kind(value) === VALUE.WORD) return true;
    if (pool.kind(value) === VALUE.ADDRESS) {
      explorer.take(index, at, pool.payload(value));
      return explorer.view.isCode(pool.payload(value));
    }
    if (pool.kind(value) !== VALUE.SUM) return false;
    const { table, count, base, size } = pool.sum(value);
    const end = count < 0 ? this.#endOf(table) : table + count * size;
    let isKnown = false;
    for (let place = table; place + size <= end; place += size) {
      const target = base + explorer.view.i32(place);
      if (!explorer.mayBeFunction(target)) continue;
      explorer.take(index, at, target);
      isKnown = true;
    }
    return isKnown;
  }

  /** Where a table ends of which only the start is known: at the next address that code takes. */
  #endOf(table: number): number {
    const { factKinds, factTargets, view } = this.#explorer;
    const bounds: number[] = [];
    for (let fact = 0; fact < factKinds.length; fact++)
      if (factKinds.items[fact] === FACT.TAKE_DATA) bounds.push(factTargets.at(fact));
    const sorted = Int32Array.from(bounds).sort();
    const next = sorted[lastAtMost(sorted, sorted.length, table) + 1] ?? view.high;
    return Math.min(next, table + ENTRY_LIMIT * 4);
  }
}

/** A register, or a slot of the frame at an offset from one. */
interface Place {
  readonly register: number;
  readonly offset: number;
  readonly isSlot?: boolean;
}

/** Whether the memory operand of some bytes is a slot of the frame: of rbp with a displacement, or of rsp without an index. */
function isFrame(rex: number, modrm: number, sib: number): boolean {
  if ((rex & 1) !== 0) return false;
  return (modrm & 7) === RSP ? (sib & 0x3f) === 0x24 : (modrm & 7) === RBP && modrm >= 0x40;
}

/** Where the source of an instruction is, if that is a register or a slot of the frame. */
function placeOf(ins: Instruction): Place | null {
  if (ins.sourceKind === OPERAND.REGISTER) return { register: ins.sourceRegister, offset: 0 };
  const isSlot =
    ins.sourceKind === OPERAND.MEMORY &&
    ins.memoryIndex < 0 &&
    (ins.memoryBase === RSP || ins.memoryBase === RBP);
  return isSlot ? { register: ins.memoryBase, offset: ins.displacement, isSlot } : null;
}
