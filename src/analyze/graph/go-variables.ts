import { FACT } from '../code/object-code.ts';
import { elfSymbols } from '../../elf/symbol.ts';
import { ST_TYPE } from '../../elf/constants.ts';
import { TOP } from '../value/value.ts';
import { Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';

/** An instruction of reached code that writes a variable. */
export interface VariableWrite {
  readonly node: number;
  readonly address: number;
  /** Ids in the pool of the object. */
  readonly values: readonly number[];
}

/** All that 8 bytes of a variable may hold. */
export interface VariableContents {
  /** What the file has there. */
  readonly initial: number;
  readonly writes: readonly VariableWrite[];
}

/** A write to memory at a fixed place. */
interface Write {
  readonly node: number;
  /** vaddr of the instruction. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** movups [rip + d], xmm15: by Go's ABIInternal the register is zero. */
const STORE_ZERO = [0x44, 0x0f, 0x11, 0x3d];

/**
 * Variables of packages of Go whose address nobody has: only instructions that name them can change them.
 *
 * The bounds of a variable are those of its symbol, so that nothing is known of a program without symbols. Go has no arithmetic on
 * pointers, so that nobody comes to a variable from another one.
 */
export class GoVariables {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #object: GraphObject;
  readonly #known = new Map<number, VariableContents | null>();
  #writes: readonly Write[] | undefined;
  #symbols: readonly (readonly [start: number, end: number])[] | undefined;

  constructor(graph: ProgramGraph, reach: Reach, object: GraphObject) {
    this.#graph = graph;
    this.#reach = reach;
    this.#object = object;
  }

  /** Null for what is no variable of its own, whose address is known somewhere, or which is written in parts. */
  contents(vaddr: number): VariableContents | null {
    const known = this.#known.get(vaddr);
    if (known !== undefined) return known;
    const contents = this.#contents(vaddr);
    this.#known.set(vaddr, contents);
    return contents;
  }

  #contents(vaddr: number): VariableContents | null {
    const bounds = this.#boundsOf(vaddr);
    if (bounds === null || this.#isTaken(bounds)) return null;
    const initial = this.#object.view.i64(vaddr);
    if (initial === null) return null;
    const { pool } = this.#object.transfer;
    const writes: VariableWrite[] = [];
    this.#writes ??= this.#findWrites();
    for (const { node, at, start, end } of this.#writes) {
      if (start >= vaddr + 8 || end <= vaddr) continue;
      const isZero = STORE_ZERO.every((byte, index) => this.#object.view.u8(at + index) === byte);
      const isWhole = start === vaddr && end === vaddr + 8;
      if (!isZero && !isWhole) return null;
      const values = isZero ? [pool.constant(0)] : this.#written(node, at);
      writes.push({ node, address: at + this.#object.base, values });
    }
    return { initial, writes };
  }

  #boundsOf(vaddr: number): readonly [number, number] | null {
    this.#symbols ??= elfSymbols(this.#object.image.file.elf, 'symtab')
      .filter(({ type, shndx, size }) => type === ST_TYPE.STT_OBJECT && shndx !== 0 && size > 0)
      .map(({ value, size }) => [value, value + size] as const);
    return this.#symbols.find(([start, end]) => vaddr >= start && vaddr + 8 <= end) ?? null;
  }

  /** Whether code or data of the object holds an address in a range. */
  #isTaken([start, end]: readonly [number, number]): boolean {
    const { code, image, base, view } = this.#object;
    const isIn = (vaddr: number): boolean => vaddr >= start && vaddr < end;
    for (let fact = 0; fact < code.factKinds.length; fact++) {
      if (code.factKinds[fact] === FACT.TAKE_DATA && isIn(code.factTargets[fact] as number)) return true;
    }
    const { relocations } = image;
    for (let at = 0; at < relocations.count; at++) {
      if (isIn((relocations.target[at] as number) - base)) return true;
    }
    return view.isFixed && code.data.pointerPlaces.some((place) => isIn(view.pointerAt(place)));
  }

  /** Writes of reached code to fixed places of the object. */
  #findWrites(): Write[] {
    const { view, code, firstNode } = this.#object;
    const ins = new Instruction();
    const writes: Write[] = [];
    for (const node of this.#reach.order) {
      const index = node - firstNode;
      if (index < 0 || index >= code.starts.length) continue;
      const last = code.blockOffsets[index + 1] as number;
      for (let block = code.blockOffsets[index] as number; block < last; block++) {
        const end = code.blockEnds[block] as number;
        for (let at = code.blockStarts[block] as number; at < end;) {
          const length = view.decode(at, ins);
          if (length === 0) break;
          const place = ins.ripTarget;
          if (ins.writesMemory === 1 && place >= 0) {
            // A size that is not described is that of the widest register.
            writes.push({ node, at, start: place, end: place + (ins.size === 0 ? 64 : ins.size) });
          }
          at += length;
        }
      }
    }
    return writes;
  }

  /** What a store puts into memory: a constant, or what the register may hold there. */
  #written(node: number, at: number): readonly number[] {
    const { view, flow, transfer } = this.#object;
    const ins = new Instruction();
    view.decode(at, ins);
    if (ins.operation !== OP.MOV) return [TOP];
    if (ins.sourceKind === OPERAND.IMMEDIATE) return [transfer.pool.constant(ins.immLow)];
    if (ins.sourceKind !== OPERAND.REGISTER) return [TOP];
    const { sourceRegister } = ins;
    const values = new Set<number>();
    const isAnalysed = flow.observe(this.#graph.bodyOf(node), ({ address }, state) => {
      if (address === at) values.add(state[sourceRegister] as number);
    });
    if (!isAnalysed) values.add(TOP);
    return [...values];
  }
}
