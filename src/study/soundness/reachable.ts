import type { ProgramAnalysis } from '../../analyze/analyze.ts';
import { codePlace } from '../../analyze/graph/chains.ts';

/** What an analysis says of the code of one object. */
export interface ReachableObject {
  /** Whether a vaddr is one of the object's at all. */
  contains(vaddr: number): boolean;
  /** Whether the instruction at a vaddr lies in a function that the program can reach. */
  holds(vaddr: number): boolean;
  /** The function at a vaddr as people know it, such as `qsort`, or its address where nothing names it. */
  functionAt(vaddr: number): string;
}

/** Objects of the load set by the path of the file itself. */
export type ReachableCode = ReadonlyMap<string, ReachableObject>;

/** What an analysis holds for reachable, function by function: a block that no path leads to counts if its function is reached. */
export function reachableCode({ graph, closure }: ProgramAnalysis): ReachableCode {
  return new Map(
    graph.objects.map((object) => [
      object.image.file.realPath,
      {
        contains: (vaddr) => object.view.contains(vaddr),
        holds: (vaddr) => {
          const node = graph.nodeAt(object.base + vaddr);
          return node >= 0 && closure.reach.how[node] !== 0;
        },
        functionAt: (vaddr) => {
          const node = graph.nodeAt(object.base + vaddr);
          if (node < 0) return 'no function';
          const place = codePlace(graph, graph.addressOf(node));
          return place.function ?? `0x${place.address.toString(16)}`;
        },
      },
    ]),
  );
}
