import type { Arch } from '../abi/arch.ts';
import { syscallName, syscallNumber } from '../abi/syscalls.ts';
import { UsageError } from '../base/errors.ts';
import type { Call, Phase, Program, UnresolvedSite } from '../profile/model.ts';
import { ArgumentQuery } from './graph/argument-query.ts';
import { assumptionsOf } from './graph/assumptions.ts';
import { CallValues } from './graph/call-values.ts';
import { chainTo, codePlace } from './graph/chains.ts';
import { MadeCodeSearch } from './graph/made-code.ts';
import { openTargets } from './graph/open-targets.ts';
import { type CodeSource, ProgramGraph } from './graph/program-graph.ts';
import { HOW, type Reach } from './graph/reach.ts';
import { runtimesOf } from './graph/runtimes.ts';
import { closeScope, type Scope, type ScopedClosure } from './graph/scope.ts';
import { selectingValues } from './graph/selecting-values.ts';
import { type CallSite, callSites } from './graph/sites.ts';
import { Image } from './image/image.ts';
import { type LoadSet, loadSet, type LoadSetOptions } from './load/load-set.ts';
import { NOT_FOUND } from './load/object-reader.ts';
import { pluginLibraries } from './load/plugin.ts';
import { LibraryList, type RunTimeLibrary } from './load/run-time-library.ts';
import { type FoundPhase, findPhase, type PhaseSplit } from './phases/find-phases.ts';
import { baseName } from '../base/base-name.ts';

/** How a program is analysed. */
export interface AnalyzeOptions extends LoadSetOptions {
  /** All of its life, loader included, or from main on; default `whole`. */
  readonly scope?: Scope;
  /** Libraries that it opens at run time besides those that the analysis finds, with a reason each. */
  readonly libraries?: readonly RunTimeLibrary[];
  /** Add what configuration files and plug-in directories of well-known programs and libraries name; default false. */
  readonly plugins?: boolean;
  /** How to tell set-up from what follows; default: one phase. Not with scope `main`. */
  readonly phases?: PhaseSplit;
  /** Selecting arguments and chains of calls; default true. Without them the analysis is faster. */
  readonly details?: boolean;
  /** How the code of an object is come by; default: it is read. */
  readonly source?: CodeSource;
}

/** What was found of a program. */
export interface ProgramAnalysis {
  /** As profiles have it: calls of origin `possible`, with the `phases`. */
  readonly program: Program;
  /** Set-up, and what follows it if that was asked for and found. */
  readonly phases: readonly Phase[];
  readonly graph: ProgramGraph;
  readonly values: CallValues;
  readonly closure: ScopedClosure;
  readonly sites: readonly CallSite[];
  readonly query: ArgumentQuery;
  readonly statistics: AnalysisStatistics;
}

/** Sizes of an analysis. */
export interface AnalysisStatistics {
  readonly objects: number;
  readonly functions: number;
  readonly reachedFunctions: number;
  readonly sites: number;
  /** System calls, by arch and number. */
  readonly calls: number;
}

/**
 * Finds which system calls a program can make, by reading the code of all its objects.
 *
 * Nothing is run. The path is below the root of the options; a link stands for what it leads to.
 *
 * @throws FormatError when an object is malformed.
 * @throws UnsupportedError when the program is for a machine that cannot be read.
 * @throws UsageError when there is no such file, not its loader, or not a library that is required.
 */
