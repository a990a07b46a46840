import { FLOW, Instruction, OP, OPERAND, TRAIT } from '../x86/instruction.ts';
import { plainLength, plainShapes } from '../x86/plain.ts';
import type { CodeMap } from './code-map.ts';
import type { FrameList } from './frame-list.ts';
import type { FunctionStarts } from './function-starts.ts';
import { IntList } from './int-list.ts';
import { FACT, ORIGIN } from './object-code.ts';
import { type ObjectView, WORD } from './object-view.ts';

/** Bits of the byte that is kept for each address of code. */
export const CODE = {
  /** An instruction begins there. */
  INSTRUCTION: 1,
  /** A jump goes there. */
  LEADER: 2,
  /** A function begins there. */
  FUNCTION: 4,
  /** Control comes there from where no value is known. */
  OUTSIDE: 8,
  /** A frame begins there that is a part of a function. */
  PART: 16,
  /** It follows a conditional branch. */
  AFTER_BRANCH: 32,
  /** Another function jumps into the middle of a function there. */
  CROSSED: 64,
} as const;

/** More than an object has runs. */
const RUN_LIMIT = 2 ** 31;

/** So many bytes an instruction may have. */
const WINDOW = 16;

/** Length of `mov r64, imm64`. */
const WIDE_MOVE = 10;

/** A callee that is not known to return: what to do when it does. */
const RETURN_TOO = -1;

/**
 * Follows the code of one object from all known starts: recursive descent, each instruction decoded once and owned by the first
 * function that came to it. What follows a call is followed only once the callee is known to return.
 */
export class Explorer {
  readonly view: ObjectView;
  readonly frames: FrameList;
  readonly low: number;
  /** As in CodeMap. */
  readonly flags: Uint8Array;
  readonly flagWords: Int32Array;
  readonly owners: Int32Array;
  readonly functionStarts: IntList = new IntList(512);
  readonly origins: IntList = new IntList(512);
  readonly returns: IntList = new IntList(512);
  readonly runStarts: IntList = new IntList(2048);
  readonly runEnds: IntList = new IntList(2048);
  readonly runOwners: IntList = new IntList(2048);
  /** Previous run of the same function, -1 for none; by run. */
  readonly runLinks: IntList = new IntList(2048);
  /** Last run of each function. */
  readonly lastRuns: IntList = new IntList(512);
  readonly factKinds: IntList = new IntList(2048);
  readonly factOwners: IntList = new IntList(2048);
  readonly factPlaces: IntList = new IntList(2048);
  readonly factTargets: IntList = new IntList(2048);
  /** Jumps into the middle of code that another function owns: function and target. */
  readonly crossings: IntList = new IntList();
  /** Labels in the middle of functions whose address is taken: function and vaddr. */
  readonly labels: IntList = new IntList();
  /** vaddrs of what has CODE.OUTSIDE. */
  readonly outside: IntList = new IntList();
  /** Indirect jumps still to be understood: function and vaddr. */
  readonly pendingJumps: IntList = new IntList();
  /** Functions that take addresses as distances from the GOT. */
  readonly wideFunctions: Set<number> = new Set();
  /** Indirect calls, and jumps that leave their function: function and vaddr. */
  readonly indirect: IntList = new IntList();
  /** How often code of each function that was known already was entered from outside. */
  readonly #lateEntries = new IntList();
  /** By vaddr, the functions that begin in what another one owned already. */
  readonly #lateFunctions = new Map<number, number>();
  readonly #work = new IntList(512);
  readonly #waiterHeads = new IntList(512);
  readonly #waiterLinks = new IntList(512);
  readonly #waiterFunctions = new IntList(512);
  readonly #waiterPlaces = new IntList(512);
  readonly #noreturnWords: ReadonlySet<number>;
  /** Of plain instructions. */
  readonly shapes: Uint8Array;
  readonly #ins = new Instruction();
  readonly #probe = new Instruction();

