/** A mapping of a tracee as /proc/PID/maps has it (proc(5)). */
export interface CodeMapping {
  readonly start: number;
  readonly end: number;
  /** Offset into the file, in bytes. */
  readonly offset: number;
  /** Of the file, or VDSO. */
  readonly path: string;
}

/** Path of the mapping of the kernel's own shared object, which is in no file (vdso(7)). */
export const VDSO = '[vdso]';

/** The mapping that covers an address, by bisection of mappings in order of address; null when there is none. */
export function mappingAt(mappings: readonly CodeMapping[], address: number): CodeMapping | null {
  let low = 0;
  let high = mappings.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((mappings[middle] as CodeMapping).start <= address) low = middle + 1;
    else high = middle;
  }
  const mapping = mappings[low - 1];
  return mapping !== undefined && address < mapping.end ? mapping : null;
}
