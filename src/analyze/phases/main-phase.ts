import { FACT } from '../code/object-code.ts';
import type { CallValues } from '../graph/call-values.ts';
import { type Closure, type ClosureOptions, closeProgram } from '../graph/closure.ts';
import { type KeptFunctions, keptFunctions } from '../graph/kept.ts';
import type { GraphObject, ProgramGraph } from '../graph/program-graph.ts';
import type { Part, Reach, Root } from '../graph/reach.ts';
import { enteredOnce, finaliserRoots, mainFunction, objectRoots } from '../graph/roots.ts';
import { VALUE } from '../value/value.ts';
import { Instruction, OPERAND } from '../x86/instruction.ts';
import { type FlowCache, type PhasePlace, remainderOf } from './remainder.ts';

/** What comes after set-up. */
export interface MainPhase {
  readonly places: readonly PhasePlace[];
  readonly closure: Closure;
}

/**
 * What a program can reach once it has come to one of some places: the code from there on and after it; what runs at exit; every function
 * whose address code that ran before may have kept, such as handlers, callbacks and routines of threads.
 *
 * Null where it is not known what comes after one of the places.
 */
export function mainPhase(
  graph: ProgramGraph,
  values: CallValues,
  whole: Closure,
  places: readonly PhasePlace[],
  flows: FlowCache,
  kept: KeptFunctions,
  options: ClosureOptions = {},
): MainPhase | null {
  const main = mainNode(graph, values);
  const parts: Part[] = [];
  const roots: Root[] = [];
  for (const place of places) {
    const remainder = remainderOf(graph, whole.reach, place, main, flows);
    if (remainder === null) return null;
    parts.push(...remainder.parts);
  }
  for (const { address } of graph.image.lookup('exit')) roots.push({ address, note: 'exit' });
  for (const object of graph.objects) {
    // What was opened at run time may be opened only now.
    const isOpened = graph.image.loadSet.objects[object.index]?.reason.kind === 'open';
    roots.push(...(isOpened ? objectRoots(graph, object) : finaliserRoots(graph, object)));
  }
  const keep = (node: number): Root => ({
    address: graph.addressOf(node),
    note: 'its address was kept in set-up',
  });
  roots.push(...kept.nodes.map(keep));
  const running = { parts, earlier: whole.reach };
  // Services of the Name Service Switch call what they keep themselves: once any of their code that could is reached.
  const added = new Set<number>();
  for (;;) {
    const closure = closeProgram(graph, roots, values, { ...options, running });
    const entered = [...kept.private.keys()].filter(
      (index) => !added.has(index) && callsThroughPointers(graph, values, closure.reach, index),
    );
    if (entered.length === 0) return { places, closure };
    for (const index of entered) {
      added.add(index);
      roots.push(...(kept.private.get(index) ?? []).map(keep));
    }
  }
}

/** The functions that set-up may have kept. */
export function keptInSetup(graph: ProgramGraph, values: CallValues, whole: Closure): KeptFunctions {
  return keptFunctions(graph, whole, enteredOnce(graph, values));
}

/** The node of the main function, -1 where it is not known. */
export function mainNode(graph: ProgramGraph, values: CallValues): number {
  const main = mainFunction(graph, values);
  return main === null ? -1 : graph.nodeAt(main);
}

/** Whether reached code of an object calls through pointers other than words that the loader binds. */
function callsThroughPointers(graph: ProgramGraph, values: CallValues, reach: Reach, index: number): boolean {
  const { base, code, firstNode, view, transfer } = graph.objects[index] as GraphObject;
  const ins = new Instruction();
  return reach.order.some((node) => {
    if (node < firstNode || node >= firstNode + code.starts.length) return false;
    const end = code.factOffsets[node - firstNode + 1] as number;
    for (let fact = code.factOffsets[node - firstNode] as number; fact < end; fact++) {
      const kind = code.factKinds[fact];
      if (kind === FACT.JUMP_UNKNOWN) return true;
      if (kind !== FACT.CALL_INDIRECT && kind !== FACT.JUMP_INDIRECT) continue;
      const vaddr = code.factPlaces[fact] as number;
      view.decode(vaddr, ins);
      const value = values.at(node, base + vaddr)?.state[ins.sourceRegister];
      const isBound =
        ins.sourceKind === OPERAND.REGISTER &&
        value !== undefined &&
        transfer.pool.members(value).every((member) => transfer.pool.kind(member) === VALUE.WORD);
      if (!isBound) return true;
    }
    return false;
  });
}