export function analyzeProgram(path: string, options: AnalyzeOptions = {}): ProgramAnalysis {
  const set = loadSet(path, options);
  requireLoader(set);
  const image = new Image(set);
  const graph = new ProgramGraph(image, options.source);
  const values = new CallValues(graph);
  const plugins = options.plugins === true ? pluginLibraries(image.loadSet) : new LibraryList();
  const closure = closeScope(graph, values, options.scope ?? 'whole', {
    libraries: [...(options.libraries ?? []), ...plugins.libraries],
  });
  const { reach } = closure;
  const query = new ArgumentQuery(graph, reach, values);
  const sites = callSites(graph, reach, query, values);
  const main =
    options.phases === undefined || options.scope === 'main'
      ? null
      : findPhase({ graph, values, closure, sites }, options.phases);
  const calls = callsOf(graph, reach, query, sites, main, options.details !== false);
  const made = new MadeCodeSearch(graph, reach, sites, query);
  const { file } = image.objects[0] as (typeof image.objects)[number];
  return {
    program: {
      path: file.path,
      buildId: file.buildId,
      calls,
      analysis: {
        objects: image.objects.map(({ file: each }) => ({
          path: each.path,
          buildId: each.buildId,
          reason: reasonOf(graph, each.index),
        })),
        entries: (main?.places ?? []).map(({ address }) => ({
          ...codePlace(graph, address),
          phase: 1,
          reason: main?.reason ?? '',
        })),
        unresolved: [
          ...unresolvedSites(graph, closure, sites, made, main),
          ...plugins.problems.map((problem) => unnamedPlugins(file.path, problem, main)),
        ],
        assumptions: [
          ...assumptionsOf(graph, closure, made.isThroughPointers),
          ...(main === null ? [] : [PHASE_ASSUMPTION]),
        ],
      },
    },
    phases: phasesOf(graph, main),
    graph,
    values,
    closure,
    sites,
    query,
    statistics: {
      objects: image.objects.length,
      functions: graph.nodeCount,
      reachedFunctions: reach.order.length,
      sites: sites.length,
      calls: calls.length,
    },
  };
}

/** Without its loader a program cannot be started, and nothing of it would be reached. */
function requireLoader({ missing, objects, root }: LoadSet): void {
  const loader = missing.find(({ kind }) => kind === 'interpreter');
  if (loader === undefined) return;
  const problem =
    loader.problem === NOT_FOUND ? ` is not in the root ${root.directory}` : `: ${loader.problem}`;
  throw new UsageError(`analyze: ${objects[0]?.path ?? ''}: its loader ${loader.name}${problem}`);
}

const PHASE_ASSUMPTION =
  'the phase after set-up begins in the first thread of a process, and functions whose address was kept in set-up were kept by code that the escape analysis understands';

/** Set-up, and the phase that begins at one of some places. */
function phasesOf(graph: ProgramGraph, main: FoundPhase | null): Phase[] {
  const setup: Phase = { name: 'setup', trigger: null, source: 'start', reason: null, entered: true };
  if (main === null) return [setup];
  const triggers = main.places.map(({ address }) => {
    const { object, address: vaddr } = codePlace(graph, address);
    return `symbol:${baseName(object)}:0x${vaddr.toString(16)}`;
  });
  return [
    setup,
    { name: 'main', trigger: triggers.join(' | '), source: 'auto', reason: main.reason, entered: true },
  ];
}

/** Calls by arch and number, ascending, with chains and selecting arguments if wanted. */
function callsOf(
  graph: ProgramGraph,
  reach: Reach,
  query: ArgumentQuery,
  sites: readonly CallSite[],
  main: FoundPhase | null,
  details: boolean,
): Call[] {
  const inMain = new Map<string, CallSite | null>();
  for (const site of main?.sites ?? []) {
    for (const nr of site.numbers.keys()) {
      const key = `${site.arch} ${nr}`;
      if (!inMain.has(key)) inMain.set(key, site);
    }
  }
  const bySite = new Map<Arch, Map<number, CallSite[]>>([
    ['x86_64', new Map()],
    ['i386', new Map()],
    ['x32', new Map()],
  ]);
  for (const site of sites) {
    for (const nr of site.numbers.keys()) {
      const known = bySite.get(site.arch)?.get(nr);
      if (known === undefined) bySite.get(site.arch)?.set(nr, [site]);
      else known.push(site);
    }
  }
  const calls: Call[] = [];
  for (const [arch, byNumber] of bySite) {
    if (byNumber.size > 0) addAlways(arch, byNumber);
    for (const nr of [...byNumber.keys()].sort((a, b) => a - b)) {
      const of = byNumber.get(nr) ?? [];
      const args = details ? selectingValues(query, arch, nr, of) : null;
      const first = of[0];
      const later = inMain.get(`${arch} ${nr}`);
      // What the kernel makes a program call has no site.
      const isInMain = main !== null && (later !== undefined || first === undefined);
      calls.push({
        arch,
        nr,
        name: syscallName(arch, nr),
        origin: 'possible',
        count: null,
        first: null,
        last: null,
        phases: isInMain ? [0, 1] : [0],
        ...(args === null ? {} : { args }),
        ...(details && first !== undefined
          ? {
              chains: [
                { phase: 0, steps: chainTo(graph, reach, first, nr) },
                ...(later == null || main === null
                  ? []
                  : [{ phase: 1, steps: chainTo(graph, main.closure.reach, later, nr) }]),
              ],
            }
          : {}),
      });
    }
  }
  return calls;
}

