import { EFFECT } from '../value/effect.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { ObjectView } from './object-view.ts';

/** What is known of an object's code besides its bytes, perhaps not all of it yet. */
export interface CalleeSource {
  /** Functions that return twice by their name. */
  readonly twice: { has(vaddr: number): boolean };
  /** Where the indirect jump at a vaddr goes; null when that is not known. */
  jumpTargets(at: number): ArrayLike<number> | null;
  /** Whether the function at a vaddr is known to return. */
  returns(target: number): boolean;
  /** The bytes of the function at a vaddr if a frame description covers it; 0 for none. */
  framed(target: number): number;
  /** EFFECT bits of what is called through the word at a vaddr, which the loader fills. */
  outside(word: number): number;
}

const RSP = 4;
const RBP = 5;

/** rbx, rbp, r12 to r15. */
const CALLEE_SAVED = 0xf028;

/** The same without rbp, which may be saved for the frame alone. */
const SAVED_FIRST = 0xf008;

const SYS_VFORK = 58;

/** Instructions of a function that are read: what is written by hand and changes registers is short. */
const INSTRUCTION_LIMIT = 128;

/**
 * A function that has a frame description and more bytes than these is one of a compiler, in all likelihood: then so many instructions are
 * read, and none once it saves a register.
 */
const SHORT = 64;
const COMPILED_LIMIT = 24;

/** Calls are followed so deep. */
const DEPTH_LIMIT = 8;

/** So many registers that a function stores as it finds them, other than on its stack, are those of setjmp: musl stores six, glibc five. */
const SAVED_BY_SETJMP = 3;

/**
 * What functions of an object do that the calling convention forbids or does not know: written by hand, they may change registers of their
 * caller for good, and return twice.
 *
 * A register counts as changed only where it is certain that the function does not restore it: what compilers make does, in one of many ways.
 */
export class CalleeEffects {
  readonly #view: ObjectView;
  readonly #source: CalleeSource;
  readonly #known = new Map<number, number>();
  /** Of these more may be said once more is known of the object. */
  readonly #open = new Set<number>();
  #version = -1;
  readonly #ins = new Instruction();

  constructor(view: ObjectView, source: CalleeSource) {
    this.#view = view;
    this.#source = source;
  }

