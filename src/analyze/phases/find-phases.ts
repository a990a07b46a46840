import { syscallName } from '../../abi/syscalls.ts';
import { ArgumentQuery } from '../graph/argument-query.ts';
import type { CallValues } from '../graph/call-values.ts';
import { codePlace } from '../graph/chains.ts';
import type { Closure, ClosureOptions } from '../graph/closure.ts';
import type { KeptFunctions } from '../graph/kept.ts';
import type { ProgramGraph } from '../graph/program-graph.ts';
import { type CallSite, callSites } from '../graph/sites.ts';
import { UsageError } from '../../base/errors.ts';
import { type LiveFrame, outermostLoop } from './live-loop.ts';
import { type MainLoop, mainLoops } from './main-loop.ts';
import { keptInSetup, mainNode, mainPhase } from './main-phase.ts';
import { FlowCache, type PhasePlace } from './remainder.ts';

/** How the phases of a program are to be found. */
export type PhaseSplit =
  /** At the loop in which it waits, if there is one and the split blocks anything. */
  | { readonly kind: 'auto' }
  /** After the start-up of the loader and the C library, at main. */
  | { readonly kind: 'main' }
  /** At a function of the program: its name, or its vaddr. */
  | { readonly kind: 'function'; readonly name: string }
  /**
   * At the loop in which it waits by one of these calls: numbers on x86_64. Of the functions that a trace found running in such a call, the
   * innermost first, the outermost that is in a loop says which; one stack for each role of a process.
   */
  | {
      readonly kind: 'waits';
      readonly numbers: readonly number[];
      readonly stacks: readonly (readonly LiveFrame[])[];
    };

/** The phase after set-up. */
export interface FoundPhase {
  readonly places: readonly PhasePlace[];
  /** Why the phase begins there, for people. */
  readonly reason: string;
  readonly closure: Closure;
  readonly sites: readonly CallSite[];
  readonly query: ArgumentQuery;
}

/** So many calls fewer make a phase that nobody asked for worth having. */
const WORTH = 5;

/** What has been found of the whole program. */
export interface WholeProgram {
  readonly graph: ProgramGraph;
  readonly values: CallValues;
  readonly closure: Closure;
  readonly sites: readonly CallSite[];
}

/**
 * The phase of a program that follows its set-up; null where it has none.
 *
 * @throws UsageError when a function that was named is not there, or it is not known what comes after it.
 */
export function findPhase(
  whole: WholeProgram,
  split: PhaseSplit,
  options: ClosureOptions = {},
): FoundPhase | null {
  return new PhaseFinder(whole, options).find(split);
}

class PhaseFinder {
  readonly #whole: WholeProgram;
  readonly #options: ClosureOptions;
  readonly #flows: FlowCache;
  #kept: KeptFunctions | null = null;

  constructor(whole: WholeProgram, options: ClosureOptions) {
    this.#whole = whole;
    this.#options = options;
    this.#flows = new FlowCache(whole.graph);
  }

  find(split: PhaseSplit): FoundPhase | null {
    switch (split.kind) {
      case 'main': {
        const main = mainNode(this.#whole.graph, this.#whole.values);
        return main < 0
          ? null
          : this.#atStart(main, 'the loader and the C library have started up, main begins');
      }
      case 'function':
        return this.#atFunction(split.name);
      default:
        return split.kind === 'waits'
          ? (this.#atStacks(split.stacks) ?? this.#atLoop(new Set(split.numbers)))
          : this.#ifWorth(this.#atLoop(null, true));
    }
  }

  #atFunction(name: string): FoundPhase {
    const { graph } = this.#whole;
    const program = graph.objects[0];
    const address = /^0x[0-9a-f]+$/i.test(name)
      ? Number(name) + (program?.base ?? 0)
      : graph.image.addressOf(0, name);
    const node = address === null ? -1 : graph.nodeAt(address);
    if (address === null || node < 0 || this.#whole.closure.reach.how[node] === 0) {
      throw new UsageError(
        `analyze: no function ${name} of the program can be reached (give its address, such as 0x12a40, where the file has no symbol)`,
      );
    }
    const found = this.#at([{ node, address }], `${name} begins`);
    if (found === null) {
      throw new UsageError(
        `analyze: it is not known what comes after ${name}, for it may be called through pointers`,
      );
    }
    return found;
  }

  #atStart(node: number, reason: string): FoundPhase | null {
    return this.#at([{ node, address: this.#whole.graph.addressOf(node) }], reason);
  }

