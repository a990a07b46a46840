import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import { exploredBlocks } from './body.ts';
import type { Explorer } from './explorer.ts';
import { CODE } from './explorer.ts';
import { IntList, lastAtMost } from './int-list.ts';

/** A register and what it holds: a vaddr, `SMALL` for a zero-extended byte, or else a code for what `targetsOf` gives. */
export type KnownRegister = readonly [register: number, content: number];

/** A 4-byte entry of a table, whose index is a byte, added to the address that entries are relative to. */
export interface ByteTable {
  readonly table: number;
  readonly base: number;
}

/** What a jump through a register may go to: a vaddr, or where a table says. */
export type KnownTarget = number | ByteTable;

/** In place of a vaddr: a byte, zero-extended. */
export const SMALL = -3;

/** As SMALL, read from memory in the same block: nothing bounds it further. */
const READ_BYTE = -4;

/** Contents that have no number of their own are numbered from there downwards. */
const FIRST_CODE = -16;

/** Most targets of one register; past it they are not told apart. */
const TARGET_LIMIT = 8;

/** An entry of a table that is not added to anything yet. */
const ENTRY_ONLY = -1;

const REGISTERS = 16;

/** No instruction, or no way, was seen yet. */
const NONE = -1;
/** Something else than one address. */
const OTHER = -2;

/** rbx, rbp, r12 to r15: registers that keep a table's address over calls. */
const CALLEE_SAVED = 0xf028;

/** What a system call changes: rax, rcx, r11. */
const CHANGED_BY_SYSCALL = 0x0803;

/** What is known of the registers of one function. */
interface Registers {
  /** Version of the function when it was read. */
  readonly version: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** For each block 16 values at its start: as in `KnownRegister`, or NONE where nothing comes to it, else OTHER. */
  readonly states: Int32Array;
  /** Registers that instructions of one address alone set. */
  readonly only: readonly KnownRegister[];
  /** Functions that are called there and were not known to return: nothing comes to what follows from there. */
  readonly endless: readonly number[];
}

/**
 * Finds registers that hold the address of a table: one that `lea` puts into them somewhere before, on every way to a place. Or where to
 * jump: what was read of a table in one block may be jumped to in another, beside a label that is no entry, as in printf.
 *
 * It is the value analysis for this one question, at a fraction of its time. Not followed are addresses in stack slots.
 */
export class AddressRegisters {
  readonly #explorer: Explorer;
  readonly #jumps: ReadonlyMap<number, readonly number[]>;
  readonly #changedByCall: number;
  readonly #known = new Map<number, Registers>();
  readonly #ins = new Instruction();
  /** What each code stands for, ascending by text; and the other way round. */
  readonly #targets: (readonly KnownTarget[])[] = [];
  readonly #codes = new Map<string, number>();

  /**
   * @param jumps Targets of indirect jumps by vaddr, as far as they are known.
   * @param changedByCall One bit for each register that a called function may change.
   */
  constructor(explorer: Explorer, jumps: ReadonlyMap<number, readonly number[]>, changedByCall: number) {
    this.#explorer = explorer;
    this.#jumps = jumps;
    this.#changedByCall = changedByCall;
  }

  /** Registers that are set to one address alone in the whole function, and that calls keep; restoring them at the end does not count. */
  setOnce(index: number): readonly KnownRegister[] {
    return this.#of(index).only;
  }

  /**
   * Where straight-line code to a place begins, and what is known of registers there, whatever way control came; null where it is not
   * known to come.
   */
  before(
    index: number,
    vaddr: number,
  ): { readonly start: number; readonly registers: KnownRegister[] } | null {
    const { starts, ends, states } = this.#of(index);
    const { flags, low } = this.#explorer;
    let block = lastAtMost(starts, starts.length, vaddr);
    if (block < 0 || vaddr >= (ends[block] as number)) return null;
    const isEntered = (at: number): boolean =>
      ((flags[(starts[at] as number) - low] as number) & (CODE.LEADER | CODE.OUTSIDE)) !== 0;
    while (block > 0 && !isEntered(block) && ends[block - 1] === starts[block]) block--;
    const registers: KnownRegister[] = [];
    for (let register = 0; register < REGISTERS; register++) {
      const value = states[block * REGISTERS + register] as number;
      if (value === NONE) return null;
      if (value !== OTHER) registers.push([register, value]);
    }
    return { start: starts[block] as number, registers };
  }

  /** What a register may hold whose content is neither an address nor SMALL. */
  targetsOf(content: number): readonly KnownTarget[] {
    return content >= 0 ? [content] : (this.#targets[FIRST_CODE - content] ?? []);
  }

  #codeOf(targets: readonly KnownTarget[]): number {
    const byKey = new Map(targets.map((target) => [keyOf(target), target]));
    if (byKey.size > TARGET_LIMIT) return OTHER;
    const keys = [...byKey.keys()].sort();
    const key = keys.join(' ');
    const known = this.#codes.get(key);
    if (known !== undefined) return known;
    const code = FIRST_CODE - this.#targets.length;
    this.#targets.push(keys.map((each) => byKey.get(each) as KnownTarget));
    this.#codes.set(key, code);
    return code;
  }

