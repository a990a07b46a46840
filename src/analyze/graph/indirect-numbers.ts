import { FACT } from '../code/object-code.ts';
import { TOP, VALUE } from '../value/value.ts';
import type { CallPlace, UnknownValue } from './argument-query.ts';
import type { CallValues } from './call-values.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';

/** Numbers that replace an unknown value, with the calls through which they come. */
type Numbers = ReadonlyMap<number, readonly CallPlace[]>;

const RAX = 0;
const RDI = 7;

/** seccomp(2) on x86_64. */
const SECCOMP = 317;

/** Internal signal of glibc (nptl/nptl-signals.h). */
const SIGSETXID = 33;

/**
 * Numbers of system calls that travel through memory in ways that are known of a library:
 *
 * - glibc makes setuid and its like in every thread: the caller puts the number first into a structure on its stack, and hands over
 *   its address; the other threads find it through a variable in a signal handler. Source: glibc, nptl/nptl_setxid.c.
 * - libcap calls two functions of its own through a table, which psx may exchange, with the number as first argument. Source: libcap,
 *   cap_proc.c (`struct syscaller_s`).
 * - libseccomp looks the number of seccomp up in its own table, and keeps it in a variable. Source: libseccomp 2.5, src/system.c
 *   (`_nr_seccomp`, the only number that it hands to syscall()).
 */
export class IndirectNumbers {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #values: CallValues;
  #setxid: Numbers | undefined;

  constructor(graph: ProgramGraph, reach: Reach, values: CallValues) {
    this.#graph = graph;
    this.#reach = reach;
    this.#values = values;
  }

  /** The numbers that stand for an unknown one at a site of a node; null where nothing is known of it. */
  of(site: CallPlace, unknown: UnknownValue): Numbers | null {
    const { soname } = this.#graph.objectOf(unknown.node).image.file;
    if ((soname === 'libc.so.6' || soname === null) && unknown.address === site.address) {
      if (this.#isHandler(site.node)) return this.#ofSetxid();
      return soname !== null && this.#isCalled(site.node) ? this.#fromStructure(site.node) : null;
    }
    if (soname === 'libseccomp.so.2') return new Map([[SECCOMP, [unknown]]]);
    return soname === 'libcap.so.2' ? this.#fromIndirectCalls(this.#graph.objectOf(unknown.node)) : null;
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
      const { image, code, firstNode } = object;
      if (image.file.soname !== 'libc.so.6' && image.file.soname !== null) continue;
      const index = node - firstNode;
      for (
        let fact = code.factOffsets[index] as number;
        fact < (code.factOffsets[index + 1] as number);
        fact++
      ) {
        const isSite = code.factKinds[fact] === FACT.SYSCALL && this.#isCalled(node);
        // The first that is one sets it.
        if (isSite && this.#hasUnknownNumber(node, object.base + (code.factPlaces[fact] as number))) {
          return this.#fromStructure(node) ?? this.#setxid;
        }
      }
    }
    return this.#setxid;
  }

  #hasUnknownNumber(node: number, address: number): boolean {
    if (this.#values.straight(node, address, RAX) !== TOP) return false;
    const value = this.#values.at(node, address)?.state[RAX] ?? 0;
    return this.#graph.objectOf(node).transfer.pool.kind(value) === VALUE.TOP;
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
