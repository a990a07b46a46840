import { P_FLAGS } from '../../elf/constants.ts';
import type { ArgumentQuery, CallPlace, PossibleValues } from './argument-query.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';
import type { CallSite } from './sites.ts';
import { hasStaticGlibc } from './static-libc.ts';

/** A place where a program gets memory for code that no file has. */
export interface MadeCode {
  readonly address: number;
  readonly reason: string;
}

const PROT_EXEC = 4;

const RCX = 1;
const RDX = 2;

/** Numbers on x86_64 of mmap, mprotect and pkey_mprotect: the protection is the third argument of all. */
const MAPPING: ReadonlySet<number> = new Set([9, 10, 329]);

/** Libraries whose generated code is known: what it does is among the assumptions. */
const KNOWN = /^(libpcre2-|libffi\.so)/;

/** The loader and the C library map what files have, and stacks as the files ask for. */
const LIBC = /^(libc\.so\.6|libpthread\.so\.0|libc\.musl-)/;

/** The same functions of glibc in a static program; source: glibc's elf/dl-load.c, dl-reloc.c, dl-execstack.c, nptl, spawni.c. */
const STATIC_LIBC =
  /^(_dl_|__?pthread_create|pthread_create|allocate_stack|__nptl_|__libc_|__spawn|__mmap|mmap|__mprotect|mprotect)/;

/** Places where the program asks for memory that is, or may be, executable, and segments that are so and written as well. */
export class MadeCodeSearch {
  /** Whether functions that map memory are called through pointers, with nobody knows what. */
  isThroughPointers = false;
  readonly found: Map<number, MadeCode> = new Map();
  readonly #graph: ProgramGraph;
  readonly #reach: Reach;
  readonly #isStaticGlibc: boolean;

  constructor(graph: ProgramGraph, reach: Reach, sites: readonly CallSite[], query: ArgumentQuery) {
    this.#graph = graph;
    this.#reach = reach;
    this.#isStaticGlibc = hasStaticGlibc(graph);
    for (const { base, image } of graph.objects) {
      for (const { vaddr, flags } of image.file.elf.loads) {
        if ((flags & P_FLAGS.PF_X) !== 0 && (flags & P_FLAGS.PF_W) !== 0)
          this.#add(base + vaddr, 'code may be put into a segment that is executable and writable');
      }
    }
    const general = new Set(graph.image.lookup('syscall').map(({ address }) => graph.nodeAt(address)));
    for (const { node, address, arch, numbers } of sites) {
      // Nobody else asks the loader for memory, and its functions are large.
      const { role } = graph.objectOf(node).image.file;
      if (arch !== 'x86_64' || role === 'interpreter') continue;
      const mapping = [...numbers].filter(([number]) => MAPPING.has(number));
      if (mapping.length === 0) continue;
      if (mapping.length === numbers.size) {
        const protections = query.registerAt(node, address, RDX);
        const asking = new Set(protections.unknown.map((place) => place.node));
        const isOfLibc = this.#search({ node, address }, protections, asking);
        // Of each value one way is known: what libc asks for may be asked for by others too.
        if (isOfLibc)
          reach.forEachCall(node, (from, at) =>
            this.#search({ node: from, address: at }, query.registerAt(from, at, RDX), asking),
          );
      } else if (general.has(node)) {
        for (const [, way] of mapping) {
          const call = way.at(-1);
          if (call !== undefined)
            this.#search(call, query.registerAt(call.node, call.address, RCX), new Set());
        }
      }
    }
  }

  /**
   * True if code of libc asks for memory for code, by a constant that comes from a caller of the site.
   *
   * @param asking functions that ask the same of the site with who knows what, as glibc's do that make stacks executable.
   */
  #search(site: CallPlace, { numbers, unknown }: PossibleValues, asking: ReadonlySet<number>): boolean {
    let isOfLibc = false;
    for (const [protection, way] of numbers) {
      if ((protection & PROT_EXEC) === 0) continue;
      const place = way[0] ?? site;
      if (this.#isOfLibc(place, this.#isAsking(place.node, asking))) isOfLibc ||= way.length > 0;
      else this.#add(place.address, 'memory for code that is made at run time');
    }
    for (const place of unknown) {
      const isGo = this.#graph.objectOf(place.node).view.isGo;
      if (isGo || this.#isOfLibc(place, true)) {
        // Go keeps the function that maps memory in a variable, and its runtime passes the protection on.
        if (isGo || place.reason.startsWith('called')) this.isThroughPointers = true;
      } else
        this.#add(place.address, `memory that may be for code that is made at run time: ${place.reason}`);
    }
    return isOfLibc;
  }

  #isAsking(node: number, asking: ReadonlySet<number>): boolean {
    let isAsking = asking.has(node);
    this.#reach.forEachCall(node, (from) => {
      isAsking ||= asking.has(from);
    });
    return isAsking;
  }

  #add(address: number, reason: string): void {
    if (!this.found.has(address)) this.found.set(address, { address, reason });
  }

  /** @param isUsual whether code of libc without a symbol may ask so. */
  #isOfLibc({ node, address }: CallPlace, isUsual: boolean): boolean {
    const object = this.#graph.objectOf(node);
    const { role, soname } = object.image.file;
    if (role === 'interpreter') return true;
    if (soname !== null) return LIBC.test(soname) || KNOWN.test(soname) || isLoader(object);
    if (object.index !== 0 || !this.#isStaticGlibc) return false;
    const name = this.#graph.image.symbolAt(address)?.name;
    return name === undefined ? isUsual : STATIC_LIBC.test(name);
  }
}

/** A loader that a static program has mapped as a library. */
function isLoader({ image }: GraphObject): boolean {
  return /^ld-(linux|musl)/.test(image.file.soname ?? '');
}
