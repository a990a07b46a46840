import { closeSync, openSync, writeSync } from 'node:fs';
import { addressOf, type Libc } from './libc.ts';

/** Reads and writes the memory of tracees that are stopped. */
export class TraceeMemory {
  readonly #libc: Libc;
  readonly #local: BigUint64Array = new BigUint64Array(2);
  readonly #remote: BigUint64Array = new BigUint64Array(2);

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Up to `length` bytes from `address`: fewer where the mapping ends, null where there is none. */
  read(tid: number, address: bigint, length: number): Uint8Array | null {
    const bytes = new Uint8Array(length);
    this.#local[0] = addressOf(bytes);
    this.#local[1] = BigInt(length);
    this.#remote[0] = address;
    this.#remote[1] = BigInt(length);
    // SAFETY: one iovec on each side; `bytes` is referenced until the return below.
    const count = this.#libc.processVmReadv(tid, this.#local, this.#remote);
    return count < 0 ? null : bytes.subarray(0, count);
  }

  /** An unsigned 64-bit little-endian word, or null. */
  readWord(tid: number, address: bigint): bigint | null {
    const bytes = this.read(tid, address, 8);
    if (bytes === null || bytes.length < 8) return null;
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  }

  /** Writes an unsigned 64-bit little-endian word; false if that fails. */
  writeWord(tid: number, address: bigint, value: bigint): boolean {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    return this.write(tid, address, bytes);
  }

  /** Writes through /proc/PID/mem, which also reaches read-only pages; false if that fails. */
  write(tid: number, address: bigint, bytes: Uint8Array): boolean {
    let fd: number;
    try {
      fd = openSync(`/proc/${tid}/mem`, 'r+');
    } catch {
      return false;
    }
    try {
      // Node takes positions as Number here: user addresses on x86-64 are below 2^47.
      return writeSync(fd, bytes, 0, bytes.length, Number(address)) === bytes.length;
    } catch {
      return false;
    } finally {
      closeSync(fd);
    }
  }
}
