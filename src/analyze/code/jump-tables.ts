import { integer } from '../../base/integer.ts';
import { EFFECT } from '../value/effect.ts';
import type { FlowAnalysis } from '../value/flow.ts';
import { VALUE } from '../value/value.ts';
import type { Transfer } from '../value/transfer.ts';
import { plainLength } from '../x86/plain.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import { AddressRegisters, type KnownRegister, type KnownTarget, SMALL } from './address-registers.ts';
import { ExploredBody } from './body.ts';
import { CalleeEffects } from './callee-effects.ts';
import { ClobberedRegisters } from './clobbered-registers.ts';
import { DroppedReturns } from './dropped-returns.ts';
import { CODE, type Explorer } from './explorer.ts';
import { lastAtMost } from './int-list.ts';
import { FACT, ORIGIN } from './object-code.ts';

/** Most entries that are read of a table without a known end. */
const ENTRY_LIMIT = 1024;

/** A function is looked at so often; each time brought new code. */
const ROUND_LIMIT = 12;

const RSP = 4;

/** No run has this number. */
const UNKNOWN = -2;

/** In place of an address: what registers hold elsewhere in the function mattered. */
const BY_REGISTERS = -1;
/** In place of an address: the jump is not understood. */
const UNSETTLED = -2;

/** Straight-line code to a jump: where its run begins, and its last entry if the code from there alone settled it. */
interface Straight {
  readonly start: number;
  entry: number;
}

/** Jumps of a function that were settled without its values. */
interface Assumed {
  /** Version of the function, and what was known of its registers, when that was checked. */
  version: number;
  reading: object | null;
  readonly jumps: Map<number, Straight>;
}

/** Entries of a table whose index is a byte. */
const BYTE_COUNT = 0x100;

/** Which tables count although nothing is known of their number of entries but the width of the index. */
const WIDTHS = {
  NONE: 0,
  /** Those whose index the code before the jump has just read as a byte. */
  BYTE: 1,
  ALL: 2,
} as const;

/** What may be a pointer from memory that is no entry of a table. */
const POINTERS: ReadonlySet<number> = new Set([VALUE.TOP, VALUE.CONST, VALUE.WORD, VALUE.VARIABLE]);

/** Understands the indirect jumps of an object: tables, tail calls through pointers, and what is left open. */
export class JumpResolver {
  /** Targets of each jump that goes through a table, by vaddr of the jump. */
  readonly targets: Map<number, readonly number[]> = new Map();
  readonly #explorer: Explorer;
  readonly #flow: FlowAnalysis;
  readonly #transfer: Transfer;
  readonly #ins = new Instruction();
  readonly #addresses: AddressRegisters;
  readonly #clobbers: ClobberedRegisters;
  /** What called functions do beyond the convention, as far as that is known by now. */
  readonly effects: CalleeEffects;
  readonly #dropped: DroppedReturns;
  readonly #opened = new Set<number>();
  /** 1 for each place of a frame where an instruction begins, by frame. */
  readonly #boundaries = new Map<number, Uint8Array>();
  /** Addresses to which entries of tables are relative. */
  readonly #bases = new Set<number>();
  /** Jumps of each function, and its version when they were looked at. */
  readonly #jumps = new Map<number, Set<number>>();
  readonly #seenVersions = new Map<number, number>();
  /** By function. */
  readonly #assumed = new Map<number, Assumed>();
  /** Functions with jumps that were not looked at yet. */
  readonly #fresh = new Set<number>();
  readonly #rounds = new Map<number, number>();
  readonly #seenTables = new Set<string>();
  readonly #tails = new Set<number>();
  /** Functions that jump through pointers, which may be labels. */
  readonly #leaving = new Set<number>();
  readonly #unknown = new Set<number>();
  /** Functions of which a jump has got more targets, which their registers do not know yet. */
  readonly #widened = new Set<number>();
  /** Tables whose end is not known: function, jump, table, base (-1: entries are pointers), most entries, bytes of an entry. */
  readonly #unbounded: (readonly [number, number, number, number, number, number])[] = [];

