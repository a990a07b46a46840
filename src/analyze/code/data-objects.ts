import { SH_FLAGS, SH_TYPE, ST_TYPE } from '../../elf/constants.ts';
import { symbolColumns } from '../../elf/symbol-columns.ts';
import type { Image } from '../image/image.ts';
import type { DataObjects } from './object-code.ts';
import { type ObjectView, WORD } from './object-view.ts';

/** Compilers align what is at least so large to it, so that an address within an object rarely looks like a start. */
const ALIGNMENT = 32;

/** The section that holds nothing but glibc's tables of stdio methods (libio/libioP.h): two words that are zero, and 19 pointers or zero. */
const STDIO_TABLES = '__libc_IO_vtables';
const STDIO_TABLE_SIZE = 168;

/** From one table to the next: as large as it is, or as linkers align it. */
const STDIO_TABLE_STEPS = [168, 176, 192] as const;

/**
 * Divides an object's data into runs, each of which is taken as a whole, and gives those that hold pointers.
 *
 * Bounds are addresses that code takes or data holds, symbols, and starts of sections and segments; those that are not
 * aligned count only if they are a section or segment. Inside of a sized symbol there is no bound.
 *
 * @param taken vaddrs of data that code takes.
 * @param pointers vaddrs of words that hold pointers, ascending; slots of the GOT are not among them.
 */
export function dataObjects(
  image: Image,
  view: ObjectView,
  taken: ArrayLike<number>,
  pointers: Int32Array,
): DataObjects {
  const object = image.objects[view.index];
  if (object === undefined) throw new RangeError(`no object ${view.index}`);
  const { elf } = object.file;
  const bounds = new Set<number>();
  const addIfAligned = (vaddr: number): void => {
    if (vaddr % ALIGNMENT === 0 && view.contains(vaddr)) bounds.add(vaddr);
  };
  for (let at = 0; at < taken.length; at++) addIfAligned(taken[at] as number);
  for (let at = 0; at < pointers.length; at++) addIfAligned(view.pointerAt(pointers[at] as number));

  const insides: (readonly [number, number])[] = [];
  const addSymbol = (value: number, size: number): void => {
    bounds.add(value);
    if (size > 0) {
      bounds.add(value + size);
      insides.push([value, value + size]);
    }
  };
  const { symbols } = object;
  for (let at = 1; at < symbols.count; at++) {
    if (symbols.shndx[at] !== 0 && symbols.type[at] === ST_TYPE.STT_OBJECT) {
      addSymbol(symbols.value[at] as number, symbols.size[at] as number);
    }
  }
  const local = symbolColumns(elf);
  for (let at = 1; at < local.count; at++) {
    if (local.shndx[at] !== 0 && local.type[at] === ST_TYPE.STT_OBJECT)
      addSymbol(local.value[at] as number, local.size[at] as number);
  }
  for (const [start, end] of insides) {
    if (end - start > 1_000_000) continue;
    for (let at = Math.ceil((start + 1) / ALIGNMENT) * ALIGNMENT; at < end; at += ALIGNMENT)
      bounds.delete(at);
  }
  for (const section of elf.sections) {
    // Thread-local data without contents has an address, and what follows has the same: it takes no place.
    const isPlaceless = section.type === SH_TYPE.SHT_NOBITS && (section.flags & SH_FLAGS.SHF_TLS) !== 0;
    if (section.addr === 0 || isPlaceless) continue;
    if (section.name === STDIO_TABLES) {
      for (const start of stdioTables(section.addr, section.size, view)) bounds.add(start);
    }
    bounds.add(section.addr);
    bounds.add(section.addr + section.size);
  }
  for (const load of elf.loads) {
    bounds.add(load.vaddr);
    bounds.add(load.vaddr + load.memsz);
  }
  return divide(Int32Array.from(bounds).sort(), pointers, view);
}

/** Where tables of stdio methods begin; none if the section is not as expected. */
function stdioTables(start: number, size: number, view: ObjectView): number[] {
  for (const step of STDIO_TABLE_STEPS) {
    if ((size - STDIO_TABLE_SIZE) % step !== 0) continue;
    const starts = Array.from(
      { length: (size - STDIO_TABLE_SIZE) / step + 1 },
      (_, table) => start + table * step,
    );
    const isTable = (at: number): boolean =>
      view.wordAt(at) === WORD.NONE &&
      view.wordAt(at + 8) === WORD.NONE &&
      view.i64(at) === 0 &&
      view.i64(at + 8) === 0;
    if (starts.every(isTable)) return starts;
  }
  return [];
}

function divide(bounds: Int32Array, pointers: Int32Array, view: ObjectView): DataObjects {
  const starts: number[] = [];
  const ends: number[] = [];
  const offsets: number[] = [];
  let bound = 0;
  for (let index = 0; index < pointers.length; index++) {
    const place = pointers[index] as number;
    const end = ends.at(-1);
    if (end !== undefined && place < end) continue;
    while (bound + 1 < bounds.length && (bounds[bound + 1] as number) <= place) bound++;
    starts.push(bounds[bound] ?? view.low);
    ends.push(bounds[bound + 1] ?? view.high);
    offsets.push(index);
  }
  offsets.push(pointers.length);
  return {
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
    pointerOffsets: Int32Array.from(offsets),
    pointerPlaces: pointers,
  };
}

/**
 * vaddrs of the words of an object that hold pointers in data, ascending.
 *
 * @param isFunction Whether a function begins at a vaddr, in all likelihood.
 */
export function pointerWords(view: ObjectView, isFunction: (vaddr: number) => boolean): Int32Array {
  if (!view.isFixed) return Int32Array.from(view.pointers());
  const places: number[] = [];
  for (let place = Math.ceil(view.low / 8) * 8; place < view.high; place += 8) {
    if (view.wordAt(place) !== WORD.SLOT && view.mayHoldPointer(place)) places.push(place);
  }
  if (view.mayHoldUnaligned) addUnaligned(view, isFunction, places);
  return Int32Array.from(places).sort();
}

/**
 * Adds what looks like a pointer at a place that is not aligned, as in packed structures. Bytes across two words look like one too often, so it
 * counts only if it is the address of a function, or of an aligned word that holds one.
 */
function addUnaligned(view: ObjectView, isFunction: (vaddr: number) => boolean, places: number[]): void {
  const { bytes, base, low, high } = view;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  const end = (high + base) >> 2;
  let earlier = 0;
  let before = 0;
  for (let at = (low + base) >> 2; at < end; at++) {
    const word = words[at] as number;
    // The upper half of an address is zero, and one of its bytes begins a word of four bytes.
    if ((word & 0xff) === 0 && (before | earlier) !== 0) {
      const last = at * 4 - base - 4;
      for (let place = last; place > last - 4; place--) {
        if ((place & 7) === 0 || !view.mayHoldPointer(place)) continue;
        const target = view.pointerAt(place);
        const held = (target & 7) === 0 && view.mayHoldPointer(target) ? view.pointerAt(target) : target;
        if (isFunction(held)) places.push(place);
      }
    }
    earlier = before;
    before = word;
  }
}
