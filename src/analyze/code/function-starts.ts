import { ST_TYPE } from '../../elf/constants.ts';
import { frameRanges, type FrameRange } from '../../elf/frame.ts';
import { elfSymbols } from '../../elf/symbol.ts';
import type { Image } from '../image/image.ts';
import { RELOCATION_KIND } from '../image/relocations.ts';
import { frameNotes, type Personality } from './frame-notes.ts';
import { ORIGIN } from './object-code.ts';
import type { ObjectView } from './object-view.ts';

/** What tables of the file say of where functions begin. */
export interface FunctionStarts {
  /** vaddr to ORIGIN bits. */
  readonly starts: ReadonlyMap<number, number>;
  /** Frames by ascending start, those of signal handlers' return code corrected. */
  readonly frames: readonly FrameRange[];
  /** Starts that are parts of functions; they are in `starts` only if something else says so. */
  readonly parts: readonly number[];
  readonly personalities: readonly Personality[];
  /** Code addresses that data holds and that are no start: labels, or functions that no table names. */
  readonly dataLabels: readonly number[];
}

/** Gathers function starts from symbols, frames, the dynamic section and relocated data. */
export function functionStarts(image: Image, view: ObjectView): FunctionStarts {
  const object = image.objects[view.index];
  if (object === undefined) throw new RangeError(`no object ${view.index}`);
  const { elf, dynamic } = object.file;
  const starts = new Map<number, number>();
  const add = (vaddr: number, origin: number): void => {
    if (view.isCode(vaddr)) starts.set(vaddr, (starts.get(vaddr) ?? 0) | origin);
  };

  const notes = frameNotes(elf);
  const frames: FrameRange[] = [];
  for (const frame of frameRanges(elf)) {
    const start = frame.isSignalFrame ? frame.start + 1 : frame.start;
    if (start >= frame.end || frame.start === 0) continue;
    frames.push(start === frame.start ? frame : { ...frame, start });
    if (!notes.parts.has(frame.start)) add(start, ORIGIN.FRAME);
  }
  frames.sort((a, b) => a.start - b.start);

  const { symbols } = object;
  for (let at = 1; at < symbols.count; at++) {
    if (symbols.shndx[at] !== 0 && isFunction(symbols.type[at] as number))
      add(symbols.value[at] as number, ORIGIN.SYMBOL);
  }
  for (const symbol of elfSymbols(elf, 'symtab')) {
    if (symbol.shndx === 0 || !isFunction(symbol.type)) continue;
    // Compilers name the parts that they split off as if they were functions.
    if (!/\.cold(\.\d+)?$/.test(symbol.name)) add(symbol.value, ORIGIN.SYMBOL);
  }

  add(elf.entry, ORIGIN.ROOT);
  for (const vaddr of [dynamic?.init, dynamic?.fini]) {
    if (vaddr !== undefined && vaddr !== null) add(vaddr, ORIGIN.ROOT);
  }

  const dataLabels: number[] = [];
  const { relocations } = object;
  for (let at = 0; at < relocations.count; at++) {
    const kind = relocations.kind[at];
    if (kind !== RELOCATION_KIND.RELATIVE && kind !== RELOCATION_KIND.IRELATIVE) continue;
    const target = view.vaddrOf(relocations.target[at] as number);
    if (!view.isCode(target)) continue;
    if (starts.has(target)) add(target, ORIGIN.TAKEN);
    else dataLabels.push(target);
  }
  const parts = frames.map(({ start }) => start).filter((start) => !starts.has(start));
  return { starts, frames, parts, personalities: notes.personalities, dataLabels };
}

function isFunction(type: number): boolean {
  return type === ST_TYPE.STT_FUNC || type === ST_TYPE.STT_GNU_IFUNC;
}
