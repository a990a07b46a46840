import { analyzeObject } from '../code/analyze-object.ts';
import { KnownBody } from '../code/body.ts';
import { CalleeEffects } from '../code/callee-effects.ts';
import { lastAtMost } from '../code/int-list.ts';
import { dataObjectAt, functionAt, jumpTargetsAt, type ObjectCode, ORIGIN } from '../code/object-code.ts';
import { ObjectView } from '../code/object-view.ts';
import type { Image, ImageObject } from '../image/image.ts';
import { EFFECT } from '../value/effect.ts';
import { FlowAnalysis } from '../value/flow.ts';
import { Transfer } from '../value/transfer.ts';
import { ValuePool } from '../value/value.ts';
import { type EdgeGate, edgeGatesOf, type Gate, gatesOf, type SiteGate, siteGatesOf } from './gates.ts';
import { targetOf } from './word-target.ts';

/** One object of a program: what is known of its code, and the numbers that its functions and data objects have in the graph. */
export interface GraphObject {
  readonly index: number;
  readonly base: number;
  readonly image: ImageObject;
  readonly view: ObjectView;
  readonly code: ObjectCode;
  /** Number of the object's first function; function i of the object is node `firstNode + i`. */
  readonly firstNode: number;
  /** Number of the object's first data object. */
  readonly firstData: number;
  readonly transfer: Transfer;
  readonly flow: FlowAnalysis;
  readonly effects: CalleeEffects;
}

/** How the code of an object is come by, such as from a cache. */
export type CodeSource = (image: Image, view: ObjectView) => ObjectCode;

/**
 * All code of a program: nodes are functions, numbered through all objects in load order, so that numbers stay when objects are added.
 */
export class ProgramGraph {
  readonly image: Image;
  readonly objects: GraphObject[] = [];
  readonly gates: readonly Gate[];
  readonly siteGates: readonly SiteGate[];
  readonly edgeGates: readonly EdgeGate[];
  readonly #source: CodeSource;
  #firstNodes = new Int32Array(0);
  #firstData = new Int32Array(0);
  #nodeCount = 0;
  #dataCount = 0;

  /** @throws FormatError when an object is malformed. */
  constructor(image: Image, source: CodeSource = analyzeObject) {
    this.image = image;
    this.#source = source;
    this.update();
    this.gates = gatesOf(this);
    this.siteGates = siteGatesOf(this);
    this.edgeGates = edgeGatesOf(this);
  }

  get nodeCount(): number {
    return this.#nodeCount;
  }

  get dataCount(): number {
    return this.#dataCount;
  }

  /** Takes in the objects that the image has gained; the new ones. */
  update(): readonly GraphObject[] {
    const added: GraphObject[] = [];
    for (let index = this.objects.length; index < this.image.objects.length; index++) {
      const object = this.image.objects[index] as ImageObject;
      const view = new ObjectView(this.image, index);
      const code = this.#source(this.image, view);
      const transfer = new Transfer(new ValuePool(), view, view.isGo);
      const fresh: GraphObject = {
        index,
        base: object.base,
        image: object,
        view,
        code,
        firstNode: this.#nodeCount,
        firstData: this.#dataCount,
        transfer,
        flow: new FlowAnalysis(transfer),
        effects: this.#effectsOf(index, view, code),
      };
      this.#nodeCount += code.starts.length;
      this.#dataCount += code.data.starts.length;
      this.objects.push(fresh);
      added.push(fresh);
    }
    this.#firstNodes = Int32Array.from(this.objects, ({ firstNode }) => firstNode);
    this.#firstData = Int32Array.from(this.objects, ({ firstData }) => firstData);
    return added;
  }

  #effectsOf(index: number, view: ObjectView, code: ObjectCode): CalleeEffects {
    const words = new Set(code.twiceWords);
    return new CalleeEffects(view, {
      twice: new Set(code.twice),
      jumpTargets: (at) => jumpTargetsAt(code, at),
      returns: (target) => code.returns[functionAt(code, target)] === 1,
      framed: (target) => {
        const at = lastAtMost(code.starts, code.starts.length, target);
        const last = at < 0 ? -1 : (code.blockOffsets[at + 1] as number) - 1;
        const isFramed = code.starts[at] === target && ((code.origins[at] as number) & ORIGIN.FRAME) !== 0;
        return isFramed && last >= 0 ? (code.blockEnds[last] as number) - target : 0;
      },
      outside: (word) => {
        const target = targetOf(this.objects[index] as GraphObject, word + view.base);
        const callee = target === 0 ? undefined : this.objects[this.image.objectAt(target)];
        const effects = callee?.effects.of(target - callee.base) ?? EFFECT.NONE;
        const isNamed = words.has(word) && (effects & EFFECT.TWICE) === 0;
        return isNamed ? effects | EFFECT.TWICE | EFFECT.LATER : effects;
      },
    });
  }

  /** The object of a node. */
  objectOf(node: number): GraphObject {
    return this.objects[lastOwner(this.#firstNodes, node)] as GraphObject;
  }

  /** The object of a data object's number. */
  objectOfData(data: number): GraphObject {
    return this.objects[lastOwner(this.#firstData, data)] as GraphObject;
  }

  /** Address of a node's first instruction. */
  addressOf(node: number): number {
    const object = this.objectOf(node);
    return object.base + (object.code.starts[node - object.firstNode] as number);
  }

  /** The node whose code holds an address, -1 for none. */
  nodeAt(address: number): number {
    const object = this.objects[this.image.objectAt(address)];
    if (object === undefined) return -1;
    const vaddr = address - object.base;
    if (!object.view.isCode(vaddr)) return -1;
    const index = functionAt(object.code, vaddr);
    return index < 0 ? -1 : object.firstNode + index;
  }

  /** The number of the data object with pointers at an address, -1 for none. */
  dataAt(address: number): number {
    const object = this.objects[this.image.objectAt(address)];
    if (object === undefined) return -1;
    const index = dataObjectAt(object.code.data, address - object.base);
    return index < 0 ? -1 : object.firstData + index;
  }

  /** The code of a node in blocks. */
  bodyOf(node: number): KnownBody {
    const object = this.objectOf(node);
    return new KnownBody(object.view, object.code, node - object.firstNode, object.effects);
  }
}

/** Objects without functions share their first number with the next one: the last of them owns it. */
function lastOwner(firsts: Int32Array, key: number): number {
  return lastAtMost(firsts, firsts.length, key);
}
