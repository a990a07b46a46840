import { FLOW, Instruction } from '../x86/instruction.ts';
import type { ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';
import { hasStaticGlibc } from './static-libc.ts';
import { baseName } from '../../base/base-name.ts';

/** A call or jump of which it is not known where it leads. */
export interface OpenTarget {
  readonly kind: 'call' | 'jump';
  readonly address: number;
  readonly reason: string;
}

/**
 * Calls and jumps of reached code to sums of which nothing is known.
 *
 * The loader and libc add addresses of objects to what the dynamic section and symbols say, all of which counts in other ways.
 */
export function openTargets(graph: ProgramGraph, reach: Reach): OpenTarget[] {
  if (reach.computed.size === 0) return [];
  const ins = new Instruction();
  const isStaticGlibc = hasStaticGlibc(graph);
  const found: OpenTarget[] = [];
  for (const [address, size] of reach.computed) {
    const { index, base, view, image } = graph.objectOf(graph.nodeAt(address));
    const { role, soname } = image.file;
    const isLoader = role === 'interpreter' || /^(libc\.so\.6|ld-linux)/.test(soname ?? '');
    if (isLoader || (index === 0 && isStaticGlibc && size === 8)) continue;
    if (view.decode(address - base, ins) === 0) continue;
    const kind = ins.flow === FLOW.CALL_INDIRECT ? 'call' : 'jump';
    const what = kind === 'call' ? 'function to call' : 'place to jump to';
    found.push({ kind, address, reason: `${what}: an address plus a distance that is computed at run time` });
  }
  return found;
}

/** In which objects reached code has jumps of which nothing is known. */
export function unknownJumpObjects(graph: ProgramGraph, reach: Reach): string[] {
  const names = new Set<string>();
  for (const address of reach.unknownJumps) {
    const { soname, path } = graph.objectOf(graph.nodeAt(address)).image.file;
    names.add(soname ?? baseName(path));
  }
  return [...names].sort();
}
