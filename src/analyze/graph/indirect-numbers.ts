import { FACT } from '../code/object-code.ts';
import { lastAtMost } from '../code/int-list.ts';
import { TOP, VALUE } from '../value/value.ts';
import { FLOW, Instruction } from '../x86/instruction.ts';
import type { ArgumentQuery, CallPlace, PossibleValues, UnknownValue } from './argument-query.ts';
import type { CallValues } from './call-values.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import { type Reach, TAKEN } from './reach.ts';
import { hasStaticGlibc } from './static-libc.ts';

/** Numbers that replace an unknown value, with the calls through which they come. */
type Numbers = ReadonlyMap<number, readonly CallPlace[]>;

const RAX = 0;
const RSP = 4;
const RSI = 6;
const RDI = 7;

/** seccomp(2) on x86_64. */
const SECCOMP = 317;

/** After these, what stands next does not follow. */
const ENDS: ReadonlySet<number> = new Set([FLOW.JUMP, FLOW.JUMP_INDIRECT, FLOW.RETURN, FLOW.TRAP]);

/** tgkill(2) on x86_64. */
const TGKILL = 234;

/** Where musl's structure for setuid and its like has the number, in bytes. */
const MUSL_NUMBER = 12;

/** Where a function may be handed over. */
const HAND_OVERS = [FACT.CALL, FACT.CALL_INDIRECT, FACT.JUMP_INDIRECT];

/** Internal signal of glibc (nptl/nptl-signals.h). */
const SIGSETXID = 33;

/**
 * Numbers of system calls that travel through memory in ways that are known of a library:
 *
 * - glibc makes setuid and its like in every thread: the caller puts the number first into a structure on its stack, and hands over
 *   its address; the other threads find it through a variable in a signal handler. Source: glibc, nptl/nptl_setxid.c. In a static
 *   program, where a function has no library's name, the one that takes the address also sends the threads that signal.
 * - musl does so too: the function that makes the call is handed over together with the structure, which has the number that its caller was
 *   given. Source: musl, src/unistd/setxid.c (`struct ctx`).
 * - libcap calls two functions of its own through a table, which psx may exchange, with the number as first argument. Source: libcap,
 *   cap_proc.c (`struct syscaller_s`).
 * - libseccomp looks the number of seccomp up in its own table, and keeps it in a variable. Source: libseccomp 2.5, src/system.c
 *   (`_nr_seccomp`, the only number that it hands to syscall()).
 */
export class IndirectNumbers {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #query: ArgumentQuery;
  readonly #values: CallValues;
  readonly #isStaticGlibc: boolean;
  #setxid: Numbers | undefined;

  constructor(graph: ProgramGraph, reach: Reach, query: ArgumentQuery, values: CallValues) {
    this.#graph = graph;
    this.#reach = reach;
    this.#query = query;
    this.#values = values;
    this.#isStaticGlibc = hasStaticGlibc(graph);
  }

