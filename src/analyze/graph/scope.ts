import type { CallValues } from './call-values.ts';
import { type Closure, type ClosureOptions, closeProgram } from './closure.ts';
import { keptFunctions } from './kept.ts';
import type { ProgramGraph } from './program-graph.ts';
import type { Reach, Root } from './reach.ts';
import { enteredOnce, finaliserRoots, mainFunction, startRoots } from './roots.ts';

/** Which part of a program's life is meant: all of it, or from its main function on. */
export type Scope = 'whole' | 'main';

/** What a scope covers. */
export interface ScopedClosure extends Closure {
  /** Address of the main function; null where it is not known. */
  readonly main: number | null;
  /** What ran before main; null for the whole program, or where main is not known. */
  readonly start: Reach | null;
}

/**
 * What a program can reach in a scope.
 *
 * From main on that is main, what runs at exit, and every function whose address code that ran before may have kept: handlers, callbacks,
 * trampolines of the loader. The loader's own main function and the entries are left out: they are entered once, before.
 */
export function closeScope(
  graph: ProgramGraph,
  values: CallValues,
  scope: Scope,
  options: ClosureOptions = {},
): ScopedClosure {
  const main = mainFunction(graph, values);
  const mainNode = main === null ? -1 : graph.nodeAt(main);
  if (scope === 'whole' || main === null || mainNode < 0) {
    return { ...closeProgram(graph, startRoots(graph), values, options), main, start: null };
  }
  const before = closeProgram(graph, startRoots(graph), values, { without: new Set([mainNode]) });
  const roots: Root[] = [{ address: main, note: 'main' }];
  for (const { address } of graph.image.lookup('exit')) roots.push({ address, note: 'exit' });
  for (const object of graph.objects) roots.push(...finaliserRoots(graph, object));
  const kept = keptFunctions(graph, before, enteredOnce(graph, values));
  for (const node of [...kept.nodes, ...[...kept.private.values()].flat()]) {
    roots.push({ address: graph.addressOf(node), note: 'its address was taken before main' });
  }
  return { ...closeProgram(graph, roots, values, options), main, start: before.reach };
}