/** What the kernel makes a program call: no site has restart_syscall, and the return from a handler may be the vDSO's. */
function addAlways(arch: Arch, byNumber: Map<number, CallSite[]>): void {
  for (const name of ['restart_syscall', 'rt_sigreturn']) {
    const nr = syscallNumber(arch, name);
    if (nr !== null && !byNumber.has(nr)) byNumber.set(nr, []);
  }
}

function reasonOf(graph: ProgramGraph, index: number): string {
  const { loadSet: set } = graph.image;
  const { reason } = set.objects[index] as (typeof set.objects)[number];
  const by = reason.by === null ? '' : (set.objects[reason.by]?.path ?? '');
  switch (reason.kind) {
    case 'needed':
      return `needed by ${baseName(by)}`;
    case 'open':
      return reason.text;
    default:
      return reason.text === '' ? reason.kind : `${reason.kind}: ${reason.text}`;
  }
}

/** Plug-ins that a configuration or directory may name beside those that were found. */
function unnamedPlugins(program: string, problem: string, main: FoundPhase | null): UnresolvedSite {
  const phases = main === null ? [0] : [0, 1];
  return {
    object: program,
    function: null,
    address: 0,
    kind: 'object',
    reason: `plug-ins may be missing: ${problem}`,
    phases,
  };
}

function unresolvedSites(
  graph: ProgramGraph,
  closure: ScopedClosure,
  sites: readonly CallSite[],
  made: MadeCodeSearch,
  main: FoundPhase | null,
): UnresolvedSite[] {
  const found: UnresolvedSite[] = [];
  // What stands in no function that was reached may be in either phase.
  const everywhere = main === null ? [0] : [0, 1];
  const phasesAt = (address: number): readonly number[] => {
    const node = graph.nodeAt(address);
    return main !== null && node >= 0 && main.closure.reach.how[node] === HOW.NOT ? [0] : everywhere;
  };
  const add = (kind: UnresolvedSite['kind'], address: number, reason: string): void => {
    found.push({ ...codePlace(graph, address), kind, reason, phases: phasesAt(address) });
  };
  for (const { unknown, address } of sites) {
    for (const place of unknown) {
      const where =
        place.address === address
          ? ''
          : `, for the system call at 0x${codePlace(graph, address).address.toString(16)}`;
      add('number', place.address, `number of a system call: ${place.reason}${where}`);
    }
  }
  for (const { kind, address, reason } of closure.unknown) {
    add(kind, address, kind === 'dlopen' ? `library to open: ${reason}` : `symbol to look up: ${reason}`);
  }
  for (const { kind, address, reason } of openTargets(graph, closure.reach)) add(kind, address, reason);
  const program = graph.objects[0]?.image;
  for (const { name, problem, by } of graph.image.loadSet.missing) {
    const object = graph.image.loadSet.objects[by ?? 0]?.path ?? program?.file.path ?? '';
    found.push({
      object,
      function: null,
      address: 0,
      kind: 'object',
      reason: `${name}: ${problem}`,
      phases: everywhere,
    });
  }
  const runtimes = runtimesOf(graph);
  const known = new Set(runtimes.map(({ object }) => object));
  for (const { address, reason } of made.found.values())
    if (!known.has(graph.image.objectAt(address))) add('runtime', address, reason);
  for (const { object, reason } of runtimes) {
    const path = graph.objects[object]?.image.file.path ?? '';
    found.push({ object: path, function: null, address: 0, kind: 'runtime', reason, phases: everywhere });
  }
  return found;
}
