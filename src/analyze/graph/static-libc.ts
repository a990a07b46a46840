import { symbolColumns } from '../../elf/symbol-columns.ts';
import { FLOW, Instruction } from '../x86/instruction.ts';
import type { ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';

const RDX = 2;

/** What dlopen of glibc says of a wrong argument, in a function of its own; source: glibc, dlfcn/dlopen.c (dlopen_doit). */
export const OPENER = 'invalid mode parameter';

/** A name that the converters of glibc, which every program with it has, are configured by. */
const MARK = Buffer.from('gconv-modules\0');

/** Whether a program is static and has glibc in it. */
export function hasStaticGlibc(graph: ProgramGraph): boolean {
  const { loadSet, bytes, objects } = graph.image;
  const [program] = objects;
  if (loadSet.libc !== 'static' || program === undefined) return false;
  return Buffer.from(bytes.buffer, bytes.byteOffset + program.start, program.end - program.start).includes(
    MARK,
  );
}

/** Addresses of the functions of a static program by name, as far as it has symbols. */
export function staticSymbols(graph: ProgramGraph, names: ReadonlySet<string>): Map<string, number> {
  const found = new Map<string, number>();
  const [program] = graph.objects;
  if (graph.image.loadSet.libc !== 'static' || program === undefined) return found;
  const symbols = symbolColumns(program.image.file.elf);
  for (let at = 1; at < symbols.count; at++) {
    if (symbols.shndx[at] === 0 || !names.has(symbols.name(at))) continue;
    found.set(symbols.name(at), program.base + (symbols.value[at] as number));
  }
  return found;
}

/**
 * Whether one of glibc's two functions for dlopen is used. The internal one, which is told its caller as a third argument, also stands in a
 * table for the libraries to come, and libio looks whether it is there: neither opens anything.
 */
export function isOpenerUsed(graph: ProgramGraph, reach: Reach, node: number): boolean {
  let isCalled = false;
  reach.forEachCall(node, () => {
    isCalled = true;
  });
  if (isCalled) return true;
  const { view, base } = graph.objectOf(node);
  const ins = new Instruction();
  for (let at = graph.addressOf(node) - base; ;) {
    const length = view.decode(at, ins);
    if (length === 0 || ins.flow !== FLOW.NEXT) return true;
    if (((ins.reads >>> RDX) & 1) === 1) return false;
    at += length;
  }
}
