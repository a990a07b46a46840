import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/**
 * The vDSO of this kernel, an ELF file, read from the memory of this process; null when there is none or it cannot be read.
 *
 * It is mapped into every process and falls back to system calls where it cannot answer by itself (vdso(7)).
 */
export function readVdso(): Uint8Array | null {
  let descriptor: number | undefined;
  try {
    const line = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(readFileSync('/proc/self/maps', 'latin1'));
    if (line === null) return null;
    const start = parseInt(line[1] as string, 16);
    const bytes = new Uint8Array(parseInt(line[2] as string, 16) - start);
    descriptor = openSync('/proc/self/mem', 'r');
    return readSync(descriptor, bytes, 0, bytes.length, start) === bytes.length ? bytes : null;
  } catch {
    return null;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