  /** @param map For the code of this object, of zeros. */
  constructor(view: ObjectView, map: CodeMap, known: FunctionStarts, noreturnWords: ReadonlySet<number>) {
    this.view = view;
    this.low = view.codeLow;
    this.flags = map.flags;
    this.flagWords = map.flagWords;
    this.owners = map.owners;
    this.frames = known.frames;
    this.#noreturnWords = noreturnWords;
    this.shapes = plainShapes(view.isFixed);
    for (const part of known.parts) {
      if (view.isCode(part)) this.flags[part - this.low] = CODE.PART;
    }
    for (const start of Int32Array.from(known.starts.keys()).sort().toReversed())
      this.addFunction(start, known.starts.get(start) ?? 0);
  }

  /** Index of the function that begins at a vaddr, -1 for none. */
  functionAt(vaddr: number): number {
    const flag = this.flags[vaddr - this.low];
    if (flag === undefined || (flag & CODE.FUNCTION) === 0) return -1;
    const owner = (this.owners[vaddr - this.low] as number) - 1;
    return this.functionStarts.at(owner) === vaddr ? owner : (this.#lateFunctions.get(vaddr) ?? -1);
  }

  /** Index of the function that begins at a vaddr, or that came to it first; -1 for none. */
  ownerOf(vaddr: number): number {
    const known = this.functionAt(vaddr);
    return known >= 0 || !this.view.isCode(vaddr) ? known : (this.owners[vaddr - this.low] as number) - 1;
  }

  /** The function that begins at a vaddr of code, made if need be, or of which it is in the middle. */
  addFunction(vaddr: number, origin: number): number {
    const known = this.functionAt(vaddr);
    if (known >= 0) {
      this.origins.items[known] = this.origins.at(known) | origin;
      return known;
    }
    const index = this.functionStarts.push(vaddr);
    this.origins.push(origin);
    this.returns.push(0);
    this.lastRuns.push(-1);
    this.#waiterHeads.push(-1);
    const at = vaddr - this.low;
    if (this.owners[at] === 0) this.owners[at] = index + 1;
    else this.#lateFunctions.set(vaddr, index);
    this.flags[at] = (this.flags[at] as number) | CODE.FUNCTION | CODE.LEADER;
    this.follow(index, vaddr);
    return index;
  }

  /** Notes that code of a function is to be followed; `~vaddr` if it stands behind a call. */
  follow(index: number, vaddr: number): void {
    this.#work.push(index);
    this.#work.push(vaddr);
  }

  /** Notes that control comes to code of a function from where nothing is known, and follows it. */
  enterFromOutside(index: number, vaddr: number): void {
    if (!this.view.isCode(vaddr)) return;
    this.noteOutside(vaddr);
    this.follow(index, vaddr);
  }

  /** Notes that control comes to a place from where nothing is known. */
  noteOutside(vaddr: number): void {
    const at = vaddr - this.low;
    const flag = this.flags[at] as number;
    if ((flag & CODE.OUTSIDE) !== 0) return;
    this.flags[at] = flag | CODE.OUTSIDE | CODE.LEADER;
    this.outside.push(vaddr);
    const owner = (this.owners[at] as number) - 1;
    if ((flag & CODE.INSTRUCTION) !== 0 && owner >= 0)
      this.#lateEntries.set(owner, this.#lateEntries.at(owner) + 1);
  }

  /** Another number whenever more of a function's code is known, or that control comes from elsewhere to what was known of it. */
  versionOf(index: number): number {
    return this.lastRuns.at(index) + this.#lateEntries.at(index) * RUN_LIMIT;
  }

  /** Whether anything is noted to be followed. */
  get hasWork(): boolean {
    return this.#work.length > 0;
  }

  /** Follows everything that is noted. */
  run(): void {
    while (this.#work.length > 0) {
      const vaddr = this.#work.pop();
      const index = this.#work.pop();
      if (vaddr >= 0) this.#followRun(index, vaddr, false);
      else this.#followRun(index, ~vaddr, true);
    }
  }

  /** A jump of a function to a vaddr: within it, or a tail call. */
  jump(index: number, at: number, target: number): void {
    if (!this.view.isCode(target)) return;
    const other = this.functionAt(target);
    if (other >= 0 && other !== index) {
      this.origins.items[other] = this.origins.at(other) | ORIGIN.JUMPED;
      this.fact(index, FACT.JUMP, at, other);
      this.returnAs(index, other);
      return;
    }
    const place = target - this.low;
    const flag = this.flags[place] as number;
    if (other < 0 && (flag & (CODE.INSTRUCTION | CODE.PART)) === 0 && this.#leavesFrame(index, target)) {
      const callee = this.addFunction(target, ORIGIN.JUMPED);
      this.fact(index, FACT.JUMP, at, callee);
      this.returnAs(index, callee);
      return;
    }
    this.flags[place] = flag | CODE.LEADER;
    this.follow(index, target);
  }

  /** Whether a jump goes to code of another frame than the function's own, that is to another function. */
  #leavesFrame(index: number, target: number): boolean {
    const { frames } = this;
    const own = frames.at(this.functionStarts.at(index));
    if (own < 0) return false;
    const other = frames.at(target);
    // Code without a frame after the end of the own one still belongs to it, as in clone of glibc.
    if (other < 0 || other === own) return false;
    const start = frames.starts[other] as number;
    return ((this.flags[start - this.low] as number) & CODE.PART) === 0 || this.#isPlt(start, target);
  }