  /** EFFECT bits of the function at a vaddr. */
  of(target: number, depth = 0): number {
    const known = this.#known.get(target);
    if (known !== undefined) return known;
    if (depth > DEPTH_LIMIT || !this.#view.isCode(target)) return EFFECT.NONE;
    // A recursive call adds nothing.
    this.#known.set(target, EFFECT.NONE);
    const reading = new Reading(this.#view, this.#source, this.#ins, isCompiled(this.#source, target));
    reading.read(target);
    if (reading.isOpen) this.#open.add(target);
    let effects = reading.effects;
    for (const callee of reading.tails) {
      effects |= this.of(callee, depth + 1) & ~reading.saved;
      if (this.#open.has(callee)) this.#open.add(target);
    }
    if (this.#source.twice.has(target) && (effects & EFFECT.TWICE) === 0)
      effects |= EFFECT.TWICE | EFFECT.LATER;
    if (reading.mayReturn && reading.saved === 0) {
      for (const callee of reading.calls) {
        effects |= this.of(callee, depth + 1) & CALLEE_SAVED;
        if (this.#open.has(callee)) this.#open.add(target);
      }
      for (const word of reading.words) effects |= this.#source.outside(word) & CALLEE_SAVED;
    }
    this.#known.set(target, effects);
    return effects;
  }

  /** EFFECT bits of what is called through a word that the loader fills. */
  ofWord(word: number): number {
    return this.#source.outside(word);
  }

  /** Reads again what may be more by now, if the object's code has another version; whether it is. */
  hasGrown(version: number): boolean {
    if (version === this.#version) return false;
    this.#version = version;
    const before = [...this.#open].map((target) => [target, this.#known.get(target) ?? EFFECT.NONE] as const);
    this.#open.clear();
    for (const [target] of before) this.#known.delete(target);
    let hasGrown = false;
    for (const [target, effects] of before) if ((this.of(target) & ~effects) !== 0) hasGrown = true;
    return hasGrown;
  }
}

function isCompiled(source: CalleeSource, target: number): boolean {
  return source.framed(target) > SHORT;
}

/** One function as it is read, with what it jumps to: all that is executed until it returns. */
class Reading {
  /** It calls what is not known to return, or jumps to what is not known. */
  isOpen = false;
  /** Registers that it saves, one bit each. */
  saved = 0;
  /** Functions that it calls. */
  readonly calls: Set<number> = new Set();
  /** Functions that it jumps to and that are read on their own. */
  readonly tails: Set<number> = new Set();
  /** Words through which it calls others. */
  readonly words: Set<number> = new Set();
  readonly #view: ObjectView;
  readonly #source: CalleeSource;
  readonly #ins: Instruction;
  readonly #isOfCompiler: boolean;
  #returns = false;
  /** Registers that get something new, and those that get what may have been saved. */
  #changed = 0;
  #restored = 0;
  /** By register, the caller's registers of which it may hold the value, one bit each. */
  readonly #copies = new Int32Array(16);
  /** It may go on where nothing is known. */
  #leaves = false;
  #outside: number = EFFECT.NONE;
  #twice: number = EFFECT.NONE;
  /** On the way from the entry to the first call or branch: registers stored as the caller had them, registers with an address of the stack, */
  #isFirst = true;
  #stored = 0;
  #stack = 1 << RSP;
  /** and whether rax is the number of vfork. */
  #isVfork = false;
  /** On the way that takes no branch: what was pushed; less than nothing once the return address is taken from the stack. */
  #isStraight = true;
  #depth = 0;

  constructor(view: ObjectView, source: CalleeSource, ins: Instruction, isOfCompiler: boolean) {
    this.#view = view;
    this.#source = source;
    this.#ins = ins;
    this.#isOfCompiler = isOfCompiler;
  }

  get mayReturn(): boolean {
    return this.#returns || this.#leaves;
  }

  get effects(): number {
    const beyond = this.#outside | this.#twice;
    if (!this.mayReturn) return beyond;
    // Whoever goes on elsewhere may restore there what was saved here.
    const kept = this.#leaves ? this.saved : this.saved & this.#restored;
    return beyond | ((this.#changed | this.#restored) & CALLEE_SAVED & ~kept);
  }

  read(entry: number): void {
    const ins = this.#ins;
    const limit = this.#isOfCompiler ? COMPILED_LIMIT : INSTRUCTION_LIMIT;
    const seen = new Set<number>();
    const work = [entry];
    for (let at = work.pop() ?? -1; at >= 0; at = work.pop() ?? -1) {
      while (at >= 0 && !seen.has(at)) {
        seen.add(at);
        const length = this.#view.isCode(at) ? this.#view.decode(at, ins) : 0;
        if (length === 0 || seen.size > limit) {
          this.#leaves = true;
          return;
        }
        if (this.#isOfCompiler && ins.operation === OP.PUSH && this.#isSaving(ins)) return;
        if (ins.flow !== FLOW.NEXT) at = this.#follow(ins, at + length, work);
        else {
          this.#apply(ins);
          at += length;
        }
      }
      this.#isFirst = false;
      this.#isStraight = false;
      this.#depth = 0;
    }
  }

  #isSaving({ sourceKind, sourceRegister }: Instruction): boolean {
    return sourceKind === OPERAND.REGISTER && ((SAVED_FIRST >>> sourceRegister) & 1) === 1;
  }

  /** Where it goes on from what is not just followed by the next instruction; -1 for nowhere. Other places are added to `work`. */
  #follow(ins: Instruction, next: number, work: number[]): number {
    switch (ins.flow) {
      case FLOW.JUMP:
        if (!isCompiled(this.#source, ins.target)) return ins.target;
        this.tails.add(ins.target);
        this.#leaves = true;
        return -1;
      case FLOW.BRANCH:
        this.#isFirst = false;
        work.push(ins.target);
        return next;
      case FLOW.CALL:
        this.#isFirst = false;
        if (ins.target === next) return next;
        // musl's sigsetjmp calls setjmp so.
        if (this.#depth < 0) this.#twice = EFFECT.TWICE | EFFECT.LATER;
        this.calls.add(ins.target);
        if (this.#source.returns(ins.target)) return next;
        this.isOpen = true;
        return -1;
      case FLOW.CALL_INDIRECT:
        this.#isFirst = false;
        if (ins.ripTarget >= 0) this.words.add(ins.ripTarget);
        return next;
      case FLOW.JUMP_INDIRECT: {
        const targets = this.#source.jumpTargets(ins.address);
        if (targets !== null) work.push(...Array.from(targets));
        else this.#leaves = true;
        if (ins.ripTarget >= 0) this.#outside |= this.#source.outside(ins.ripTarget);
        else this.isOpen = true;
        return -1;
      }
      case FLOW.RETURN:
        this.#returns = true;
        return -1;
      case FLOW.TRAP:
        return -1;
      default:
        // The parent of a vfork child returns when the child, which has the same stack, has returned and gone on.
        if (this.#depth < 0 || (this.#isFirst && this.#isVfork)) this.#twice |= EFFECT.TWICE;
        return next;
    }
  }

  #apply(ins: Instruction): void {
    if (this.#isFirst) this.#applyFirst(ins);
    if (this.#isStraight && ins.operation === OP.PUSH) this.#depth++;
    else if (this.#isStraight && ins.operation === OP.POP) this.#depth--;
    const { operation, destinationRegister: to, sourceRegister: from } = ins;
    const isFromRegister = ins.sourceKind === OPERAND.REGISTER;
    const isToRegister = ins.destinationKind === OPERAND.REGISTER;
    switch (operation) {
      case OP.PUSH:
        if (isFromRegister) this.saved |= 1 << from;
        return;
      case OP.POP:
        if (isToRegister) this.#restored |= 1 << to;
        return;
      case OP.LEAVE:
        this.#restored |= 1 << RBP;
        return;
      case OP.XCHG:
        this.saved |= ins.writes;
        this.#restored |= ins.writes;
        return;
      case OP.MOV:
      case OP.VECTOR_MOVE:
        if (isFromRegister) this.saved |= ins.size === 8 ? 1 << from : 0;
        if (!isToRegister) return;
        if (ins.size === 8 && this.#mayRestore(ins)) {
          this.#restored |= 1 << to;
          return;
        }
        if (isFromRegister) this.#copies[to] = (this.#copies[to] as number) | (1 << from);
        break;
      default:
    }
    this.#changed |= ins.writes;
  }

  /** Whether what is moved into a register may be what it held at first: from memory, a vector register, or where a copy of it was put. */
  #mayRestore(ins: Instruction): boolean {
    if (ins.sourceKind === OPERAND.MEMORY) return ins.memoryBase >= 0;
    if (ins.sourceKind === OPERAND.VECTOR) return true;
    const copies = ins.sourceKind === OPERAND.REGISTER ? (this.#copies[ins.sourceRegister] as number) : 0;
    return ((copies >>> ins.destinationRegister) & 1) === 1;
  }

  #applyFirst(ins: Instruction): void {
    const { operation, destinationRegister: to, sourceRegister: from } = ins;
    const isFromRegister = ins.sourceKind === OPERAND.REGISTER;
    if (operation === OP.MOV && ins.destinationKind === OPERAND.MEMORY) {
      const isSaved = isFromRegister && ins.size === 8 && ((CALLEE_SAVED >>> from) & 1) === 1;
      const isElsewhere = ins.memoryBase >= 0 && ((this.#stack >>> ins.memoryBase) & 1) === 0;
      if (!isSaved || !isElsewhere || ((this.#changed >>> from) & 1) === 1) return;
      this.#stored |= 1 << from;
      if (bitCount(this.#stored) >= SAVED_BY_SETJMP) this.#twice = EFFECT.TWICE | EFFECT.LATER;
      return;
    }
    const isStack =
      (operation === OP.LEA && ins.memoryBase >= 0 && ((this.#stack >>> ins.memoryBase) & 1) === 1) ||
      (operation === OP.MOV && isFromRegister && ((this.#stack >>> from) & 1) === 1);
    this.#stack = (this.#stack & ~ins.writes) | (1 << RSP);
    if (isStack) this.#stack |= 1 << to;
    if ((ins.writes & 1) === 0) return;
    const isImmediate = operation === OP.MOV && ins.sourceKind === OPERAND.IMMEDIATE;
    this.#isVfork = isImmediate && ins.immLow === SYS_VFORK;
  }
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
