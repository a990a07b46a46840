import { sortedOrder } from '../../base/sorted-order.ts';
import { hex } from '../../base/byte-cursor.ts';
import { FormatError, UnsupportedError } from '../../base/errors.ts';
import { E_MACHINE } from '../../elf/constants.ts';
import type { ElfFile } from '../../elf/file.ts';
import { relocationColumns } from '../../elf/relocation.ts';

/**
 * Kinds of relocations, the same for all machines.
 *
 * - RELATIVE: base plus addend. ABSOLUTE: symbol plus addend, a pointer in data (R_X86_64_64, R_AARCH64_ABS64).
 * - JUMP_SLOT: a slot of the PLT. GLOB_DAT: a slot of the GOT.
 * - IRELATIVE: what the resolver at the target returns.
 * - COPY: bytes of the target are copied to the place.
 * - TPOFF, DTPMOD, DTPOFF, TLSDESC: thread-local storage; no address.
 * - OTHER: what is not known, or is no pointer (R_X86_64_32, _SIZE64 ...).
 */
export const RELOCATION_KIND = {
  RELATIVE: 1,
  ABSOLUTE: 2,
  JUMP_SLOT: 3,
  GLOB_DAT: 4,
  IRELATIVE: 5,
  COPY: 6,
  TPOFF: 7,
  DTPMOD: 8,
  DTPOFF: 9,
  TLSDESC: 10,
  OTHER: 11,
} as const;

/** The relocations of one object in the image, sorted by place; parallel arrays. */
export interface Relocations {
  readonly count: number;
  /** Address of the word that is changed. */
  readonly place: Int32Array;
  /** See RELOCATION_KIND. */
  readonly kind: Uint8Array;
  /**
   * The address that is stored there, addend included; for COPY the one that is copied from. 0 when the symbol is undefined (weak, or missing),
   * or the kind has no address. Where `isIfunc` is 1 the address of the resolver, which returns what is stored.
   */
  readonly target: Int32Array;
  /** 1 when `target` is an IFUNC resolver: IRELATIVE, or a symbol of type STT_GNU_IFUNC. */
  readonly isIfunc: Uint8Array;
  readonly addend: Float64Array;
  /** Index in `.dynsym` of this object, 0 for none. */
  readonly symbol: Int32Array;
  /** Index of the object that defines the symbol, -1 for none. */
  readonly definingObject: Int32Array;
  /** Index of the definition in the `.dynsym` of that object, -1 for none. */
  readonly definingSymbol: Int32Array;
}

/**
 * The relocations of an object that is loaded at a base, sorted by place; targets and definitions are still to be filled in.
 *
 * @throws FormatError when a table is malformed.
 * @throws UnsupportedError when the relocations of the machine are not known.
 */
export function relocationsAt(elf: ElfFile, base: number): Relocations {
  const kinds = elf.class === 64 ? KINDS.get(elf.machine) : undefined;
  if (kinds === undefined) {
    throw new UnsupportedError(
      `image: relocations of machine ${elf.machine}, ${elf.class} bits, are not known (${[...KINDS.keys()].join(', ')}, 64 bits)`,
      { feature: 'relocations' },
    );
  }
  const columns = relocationColumns(elf);
  const { count } = columns;
  const unsorted = new Int32Array(count);
  const { low, high } = vaddrRange(elf);
  for (let index = 0; index < count; index++) {
    const offset = columns.offset[index] as number;
    if (!(offset >= low && offset < high)) {
      throw new FormatError(`elf: relocation ${index} is for ${hex(offset)}, which is in no segment`, {
        value: offset,
      });
    }
    unsorted[index] = base + offset;
  }
  const order = ascendingOrder(unsorted);
  const relocations = {
    count,
    place: new Int32Array(count),
    kind: new Uint8Array(count),
    target: new Int32Array(count),
    isIfunc: new Uint8Array(count),
    addend: new Float64Array(count),
    symbol: new Int32Array(count),
    definingObject: new Int32Array(count).fill(-1),
    definingSymbol: new Int32Array(count).fill(-1),
  };
  const { place, kind, addend, symbol } = relocations;
  for (let index = 0; index < count; index++) {
    const from = order[index] as number;
    place[index] = unsorted[from] as number;
    kind[index] = kinds[columns.type[from] as number] ?? RELOCATION_KIND.OTHER;
    addend[index] = columns.addend[from] as number;
    symbol[index] = columns.symbol[from] as number;
  }
  return relocations;
}