  /** The frame of the PLT looks like a part, and covers all its entries. */
  #isPlt(start: number, target: number): boolean {
    return target !== start && (target - start) % 16 === 0 && this.view.isPlt(start);
  }

  fact(index: number, kind: number, place: number, target: number): void {
    this.factOwners.push(index);
    this.factKinds.push(kind);
    this.factPlaces.push(place);
    this.factTargets.push(target);
  }

  /** The function may return: whoever waits for that goes on. */
  markReturns(index: number): void {
    const stack = [index];
    for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
      if (this.returns.at(one) === 1) continue;
      this.returns.items[one] = 1;
      for (let waiter = this.#waiterHeads.at(one); waiter >= 0; waiter = this.#waiterLinks.at(waiter)) {
        const place = this.#waiterPlaces.at(waiter);
        const who = this.#waiterFunctions.at(waiter);
        if (place === RETURN_TOO) stack.push(who);
        else this.follow(who, ~place);
      }
      this.#waiterHeads.items[one] = -1;
    }
  }

  /** Notes that an address is taken, by code of a function at `at`, or by data (-1, -1). */
  take(index: number, at: number, target: number): void {
    const { view } = this;
    if (!view.contains(target)) return;
    if (!view.isCode(target)) {
      if (index >= 0 && view.wordAt(target) !== WORD.THREAD) this.fact(index, FACT.TAKE_DATA, at, target);
      return;
    }
    let taken = this.functionAt(target);
    if (taken < 0) {
      const frame = this.frames.at(target);
      if (frame >= 0) {
        // A label within a function: of the own one it is a way to go on, of another one it stands for the whole.
        const start = this.frames.starts[frame] as number;
        const holder = this.ownerOf(start);
        if (holder >= 0 && target !== start && !this.#isPlt(start, target)) {
          this.labels.push(holder);
          this.labels.push(target);
          if (holder !== index && index >= 0) this.fact(index, FACT.TAKE_CODE, at, holder);
          return;
        }
      }
      const owner = (this.owners[target - this.low] as number) - 1;
      if (owner < 0 && !this.looksLikeCode(target)) {
        if (index >= 0) this.fact(index, FACT.TAKE_DATA, at, target);
        return;
      }
      taken = this.addFunction(target, ORIGIN.TAKEN);
    } else this.origins.items[taken] = this.origins.at(taken) | ORIGIN.TAKEN;
    if (index >= 0) this.fact(index, FACT.TAKE_CODE, at, taken);
  }

  /** Whether a function begins at a vaddr, or may do so as far as is known: by a frame, or outside of all frames by the bytes. */
  mayBeFunction(vaddr: number): boolean {
    if (!this.view.isCode(vaddr)) return false;
    if (this.functionAt(vaddr) >= 0) return true;
    const frame = this.frames.at(vaddr);
    return frame >= 0 ? this.frames.starts[frame] === vaddr : this.looksLikeCode(vaddr);
  }

  /** As `mayBeFunction`, where it is not even certain that there is an address: by the bytes only if the object has no frames at all. */
  isLikelyFunction(vaddr: number): boolean {
    return this.functionAt(vaddr) >= 0 || (this.frames.count === 0 && this.mayBeFunction(vaddr));
  }

  /** Whether bytes outside of all frames are code rather than a table in the text: valid instructions up to a jump or return. */
  looksLikeCode(vaddr: number): boolean {
    const ins = this.#probe;
    let at = vaddr;
    for (let count = 0; count < 4096; count++) {
      if (!this.view.isCode(at)) return false;
      if (((this.flags[at - this.low] as number) & CODE.INSTRUCTION) !== 0) return true;
      const length = this.view.scan(at, ins);
      if (length === 0) return false;
      switch (ins.flow) {
        case FLOW.RETURN:
        case FLOW.JUMP_INDIRECT:
          return true;
        case FLOW.JUMP:
          return this.view.isCode(ins.target);
        case FLOW.CALL:
        case FLOW.BRANCH:
          if (!this.view.isCode(ins.target)) return false;
          break;
        case FLOW.TRAP:
          return count > 0;
        default:
      }
      // Zeros decode as `add [rax], al`.
      if (this.view.u8(at) === 0 && this.view.u8(at + 1) === 0) return false;
      at += length;
    }
    return true;
  }

  /** `index` returns if `other` does. */
  returnAs(index: number, other: number): void {
    if (this.returns.at(index) === 1) return;
    if (this.returns.at(other) === 1) this.markReturns(index);
    else this.#wait(other, index, RETURN_TOO);
  }

  #wait(callee: number, index: number, place: number): void {
    const waiter = this.#waiterFunctions.push(index);
    this.#waiterPlaces.push(place);
    this.#waiterLinks.push(this.#waiterHeads.at(callee));
    this.#waiterHeads.items[callee] = waiter;
  }

  #cross(index: number, at: number, target: number): void {
    const owner = (this.owners[target - this.low] as number) - 1;
    if (owner === index || owner < 0) return;
    this.crossings.push(index);
    this.crossings.push(target);
    // A split-off part has the registers of its function, which is known to be its function only in the end.
    const start = this.functionStarts.at(index) - this.low;
    if (((this.flags[start] as number) & CODE.PART) === 0) {
      this.noteOutside(target);
      this.flags[target - this.low] = (this.flags[target - this.low] as number) | CODE.CROSSED;
    }
    this.fact(index, FACT.JUMP, at, owner);
    this.returnAs(index, owner);
  }

  #endRun(index: number, start: number, end: number): void {
    if (end <= start) return;
    const run = this.runStarts.push(start);
    this.runEnds.push(end);
    this.runOwners.push(index);
    this.runLinks.push(this.lastRuns.at(index));
    this.lastRuns.items[index] = run;
  }

  #followRun(index: number, start: number, isAfterCall: boolean): void {
    const { view, flags, owners, low } = this;
    const ins = this.#ins;
    const isFixed = view.isFixed;
    const wanted = isFixed
      ? TRAIT.RIP_RELATIVE | TRAIT.WIDE_DISPLACEMENT | TRAIT.WIDE_IMMEDIATE
      : TRAIT.RIP_RELATIVE;
    let at = start;
    let wasCall = isAfterCall;
    for (;;) {
      if (!wasCall) at = this.#skipPlain(index, at);
      if (!view.isCode(at)) break;
      const flag = flags[at - low] as number;
      // Compilers let nothing run into other code but a call that does not return, and padding.
      if (wasCall && this.#isOtherStart(index, at, flag)) break;
      if ((flag & CODE.INSTRUCTION) !== 0) {
        if (at === start && owners[at - low] === index + 1) return;
        flags[at - low] = flag | CODE.LEADER;
        this.#cross(index, at, at);
        break;
      }
      if ((flag & CODE.FUNCTION) !== 0 && this.functionStarts.at(index) !== at) {
        this.jump(index, at, at);
        break;
      }
      const length = view.scan(at, ins);
      if (length === 0) break;
      flags[at - low] = flag | CODE.INSTRUCTION;
      owners[at - low] = index + 1;
      const next = at + length;
      const flow = ins.flow;
      if (flow === FLOW.NEXT) {
        if ((ins.traits & wanted) !== 0) {
          view.describe(ins);
          this.#noteOperands(index, ins);
        }
        if (length === WIDE_MOVE) this.#noteWideMove(index, at);
        if (wasCall && !isPadding(view.u8(at), view.u8(at + 1))) wasCall = false;
        at = next;
        continue;
      }
      wasCall = false;
      at = next;
      if (!this.#followFlow(index, ins, next)) break;
      wasCall = flow === FLOW.CALL || flow === FLOW.CALL_INDIRECT;
    }
    this.#endRun(index, start, at);
  }

  /** Goes on over plain instructions that nobody has come to yet; where that ends. */
  #skipPlain(index: number, start: number): number {
    const { flags, owners, low } = this;
    const { bytes, base } = this.view;
    const stop = this.view.codeEndAt(start) - WINDOW;
    const shapes = this.shapes;
    let at = start;
    while (at <= stop) {
      const flag = flags[at - low] as number;
      if ((flag & (CODE.INSTRUCTION | CODE.FUNCTION)) !== 0) break;
      const length = plainLength(bytes, at + base, shapes);
      if (length === 0) break;
      flags[at - low] = flag | CODE.INSTRUCTION;
      owners[at - low] = index + 1;
      at += length;
    }
    return at;
  }

  #isOtherStart(index: number, at: number, flag: number): boolean {
    if ((flag & CODE.PART) !== 0) return true;
    if ((flag & CODE.FUNCTION) === 0 || this.functionStarts.at(index) === at) return false;
    return (this.origins.at(this.functionAt(at)) & (ORIGIN.SYMBOL | ORIGIN.FRAME)) !== 0;
  }

  /** The flow of an instruction; false when control does not go on to the next, or not yet. */
  #followFlow(index: number, ins: Instruction, next: number): boolean {
    const { view } = this;
    const at = ins.address;
    switch (ins.flow) {
      case FLOW.JUMP:
        this.jump(index, at, ins.target);
        return false;
      case FLOW.BRANCH:
        this.jump(index, at, ins.target);
        this.flags[next - this.low] = (this.flags[next - this.low] as number) | CODE.AFTER_BRANCH;
        return true;
      case FLOW.CALL: {
        // A call of the next instruction only reads the program counter.
        if (ins.target === next || !view.isCode(ins.target)) return true;
        const callee = this.addFunction(ins.target, ORIGIN.CALLED);
        this.fact(index, FACT.CALL, at, callee);
        if (this.returns.at(callee) === 1) return true;
        this.#wait(callee, index, next);
        return false;
      }
      case FLOW.RETURN:
        this.markReturns(index);
        return false;
      case FLOW.CALL_INDIRECT:
        view.describe(ins);
        return this.#indirectCall(index, ins);
      case FLOW.JUMP_INDIRECT:
        view.describe(ins);
        if (ins.ripTarget >= 0 && view.wordAt(ins.ripTarget) !== WORD.NONE) {
          this.fact(index, FACT.JUMP_WORD, at, ins.ripTarget);
          if (!this.#noreturnWords.has(ins.ripTarget)) this.markReturns(index);
        } else {
          if (view.isFixed && ins.hasMemory === 1) this.#noteOperands(index, ins);
          this.pendingJumps.push(index);
          this.pendingJumps.push(at);
        }
        return false;
      case FLOW.SYSCALL:
        this.fact(index, FACT.SYSCALL, at, 0);
        return true;
      case FLOW.SYSENTER:
        this.fact(index, FACT.SYSENTER, at, 0);
        return true;
      case FLOW.INTERRUPT:
        view.describe(ins);
        if ((ins.immLow & 0xff) === 0x80) this.fact(index, FACT.INT80, at, 0);
        return true;
      default:
        return false;
    }
  }

  #indirectCall(index: number, ins: Instruction): boolean {
    const { view } = this;
    if (ins.ripTarget >= 0 && view.wordAt(ins.ripTarget) !== WORD.NONE) {
      this.fact(index, FACT.CALL_WORD, ins.address, ins.ripTarget);
      return !this.#noreturnWords.has(ins.ripTarget);
    }
    this.fact(index, FACT.CALL_INDIRECT, ins.address, 0);
    this.indirect.push(index);
    this.indirect.push(ins.address);
    if (view.isFixed && ins.hasMemory === 1) this.#noteOperands(index, ins);
    return true;
  }

  /**
   * A number of 8 bytes where 4 would do: code of the large and medium models takes every address as its distance from the GOT, and adds that
   * of the GOT elsewhere. Or it is an address that the loader puts into the code.
   */
  #noteWideMove(index: number, at: number): void {
    const { view } = this;
    const number = at + 2;
    if ((view.u8(at) & 0xfe) !== 0x48 || (view.u8(at + 1) & 0xf8) !== 0xb8) return;
    if (view.wordAt(number) !== WORD.NONE) {
      this.take(index, at, view.i32(number) - view.base);
      this.fact(index, FACT.LOAD, at, number);
    }
    const distance = view.i32(number);
    if (view.got < 0 || view.i32(number + 4) !== distance >> 31) return;
    const target = view.got + distance;
    if (!view.contains(target)) return;
    this.wideFunctions.add(index);
    if ((target & 7) === 0 && view.mayHoldPointer(target)) this.fact(index, FACT.LOAD, at, target);
    if (view.wordAt(target) !== WORD.SLOT) this.take(index, at, target);
  }

  /** Words that are not aligned of which an instruction reads at least a part: packed structures are copied in pieces. */
  #noteUnaligned(index: number, ins: Instruction, end: number): void {
    const { view } = this;
    for (let word = ins.ripTarget - 7; word < end; word++) {
      if ((word & 7) === 0 || !view.mayHoldPointer(word)) continue;
      // Without relocations any bytes may look like a pointer.
      if (!view.isFixed || word === ins.ripTarget || this.isLikelyFunction(view.pointerAt(word)))
        this.fact(index, FACT.LOAD, ins.address, word);
    }
  }

  /** Addresses that an instruction takes or reads through its operands. */
  #noteOperands(index: number, ins: Instruction): void {
    const { view } = this;
    if (ins.ripTarget >= 0) {
      // Its own address is taken to know where the code is.
      if (ins.operation === OP.LEA) {
        if (ins.ripTarget !== ins.address) this.take(index, ins.address, ins.ripTarget);
      } else if (ins.readsMemory === 1) {
        const end = ins.ripTarget + Math.max(ins.size, 8);
        if (ins.size >= 8 || ins.size === 0) {
          for (let word = ins.ripTarget & ~7; word < end; word += 8) {
            if (view.mayHoldPointer(word)) this.fact(index, FACT.LOAD, ins.address, word);
          }
          if (view.mayHoldUnaligned) this.#noteUnaligned(index, ins, end);
        }
      }
    }
    if (!view.isFixed) return;
    if (ins.hasMemory === 1 && ins.ripTarget < 0 && view.contains(ins.displacement)) {
      this.take(index, ins.address, ins.displacement);
    }
    const isImmediate = ins.sourceKind === OPERAND.IMMEDIATE && (ins.size === 4 || ins.size === 8);
    if (isImmediate && ins.immHigh === 0 && ins.immLow > 0 && view.contains(ins.immLow)) {
      this.take(index, ins.address, ins.immLow);
    }
  }
}

/** nop, its multi-byte forms, and their prefixes. */
function isPadding(first: number, second: number): boolean {
  return (
    first === 0x90 ||
    first === 0x66 ||
    first === 0x2e ||
    (first === 0x0f && second === 0x1f) ||
    first === 0x67
  );
}
