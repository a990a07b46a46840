import { D_TAG, DT_FLAGS_1_BITS, E_TYPE, P_TYPE } from '../../elf/constants.ts';
import type { CallValues } from './call-values.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import type { Reach, Root } from './reach.ts';
import { targetOf } from './word-target.ts';
import { FACT } from '../code/object-code.ts';
import { VALUE } from '../value/value.ts';

/**
 * Functions that the loader looks up by name: of glibc's libc, and of musl's loader in itself.
 * Source: glibc's elf/rtld.c, elf/dl-minimal.c, elf/dl-call-libc-early-init.c; musl's ldso/dynlink.c.
 */
const LOOKED_UP = ['__libc_early_init', 'malloc', 'calloc', 'realloc', 'free', '__dls2b', '__dls3'];

const RDI = 7;
const RSI = 6;

/** Where code of the loader and the program begins when it is started: entries, and what the loader calls by itself. */
export function startRoots(graph: ProgramGraph): Root[] {
  const roots: Root[] = [];
  for (const object of graph.objects) {
    const { role, elf } = object.image.file;
    if ((role === 'program' || role === 'interpreter') && elf.entry !== 0) {
      roots.push({
        address: object.base + elf.entry,
        note: role === 'program' ? 'entry' : 'entry of the loader',
      });
    }
    roots.push(...objectRoots(graph, object));
    if (isLibrary(object)) {
      for (const { address } of graph.image.exports(object.index)) roots.push({ address, note: 'exported' });
    }
  }
  for (const name of LOOKED_UP) {
    for (const { address } of graph.image.lookup(name))
      roots.push({ address, note: 'looked up by the loader' });
  }
  return roots;
}

/**
 * Whether what is analysed is no program but a library: then whoever loads it may call all that it exports.
 *
 * Some that can be started as well have their entry besides: the loader of glibc has neither interpreter nor the mark of a program, and
 * libc.so.6 and libcap.so.2 have an interpreter. Linkers that do not mark programs yet tell them apart all the same: only into a
 * program do they put the word by which debuggers find what the loader has loaded.
 * Source: binutils' bfd/elflink.c and lld's ELF/SyntheticSections.cpp (DT_DEBUG), elf(5) and glibc's elf/rtld.c for who reads it.
 */
export function isLibrary({ image }: GraphObject): boolean {
  const { role, elf, dynamic } = image.file;
  if (role !== 'program' || elf.type !== E_TYPE.ET_DYN) return false;
  if (((dynamic?.flags1 ?? 0) & DT_FLAGS_1_BITS.DF_1_PIE) !== 0) return false;
  if (!elf.segments.some(({ type }) => type === P_TYPE.PT_INTERP)) return true;
  return dynamic !== null && !dynamic.entries.some(({ tag }) => tag === D_TAG.DT_DEBUG);
}

/** Data that a library exports: whoever loads it may read pointers there. */
export function openExports(graph: ProgramGraph, reach: Reach, object: GraphObject): void {
  for (const { address } of graph.image.exports(object.index))
    if (graph.nodeAt(address) < 0) reach.openData(address, -1, address);
}

/** What the loader calls of one object: IFUNC resolvers and initialisers; and at the end its finalisers. */
export function objectRoots(graph: ProgramGraph, object: GraphObject): Root[] {
  return [...resolverRoots(object), ...initialiserRoots(graph, object), ...finaliserRoots(graph, object)];
}

/** Functions that run before main, or when the object is opened. */
export function initialiserRoots(graph: ProgramGraph, object: GraphObject): Root[] {
  const { dynamic } = object.image.file;
  const roots: Root[] = [];
  if (dynamic?.init != null) roots.push({ address: object.base + dynamic.init, note: 'init' });
  roots.push(...arrayRoots(graph, object, dynamic?.preinitArray ?? null, 'preinit array'));
  roots.push(...arrayRoots(graph, object, dynamic?.initArray ?? null, 'init array'));
  return roots;
}

/** Functions that run at exit, or when the object is closed. */
export function finaliserRoots(graph: ProgramGraph, object: GraphObject): Root[] {
  const { dynamic } = object.image.file;
  const roots = arrayRoots(graph, object, dynamic?.finiArray ?? null, 'fini array');
  if (dynamic?.fini != null) roots.push({ address: object.base + dynamic.fini, note: 'fini' });
  return roots;
}

/** Functions that choose other functions, which the loader calls while it binds. */
function resolverRoots(object: GraphObject): Root[] {
  const { relocations } = object.image;
  const seen = new Set<number>();
  for (let at = 0; at < relocations.count; at++) {
    if (relocations.isIfunc[at] === 1) seen.add(relocations.target[at] as number);
  }
  return [...seen].map((address) => ({ address, note: 'IFUNC resolver' }));
}

