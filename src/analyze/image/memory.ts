import { UnsupportedError } from '../../base/errors.ts';
import { E_TYPE, P_FLAGS, P_TYPE } from '../../elf/constants.ts';
import type { ElfFile, ElfSegment } from '../../elf/file.ts';
import { utf8 } from '../../base/byte-cursor.ts';

/** Bits of a page's permission; the first three are those of P_FLAGS. */
export const PERMISSION = {
  EXECUTE: 1,
  WRITE: 2,
  READ: 4,
  /** Written by the loader only: PT_GNU_RELRO. WRITE is then not set. */
  RELRO: 8,
} as const;

/**
 * A flat address space below 2^31 in which ELF files are mapped; an address is the index in `bytes`.
 *
 * The arrays may be replaced by larger ones when files are mapped: do not keep them over that.
 */
export class Memory {
  /** Contents by address, longer than what is mapped. */
  bytes: Uint8Array = new Uint8Array();
  /** PERMISSION by page, address >>> 12. */
  permissions: Uint8Array = new Uint8Array();
  /** Which of the files mapped a page has, in the order of mapping, by address >>> 12; -1 for none. */
  pageObjects: Int16Array = new Int16Array();
  /** First address after the last file. */
  end: number = GAP;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #count = 0;

  /** Index of the file at an address, -1 for none. */
  objectAt(address: number): number {
    return this.pageObjects[address >>> PAGE_SHIFT] ?? -1;
  }

  /** See PERMISSION; 0 where nothing is mapped. */
  permissionAt(address: number): number {
    return this.permissions[address >>> PAGE_SHIFT] ?? 0;
  }

  /** The byte at an address; 0 where nothing is, as for the other readers. */
  u8(address: number): number {
    return this.bytes[address] ?? 0;
  }

  i32(address: number): number {
    return this.#has(address, 4) ? this.#view.getInt32(address, true) : 0;
  }

  u32(address: number): number {
    return this.#has(address, 4) ? this.#view.getUint32(address, true) : 0;
  }

  /** A 64-bit value; inexact above 2^53. */
  u64(address: number): number {
    if (!this.#has(address, 8)) return 0;
    return this.#view.getUint32(address + 4, true) * 2 ** 32 + this.#view.getUint32(address, true);
  }

  /** The 64-bit value at an address if it is one where something is mapped, else 0. */
  pointerAt(address: number): number {
    if (!this.#has(address, 8) || this.#view.getUint32(address + 4, true) !== 0) return 0;
    const pointer = this.#view.getUint32(address, true);
    return this.objectAt(pointer) < 0 ? 0 : pointer;
  }

  /** The zero-terminated UTF-8 text at an address; null when it is longer than `limit` bytes or does not end in its object. */
  stringAt(address: number, limit = 4096): string | null {
    const object = this.objectAt(address);
    if (object < 0) return null;
    const stop = Math.min(address + limit + 1, this.end);
    const length = this.bytes.subarray(address, stop).indexOf(0);
    if (length < 0 || this.objectAt(address + length) !== object) return null;
    return utf8(this.bytes, address, address + length);
  }

  /**
   * Maps files one after the other and returns the base of each: what is added to its vaddrs, 0 for ET_EXEC.
   *
   * @throws UnsupportedError when they do not fit below 2^31, or an ET_EXEC file wants addresses that are taken.
   */
  protected map(files: readonly { readonly elf: ElfFile; readonly path: string }[]): number[] {
    const bases = files.map(({ elf, path }) => this.#place(elf, path));
    this.#grow();
    for (const [index, { elf }] of files.entries()) this.#fill(elf, bases[index] as number);
    return bases;
  }

  /** Writes an address as 64-bit value, if its place is mapped. */
  protected writePointer(at: number, address: number): void {
    if (!this.#has(at, 8)) return;
    this.#view.setInt32(at, address, true);
    this.#view.setInt32(at + 4, address >> 31, true);
  }

  /** Copies bytes as far as both places are mapped. */
  protected copy(to: number, from: number, size: number): void {
    if (this.#has(from, size) && this.#has(to, size)) this.bytes.copyWithin(to, from, from + size);
  }

  #has(address: number, size: number): boolean {
    return address >= 0 && address + size <= this.end;
  }

  #place(elf: ElfFile, path: string): number {
    const lowest = Math.floor((elf.loads[0]?.vaddr ?? 0) / GAP) * GAP;
    const highest = elf.loads.reduce((end, load) => Math.max(end, load.vaddr + load.memsz), lowest);
    // Places in an object are kept as integers, too.
    if (highest > LIMIT) {
      throw new UnsupportedError(
        `image: ${path} is linked for addresses up to ${highest}, more than can be analyzed (${LIMIT})`,
        { feature: 'image' },
      );
    }
    const isFixed = elf.type === E_TYPE.ET_EXEC;
    const start = isFixed ? lowest : this.end;
    if (isFixed && lowest < this.end) {
      throw new UnsupportedError(
        `image: an ET_EXEC file wants address ${lowest}, which is taken (from ${this.end} on)`,
        { feature: 'image' },
      );
    }
    const end = Math.ceil((start + highest - lowest) / GAP) * GAP + GAP;
    if (end > LIMIT) {
      throw new UnsupportedError(
        `image: objects end at address ${end}, more than can be analyzed (${LIMIT})`,
        {
          feature: 'image',
        },
      );
    }
    this.end = end;
    return start - lowest;
  }

  #grow(): void {
    if (this.end <= this.bytes.length) return;
    // Memory that is never touched costs nothing; a copy of all does.
    const size = Math.min(LIMIT, this.end + RESERVE);
    const { bytes, permissions, pageObjects } = this;
    this.bytes = new Uint8Array(size);
    this.bytes.set(bytes);
    this.#view = new DataView(this.bytes.buffer);
    this.permissions = new Uint8Array(size >>> PAGE_SHIFT);
    this.permissions.set(permissions);
    this.pageObjects = new Int16Array(size >>> PAGE_SHIFT).fill(-1);
    this.pageObjects.set(pageObjects);
  }

  #fill(elf: ElfFile, base: number): void {
    const object = this.#count++;
    for (const { vaddr, memsz, offset, filesz, flags } of elf.loads) {
      const start = base + vaddr;
      const contents = elf.bytes.subarray(offset, offset + filesz);
      this.bytes.set(contents, start);
      const end = pageAfter(start + memsz);
      this.permissions.fill(flags & 7, start >>> PAGE_SHIFT, end);
      this.pageObjects.fill(object, start >>> PAGE_SHIFT, end);
    }
    for (const segment of elf.segments) {
      if (segment.type === P_TYPE.PT_GNU_RELRO) this.#protect(segment, base);
    }
  }

  /** Whole pages only, the last one not if it has other data, as the loader does. */
  #protect({ vaddr, memsz }: ElfSegment, base: number): void {
    const first = (base + vaddr) >>> PAGE_SHIFT;
    const last = (base + vaddr + memsz) >>> PAGE_SHIFT;
    for (let page = first; page < last && page < this.permissions.length; page++) {
      const flags = this.permissions[page] as number;
      this.permissions[page] = (flags & ~P_FLAGS.PF_W) | PERMISSION.RELRO;
    }
  }
}

function pageAfter(address: number): number {
  return Math.ceil(address / 2 ** PAGE_SHIFT);
}

const PAGE_SHIFT = 12;

/** Objects begin at a multiple of it, with so much between them: the largest page of any machine. */
const GAP = 0x1_0000;

const LIMIT = 2 ** 31 - GAP;

/** For objects that are opened later. */
const RESERVE = 2 ** 23;
