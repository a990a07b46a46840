import { integer } from '../../base/integer.ts';
import { ST_TYPE } from '../../elf/constants.ts';
import { frameRanges, type FrameRange } from '../../elf/frame.ts';
import { symbolColumns } from '../../elf/symbol-columns.ts';
import type { Image } from '../image/image.ts';
import { RELOCATION_KIND } from '../image/relocations.ts';
import { FrameList } from './frame-list.ts';
import { isPart, personalities, type Personality } from './frame-notes.ts';
import { ORIGIN } from './object-code.ts';
import type { ObjectView } from './object-view.ts';
import { returnsTwice } from './twice-names.ts';

/** What tables of the file say of where functions begin. */
export interface FunctionStarts {
  /** vaddr to ORIGIN bits. */
  readonly starts: ReadonlyMap<number, number>;
  /** Those of signal handlers' return code corrected. */
  readonly frames: FrameList;
  /** Starts that are parts of functions; they are in `starts` only if something else says so. */
  readonly parts: readonly number[];
  readonly personalities: readonly Personality[];
  /** Code addresses that data holds and that are no start: labels, or functions that no table names. */
  readonly dataLabels: readonly number[];
  /** Functions that return twice by their name. */
  readonly twice: ReadonlySet<number>;
}

/** Gathers function starts from symbols, frames, the dynamic section and relocated data. */
export function functionStarts(image: Image, view: ObjectView): FunctionStarts {
  const object = image.objects[view.index];
  if (object === undefined) throw new RangeError(`no object ${view.index}`);
  const { elf, dynamic } = object.file;
  const starts = new Map<number, number>();
  const add = (vaddr: number, origin: number): void => {
    if (!view.isCode(vaddr)) return;
    const start = integer(vaddr);
    starts.set(start, (starts.get(start) ?? 0) | origin);
  };

  const ranges: FrameRange[] = [];
  for (const frame of frameRanges(elf)) {
    const start = frame.isSignalFrame ? frame.start + 1 : frame.start;
    if (start >= frame.end || frame.start === 0 || !view.isCode(start)) continue;
    ranges.push(start === frame.start ? frame : { ...frame, start });
    if (!isPart(frame)) add(start, ORIGIN.FRAME);
  }
  const frames = new FrameList(ranges, view.high);

  const twice = new Set<number>();
  const { symbols } = object;
  for (let at = 1; at < symbols.count; at++) {
    if (symbols.shndx[at] !== 0 && isFunction(symbols.type[at] as number))
      add(symbols.value[at] as number, ORIGIN.SYMBOL);
  }
  const local = symbolColumns(elf);
  for (let at = 1; at < local.count; at++) {
    if (local.shndx[at] === 0 || !isFunction(local.type[at] as number)) continue;
    const name = local.name(at);
    // Compilers name the parts that they split off as if they were functions.
    if (!/\.cold(\.\d+)?$/.test(name)) add(local.value[at] as number, ORIGIN.SYMBOL);
    if (returnsTwice(name)) twice.add(integer(local.value[at] as number));
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
    else dataLabels.push(integer(target));
  }
  const parts = [...frames.starts].filter((start) => !starts.has(start));
  return { starts, frames, parts, personalities: personalities(elf), dataLabels, twice };
}

function isFunction(type: number): boolean {
  return type === ST_TYPE.STT_FUNC || type === ST_TYPE.STT_GNU_IFUNC;
}
