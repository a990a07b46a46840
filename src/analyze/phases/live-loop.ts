import { basename } from 'node:path';
import type { GraphObject, ProgramGraph } from '../graph/program-graph.ts';
import type { Reach } from '../graph/reach.ts';
import { isOwn } from './main-loop.ts';
import { type FlowCache, type PhasePlace, remainderOf } from './remainder.ts';

/** A function that a trace found running. */
export interface LiveFrame {
  /** Path of its file; null for the program. */
  readonly object: string | null;
  /** vaddr at which it goes on. */
  readonly address: number;
}

/**
 * The outermost loop that was running when a stack was taken, and from which it is known what comes after; null for none.
 *
 * @param stack the innermost function first. Its addresses are those of another run: only vaddrs and the names of files count.
 */
export function outermostLoop(
  graph: ProgramGraph,
  reach: Reach,
  stack: readonly LiveFrame[],
  main: number,
  flows: FlowCache,
): PhasePlace | null {
  for (const frame of stack.toReversed()) {
    const object = objectOf(graph, frame.object);
    if (object === null || !isOwn(object)) continue;
    // It goes on behind the call, which may be the last instruction of its loop.
    const vaddr = frame.address - 1;
    const node = graph.nodeAt(vaddr + object.base);
    if (node < 0 || reach.how[node] === 0) continue;
    const flow = flows.of(node);
    const block = flow.blockOf(vaddr);
    const header = block < 0 ? -1 : flow.outermostLoop(block);
    if (header < 0) continue;
    const place = { node, address: object.base + (flow.body.starts[header] as number) };
    if (remainderOf(graph, reach, place, main, flows) !== null) return place;
  }
  return null;
}

/** The trace may have run under another root directory, or through a link. */
function objectOf(graph: ProgramGraph, path: string | null): GraphObject | null {
  if (path === null) return graph.objects[0] ?? null;
  return (
    graph.objects.find(({ image }) => image.file.path === path || image.file.realPath === path) ??
    graph.objects.find(({ image }) => basename(image.file.path) === basename(path)) ??
    null
  );
}
