import type { CallValues } from './call-values.ts';
import { type Closure, type ClosureOptions, closeProgram } from './closure.ts';
import { Escape } from './escape.ts';
import type { ProgramGraph } from './program-graph.ts';
import { type Reach, type Root, TAKEN } from './reach.ts';
import { finaliserRoots, loaderMain, mainFunction, startRoots } from './roots.ts';

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
  // -1 among the takers stands for data, and for everything that is not plain code.
  const takers = new Map<number, Set<number>>();
  const { reach: start } = closeProgram(graph, startRoots(graph), values, {
    without: new Set([mainNode]),
    taken: (node, from, word) => {
      const known = takers.get(node) ?? new Set();
      takers.set(node, known.add(word !== 0 ? -1 : from));
    },
  });
  const roots: Root[] = [{ address: main, note: 'main' }];
  for (const { address } of graph.image.lookup('exit')) roots.push({ address, note: 'exit' });
  for (const object of graph.objects) roots.push(...finaliserRoots(graph, object));
  for (const node of keptFunctions(graph, start, values, takers)) {
    roots.push({ address: graph.addressOf(node), note: 'its address was taken before main' });
  }
  return { ...closeProgram(graph, roots, values, options), main, start };
}

/** Functions whose address what ran before main may have kept. */
function keptFunctions(
  graph: ProgramGraph,
  start: Reach,
  values: CallValues,
  takers: ReadonlyMap<number, ReadonlySet<number>>,
): number[] {
  const escape = new Escape(graph);
  const once = new Set([loaderMain(graph, values)]);
  for (const { image, base } of graph.objects) {
    const { role, elf } = image.file;
    if (role === 'program' || role === 'interpreter') once.add(graph.nodeAt(base + elf.entry));
  }
  return start.order.filter((node) => {
    if (((start.taken[node] as number) & TAKEN.ADDRESS) === 0 || once.has(node)) return false;
    const address = graph.addressOf(node);
    const by = takers.get(node);
    if (by === undefined || by.has(-1)) return true;
    // Only the loader hands many callbacks around that are gone when it is done.
    return [...by].some(
      (from) => graph.objectOf(from).image.file.role !== 'interpreter' || escape.ofAddress(from, address),
    );
  });
}
