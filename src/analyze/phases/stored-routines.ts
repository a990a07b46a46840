import { FACT } from '../code/object-code.ts';
import type { Escape } from '../graph/escape.ts';
import type { GraphObject, ProgramGraph } from '../graph/program-graph.ts';
import type { Reach } from '../graph/reach.ts';
import { targetOf } from '../graph/word-target.ts';
import { TaintFlow } from '../value/taint.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import { addressedBy } from './addressed-by.ts';
import type { ValueStart } from './forked.ts';

/** Functions that are looked at for what they do with the address of a variable, at most. */
const LIMIT = 200;

/** Bytes of an address. */
const WORD = 8;

/** A variable, by address. */
interface Variable {
  readonly start: number;
  readonly end: number;
}

/** Where an address in a variable begins in a function. */
interface AddressStart extends ValueStart {
  /** How far it is from the start of the variable, */
  readonly offset: number;
  /** but for a multiple of this; 0 for none. */
  readonly step: number;
}

/**
 * Where routines that were stored in a variable are loaded again.
 *
 * Only a variable that has a symbol with a size will do, such as a table of processes, and of which all code is known that has its address.
 * In a table of structures a member is told by its offset: indices are taken to step over whole structures.
 */
export class StoredRoutines {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #escape: Escape;
  readonly #ins = new Instruction();
  readonly #done = new Set<string>();

  constructor(graph: ProgramGraph, reach: Reach, escape: Escape) {
    this.#graph = graph;
    this.#reach = reach;
    this.#escape = escape;
  }