  /** What holds for both of two contents that differ. Two addresses are not told apart: what they are the addresses of is not known. */
  #join(a: number, b: number): number {
    const isKnown = (a >= 0 || a <= FIRST_CODE) && (b >= 0 || b <= FIRST_CODE);
    if (!isKnown || (a >= 0 && b >= 0)) return OTHER;
    return this.#codeOf([...this.targetsOf(a), ...this.targetsOf(b)]);
  }

  /** What an instruction puts into its destination; `contents` are those of the block so far, from `first` on. */
  #contentOf(ins: Instruction, contents: Int32Array, first: number): number {
    switch (ins.operation) {
      case OP.LEA:
        return ins.ripTarget >= 0 && ins.size === 8 ? ins.ripTarget : OTHER;
      case OP.MOVZX:
        if (ins.sourceSize !== 1 || ins.size < 4) return OTHER;
        return ins.sourceKind === OPERAND.MEMORY ? READ_BYTE : SMALL;
      case OP.MOVSXD: {
        const isEntry = ins.hasMemory === 1 && ins.memoryBase >= 0 && ins.memoryIndex >= 0;
        if (!isEntry || ins.memoryScale !== 4 || ins.displacement !== 0 || ins.size !== 8) return OTHER;
        const table = contents[first + ins.memoryBase] as number;
        if (table < 0 || contents[first + ins.memoryIndex] !== READ_BYTE) return OTHER;
        return this.#codeOf([{ table, base: ENTRY_ONLY }]);
      }
      case OP.ADD: {
        if (ins.destinationKind !== OPERAND.REGISTER || ins.sourceKind !== OPERAND.REGISTER || ins.size !== 8)
          return OTHER;
        const a = contents[first + ins.destinationRegister] as number;
        const b = contents[first + ins.sourceRegister] as number;
        const entry = this.#entryOf(Math.min(a, b));
        const base = Math.max(a, b);
        return entry === null || base < 0 ? OTHER : this.#codeOf([{ table: entry.table, base }]);
      }
      default:
        return OTHER;
    }
  }

  /** The table of which a content is an entry that is not added to anything yet; null for other contents. */
  #entryOf(content: number): ByteTable | null {
    if (content > FIRST_CODE) return null;
    const [target] = this.targetsOf(content);
    return typeof target === 'object' && target.base === ENTRY_ONLY ? target : null;
  }

  /** A jump of a function has got more targets. */
  forget(index: number): void {
    this.#known.delete(index);
  }

  /** What stands for all that is known of a function: another one once that may have changed. Null when nobody asked yet. */
  reading(index: number): object | null {
    return this.#known.has(index) ? this.#of(index) : null;
  }

  #of(index: number): Registers {
    const { returns } = this.#explorer;
    const version = this.#explorer.versionOf(index);
    const known = this.#known.get(index);
    if (known?.version === version && known.endless.every((callee) => returns.at(callee) === 0)) return known;
    const fresh = this.#read(index, version);
    this.#known.set(index, fresh);
    return fresh;
  }

  #read(index: number, version: number): Registers {
    const startList = new IntList(64);
    const endList = new IntList(64);
    exploredBlocks(this.#explorer, index, startList, endList);
    const starts = startList.toArray();
    const ends = endList.toArray();
    const count = starts.length;
    const effects = new Int32Array(count * REGISTERS).fill(NONE);
    const once = new Int32Array(REGISTERS).fill(NONE);
    // Of each block: where it jumps to (-1: nowhere), whether it goes on to the next, and the vaddr of an indirect jump (-1: none).
    const targets = new Int32Array(count).fill(-1);
    const goesOn = new Uint8Array(count);
    const indirect = new Int32Array(count).fill(-1);
    const endless: number[] = [];
    for (let block = 0; block < count; block++)
      this.#readBlock(block, starts, ends, effects, once, targets, goesOn, indirect, endless);
    const only: KnownRegister[] = [];
    // Another function that jumps there has registers of its own.
    const registers = this.#isCrossed(starts) ? 0 : REGISTERS;
    for (let register = 0; register < registers; register++) {
      const value = once[register] as number;
      if (value >= 0 && ((CALLEE_SAVED >>> register) & 1) === 1) only.push([register, value]);
    }
    const states = this.#propagate(index, starts, ends, effects, targets, goesOn, indirect);
    return { version, starts, ends, states, only, endless };
  }

  /** Whether another function jumps to one of the blocks. */
  #isCrossed(starts: Int32Array): boolean {
    const { flags, low } = this.#explorer;
    for (let block = 0; block < starts.length; block++) {
      if (((flags[(starts[block] as number) - low] as number) & CODE.CROSSED) !== 0) return true;
    }
    return false;
  }

  #readBlock(
    block: number,
    starts: Int32Array,
    ends: Int32Array,
    effects: Int32Array,
    once: Int32Array,
    targets: Int32Array,
    goesOn: Uint8Array,
    indirect: Int32Array,
    endless: number[],
  ): void {
    const { view } = this.#explorer;
    const ins = this.#ins;
    const end = ends[block] as number;
    const first = block * REGISTERS;
    goesOn[block] = 1;
    for (let at = starts[block] as number; at < end;) {
      const length = view.decode(at, ins);
      if (length === 0) {
        goesOn[block] = 0;
        return;
      }
      at += length;
      const content = this.#contentOf(ins, effects, first);
      const isPop = ins.operation === OP.POP;
      let changed = 0;
      switch (ins.flow) {
        case FLOW.JUMP:
          targets[block] = ins.target;
          goesOn[block] = 0;
          break;
        case FLOW.BRANCH:
          targets[block] = ins.target;
          break;
        case FLOW.JUMP_INDIRECT:
          indirect[block] = ins.address;
          goesOn[block] = 0;
          break;
        case FLOW.RETURN:
        case FLOW.TRAP:
          goesOn[block] = 0;
          break;
        case FLOW.CALL:
          changed = this.#changedByCall;
          if (at === end && this.#isEndless(ins.target, at, endless)) goesOn[block] = 0;
          break;
        case FLOW.CALL_INDIRECT:
          changed = this.#changedByCall;
          break;
        case FLOW.NEXT:
          break;
        default:
          changed = CHANGED_BY_SYSCALL;
      }
      let mask = ins.writes | changed;
      for (let register = 0; mask !== 0; register++, mask >>>= 1) {
        if ((mask & 1) === 0) continue;
        effects[first + register] = content;
        if (isPop || ((ins.writes >>> register) & 1) === 0) continue;
        const old = once[register] as number;
        once[register] = content >= 0 && (old === NONE || old === content) ? content : OTHER;
      }
    }
    for (let at = first; at < first + REGISTERS; at++) {
      const content = effects[at] as number;
      if (content === READ_BYTE) effects[at] = SMALL;
      else if (this.#entryOf(content) !== null) effects[at] = OTHER;
    }
  }

  /** Whether a call is of a function that is not known to return, which is noted. */
  #isEndless(target: number, next: number, endless: number[]): boolean {
    const { view, returns } = this.#explorer;
    if (target === next || !view.isCode(target)) return false;
    const callee = this.#explorer.functionAt(target);
    if (callee < 0 || returns.at(callee) === 1) return false;
    endless.push(callee);
    return true;
  }

  #propagate(
    index: number,
    starts: Int32Array,
    ends: Int32Array,
    effects: Int32Array,
    targets: Int32Array,
    goesOn: Uint8Array,
    indirect: Int32Array,
  ): Int32Array {
    const { flags, low, functionStarts } = this.#explorer;
    const count = starts.length;
    const states = new Int32Array(count * REGISTERS).fill(NONE);
    const isNoted = new Uint8Array(count);
    const work: number[] = [];
    const blockAt = (vaddr: number): number => {
      const block = lastAtMost(starts, count, vaddr);
      return block >= 0 && starts[block] === vaddr ? block : -1;
    };
    const note = (block: number): void => {
      if (isNoted[block] === 1) return;
      isNoted[block] = 1;
      work.push(block);
    };
    const entry = functionStarts.at(index);
    for (let block = 0; block < count; block++) {
      const start = starts[block] as number;
      if (start !== entry && ((flags[start - low] as number) & CODE.OUTSIDE) === 0) continue;
      states.fill(OTHER, block * REGISTERS, (block + 1) * REGISTERS);
      note(block);
    }
    const enter = (block: number, from: number): void => {
      if (block < 0) return;
      let hasChanged = false;
      for (let register = 0; register < REGISTERS; register++) {
        const effect = effects[from * REGISTERS + register] as number;
        const value = effect === NONE ? (states[from * REGISTERS + register] as number) : effect;
        const at = block * REGISTERS + register;
        const old = states[at] as number;
        if (old === value || old === OTHER) continue;
        const joined = old === NONE ? value : this.#join(old, value);
        if (joined === old) continue;
        states[at] = joined;
        hasChanged = true;
      }
      if (hasChanged) note(block);
    };
    for (let block = work.pop(); block !== undefined; block = work.pop()) {
      isNoted[block] = 0;
      const target = targets[block] as number;
      if (target >= 0) enter(blockAt(target), block);
      if (goesOn[block] === 1) enter(blockAt(ends[block] as number), block);
      const jump = indirect[block] as number;
      if (jump >= 0) for (const each of this.#jumps.get(jump) ?? []) enter(blockAt(each), block);
    }
    return states;
  }
}

function keyOf(target: KnownTarget): string {
  return typeof target === 'number' ? `${target}` : `${target.table}+${target.base}`;
}