function vaddrRange(elf: ElfFile): { low: number; high: number } {
  const last = elf.loads.at(-1);
  return { low: elf.loads[0]?.vaddr ?? 0, high: (last?.vaddr ?? 0) + (last?.memsz ?? 0) };
}

/** Index of the relocation of a place, -1 for none; of several the last, which is the one that counts. */
export function relocationOf({ place, count }: Relocations, address: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((place[middle] as number) <= address) low = middle + 1;
    else high = middle;
  }
  return low > 0 && place[low - 1] === address ? low - 1 : -1;
}

/** R_* numbers in the order of RELOCATION_KIND (x86-64 psABI, "Relocation Types"; ELF for the Arm 64-bit Architecture, "Dynamic relocations"). */
const KINDS: ReadonlyMap<number, Uint8Array> = new Map([
  [
    E_MACHINE.EM_X86_64,
    kindTable([
      [8, RELOCATION_KIND.RELATIVE],
      [38, RELOCATION_KIND.RELATIVE],
      [1, RELOCATION_KIND.ABSOLUTE],
      [7, RELOCATION_KIND.JUMP_SLOT],
      [6, RELOCATION_KIND.GLOB_DAT],
      [37, RELOCATION_KIND.IRELATIVE],
      [5, RELOCATION_KIND.COPY],
      [18, RELOCATION_KIND.TPOFF],
      [16, RELOCATION_KIND.DTPMOD],
      [17, RELOCATION_KIND.DTPOFF],
      [36, RELOCATION_KIND.TLSDESC],
    ]),
  ],
  [
    E_MACHINE.EM_AARCH64,
    kindTable([
      [1027, RELOCATION_KIND.RELATIVE],
      [257, RELOCATION_KIND.ABSOLUTE],
      [1026, RELOCATION_KIND.JUMP_SLOT],
      [1025, RELOCATION_KIND.GLOB_DAT],
      [1032, RELOCATION_KIND.IRELATIVE],
      [1024, RELOCATION_KIND.COPY],
      [1030, RELOCATION_KIND.TPOFF],
      [1028, RELOCATION_KIND.DTPMOD],
      [1029, RELOCATION_KIND.DTPOFF],
      [1031, RELOCATION_KIND.TLSDESC],
    ]),
  ],
]);

function kindTable(rows: readonly (readonly [type: number, kind: number])[]): Uint8Array {
  const table = new Uint8Array(1040).fill(RELOCATION_KIND.OTHER);
  for (const [type, kind] of rows) table[type] = kind;
  return table;
}

/** Indexes by ascending place, stable. */
function ascendingOrder(places: Int32Array): Uint32Array {
  const count = places.length;
  const order = new Uint32Array(count);
  // Linkers put relative relocations first, in order: most need no sorting.
  let sorted = Math.min(1, count);
  while (sorted < count && (places[sorted] as number) >= (places[sorted - 1] as number)) sorted++;
  const rest = sortedOrder(places.subarray(sorted), count - sorted);
  let left = 0;
  let right = 0;
  for (let index = 0; index < count; index++) {
    const isLeft =
      right >= rest.length ||
      (left < sorted && (places[left] as number) <= (places[sorted + (rest[right] as number)] as number));
    order[index] = isLeft ? left++ : sorted + (rest[right++] as number);
  }
  return order;
}
