import type { Image } from '../image/image.ts';
import { FlowAnalysis } from '../value/flow.ts';
import { Transfer } from '../value/transfer.ts';
import { ValuePool } from '../value/value.ts';
import { warmUpDecoder } from '../x86/warm-up.ts';
import { type CodeMap, withCodeMap } from './code-map.ts';
import { ComputedCalls } from './computed-calls.ts';
import { dataObjects, pointerWords } from './data-objects.ts';
import { Explorer } from './explorer.ts';
import { finishCode } from './finish.ts';
import { functionStarts, type FunctionStarts } from './function-starts.ts';
import { JumpResolver } from './jump-tables.ts';
import { landingPads } from './landing-pads.ts';
import { NORETURN_NAMES } from './noreturn-names.ts';
import { FACT, ORIGIN, type ObjectCode } from './object-code.ts';
import type { ObjectView } from './object-view.ts';
import { returnsTwice } from './twice-names.ts';

/**
 * Reads all code of one object: its functions, what they call and take, where system calls are made, and which data holds pointers.
 *
 * The result depends on the file alone.
 *
 * @throws FormatError when a table of the object is malformed.
 */
export function analyzeObject(image: Image, view: ObjectView): ObjectCode {
  warmUpDecoder();
  return withCodeMap(Math.max(0, view.codeHigh - view.codeLow), (map) => explore(image, view, map));
}

function explore(image: Image, view: ObjectView, map: CodeMap): ObjectCode {
  const known = functionStarts(image, view);
  const words = namedWords(image, view);
  const explorer = new Explorer(view, map, known, words.noreturn);
  const transfer = new Transfer(new ValuePool(), view, view.isGo);
  const flow = new FlowAnalysis(transfer);
  const jumps = new JumpResolver(explorer, flow, transfer, { starts: known.twice, words: words.twice });
  for (const label of known.dataLabels) explorer.take(-1, -1, label);
  jumps.run();
  enterLandingPads(explorer, view, known);
  jumps.run();
  // Parts to which no function leads are functions after all.
  for (const part of known.parts) if (explorer.ownerOf(part) < 0) explorer.addFunction(part, ORIGIN.FRAME);
  jumps.run();
  enterLandingPads(explorer, view, known);
  jumps.run();

  const pointers = pointerWords(view, (vaddr) => explorer.isLikelyFunction(vaddr));
  if (view.isFixed) {
    takeFromData(explorer, view, pointers, jumps);
    jumps.run();
  }
  const computed = new ComputedCalls(explorer, flow, transfer, jumps);
  for (computed.run(); explorer.hasWork; computed.run()) jumps.run();
  const taken: number[] = [];
  for (let fact = 0; fact < explorer.factKinds.length; fact++) {
    if (explorer.factKinds.at(fact) === FACT.TAKE_DATA) taken.push(explorer.factTargets.at(fact));
  }
  return finishCode(explorer, jumps.targets, dataObjects(image, view, taken, pointers), known.personalities, {
    starts: known.twice,
    words: words.twice,
  });
}

/** Exceptions lead to the landing pads of the function that holds the frame. */
function enterLandingPads(explorer: Explorer, view: ObjectView, { frames }: FunctionStarts): void {
  for (let frame = 0; frame < frames.count; frame++) {
    const lsda = frames.lsdas[frame] as number;
    if (lsda === 0) continue;
    const start = frames.starts[frame] as number;
    const index = explorer.ownerOf(start);
    if (index < 0) continue;
    for (const pad of landingPads(view, lsda, start)) explorer.enterFromOutside(index, pad);
  }
}

/** Functions that only words of data name, in an object without relocations. Targets of jump tables are none. */
function takeFromData(explorer: Explorer, view: ObjectView, pointers: Int32Array, jumps: JumpResolver): void {
  const targets = new Set([...jumps.targets.values()].flat());
  for (const place of pointers) {
    const vaddr = view.pointerAt(place);
    if (!view.isCode(vaddr) || targets.has(vaddr)) continue;
    const known = explorer.functionAt(vaddr);
    if (known >= 0) explorer.addFunction(vaddr, ORIGIN.TAKEN);
    else explorer.take(-1, -1, vaddr);
  }
}

/** vaddrs of the words through which functions are called of which the name says something. */
interface NamedWords {
  readonly noreturn: ReadonlySet<number>;
  readonly twice: ReadonlySet<number>;
}

function namedWords(image: Image, view: ObjectView): NamedWords {
  const noreturn = new Set<number>();
  const twice = new Set<number>();
  const object = image.objects[view.index];
  if (object === undefined) return { noreturn, twice };
  const { relocations, symbols } = object;
  const known = new Map<number, Set<number> | null>();
  for (let at = 0; at < relocations.count; at++) {
    const symbol = relocations.symbol[at] as number;
    if (symbol === 0) continue;
    let words = known.get(symbol);
    if (words === undefined) {
      const name = symbols.name(symbol);
      words = NORETURN_NAMES.has(name) ? noreturn : returnsTwice(name) ? twice : null;
      known.set(symbol, words);
    }
    words?.add(view.vaddrOf(relocations.place[at] as number));
  }
  return { noreturn, twice };
}
