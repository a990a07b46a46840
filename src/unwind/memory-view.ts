import type { Cpu } from './cpu.ts';

/** Reads up to `length` bytes of a tracee's memory: fewer where the mapping ends, null where there is none. */
export type ReadMemory = (address: bigint, length: number) => Uint8Array | null;

/**
 * The memory of a tracee during one backtrace: pages are fetched whole and kept, for it is stopped.
 *
 * A page is never read across its end, so that what cannot be read next to it does no harm.
 */
export class MemoryView {
  readonly #read: ReadMemory;
  readonly #pages = new Map<bigint, Uint8Array | null>();

  constructor(read: ReadMemory) {
    this.#read = read;
  }

  /** The unsigned little-endian number of `size` bytes at an address; null when it cannot be read. */
  number(address: bigint, size: number): bigint | null {
    const bytes = this.bytes(address, size);
    if (bytes === null) return null;
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index] as number);
    return value;
  }

  /** The word at an address, as wide as the mode's; null when it cannot be read. */
  word(cpu: Cpu, address: bigint): bigint | null {
    const offset = Number(address & PAGE_MASK);
    const page = this.#page(address);
    if (page === null || offset + cpu.wordSize > page.length) return this.number(address, cpu.wordSize);
    const view = new DataView(page.buffer, page.byteOffset + offset, cpu.wordSize);
    return cpu.wordSize === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  }

  /** `length` bytes, at most a page; null when they cannot all be read. */
  bytes(address: bigint, length: number): Uint8Array | null {
    const offset = Number(address & PAGE_MASK);
    const page = this.#page(address);
    if (page === null) return null;
    if (offset + length <= page.length) return page.subarray(offset, offset + length);
    if (page.length < PAGE) return null;
    const rest = this.#page(address + BigInt(PAGE));
    const missing = offset + length - PAGE;
    if (rest === null || missing > rest.length) return null;
    const joined = new Uint8Array(length);
    joined.set(page.subarray(offset));
    joined.set(rest.subarray(0, missing), length - missing);
    return joined;
  }

  #page(address: bigint): Uint8Array | null {
    const start = BigInt.asUintN(64, address & ~PAGE_MASK);
    const known = this.#pages.get(start);
    if (known !== undefined) return known;
    if (this.#pages.size >= PAGES) return null;
    const page = this.#read(start, PAGE);
    this.#pages.set(start, page);
    return page;
  }
}

/** Smallest page of x86 (Intel SDM, volume 3, section 5.3). */
const PAGE = 4096;
const PAGE_MASK = 4095n;

/** Pages of one backtrace, at most: real ones need a few, expressions made to hurt could ask for any number. */
const PAGES = 1024;