  /** @param twice Functions that return twice by their name, and words through which they are called. */
  constructor(
    explorer: Explorer,
    flow: FlowAnalysis,
    transfer: Transfer,
    twice: { readonly starts: ReadonlySet<number>; readonly words: ReadonlySet<number> },
  ) {
    this.#explorer = explorer;
    this.#flow = flow;
    this.#transfer = transfer;
    this.#clobbers = new ClobberedRegisters(explorer);
    this.#dropped = new DroppedReturns(explorer);
    this.effects = new CalleeEffects(explorer.view, {
      twice: twice.starts,
      jumpTargets: (at) => this.targets.get(at) ?? null,
      returns: (target) => {
        const index = explorer.functionAt(target);
        return index >= 0 && explorer.returns.at(index) === 1;
      },
      framed: (target) => {
        const frame = explorer.frames.at(target);
        if (frame < 0 || explorer.frames.starts[frame] !== target) return 0;
        return (explorer.frames.ends[frame] as number) - target;
      },
      outside: (word) => (twice.words.has(word) ? EFFECT.TWICE : EFFECT.NONE),
    });
    this.#addresses = new AddressRegisters(explorer, this.targets, transfer.callerSaved);
  }

  /** Explores until no indirect jump is left to be understood. */
  run(): void {
    for (;;) {
      this.#explorer.run();
      this.#takePending();
      if (this.#explorer.hasWork) continue;
      if (this.#fresh.size > 0) {
        const fresh = [...this.#fresh];
        this.#fresh.clear();
        for (const index of fresh) this.#look(index);
      } else if (this.#unbounded.length > 0) {
        // All other addresses that code takes are known by now, so that they bound the tables.
        const bounds = this.#tableBounds();
        for (const table of this.#unbounded.splice(0)) this.#readUnbounded(...table, bounds);
      } else if (this.#explorer.labels.length > 0) this.#enterLabels();
      else {
        // Most functions are known to return by now.
        this.#dropped.run();
        if (this.#explorer.hasWork) continue;
        // What values there are may depend on code that only the jump leads to, so it is looked at again once that is known.
        this.#checkAssumed();
        if (this.#explorer.hasWork || this.#fresh.size > 0) continue;
        // So may what a called function does to registers.
        const effectsHaveGrown = this.effects.hasGrown(this.#explorer.runStarts.length);
        if (this.#clobbers.hasGrown() || effectsHaveGrown) this.#seenVersions.clear();
        const grown = [...this.#jumps.keys()].filter((index) => this.#hasGrown(index));
        if (grown.length === 0) return;
        for (const index of grown) this.#look(index);
      }
    }
  }

  #look(index: number): void {
    this.#seenVersions.set(index, this.#explorer.versionOf(index));
    this.#rounds.set(index, (this.#rounds.get(index) ?? 0) + 1);
    this.#resolve(index, this.#jumps.get(index) ?? new Set());
  }

  #takePending(): void {
    const { pendingJumps } = this.#explorer;
    while (pendingJumps.length > 0) {
      const at = pendingJumps.pop();
      const index = pendingJumps.pop();
      if (!this.#settleLocally(index, at)) this.#addJump(index, at);
    }
    // Not before: printf has thirty jumps of the same kind, and each of them would have all of it read again.
    for (const index of this.#widened) this.#addresses.forget(index);
    this.#widened.clear();
  }

  /** Notes that a jump is to be looked at with all values. */
  #addJump(index: number, at: number): void {
    const places = this.#jumps.get(index);
    if (places === undefined) this.#jumps.set(index, new Set([at]));
    else places.add(at);
    this.#fresh.add(index);
  }

  /**
   * Most tables are addressed right before the jump, or in the only place that sets a register, with the comparison that bounds the index
   * before it: then nothing that comes from elsewhere matters. False when it takes more.
   */
  #settleLocally(index: number, at: number): boolean {
    const explorer = this.#explorer;
    let run = explorer.lastRuns.at(index);
    while (run >= 0 && !(explorer.runStarts.at(run) <= at && at < explorer.runEnds.at(run)))
      run = explorer.runLinks.at(run);
    if (run < 0) return false;
    const start = explorer.runStarts.at(run);
    const entry = this.#settleByAddresses(index, at, start);
    if (entry === UNSETTLED) return false;
    // More code may jump to between the table's address and the jump, or put another address into the register.
    if (this.#tails.has(at)) return true;
    const assumed = this.#assumed.get(index);
    if (assumed === undefined)
      this.#assumed.set(index, { version: UNKNOWN, reading: null, jumps: new Map([[at, { start, entry }]]) });
    else assumed.jumps.set(at, { start, entry });
    return true;
  }

  /**
   * Settles a jump by straight-line code and what registers hold in the code that is known. `start` is where its run begins. Gives the place
   * of the last entry to the code that alone says it, or BY_REGISTERS, or UNSETTLED.
   */
  #settleByAddresses(index: number, at: number, start: number): number {
    const entry = this.#lastEntry(start, at);
    const value = this.#valueAt(at, entry, []);
    if (this.#settleAs(index, at, value, WIDTHS.BYTE) || this.#leaveBy(index, at, value, start)) return entry;
    const once = this.#values(this.#addresses.setOnce(index));
    const other = once.length > 0 ? this.#valueAt(at, entry, once, true) : value;
    if (this.#settleAs(index, at, other, WIDTHS.BYTE) || this.#leaveBy(index, at, other, start))
      return BY_REGISTERS;
    const known = this.#addresses.before(index, at);
    let joined = -1;
    if (known !== null) {
      const targets = this.#values(known.registers.filter(([, content]) => content !== SMALL));
      joined = this.#valueAt(at, known.start, targets);
      if (this.#settleAs(index, at, joined, WIDTHS.BYTE)) return BY_REGISTERS;
      const all = this.#values(known.registers);
      if (all.length > targets.length) {
        joined = this.#valueAt(at, known.start, all);
        if (this.#settleAs(index, at, joined, WIDTHS.NONE)) return BY_REGISTERS;
      }
    }
    // A bound further up is not looked for: the table ends where its entries do.
    if (this.#settleAs(index, at, value, WIDTHS.ALL)) return entry;
    const isSettled =
      this.#settleAs(index, at, other, WIDTHS.ALL) || this.#settleAs(index, at, joined, WIDTHS.ALL);
    return isSettled ? BY_REGISTERS : UNSETTLED;
  }

  /** Looks again at jumps of functions that have grown, with all values if the addresses alone do not say it any more. */
  #checkAssumed(): void {
    for (const [index, assumed] of this.#assumed) {
      const version = this.#explorer.versionOf(index);
      const reading = this.#addresses.reading(index);
      if (assumed.version === version && assumed.reading === reading) continue;
      // What is learnt on the way may make another version, or another reading: then all is checked again.
      assumed.version = version;
      assumed.reading = reading;
      for (const [at, straight] of assumed.jumps) {
        // The same instructions from the same entry say the same.
        if (straight.entry >= 0 && this.#lastEntry(straight.start, at) === straight.entry) continue;
        straight.entry = this.#settleByAddresses(index, at, straight.start);
        if (straight.entry !== UNSETTLED) continue;
        assumed.jumps.delete(at);
        this.#addJump(index, at);
      }
    }
  }

  #values(registers: readonly KnownRegister[]): (readonly [number, number])[] {
    const { pool } = this.#transfer;
    return registers.map(([register, content]) => [
      register,
      content === SMALL
        ? pool.of(VALUE.RANGE, 0xff)
        : pool.union(this.#addresses.targetsOf(content).map((target) => this.#valueOf(target))),
    ]);
  }

  #valueOf(target: KnownTarget): number {
    const { pool } = this.#transfer;
    if (typeof target === 'number') return pool.address(target);
    return pool.tableSum(pool.tableEntry(VALUE.ENTRY4, target.table, BYTE_COUNT), target.base);
  }

  /**
   * Where a jump goes by straight-line code alone, with what some registers hold: a value, -1 when the code cannot be read.
   *
   * @param entry The last place where control may come from elsewhere: nothing before it matters.
   * @param registers What they hold there, or all over the function if `everywhere`.
   */
  #valueAt(
    at: number,
    entry: number,
    registers: readonly (readonly [number, number])[],
    everywhere = false,
  ): number {
    const { view } = this.#explorer;
    const isEntered = (address: number): boolean => this.#isEntered(address);
    const body = {
      decode: (address: number, into: Instruction): number => view.decode(address, into),
      effects: (target: number): number => this.effects.of(target),
      effectsOfWord: (word: number): number => this.effects.ofWord(word),
    };
    const state = this.#flow.straight(body, entry, at, registers, everywhere, isEntered);
    const ins = this.#ins;
    if (state === null || view.decode(at, ins) === 0) return -1;
    if (ins.hasMemory === 1) return this.#transfer.load(state, this.#transfer.addressOf(ins, state), 8);
    return state[registerOf(ins)] as number;
  }

  /** Takes the targets that a value says; false when it does not say any. */
  #settleAs(index: number, at: number, value: number, widths: number): boolean {
    if (value < 0) return false;
    const members = this.#transfer.pool.members(value);
    if (!members.every((member) => this.#isSettled(member, widths))) return false;
    this.#takeTargets(index, at, members);
    return true;
  }

  /**
   * Takes a jump for the function's last act if it goes to a pointer from memory: at a fixed place that is no entry of a table that one
   * walks through with an index. Labels of the own function that data or code holds are followed wherever they are taken.
   */
  #leaveBy(index: number, at: number, value: number, start: number): boolean {
    const ins = this.#ins;
    if (value < 0 || this.#explorer.view.decode(at, ins) === 0) return false;
    const isPointer = ins.hasMemory === 1 ? ins.memoryIndex < 0 : this.#isLoaded(start, at, registerOf(ins));
    if (!isPointer || !POINTERS.has(this.#transfer.pool.kind(value))) return false;
    this.#leave(index, at);
    return true;
  }

  /** Whether a value says where a jump goes. */
  #isSettled(value: number, widths: number): boolean {
    const { pool } = this.#transfer;
    switch (pool.kind(value)) {
      case VALUE.ADDRESS:
        return true;
      case VALUE.SUM: {
        const { count } = pool.sum(value);
        return widths === WIDTHS.ALL || !isWidth(count) || (widths === WIDTHS.BYTE && count === BYTE_COUNT);
      }
      case VALUE.ENTRY8:
        return !isWidth(pool.extra(value));
      default:
        return false;
    }
  }

  /** Whether the last that straight-line code does to a register is to load it from memory, not indexed. */
  #isLoaded(start: number, end: number, register: number): boolean {
    const ins = this.#ins;
    let isLoaded = false;
    for (let address = start; address < end;) {
      const length = this.#explorer.view.decode(address, ins);
      if (length === 0) return false;
      address += length;
      if (((ins.writes >>> register) & 1) === 0) continue;
      isLoaded =
        ins.operation === OP.MOV &&
        ins.sourceKind === OPERAND.MEMORY &&
        ins.size === 8 &&
        ins.memoryIndex < 0;
    }
    return isLoaded;
  }

  /** The jump is a call of who knows what, the last act of the function. */
  #leave(index: number, at: number): void {
    if (this.#tails.has(at)) return;
    this.#tails.add(at);
    this.#leaving.add(index);
    this.#explorer.fact(index, FACT.JUMP_INDIRECT, at, 0);
    this.#explorer.indirect.push(index);
    this.#explorer.indirect.push(at);
    this.#explorer.markReturns(index);
  }

  /** The last place of straight-line code where control may come from elsewhere; `start` where there is none. */
  #lastEntry(start: number, end: number): number {
    const { view } = this.#explorer;
    let entry = start;
    for (let address = start; address < end;) {
      const length = view.scan(address, this.#ins);
      if (length === 0) return start;
      address += length;
      if (address < end && this.#isEntered(address)) entry = address;
    }
    return entry;
  }

  #isEntered(address: number): boolean {
    return (
      ((this.#explorer.flags[address - this.#explorer.low] as number) & (CODE.LEADER | CODE.OUTSIDE)) !== 0
    );
  }

  #hasGrown(index: number): boolean {
    return (
      this.#seenVersions.get(index) !== this.#explorer.versionOf(index) &&
      (this.#rounds.get(index) ?? 0) < ROUND_LIMIT
    );
  }

  /** Labels that are no base of a table, and to which no jump of the function is known to lead, are where control may come from anywhere. */
  #enterLabels(): void {
    const { labels } = this.#explorer;
    const targets = new Set([...this.targets.values()].flat());
    while (labels.length > 0) {
      const target = labels.pop();
      const index = labels.pop();
      const isExplained = targets.has(target) && !this.#leaving.has(index);
      if (!this.#bases.has(target) && !isExplained) this.#explorer.enterFromOutside(index, target);
    }
  }

  /** Looks at the jumps of a function; those that no known way leads to get no targets. */
  #resolve(index: number, places: ReadonlySet<number>): void {
    if ((this.#explorer.origins.at(index) & ORIGIN.OPEN) !== 0) {
      for (const at of places) this.#open(index, at);
      return;
    }
    const body = new ExploredBody(
      this.#explorer,
      index,
      this.targets,
      (target) => this.#clobbers.of(target),
      this.effects,
    );
    const found: { at: number; value: number; stack: number }[] = [];
    this.#flow.run(body, (ins, state) => {
      if (ins.flow !== FLOW.JUMP_INDIRECT || !places.has(ins.address)) return;
      const value =
        ins.hasMemory === 1
          ? this.#transfer.load(state, this.#transfer.addressOf(ins, state), 8)
          : (state[registerOf(ins)] as number);
      found.push({ at: ins.address, value, stack: ins.ripTarget >= 0 ? -1 : (state[RSP] as number) });
    });
    for (const { at, value, stack } of found) this.#settle(index, at, value, stack);
  }

  #settle(index: number, at: number, value: number, stack: number): void {
    const { pool } = this.#transfer;
    const members = pool.members(value);
    if (members.every((member) => this.#isTarget(member))) {
      this.#takeTargets(index, at, members);
      return;
    }
    // A table was found, and code that was found since may bring another one that cannot be told any more.
    if (this.targets.has(at)) {
      this.#open(index, at);
      return;
    }
    const kind = pool.kind(value);
    const isComputed = kind === VALUE.DERIVED || kind === VALUE.ELEMENT;
    // Where the frame is gone, or the arguments of a trampoline too, the jump is the last act of the function.
    const isAtEntryLevel = stack < 0 || (pool.kind(stack) === VALUE.FRAME && pool.payload(stack) >= 0);
    if (isAtEntryLevel && !isComputed) {
      this.#leave(index, at);
    } else {
      this.#open(index, at);
    }
  }

  /** Takes what some values say for targets of a jump: addresses, and entries of tables. */
  #takeTargets(index: number, at: number, members: readonly number[]): void {
    const { pool } = this.#transfer;
    const targets: number[] = [];
    for (const member of members) {
      const payload = pool.payload(member);
      if (pool.kind(member) === VALUE.ADDRESS) targets.push(payload);
      else if (pool.kind(member) === VALUE.ENTRY8) {
        const count = pool.extra(member);
        if (isWidth(count)) this.#addUnbounded(index, at, payload, -1, count, 8);
        else targets.push(...this.#entries8(payload, count));
      } else {
        const { table, count, base, size } = pool.sum(member);
        this.#bases.add(base);
        if (isWidth(count)) this.#addUnbounded(index, at, table, base, count, size);
        else targets.push(...this.#entriesOfSum(index, table, count, base, size, false));
      }
    }
    this.#setTargets(index, at, targets);
  }

  #addUnbounded(index: number, at: number, table: number, base: number, count: number, size: number): void {
    const key = `${at},${table},${base}`;
    if (this.#seenTables.has(key)) return;
    this.#seenTables.add(key);
    // One double among them makes doubles of all.
    this.#unbounded.push([index, at, integer(table), integer(base), integer(count), size]);
  }

  /** Whether a table of the jump is still to be read, or was. */
  #hasTable(at: number): boolean {
    return this.#unbounded.some(([, other]) => other === at);
  }

  #isTarget(id: number): boolean {
    const kind = this.#transfer.pool.kind(id);
    return kind === VALUE.ADDRESS || kind === VALUE.ENTRY8 || kind === VALUE.SUM;
  }

  /** Adds targets of a jump; unbounded tables may still bring more. */
  #setTargets(index: number, at: number, targets: readonly number[]): void {
    const { view } = this.#explorer;
    const known = this.targets.get(at) ?? [];
    const distinct = new Set(known);
    for (const target of targets) if (view.isCode(target)) distinct.add(target | 0);
    if (distinct.size === 0) {
      if (!this.#hasTable(at)) this.#open(index, at);
      return;
    }
    if (distinct.size === known.length) return;
    const all = [...distinct];
    this.targets.set(at, all);
    // The new edge may bring values to code that is known already.
    this.#seenVersions.delete(index);
    this.#widened.add(index);
    const assumed = this.#assumed.get(index);
    if (assumed !== undefined) assumed.version = UNKNOWN;
    // Those that were known come first.
    for (let place = known.length; place < all.length; place++)
      this.#explorer.jump(index, at, all[place] as number);
  }

  #entriesOfSum(
    index: number,
    table: number,
    count: number,
    base: number,
    size: number,
    isStrict: boolean,
  ): number[] {
    const { view, frames, functionStarts } = this.#explorer;
    const hasFrame = frames.at(functionStarts.at(index)) >= 0;
    // A mask bounds an index as well, of which not all values need be there: then the table ends before, with what cannot be an entry.
    const isMask = (count & (count - 1)) === 0;
    const targets: number[] = [];
    const start = integer(table);
    for (let entry = 0; entry < Math.min(count, 65_536); entry++) {
      const place = start + entry * size;
      if (!view.contains(place)) break;
      // Large objects are refused, so that the low half says it all.
      const sum = base + view.i32(place);
      const target = sum >= 0 && sum < 2 ** 31 ? sum | 0 : -1;
      if (isMask && (!view.isCode(target) || (hasFrame && frames.at(target) < 0))) break;
      if (this.#mayJump(index, target, isStrict)) targets.push(target);
      else if (isStrict) break;
    }
    return targets;
  }

  #entries8(table: number, count: number): number[] {
    const { view } = this.#explorer;
    const targets: number[] = [];
    for (let entry = 0; entry < Math.min(count, 65_536); entry++) {
      const place = table + entry * 8;
      const value = view.pointerAt(place);
      if (view.isCode(value)) targets.push(value);
    }
    return targets;
  }

  /** Whether a function may jump there by a table; `isStrict`: the table may have ended before. */
  #mayJump(index: number, target: number, isStrict: boolean): boolean {
    const explorer = this.#explorer;
    if (!explorer.view.isCode(target)) return false;
    const { frames } = explorer;
    const frame = frames.at(target);
    if (frame >= 0 && !this.#isBoundary(frame, target)) return false;
    if (!isStrict) return true;
    const start = explorer.functionStarts.at(index);
    const own = frames.at(start);
    if (own < 0) return Math.abs(target - start) < 0x10_0000;
    if (frame === own || frames.starts[frame] === target) return true;
    // A cold part has a frame of its own, and tables may lead from it into the hot one and back, to any place of it.
    const part = frame < 0 ? -1 : (frames.starts[frame] as number);
    if (part < 0 || ((explorer.flags[part - explorer.low] as number) & CODE.PART) === 0) return false;
    const owner = explorer.ownerOf(part);
    return owner < 0 || owner === index;
  }

  /** Whether an instruction begins there when the frame is read from its start, as no data stands among compiled code. */
  #isBoundary(frame: number, target: number): boolean {
    const { frames, view } = this.#explorer;
    const start = frames.starts[frame] as number;
    let boundaries = this.#boundaries.get(frame);
    if (boundaries === undefined) {
      boundaries = new Uint8Array(Math.min(frames.ends[frame] as number, view.high) - start);
      const ins = this.#ins;
      const { shapes } = this.#explorer;
      for (let at = 0; at < boundaries.length;) {
        boundaries[at] = 1;
        const place = start + at;
        at += plainLength(view.bytes, place + view.base, shapes) || view.scan(place, ins) || 1;
      }
      this.#boundaries.set(frame, boundaries);
    }
    return boundaries[target - start] === 1;
  }

  #readUnbounded(
    index: number,
    at: number,
    table: number,
    base: number,
    most: number,
    size: number,
    bounds: Int32Array,
  ): void {
    const limit = most < 0 ? ENTRY_LIMIT : Math.min(most, ENTRY_LIMIT);
    const { view } = this.#explorer;
    const next = bounds[lastAtMost(bounds, bounds.length, table) + 1] ?? view.high;
    if (base < 0) {
      const count = Math.min(limit, Math.floor((next - table) / 8));
      const targets: number[] = [];
      for (let entry = 0; entry < count; entry++) {
        const value = view.pointerAt(table + entry * 8);
        if (!view.isCode(value)) break;
        targets.push(value);
      }
      this.#setTargets(index, at, targets);
      return;
    }
    const count = Math.min(limit, Math.floor((next - table) / size));
    this.#setTargets(index, at, this.#entriesOfSum(index, table, count, base, size, true));
  }

  #tableBounds(): Int32Array {
    const { factKinds, factTargets } = this.#explorer;
    const bounds: number[] = [];
    for (let fact = 0; fact < factKinds.length; fact++) {
      if (factKinds.at(fact) === FACT.TAKE_DATA) bounds.push(factTargets.at(fact));
    }
    return Int32Array.from(bounds).sort();
  }

  /** Takes every instruction of the function's frame for a target. */
  #open(index: number, at: number): void {
    const explorer = this.#explorer;
    if (this.#unknown.has(at)) return;
    this.#unknown.add(at);
    explorer.fact(index, FACT.JUMP_UNKNOWN, at, 0);
    explorer.origins.items[index] = explorer.origins.at(index) | ORIGIN.OPEN;
    explorer.markReturns(index);
    const { frames } = explorer;
    const frame = frames.at(at);
    if (frame < 0 || this.#opened.has(frame)) return;
    this.#opened.add(frame);
    const ins = new Instruction();
    const end = frames.ends[frame] as number;
    for (let place = frames.starts[frame] as number; place < end;) {
      const length = explorer.view.scan(place, ins);
      const flag = explorer.flags[place - explorer.low] as number;
      if ((flag & CODE.INSTRUCTION) === 0 && length > 0 && explorer.functionAt(place) < 0)
        explorer.enterFromOutside(index, place);
      place += length === 0 ? 1 : length;
    }
  }
}

/** The register that an indirect jump goes through. */
function registerOf(ins: Instruction): number {
  return ins.sourceRegister >= 0 ? ins.sourceRegister : ins.destinationRegister;
}

/** Whether a number of entries is unknown, or only says of what width the index was: then the table may end before. */
function isWidth(count: number): boolean {
  return count < 0 || count === BYTE_COUNT || count === 0x1_0000;
}
