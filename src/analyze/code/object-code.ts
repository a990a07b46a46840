import { lastAtMost } from './int-list.ts';

/** What code does that matters to the call graph; what `to` means stands behind. */
export const FACT = {
  /** A direct call: index of the function. */
  CALL: 1,
  /** A jump, or falling, into another function: its index. */
  JUMP: 2,
  /** A call through a word of the object that the loader fills: its vaddr. */
  CALL_WORD: 3,
  /** A jump through such a word, as in the PLT: its vaddr. */
  JUMP_WORD: 4,
  /** The address of a function is taken: its index. */
  TAKE_CODE: 5,
  /** The address of data is taken: its vaddr. */
  TAKE_DATA: 6,
  /** A word that the loader fills is read: its vaddr. */
  LOAD: 7,
  /** syscall. */
  SYSCALL: 8,
  /** sysenter. */
  SYSENTER: 9,
  /** int 0x80. */
  INT80: 10,
  /** A call through a register or memory. */
  CALL_INDIRECT: 11,
  /** A jump through a register or memory that leaves the function. */
  JUMP_INDIRECT: 12,
  /** A jump of which nothing is known: all code of the function was held for reachable. */
  JUMP_UNKNOWN: 13,
  /** An indirect call or jump to the sum of numbers of which nothing is known: the bytes of the smaller one, 4 or 8. */
  COMPUTED: 14,
} as const;

/** How the start of a function is known; bits. */
export const ORIGIN = {
  SYMBOL: 1,
  /** A frame description entry begins there. */
  FRAME: 2,
  CALLED: 4,
  /** Code or data takes its address. */
  TAKEN: 8,
  /** The loader or the kernel starts there: entry, initialisers. */
  ROOT: 16,
  JUMPED: 32,
  /** It has a jump of which nothing is known. */
  OPEN: 64,
} as const;

/**
 * The code of one object, independent of where it is loaded and of the other objects: typed arrays with vaddrs, fit for a cache.
 */
export interface ObjectCode {
  /** First address of each function, ascending. */
  readonly starts: Int32Array;
  /** ORIGIN bits of each. */
  readonly origins: Uint8Array;
  /** 1 for each function that may return. */
  readonly returns: Uint8Array;
  /** Facts of function i: `factOffsets[i]` up to `factOffsets[i + 1]`. */
  readonly factOffsets: Int32Array;
  readonly factKinds: Uint8Array;
  /** Address of the instruction. */
  readonly factPlaces: Int32Array;
  readonly factTargets: Int32Array;
  /** Blocks of function i, ascending: `blockOffsets[i]` up to `blockOffsets[i + 1]`. */
  readonly blockOffsets: Int32Array;
  readonly blockStarts: Int32Array;
  readonly blockEnds: Int32Array;
  /** Blocks that are entered from where no value is known; ascending. */
  readonly outsideEntries: Int32Array;
  /** Indirect jumps whose targets are known, ascending, and their targets. */
  readonly jumpPlaces: Int32Array;
  readonly jumpOffsets: Int32Array;
  readonly jumpTargets: Int32Array;
  /** vaddrs of functions that return twice by their name, and of words through which such functions are called; ascending. */
  readonly twice: Int32Array;
  readonly twiceWords: Int32Array;
  /** All block starts in ascending order, and the function of each: to find who owns an address. */
  readonly ownerStarts: Int32Array;
  readonly ownerEnds: Int32Array;
  readonly owners: Int32Array;
  readonly data: DataObjects;
  /** vaddrs of routines that the unwinder calls for frames of the object, and of words that hold the address of one. */
  readonly personalities: Int32Array;
  readonly personalityWords: Int32Array;
}

/** Runs of data that hold pointers; opening one opens all pointers in it. */
export interface DataObjects {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Pointers of data object i: `pointerOffsets[i]` up to `pointerOffsets[i + 1]`. */
  readonly pointerOffsets: Int32Array;
  /** vaddr of each pointer. */
  readonly pointerPlaces: Int32Array;
}

/** Index of the function that holds the instruction at a vaddr, -1 for none. */
export function functionAt(code: ObjectCode, vaddr: number): number {
  const exact = lastAtMost(code.starts, code.starts.length, vaddr);
  if (exact >= 0 && code.starts[exact] === vaddr) return exact;
  const last = lastAtMost(code.ownerStarts, code.ownerStarts.length, vaddr);
  // Blocks may overlap: code jumps over a lock prefix.
  for (let block = last; block >= 0 && block > last - OVERLAP; block--) {
    if (vaddr < (code.ownerEnds[block] as number)) return code.owners[block] as number;
  }
  return -1;
}

/** Where the indirect jump at a vaddr goes; null when that is not known. */
export function jumpTargetsAt(
  { jumpPlaces, jumpOffsets, jumpTargets }: ObjectCode,
  at: number,
): Int32Array | null {
  const jump = lastAtMost(jumpPlaces, jumpPlaces.length, at);
  if (jump < 0 || jumpPlaces[jump] !== at) return null;
  return jumpTargets.subarray(jumpOffsets[jump], jumpOffsets[jump + 1]);
}

/** So many blocks before an address are looked at. */
const OVERLAP = 8;

/** Bytes before a data object from which it may still be meant: compilers fold `table[i - 1]` into the address. */
const BIAS = 16;

/** Index of the data object that holds a vaddr, or begins shortly after it; -1 for none. */
export function dataObjectAt(data: DataObjects, vaddr: number): number {
  const at = lastAtMost(data.starts, data.starts.length, vaddr);
  if (at >= 0 && vaddr < (data.ends[at] as number)) return at;
  const next = data.starts[at + 1];
  return next !== undefined && next - vaddr <= BIAS ? at + 1 : -1;
}