function arrayRoots(
  graph: ProgramGraph,
  object: GraphObject,
  array: { readonly vaddr: number; readonly size: number } | null,
  note: string,
): Root[] {
  if (array === null) return [];
  const roots: Root[] = [];
  for (let at = 0; at < array.size; at += 8) {
    const address = graph.image.pointerAt(object.base + array.vaddr + at);
    if (address !== 0) roots.push({ address, note });
  }
  return roots;
}

/** Data that counts from the start: the initial contents of thread-local storage. */
export function openThreadData(reach: Reach, object: GraphObject): void {
  for (const segment of object.image.file.elf.segments) {
    if (segment.type !== P_TYPE.PT_TLS) continue;
    for (let at = segment.vaddr & ~7; at < segment.vaddr + segment.filesz; at += 8) {
      if (object.view.wordAt(at) === 0) continue;
      const target = targetOf(object, object.base + at);
      if (target !== 0) reach.takeAddress(target, -1, object.base + at);
    }
  }
}

/** Routines that the unwinder calls for the frames of an object. */
export function personalityRoots(object: GraphObject): Root[] {
  const { code, base } = object;
  const words = [...code.personalityWords].map((word) => targetOf(object, base + word));
  const addresses = [
    ...words.filter((address) => address !== 0),
    ...[...code.personalities].map((vaddr) => base + vaddr),
  ];
  return addresses.map((address) => ({ address, note: 'personality routine' }));
}

/**
 * The loader's own main function, which its start function hands to the one that reads the auxiliary vector; -1 where there is none.
 *
 * It is entered once, before the program. Source: glibc, elf/rtld.c (_dl_start_final) and elf/dl-sysdep.c (_dl_sysdep_start).
 */
export function loaderMain(graph: ProgramGraph, values: CallValues): number {
  const loader = graph.objects.find(({ image }) => image.file.role === 'interpreter');
  if (loader === undefined) return -1;
  const entry = graph.nodeAt(loader.base + loader.image.file.elf.entry);
  if (entry < 0) return -1;
  for (const start of calleesOf(loader, entry)) {
    for (const call of callsOf(loader, start)) {
      const state = values.at(start, call)?.state;
      const value = state?.[RSI] ?? 0;
      const { pool } = loader.transfer;
      const target =
        pool.kind(value) === VALUE.ADDRESS ? graph.nodeAt(loader.base + pool.payload(value)) : -1;
      if (target >= 0 && graph.addressOf(target) === loader.base + pool.payload(value)) return target;
    }
  }
  return -1;
}

function calleesOf({ code, firstNode }: GraphObject, node: number): number[] {
  const index = node - firstNode;
  const callees: number[] = [];
  for (let fact = code.factOffsets[index] as number; fact < (code.factOffsets[index + 1] as number); fact++) {
    if (code.factKinds[fact] === FACT.CALL) callees.push(firstNode + (code.factTargets[fact] as number));
  }
  return callees;
}

function callsOf({ code, firstNode, base }: GraphObject, node: number): number[] {
  const index = node - firstNode;
  const places: number[] = [];
  for (let fact = code.factOffsets[index] as number; fact < (code.factOffsets[index + 1] as number); fact++) {
    if (code.factKinds[fact] === FACT.CALL) places.push(base + (code.factPlaces[fact] as number));
  }
  return places;
}

/**
 * The main function: what the program's entry hands to `__libc_start_main`; null where the program has no such call.
 *
 * Source: the start files of glibc and musl (sysdeps/x86_64/start.S, crt/x86_64/crt_arch.h) pass it in rdi.
 */
export function mainFunction(graph: ProgramGraph, values: CallValues): number | null {
  const program = graph.objects[0];
  if (program === undefined) return null;
  const entry = graph.nodeAt(program.base + program.image.file.elf.entry);
  if (entry < 0) return null;
  const { code, firstNode, base } = program;
  const index = entry - firstNode;
  for (let fact = code.factOffsets[index] as number; fact < (code.factOffsets[index + 1] as number); fact++) {
    const kind = code.factKinds[fact];
    if (kind !== FACT.CALL && kind !== FACT.CALL_WORD) continue;
    const found = values.at(entry, base + (code.factPlaces[fact] as number));
    if (found === null) continue;
    const { pool } = program.transfer;
    const value = found.state[RDI] as number;
    if (pool.kind(value) === VALUE.ADDRESS || pool.kind(value) === VALUE.CONST)
      return base + pool.payload(value);
    if (pool.kind(value) === VALUE.WORD) return targetOf(program, base + pool.payload(value)) || null;
  }
  return graph.image.addressOf(0, 'main');
}

/** Nodes of the entries of the program and the loader, and of their main functions: each is entered once. */
export function enteredOnce(graph: ProgramGraph, values: CallValues): Set<number> {
  const main = mainFunction(graph, values);
  const once = new Set([loaderMain(graph, values), main === null ? -1 : graph.nodeAt(main)]);
  for (const { image, base } of graph.objects) {
    const { role, elf } = image.file;
    if (role === 'program' || role === 'interpreter') once.add(graph.nodeAt(base + elf.entry));
  }
  return once;
}