  /** The numbers that stand for an unknown one at a site of a node; null where nothing is known of it. */
  of(site: CallPlace, unknown: UnknownValue): Numbers | null {
    const object = this.#graph.objectOf(unknown.node);
    const { soname } = object.image.file;
    if (unknown.address === site.address) {
      if (this.#isGlibc(object)) {
        if (this.#isHandler(site.node)) return this.#ofSetxid();
        return this.#isSetxid(site.node) ? this.#fromStructure(site.node) : null;
      }
      if (this.#isMusl(object)) return this.#fromHandedOver(site);
    }
    if (soname === 'libseccomp.so.2') return new Map([[SECCOMP, [unknown]]]);
    return soname === 'libcap.so.2' ? this.#fromIndirectCalls(object) : null;
  }

  #isGlibc({ index, image }: GraphObject): boolean {
    return image.file.soname === 'libc.so.6' || (index === 0 && this.#isStaticGlibc);
  }

  #isMusl({ index, image }: GraphObject): boolean {
    const { libc } = this.#graph.image.loadSet;
    if (libc === 'static') return index === 0 && !this.#isStaticGlibc;
    return libc === 'musl' && image.file.role === 'interpreter';
  }

  /** Whether a function is glibc's handler of the signal for this, SIGSETXID: nobody calls it, and first it compares the signal with 33. */
  #isHandler(node: number): boolean {
    const { view, code, firstNode } = this.#graph.objectOf(node);
    if ((this.#reach.taken[node] as number) === 0 || this.#isCalled(node)) return false;
    const start = code.starts[node - firstNode] as number;
    for (let at = start; at < start + 64; at++) {
      // cmp edi, 33
      if (view.u8(at) === 0x83 && view.u8(at + 1) === 0xff && view.u8(at + 2) === SIGSETXID) return true;
    }
    return false;
  }

  /** Whether a function may be the one of glibc that makes all threads run the handler. */
  #isSetxid(node: number): boolean {
    const object = this.#graph.objectOf(node);
    const { pool } = object.transfer;
    if (!this.#isCalled(node)) return false;
    if (object.image.file.soname !== null) return true;
    return [...places(object, node, FACT.SYSCALL)].some((address) => {
      const number = this.#values.straight(node, address, RAX);
      return pool.kind(number) === VALUE.CONST && pool.payload(number) === TGKILL;
    });
  }

  #isCalled(node: number): boolean {
    let isCalled = false;
    this.#reach.forEachCall(node, () => {
      isCalled = true;
    });
    return isCalled;
  }

  /** Constants at the start of the structures that all callers hand over; null if one is none. */
  #fromStructure(node: number): Numbers | null {
    const numbers = new Map<number, readonly CallPlace[]>();
    let isComplete = true;
    this.#reach.forEachCall(node, (from, address) => {
      const found = this.#values.at(from, address);
      if (found === null) return;
      const { pool } = this.#graph.objectOf(from).transfer;
      const pointer = found.state[RDI] as number;
      if (pool.kind(pointer) !== VALUE.FRAME) {
        isComplete = false;
        return;
      }
      for (const member of pool.members(found.slots.read(found.state, pool.payload(pointer), 4))) {
        if (pool.kind(member) === VALUE.CONST) numbers.set(pool.payload(member), [{ node: from, address }]);
        else isComplete = false;
      }
    });
    if (!isComplete) return null;
    this.#setxid = numbers;
    return numbers;
  }

  /** For the handler, which nobody calls: the numbers of the function that makes the threads run it; none if that is not reached. */
  #ofSetxid(): Numbers {
    if (this.#setxid !== undefined) return this.#setxid;
    this.#setxid = new Map();
    for (const node of this.#reach.order) {
      const object = this.#graph.objectOf(node);
      if (!this.#isGlibc(object)) continue;
      for (const address of places(object, node, FACT.SYSCALL)) {
        // The first that is one sets it.
        if (this.#hasUnknownNumber(node, address) && this.#isSetxid(node))
          return this.#fromStructure(node) ?? this.#setxid;
      }
    }
    return this.#setxid;
  }

  #hasUnknownNumber(node: number, address: number): boolean {
    if (this.#values.straight(node, address, RAX) !== TOP) return false;
    const value = this.#values.at(node, address)?.state[RAX] ?? 0;
    return this.#graph.objectOf(node).transfer.pool.kind(value) === VALUE.TOP;
  }

  /** What functions put into the structure that they hand over together with the one that has the site; null if that is not all known. */
  #fromHandedOver({ node, address }: CallPlace): Numbers | null {
    const object = this.#graph.objectOf(node);
    const isOnlyTaken = this.#reach.taken[node] === TAKEN.ADDRESS && !this.#isCalled(node);
    if (!isOnlyTaken || !this.#isLoaded(object, node, address)) return null;
    const numbers = new Map<number, readonly CallPlace[]>();
    for (const taker of this.#reach.takers.of(node).keys()) {
      if (this.#graph.objectOf(taker) !== object) return null;
      const handed = this.#handedOver(taker, this.#graph.addressOf(node));
      for (const [number, way] of handed ?? []) numbers.set(number, way);
      if (handed === null) return null;
    }
    return numbers;
  }

  /**
   * The numbers in structures of the own frame that a function hands over, second, to calls of which the first argument is a function; null if
   * one of them is not known, or there is no such call.
   */
  #handedOver(taker: number, callback: number): Numbers | null {
    const object = this.#graph.objectOf(taker);
    const { transfer, flow, base } = object;
    const { pool, slots } = transfer;
    const body = this.#graph.bodyOf(taker);
    const numbers = new Map<number, readonly CallPlace[]>();
    let isHanded = false;
    for (const place of HAND_OVERS.flatMap((kind) => [...places(object, taker, kind)])) {
      const start = body.starts[lastAtMost(body.starts, body.count, place - base)] as number;
      const begin = [
        [RSP, pool.of(VALUE.FRAME, 0)],
        [RDI, pool.of(VALUE.ENTRY, RDI)],
      ] as const;
      const state = flow.straight(body, start, place - base, begin, false, () => false);
      if (state === null || state[RDI] !== pool.address(callback - base)) {
        // The address may have been taken in other code, as for an earlier call.
        const first = this.#values.at(taker, place)?.state[RDI] ?? TOP;
        if (pool.members(first).includes(pool.address(callback - base))) return null;
        continue;
      }
      isHanded = true;
      const pointer = state[RSI] as number;
      if (pool.kind(pointer) !== VALUE.FRAME) return null;
      const number = slots.read(state, pool.payload(pointer) + MUSL_NUMBER, 4);
      const isGiven = [VALUE.ENTRY, VALUE.ENTRY_LOW].some((kind) => pool.of(kind, RDI) === number);
      const given = isGiven ? this.#givenAt(taker, start + base) : null;
      if (given === null) return null;
      for (const [each, way] of given) numbers.set(each, way);
    }
    return isHanded ? numbers : null;
  }

  /**
   * First arguments at the beginning of a block, where it is that of a function, or of code that several functions end in: without symbols
   * they share it, and it belongs to one of them. Null if one is not known.
   */
  #givenAt(node: number, start: number): Numbers | null {
    const numbers = new Map<number, readonly CallPlace[]>();
    const add = ({ numbers: found, unknown }: PossibleValues): boolean => {
      for (const [number, way] of found) numbers.set(number, way);
      return unknown.length === 0;
    };
    if (start === this.#graph.addressOf(node)) {
      return add(this.#query.registerAtEntry(node, RDI)) ? numbers : null;
    }
    const sharers = new Set([node]);
    this.#reach.forEachCall(node, (from, address) => {
      if (address === start) sharers.add(from);
    });
    const ins = new Instruction();
    for (const sharer of sharers) {
      const { base } = this.#graph.objectOf(sharer);
      const body = this.#graph.bodyOf(sharer);
      for (let block = 0; block < body.count; block++) {
        let at = body.starts[block] as number;
        for (const end = body.ends[block] as number; at < end; at += ins.length) {
          if (body.decode(at, ins) === 0) return null;
          const leads = ins.target + base === start;
          const falls = at + ins.length + base === start && !ENDS.has(ins.flow);
          if (leads && ins.flow === FLOW.JUMP) {
            if (!add(this.#query.registerAt(sharer, at + base, RDI))) return null;
          } else if (leads || falls) return null;
        }
      }
    }
    return numbers;
  }

  /** Whether straight-line code before a site loads the number from where musl's structure has it, which is the first argument. */
  #isLoaded({ view, base, flow, transfer }: GraphObject, node: number, address: number): boolean {
    const ins = new Instruction();
    const body = this.#graph.bodyOf(node);
    const block = lastAtMost(body.starts, body.count, address - base);
    let load = { address: 0, pointer: -1 };
    for (let at = body.starts[block] ?? address; at < address - base; at += ins.length) {
      if (view.decode(at, ins) === 0 || ins.flow !== FLOW.NEXT) return false;
      if (((ins.writes >>> RAX) & 1) === 0) continue;
      const isLoad = ins.readsMemory !== 0 && ins.memoryIndex < 0 && ins.displacement === MUSL_NUMBER;
      load = { address: at, pointer: isLoad ? ins.memoryBase : -1 };
    }
    if (load.pointer < 0) return false;
    let isArgument = false;
    flow.observe(body, (each, state) => {
      if (each.address === load.address)
        isArgument = state[load.pointer] === transfer.pool.of(VALUE.ENTRY, RDI);
    });
    return isArgument;
  }

  /** First arguments, where they are constants, of the calls through pointers in the library. */
  #fromIndirectCalls(object: GraphObject): Numbers {
    const numbers = new Map<number, readonly CallPlace[]>();
    const { code, firstNode, base } = object;
    for (const node of this.#reach.order) {
      const index = node - firstNode;
      if (index < 0 || index >= code.starts.length) continue;
      for (
        let fact = code.factOffsets[index] as number;
        fact < (code.factOffsets[index + 1] as number);
        fact++
      ) {
        const kind = code.factKinds[fact];
        if (kind !== FACT.CALL_INDIRECT && kind !== FACT.JUMP_INDIRECT) continue;
        const address = base + (code.factPlaces[fact] as number);
        const value = this.#values.at(node, address)?.state[RDI] ?? 0;
        for (const member of object.transfer.pool.members(value)) {
          if (object.transfer.pool.kind(member) === VALUE.CONST)
            numbers.set(object.transfer.pool.payload(member), [{ node, address }]);
        }
      }
    }
    return numbers;
  }
}

/** Addresses of a function's facts of a kind. */
function* places({ code, firstNode, base }: GraphObject, node: number, kind: number): Generator<number> {
  const index = node - firstNode;
  const end = code.factOffsets[index + 1] as number;
  for (let fact = code.factOffsets[index] as number; fact < end; fact++) {
    if (code.factKinds[fact] === kind) yield base + (code.factPlaces[fact] as number);
  }
}