  /** Instructions that may load what some instructions of a node have stored; null where that is not known. */
  loadsOf(node: number, stores: ReadonlySet<number>): readonly ValueStart[] | null {
    const found: ValueStart[] = [];
    const { view } = this.#graph.objectOf(node);
    for (const vaddr of stores) {
      view.decode(vaddr, this.#ins);
      const { displacement, memoryBase } = this.#ins;
      const start = memoryBase < 0 ? null : this.#baseOf(node, vaddr);
      const variable = start === null ? null : this.#variableAt(start);
      if (variable === null || displacement < 0 || variable.start + displacement + WORD > variable.end)
        return null;
      const key = `${variable.start} ${displacement}`;
      if (this.#done.has(key)) continue;
      this.#done.add(key);
      const loads = this.#loadsOfMember(variable, displacement);
      if (loads === null) return null;
      found.push(...loads);
    }
    return found;
  }

  /** The address that the base of a store is for certain, but for an index; null where that is not known. */
  #baseOf(node: number, vaddr: number): number | null {
    const object = this.#graph.objectOf(node);
    const byAddress = new Map<number, Set<number>>();
    forEachTaken(object, node, (place, address) => {
      byAddress.set(address, (byAddress.get(address) ?? new Set()).add(place));
    });
    for (const [address, places] of byAddress) {
      if (addressedBy(this.#graph.bodyOf(node), places, object.transfer.callerSaved).has(vaddr))
        return address;
    }
    return null;
  }

  #variableAt(address: number): Variable | null {
    const symbol = this.#graph.image.symbolAt(address);
    return symbol === null || symbol.offset !== 0 || symbol.size === 0
      ? null
      : { start: address, end: address + symbol.size };
  }

  #loadsOfMember(variable: Variable, member: number): ValueStart[] | null {
    const starts = this.#startsOf(variable);
    if (starts === null || this.#isPointedTo(variable)) return null;
    const found = this.#readsInPlace(variable);
    if (found === null) return null;
    const seen = new Set<string>();
    const open = [...starts];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const key = `${next.node} ${next.registers} ${next.offset} ${next.step} ${[...next.places].join(' ')}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > LIMIT) return null;
      const loads = this.#usesOf(next, member, open);
      if (loads === null) return null;
      if (loads.size > 0) found.push({ node: next.node, registers: 0, places: loads });
    }
    return found;
  }

  /** What a function loads of a member through an address in the variable; adds to `open` where that is handed on. */
  #usesOf(start: AddressStart, member: number, open: AddressStart[]): Set<number> | null {
    const { node, registers, places, offset } = start;
    const { transfer, view } = this.#graph.objectOf(node);
    const uses = { reads: new Set<number>(), shifts: new Set<number>(), steps: new Set<number>() };
    const flow = new TaintFlow(transfer.callerSaved);
    const neverReturns = (vaddr: number): boolean => this.#escape.neverReturns(node, vaddr);
    const sources = { registers, places, address: uses, neverReturns };
    const outcome = flow.run(this.#graph.bodyOf(node), sources);
    if (outcome.isKept || outcome.through.size > 0) return null;
    for (const vaddr of outcome.stacked)
      if (this.#escape.readsStack(this.#escape.calleeAt(node, vaddr))) return null;
    let { step } = start;
    for (const vaddr of uses.steps) step = commonDivisor(step, this.#stepAt(node, vaddr));
    for (const [vaddr, mask] of outcome.handed) {
      const callee = this.#escape.calleeAt(node, vaddr);
      if (callee < 0) return null;
      if (this.#escape.hasNoParameters(callee)) continue;
      for (let register = 0; register < 16; register++) {
        if (((mask >>> register) & 1) === 1)
          open.push({ node: callee, registers: 1 << register, places: new Set(), offset, step });
      }
    }
    const ins = this.#ins;
    for (const vaddr of uses.shifts) {
      view.decode(vaddr, ins);
      open.push({ node, registers: 0, places: new Set([vaddr]), offset: offset + ins.displacement, step });
    }
    const loads = new Set<number>();
    for (const vaddr of uses.reads) {
      view.decode(vaddr, ins);
      const size = ins.sourceSize === 0 ? WORD : ins.sourceSize;
      // From the start of the member to that of what is read, in whichever element.
      const distance = offset + ins.displacement - member;
      const ahead = step === 0 ? distance : ((distance % step) + step) % step;
      const isApart = step === 0 ? ahead >= WORD || ahead <= -size : ahead >= WORD && step - ahead >= size;
      if (isApart) continue;
      if (
        ahead !== 0 ||
        ins.operation !== OP.MOV ||
        size !== WORD ||
        ins.destinationKind !== OPERAND.REGISTER
      )
        return null;
      loads.add(vaddr);
    }
    return loads;
  }

  /** What an instruction adds to an address; 0 for an index, 1 for anything. */
  #stepAt(node: number, vaddr: number): number {
    const ins = this.#ins;
    this.#graph.objectOf(node).view.decode(vaddr, ins);
    const { operation, sourceKind, sourceRegister, destinationRegister, immLow, displacement } = ins;
    if (operation === OP.LEA) return Math.abs(displacement);
    if (operation === OP.ADD || operation === OP.SUB) {
      if (sourceKind === OPERAND.IMMEDIATE) return Math.abs(immLow);
      if (operation === OP.ADD && sourceKind === OPERAND.REGISTER) return 0;
    }
    const isCleared =
      operation === OP.XOR && sourceKind === OPERAND.REGISTER && sourceRegister === destinationRegister;
    return isCleared ? 0 : 1;
  }

  /** Where code takes an address in the variable. */
  #startsOf({ start, end }: Variable): AddressStart[] {
    const found: AddressStart[] = [];
    for (const node of this.#reach.order) {
      forEachTaken(this.#graph.objectOf(node), node, (place, address) => {
        if (address >= start && address < end)
          found.push({ node, registers: 0, places: new Set([place]), offset: address - start, step: 0 });
      });
    }
    return found;
  }

  /** Whether data holds an address in the variable. */
  #isPointedTo({ start, end }: Variable): boolean {
    return this.#graph.objects.some((object) =>
      object.code.data.pointerPlaces.some((place) => {
        const target = targetOf(object, object.base + place);
        return target >= start && target < end;
      }),
    );
  }

  /** Instructions that read in the variable without having its address in a register; null if one calls what it reads. */
  #readsInPlace({ start, end }: Variable): ValueStart[] | null {
    const found: ValueStart[] = [];
    const ins = this.#ins;
    const { base, firstNode, code, view } = this.#graph.objects[
      this.#graph.image.objectAt(start)
    ] as GraphObject;
    for (const node of this.#reach.order) {
      if (node < firstNode || node >= firstNode + code.starts.length) continue;
      const body = this.#graph.bodyOf(node);
      const places = new Set<number>();
      for (let block = 0; block < body.count; block++) {
        for (let at = body.starts[block] as number; at < (body.ends[block] as number);) {
          const length = view.decode(at, ins);
          if (length === 0) break;
          at += length;
          const target = ins.ripTarget + base;
          if (ins.ripTarget < 0 || ins.readsMemory === 0 || target + WORD <= start || target >= end) continue;
          if (ins.flow !== FLOW.NEXT) return null;
          places.add(ins.address);
        }
      }
      if (places.size > 0) found.push({ node, registers: 0, places });
    }
    return found;
  }
}

/** Addresses of data that a node takes, or reads from words that the loader fills. */
function forEachTaken(
  object: GraphObject,
  node: number,
  tell: (place: number, address: number) => void,
): void {
  const { code, firstNode, base } = object;
  const end = code.factOffsets[node - firstNode + 1] as number;
  for (let fact = code.factOffsets[node - firstNode] as number; fact < end; fact++) {
    const to = code.factTargets[fact] as number;
    const kind = code.factKinds[fact];
    if (kind === FACT.TAKE_DATA) tell(code.factPlaces[fact] as number, base + to);
    else if (kind === FACT.LOAD) {
      const target = targetOf(object, base + to);
      if (target !== 0) tell(code.factPlaces[fact] as number, target);
    }
  }
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
