import { UsageError } from '../../base/errors.ts';
import { PERMISSION } from '../image/memory.ts';
import { providerFile } from '../load/openssl.ts';
import { libraryDirectories } from '../load/plugin.ts';
import type { RunTimeLibrary } from '../load/run-time-library.ts';
import { ArgumentQuery, type CallPlace, type UnknownValue } from './argument-query.ts';
import { CallValues } from './call-values.ts';
import { NameService } from './name-service.ts';
import { HandleScope } from './handle-scope.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import { type Part, Reach, type Root } from './reach.ts';
import { isLibrary, objectRoots, openExports, openThreadData, personalityRoots } from './roots.ts';
import { hasStaticGlibc, isOpenerUsed, OPENER, staticSymbols } from './static-libc.ts';

/** Something that is loaded at run time and could not be told. */
export interface UnknownLoad extends UnknownValue {
  readonly kind: 'dlopen' | 'dlsym';
}

/** An object that was opened, -1 for one that is not there, and the objects that may have a handle of it; null for any. */
interface Opened {
  readonly index: number;
  readonly openers: ReadonlySet<number> | null;
}

/** What a program can reach, with everything that it opens while it runs. */
export interface Closure {
  readonly reach: Reach;
  readonly unknown: readonly UnknownLoad[];
  readonly names: NameService;
}

/** How far run-time loading is followed. */
export interface ClosureOptions {
  /** Libraries to open, with a reason each: options, configuration. */
  readonly libraries?: readonly RunTimeLibrary[];
  /** Functions that are not to be entered. */
  readonly without?: ReadonlySet<number>;
  /** Functions that are running already, and what was reached before. */
  readonly running?: { readonly parts: readonly Part[]; readonly earlier: Reach };
}

/** Rounds of opening after which what is still new is left out; each opens at least one library. */
const ROUND_LIMIT = 64;

const RDI = 7;
const RSI = 6;

/** Longest text that is looked at as a name. */
const NAME_LIMIT = 80;

/** Functions of libc whose arguments are asked for. */
const ASKED: ReadonlySet<string> = new Set(['dlopen', 'dlmopen', 'dlsym', 'dlvsym']);

/**
 * Reachability with run-time loading: names of libraries and functions that reached code hands to dlopen and dlsym, libraries that libc
 * opens by itself, and the services of its Name Service Switch. The graph grows by what is opened.
 */
export function closeProgram(
  graph: ProgramGraph,
  roots: readonly Root[],
  values: CallValues,
  options: ClosureOptions = {},
): Closure {
  return new ProgramCloser(graph, values, options).run(roots);
}

class ProgramCloser {
  readonly #graph: ProgramGraph;
  readonly #values: CallValues;
  readonly #options: ClosureOptions;
  readonly #names: NameService;
  readonly #reach: Reach;
  /** Texts that reached code of libc holds. */
  readonly #texts = new Map<string, readonly [node: number, at: number]>();
  readonly #tried = new Set<string>();
  readonly #symbols = new Set<string>();
  /** Objects that libc opened by itself. */
  readonly #byLibc = new Set<number>();
  /** Objects opened by a constant name, by that name, and the objects whose code handed it over. */
  readonly #byName = new Map<string, Opened & { readonly openers: Set<number> }>();
  /** Objects opened because something else than code says so. */
  readonly #given: Opened[] = [];
  #isUnwinding = false;
  #prepared = 0;
  /** Addresses of functions in a static program by name. */
  readonly #symbolsOfProgram: ReadonlyMap<string, number>;
  /** Whether the program is static, with glibc in it. */
  readonly #isStatic: boolean;
  /** Where a static program reaches dlopen. */
  #opener: readonly [node: number, at: number] | null = null;

