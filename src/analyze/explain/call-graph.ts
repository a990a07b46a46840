import type { ProgramAnalysis } from '../analyze.ts';
import { FACT } from '../code/object-code.ts';
import { codePlace } from '../graph/chains.ts';
import { HOW } from '../graph/reach.ts';
import { targetOf } from '../graph/word-target.ts';
import { syscallName } from '../../abi/syscalls.ts';

/** The functions that can be reached and how, ready to be drawn. */
export interface CallGraph {
  /** Path of each object, in load order. */
  readonly objects: readonly string[];
  readonly functions: readonly GraphFunction[];
  readonly edges: readonly GraphEdge[];
}

export interface GraphFunction {
  /** Index into `objects`. */
  readonly object: number;
  readonly name: string | null;
  /** vaddr in the object. */
  readonly address: number;
  /** What it is if it is a root, else null. */
  readonly root: string | null;
  /** System calls that it makes itself. */
  readonly calls: readonly string[];
}

export interface GraphEdge {
  /** Indices into `functions`. */
  readonly from: number;
  readonly to: number;
  /** `taken`: the address of the function is known to the other one, which may call it. */
  readonly how: 'call' | 'jump' | 'import' | 'taken';
}

/** The call graph of an analysis: reached functions only, each edge once. */
export function callGraph({ graph, closure, sites }: ProgramAnalysis): CallGraph {
  const { reach } = closure;
  const numbers = new Map(reach.order.map((node, number) => [node, number]));
  const made = new Map<number, Set<string>>();
  for (const { node, arch, numbers: known } of sites) {
    const names = made.get(node) ?? new Set<string>();
    for (const nr of known.keys()) names.add(syscallName(arch, nr) ?? `${arch}:${nr}`);
    made.set(node, names);
  }
  const functions = reach.order.map((node): GraphFunction => {
    const place = codePlace(graph, graph.addressOf(node));
    return {
      object: graph.objectOf(node).index,
      name: place.function,
      address: place.address,
      root: reach.how[node] === HOW.ROOT ? (reach.notes.get(node) ?? 'root') : null,
      calls: [...(made.get(node) ?? [])].sort(),
    };
  });
  const edges = new Map<string, GraphEdge>();
  const add = (from: number, target: number, how: GraphEdge['how']): void => {
    const to = numbers.get(target);
    if (to !== undefined && from !== to) edges.set(`${from} ${to} ${how}`, { from, to, how });
  };
  for (const [node, number] of numbers) {
    const object = graph.objectOf(node);
    const { code, firstNode, base } = object;
    const index = node - firstNode;
    for (
      let fact = code.factOffsets[index] as number;
      fact < (code.factOffsets[index + 1] as number);
      fact++
    ) {
      const to = code.factTargets[fact] as number;
      const kind = code.factKinds[fact];
      if (kind === FACT.CALL) add(number, firstNode + to, 'call');
      else if (kind === FACT.JUMP) add(number, firstNode + to, 'jump');
      else if (kind === FACT.CALL_WORD || kind === FACT.JUMP_WORD) {
        const target = targetOf(object, base + to);
        if (target !== 0) add(number, graph.nodeAt(target), 'import');
      }
    }
    const parent = numbers.get(reach.parents[node] as number);
    const how = reach.how[node];
    if (parent !== undefined && (how === HOW.TAKEN || how === HOW.POINTER)) add(parent, node, 'taken');
  }
  return {
    objects: graph.objects.map(({ image }) => image.file.path),
    functions,
    edges: [...edges.values()],
  };
}