  /** Null if one of the stacks has no loop from which it is known what comes after. */
  #atStacks(stacks: readonly (readonly LiveFrame[])[]): FoundPhase | null {
    const { graph, values, closure } = this.#whole;
    const main = mainNode(graph, values);
    const places = new Map<number, PhasePlace>();
    for (const stack of stacks) {
      const place = outermostLoop(graph, closure.reach, stack, main, this.#flows);
      if (place === null) return null;
      places.set(place.address, place);
    }
    if (places.size === 0) return null;
    const named = [...places.values()].map((place) => `a loop of ${this.#nameOf(place)}`);
    return this.#at([...places.values()], `${named.join('; ')} was running when the trace saw it wait`);
  }

  #atLoop(only: ReadonlySet<number> | null, isForWorth = false): FoundPhase | null {
    const { graph, values, closure, sites } = this.#whole;
    const main = mainNode(graph, values);
    const loops = mainLoops(graph, closure.reach, sites, main, this.#flows, only);
    const [ofMain] = loops.ofMain;
    const candidates = [ofMain === undefined ? [] : [ofMain], loops.ofWorkers].filter(
      (places) => places.length > 0,
    );
    if (isForWorth && !candidates.some((places) => this.#mayBeWorth(places))) return null;
    const found = candidates
      .map((places) => this.#at(places, this.#describe(places)))
      .filter((phase) => phase !== null);
    return found.sort((a, b) => sizeOf(a.sites) - sizeOf(b.sites))[0] ?? null;
  }

  #ifWorth(phase: FoundPhase | null): FoundPhase | null {
    return phase !== null && sizeOf(this.#whole.sites) - sizeOf(phase.sites) >= WORTH ? phase : null;
  }

  /**
   * Whether the phase would be worth having if set-up kept no function at all. Most programs with a loop end here, before it is found out
   * what set-up kept, which takes longer than all else about phases.
   */
  #mayBeWorth(places: readonly PhasePlace[]): boolean {
    const { graph, values, closure, sites } = this.#whole;
    const phase = mainPhase(graph, values, closure, places, this.#flows, NOTHING_KEPT, this.#options);
    if (phase === null) return false;
    const { reach } = phase.closure;
    const least = callSites(graph, reach, new ArgumentQuery(graph, reach, values), values);
    return sizeOf(sites) - sizeOf(least) >= WORTH;
  }

  #describe(loops: readonly MainLoop[]): string {
    const places = loops.map((loop) => {
      const calls = [...loop.waits].map((nr) => syscallName('x86_64', nr) ?? `${nr}`).sort();
      return `a loop of ${this.#nameOf(loop)} waits by ${calls.join(', ')}`;
    });
    return places.join('; ');
  }

  #nameOf({ node, address }: PhasePlace): string {
    const { graph } = this.#whole;
    const { function: name } = codePlace(graph, address);
    return name ?? `the function at 0x${codePlace(graph, graph.addressOf(node)).address.toString(16)}`;
  }

  #at(places: readonly PhasePlace[], reason: string): FoundPhase | null {
    const { graph, values, closure } = this.#whole;
    this.#kept ??= keptInSetup(graph, values, closure);
    const phase = mainPhase(graph, values, closure, places, this.#flows, this.#kept, this.#options);
    if (phase === null) return null;
    const { reach } = phase.closure;
    const query = new ArgumentQuery(graph, reach, values);
    return { places, reason, closure: phase.closure, sites: callSites(graph, reach, query, values), query };
  }
}

const NOTHING_KEPT: KeptFunctions = { nodes: [], private: new Map() };

/** How many different calls some sites may make. */
function sizeOf(sites: readonly CallSite[]): number {
  return new Set(sites.flatMap(({ arch, numbers }) => [...numbers.keys()].map((nr) => `${arch} ${nr}`))).size;
}