  constructor(graph: ProgramGraph, values: CallValues, options: ClosureOptions) {
    this.#graph = graph;
    this.#values = values;
    this.#options = options;
    this.#isStatic = hasStaticGlibc(graph);
    this.#symbolsOfProgram = this.#isStatic ? staticSymbols(graph, ASKED) : new Map();
    this.#names = new NameService(graph, this.#isStatic);
    const without = options.without ?? new Set();
    this.#reach = new Reach(graph, {
      admits: (node) => this.#names.admits(node) && !without.has(node),
      dataTaken: (object, vaddr, node, at) => this.#dataTaken(object, vaddr, node, at),
      ...(options.running === undefined ? {} : { earlier: options.running.earlier }),
    });
  }

  run(roots: readonly Root[]): Closure {
    const reach = this.#reach;
    this.#prepareObjects(false);
    const { running } = this.#options;
    for (const part of running?.parts ?? []) reach.addPart(part, running?.earlier as Reach);
    reach.run(roots);
    for (const { name, reason, openers, isRequired } of this.#options.libraries ?? []) {
      // A configuration that names what is not there, or an option, may mean another root.
      const index = this.#open(name, null, reason, false);
      if (index < 0 && isRequired === true) this.#refuse(name, reason);
      this.#given.push({ index, openers: openers === undefined ? null : new Set(openers) });
    }
    let unknown: UnknownLoad[] = [];
    for (let round = 0; round < ROUND_LIMIT; round++) {
      const before = reach.order.length;
      this.#openServices();
      this.#openOfLibc();
      this.#openProviders();
      this.#unwind();
      unknown = [...this.#openByArgument(), ...this.#lookUpByArgument(), ...this.#openWithoutSymbols()];
      reach.settle();
      if (reach.order.length === before) break;
    }
    return { reach, unknown, names: this.#names };
  }

  #dataTaken(object: GraphObject, vaddr: number, node: number, at: number): void {
    const { soname } = object.image.file;
    const isLibc =
      soname === null
        ? this.#isStatic && object.index === 0
        : /^(libc\.so\.6|ld-linux|libpthread\.so)/.test(soname);
    if (!isLibc || !object.view.isReadOnly(vaddr)) return;
    const text = object.view.textAt(vaddr, NAME_LIMIT);
    if (text === OPENER && this.#isStatic) this.#opener ??= [node, at];
    if (text === null || text.length < 4 || !/^[\w.+-]+$/.test(text)) return;
    if (!this.#texts.has(text)) this.#texts.set(text, [node, at]);
    this.#names.textTaken(this.#reach, object, text, node, at);
  }

  /** Takes in objects that were added: thread-local data, initialisers. */
  #prepareObjects(withRoots: boolean): void {
    for (const object of this.#graph.objects.slice(this.#prepared)) {
      if (withRoots) this.#reach.run(objectRoots(this.#graph, object));
      openThreadData(this.#reach, object);
      if (isLibrary(object)) openExports(this.#graph, this.#reach, object);
    }
    this.#prepared = this.#graph.objects.length;
  }

  /** Opens a library, once; its index, -1 when there is none. Code goes on without one that it opens itself, as it is told; `mayBeAbsent`. */
  #open(name: string, from: number | null, reason: string, mayBeAbsent = true): number {
    const { image } = this.#graph;
    const { object } = image.loadSet.open(name, from, reason, mayBeAbsent);
    image.update();
    this.#graph.update();
    this.#reach.settle();
    this.#prepareObjects(true);
    return object?.index ?? -1;
  }

  #refuse(name: string, reason: string): never {
    const { missing } = this.#graph.image.loadSet;
    const problem = missing.find((entry) => entry.kind === 'open' && entry.name === name)?.problem;
    throw new UsageError(`analyze: ${reason} ${name}: ${problem ?? 'cannot be opened'}`);
  }

  #openServices(): void {
    for (const { service, name, database, node, at } of this.#names.lookups.slice()) {
      const key = `nss ${service} ${name}`;
      if (this.#tried.has(key)) continue;
      this.#tried.add(key);
      const index = this.#open(`libnss_${service}.so.2`, null, `nsswitch.conf: ${database}`);
      if (index < 0) continue;
      for (const symbol of [`_nss_${service}_${name}`, `_nss_${service}_init`]) {
        for (const { object, address } of this.#graph.image.lookup(symbol)) {
          if (object === index) this.#reach.takeAddress(address, node, at, at);
        }
      }
    }
  }

  /** Libraries that libc names itself, such as libgcc_s for unwinding, and the functions that it looks up in them. */
  #openOfLibc(): void {
    for (const text of Array.from(this.#texts.keys())) {
      if (!/^lib[\w+-]+\.so(\.\d+)*$/.test(text) || this.#tried.has(text)) continue;
      this.#tried.add(text);
      if (/^lib(c|m|pthread|dl|rt)\.so/.test(text)) continue;
      // In a static program a text may be anybody's.
      if (this.#isStatic && !/^lib(gcc_s|idn2)\.so/.test(text)) continue;
      const index = this.#open(text, null, 'opened by libc');
      if (index >= 0) this.#byLibc.add(index);
    }
    for (const index of this.#byLibc) {
      const { symbols } = this.#graph.image.objects[index] ?? {};
      for (const { symbol, address } of this.#graph.image.exports(index)) {
        const by = this.#texts.get(symbols?.name(symbol) ?? '');
        if (by !== undefined) this.#reach.lookUp(address, by[0], by[1]);
      }
    }
  }

  /** Providers of OpenSSL that reached code names itself: libcrypto makes the path of it, and looks the entry up. */
  #openProviders(): void {
    const { loadSet } = this.#graph.image;
    for (const name of ['OSSL_PROVIDER_load', 'OSSL_PROVIDER_try_load']) {
      for (const { texts, node } of this.#arguments(name, RSI)) {
        for (const provider of texts.keys()) {
          const key = `provider ${provider}`;
          if (this.#tried.has(key)) continue;
          this.#tried.add(key);
          const file = providerFile(loadSet.root, libraryDirectories(loadSet), provider);
          if (file === null) continue;
          const openers = new Set([this.#graph.objectOf(node).index]);
          this.#given.push({ index: this.#open(file, null, key), openers });
        }
      }
    }
  }

  /** Once the unwinder can be reached, so can the personality routines of all frames. */
  #unwind(): void {
    if (!this.#isUnwinding) {
      const starters = ['_Unwind_RaiseException', '_Unwind_ForcedUnwind', '_Unwind_Resume_or_Rethrow'];
      this.#isUnwinding = starters.some((name) =>
        this.#graph.image
          .lookup(name)
          .some(({ address }) => (this.#reach.how[this.#graph.nodeAt(address)] ?? 0) !== 0),
      );
      if (!this.#isUnwinding) return;
    }
    this.#reach.run(this.#graph.objects.flatMap((object) => personalityRoots(object)));
  }

  #openByArgument(): UnknownLoad[] {
    const unknown: UnknownLoad[] = [];
    for (const [name, register] of [
      ['dlopen', RDI],
      ['dlmopen', RSI],
    ] as const) {
      for (const { texts, by, places } of this.#arguments(name, register)) {
        for (const [text, handed] of texts) {
          const openers = this.#byName.get(text)?.openers ?? new Set();
          for (const { node: handing } of handed) openers.add(this.#graph.objectOf(handing).index);
          let index = this.#byName.get(text)?.index ?? -1;
          // A name is searched with the DT_RUNPATH of the object that calls.
          for (const from of text.includes('/') ? [by] : [...openers, by]) {
            const key = `dlopen ${from} ${text}`;
            if (index >= 0 || this.#tried.has(key)) continue;
            this.#tried.add(key);
            index = this.#open(text, from, 'dlopen');
          }
          this.#byName.set(text, { index, openers });
        }
        unknown.push(...places.map((place) => ({ ...place, kind: 'dlopen' as const })));
      }
    }
    return unknown;
  }

  /** In a static program without symbols nobody knows what is opened. */
  #openWithoutSymbols(): UnknownLoad[] {
    if (this.#opener === null || this.#symbolsOfProgram.size > 0) return [];
    const [node, address] = this.#opener;
    const isUsed = [...this.#reach.takers.of(node).keys()].some((opener) =>
      isOpenerUsed(this.#graph, this.#reach, opener),
    );
    return isUsed
      ? [{ node, address, kind: 'dlopen', reason: 'the program is static and has no symbols' }]
      : [];
  }

  #lookUpByArgument(): UnknownLoad[] {
    const unknown: UnknownLoad[] = [];
    for (const name of ['dlsym', 'dlvsym']) {
      for (const { texts, places, node } of this.#arguments(name, RSI)) {
        for (const text of texts.keys()) this.#symbols.add(text);
        unknown.push(...places.map((place) => ({ ...place, kind: 'dlsym' as const })));
        this.#takeExports(node, places);
      }
    }
    for (const symbol of this.#symbols) {
      for (const { address } of this.#graph.image.lookup(symbol)) this.#reach.takeAddress(address, -1, 0);
    }
    return unknown;
  }

  /**
   * A name that is not known may be any that is exported by what was opened; and by the program, unless the object that looks it
   * up has only handles of libraries that it opened.
   */
  #takeExports(node: number, places: readonly UnknownValue[]): void {
    const [first] = places;
    if (first === undefined) return;
    const searchers = new Set(places.map((place) => this.#graph.objectOf(place.node)));
    const handles = new HandleScope(this.#graph, this.#reach, this.#values);
    const hasProgram = [...searchers].some((object) => handles.mayBeProgram(object));
    const opened = [...this.#byName.values(), ...this.#given].filter(
      ({ index: each, openers }) =>
        each >= 0 &&
        (hasProgram || openers === null || [...searchers].some(({ index }) => openers.has(index))),
    );
    for (const index of [...(hasProgram ? [0] : []), ...opened.map((each) => each.index)]) {
      for (const { address } of this.#graph.image.exports(index))
        this.#reach.lookUp(address, node, first.address);
    }
    for (const text of handles.texts()) this.#symbols.add(text);
  }

  /** What reached code hands to a function of libc in a register: texts, and where they are not known. */
  *#arguments(
    name: string,
    register: number,
  ): Generator<{
    texts: Map<string, readonly CallPlace[]>;
    by: number;
    places: UnknownValue[];
    node: number;
  }> {
    const { image } = this.#graph;
    let query: ArgumentQuery | null = null;
    const own = this.#symbolsOfProgram.get(name);
    const exported = image.lookup(name).map(({ address }) => address);
    for (const address of own === undefined ? exported : [own, ...exported]) {
      const node = this.#graph.nodeAt(address);
      if (node < 0 || this.#reach.how[node] === 0) continue;
      query ??= new ArgumentQuery(this.#graph, this.#reach, this.#values);
      const { numbers, unknown } = query.registerAtEntry(node, register);
      const texts = new Map<string, readonly CallPlace[]>();
      const places = [...unknown];
      for (const [number, way] of numbers) {
        if (number === 0) continue;
        // A name that is written at run time is none that could be read here.
        const isConstant = (image.permissionAt(number) & PERMISSION.WRITE) === 0;
        const text = isConstant ? image.stringAt(number) : null;
        if (text === null) places.push({ node, address, reason: 'the name is in memory that is written' });
        else if (text !== '') texts.set(text, [...(texts.get(text) ?? []), ...way]);
      }
      yield { texts, by: 0, places, node };
    }
  }
}
