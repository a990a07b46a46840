import { PERMISSION } from '../image/memory.ts';
import { ArgumentQuery } from './argument-query.ts';
import type { CallValues } from './call-values.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';

const RDI = 7;
const RSI = 6;

/**
 * Libraries that have a function of their own for names in the whole program, and reach it through a table: all other names are looked up in
 * what they opened by a file's name. Source: OpenSSL 1.1 and 3, crypto/dso/dso_dlfcn.c (dlfcn_globallookup, dlfcn_load).
 */
const GLOBAL_LOOKUPS: readonly { readonly soname: RegExp; readonly function: string }[] = [
  { soname: /^libcrypto\.so\.(3|1\.1)$/, function: 'DSO_global_lookup' },
];

/** Where an object may look a symbol up whose name is not known. */
export class HandleScope {
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #query: ArgumentQuery;

  constructor(graph: ProgramGraph, reach: Reach, values: CallValues) {
    this.#graph = graph;
    this.#reach = reach;
    this.#query = new ArgumentQuery(graph, reach, values);
  }

  /** Whether a handle that the object has may stand for the program: from dlopen(NULL), RTLD_DEFAULT or RTLD_NEXT. */
  mayBeProgram(object: GraphObject): boolean {
    if (globalLookup(object) !== undefined) return false;
    return (
      this.#mayPass(object, 'dlopen', RDI, [0]) ||
      this.#mayPass(object, 'dlmopen', RSI, [0]) ||
      this.#mayPass(object, 'dlsym', RDI, [0, -1]) ||
      this.#mayPass(object, 'dlvsym', RDI, [0, -1])
    );
  }

  /** Names that reached code hands to the libraries' own functions for that. */
  texts(): string[] {
    const texts: string[] = [];
    for (const object of this.#graph.objects) {
      const name = globalLookup(object);
      if (name === undefined) continue;
      const { image } = this.#graph;
      for (const { address } of image.lookup(name)) {
        const { numbers } = this.#query.registerAtEntry(this.#graph.nodeAt(address), RDI);
        for (const number of numbers.keys()) {
          const isConstant = number !== 0 && (image.permissionAt(number) & PERMISSION.WRITE) === 0;
          const text = isConstant ? image.stringAt(number) : null;
          if (text !== null && text !== '') texts.push(text);
        }
      }
    }
    return texts;
  }

  #mayPass(object: GraphObject, name: string, register: number, wanted: readonly number[]): boolean {
    return this.#graph.image.lookup(name).some(({ address }) => {
      const node = this.#graph.nodeAt(address);
      if (node < 0 || this.#reach.how[node] === 0) return false;
      const { numbers } = this.#query.registerAtEntry(node, register);
      return wanted.some((number) =>
        numbers.get(number)?.some((place) => this.#graph.objectOf(place.node) === object),
      );
    });
  }
}

function globalLookup({ image }: GraphObject): string | undefined {
  return GLOBAL_LOOKUPS.find(({ soname }) => soname.test(image.file.soname ?? ''))?.function;
}
