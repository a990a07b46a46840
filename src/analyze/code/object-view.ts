import { integer } from '../../base/integer.ts';
import { D_TAG, E_TYPE, P_FLAGS, P_TYPE } from '../../elf/constants.ts';
import type { Image } from '../image/image.ts';
import { RELOCATION_KIND } from '../image/relocations.ts';
import type { ValueMemory } from '../value/transfer.ts';
import { describeInstruction, scanInstruction } from '../x86/decoder.ts';
import { FLOW, type Instruction } from '../x86/instruction.ts';
import { describeThrough, isSeenThrough, seeThrough } from './thunks.ts';

/** What stands at 8 bytes of an object. */
export const WORD = {
  /** No pointer. */
  NONE: 0,
  /** A pointer in data. */
  POINTER: 1,
  /** A slot of the GOT, read by code at its exact address only. */
  SLOT: 2,
  /** Of thread-local storage: module and offset, or a descriptor. */
  THREAD: 3,
} as const;

/**
 * One object as the analysis of its code sees it: bytes, code ranges and pointer words by vaddr.
 *
 * Nothing in it depends on the other objects of the program: what is said of it holds for the file wherever it is loaded.
 */
export class ObjectView implements ValueMemory {
  readonly index: number;
  /** Lowest vaddr, and first one after the highest segment. */
  readonly low: number;
  readonly high: number;
  /** First and last vaddr with code; what lies between may be other segments too. */
  readonly codeLow: number;
  readonly codeHigh: number;
  readonly isFixed: boolean;
  /** Compiled by Go, whose functions keep to a calling convention of their own. */
  readonly isGo: boolean;
  /** What code of the large model adds distances to: the start of the global offset table, -1 for none. */
  readonly got: number;
  /** The image, in which a vaddr of this object stands at vaddr + base. */
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly #data: DataView;
  /** Pairs of vaddrs: executable segments. */
  readonly #code: number[] = [];
  /** Pairs of vaddrs: segments that are never written. */
  readonly #readOnly: number[] = [];
  readonly #words: Uint8Array;
  /** WORD.* of the words that the loader fills at vaddrs that are not divisible by 8, as in packed structures; by vaddr. */
  readonly #unaligned = new Map<number, number>();
  readonly #plts: ReadonlySet<number>;

  constructor(image: Image, index: number) {
    const object = image.objects[index];
    if (object === undefined) throw new RangeError(`no object ${index}`);
    const { elf } = object.file;
    this.index = index;
    this.bytes = image.bytes;
    this.#data = new DataView(image.bytes.buffer, image.bytes.byteOffset, image.bytes.byteLength);
    this.base = integer(object.base);
    this.isFixed = elf.type === E_TYPE.ET_EXEC;
    this.low = integer(object.start - object.base);
    this.high = integer(object.end - object.base);
    for (const load of elf.loads) {
      if ((load.flags & P_FLAGS.PF_X) !== 0)
        this.#code.push(integer(load.vaddr), integer(load.vaddr + load.filesz));
      if ((load.flags & P_FLAGS.PF_W) === 0)
        this.#readOnly.push(integer(load.vaddr), integer(load.vaddr + load.memsz));
    }
    // The loader and static programs write theirs by their own code before they protect it.
    const isRelocatedByOthers = object.file.role !== 'interpreter' && image.loadSet.libc !== 'static';
    for (const segment of elf.segments) {
      if (isRelocatedByOthers && segment.type === P_TYPE.PT_GNU_RELRO)
        this.#readOnly.push(integer(segment.vaddr), integer(segment.vaddr + segment.memsz));
    }
    this.codeLow = this.#code[0] ?? 0;
    this.codeHigh = this.#code.at(-1) ?? 0;
    this.#words = new Uint8Array(((this.high - this.low) >>> 3) + 1);
    const { relocations } = object;
    this.isGo = elf.sections.some(({ name }) => name === '.gopclntab' || name === '.go.buildinfo');
    this.#plts = new Set(elf.sections.filter(({ name }) => name.startsWith('.plt')).map(({ addr }) => addr));
    const got = elf.sections
      .filter(({ name }) => name === '.got' || name === '.got.plt')
      .flatMap(({ addr, size }) => [addr, addr + size]);
    const table =
      elf.sections.find(({ name }) => name === '.got.plt') ??
      elf.sections.find(({ name }) => name === '.got');
    const { entries } = object.file.dynamic ?? { entries: [] };
    const named = table?.addr ?? entries.find(({ tag }) => tag === D_TAG.DT_PLTGOT)?.value;
    this.got = integer(named ?? -1);
    for (let at = 0; at < relocations.count; at++) {
      const kind = relocations.kind[at] as number;
      const word = wordOf(kind);
      const place = (relocations.place[at] as number) - this.base - this.low;
      if (kind === RELOCATION_KIND.COPY && place >= 0) {
        const size = object.symbols.size[relocations.symbol[at] as number] ?? 8;
        this.#words.fill(WORD.POINTER, place >>> 3, (place + size + 7) >>> 3);
      }
      if (word === WORD.NONE || place < 0) continue;
      const isInGot = word === WORD.POINTER && inRanges(got, place + this.low);
      const found = isInGot ? WORD.SLOT : word;
      if ((place & 7) === 0) this.#words[place >>> 3] = found;
      else this.#unaligned.set(place + this.low, found);
    }
  }

  contains(vaddr: number): boolean {
    return vaddr >= this.low && vaddr < this.high;
  }

  isCode(vaddr: number): boolean {
    if (vaddr < this.codeLow || vaddr >= this.codeHigh) return false;
    return this.#code.length === 2 || inRanges(this.#code, vaddr);
  }

  /** End of the executable segment that a vaddr is in; 0 outside of all. */
  codeEndAt(vaddr: number): number {
    for (let at = 0; at < this.#code.length; at += 2) {
      const end = this.#code[at + 1] as number;
      if (vaddr >= (this.#code[at] as number) && vaddr < end) return end;
    }
    return 0;
  }

  /** Whether a procedure linkage table begins there. */
  isPlt(vaddr: number): boolean {
    return this.#plts.has(vaddr);
  }

  isReadOnly(vaddr: number): boolean {
    return inRanges(this.#readOnly, vaddr);
  }

  /** WORD.* of the word that the loader fills at a vaddr, else of the aligned word at or around it. */
  wordAt(vaddr: number): number {
    if (!this.contains(vaddr)) return WORD.NONE;
    const word = (vaddr & 7) === 0 ? undefined : this.#unaligned.get(vaddr);
    return word ?? (this.#words[(vaddr - this.low) >>> 3] as number);
  }

  /** vaddrs of the words that are pointers in data, ascending. */
  pointers(): number[] {
    const places: number[] = [];
    let word = this.#words.indexOf(WORD.POINTER);
    for (; word >= 0; word = this.#words.indexOf(WORD.POINTER, word + 1)) {
      const place = this.low + word * 8;
      if (place >= this.high) break;
      places.push(place);
    }
    if (this.#unaligned.size === 0) return places;
    for (const [place, kind] of this.#unaligned) if (kind === WORD.POINTER) places.push(place);
    return places.sort((a, b) => a - b);
  }

  /** Whether the word at a vaddr holds an address at start: by a relocation, or, where there are none, by what it looks like. */
  mayHoldPointer(vaddr: number): boolean {
    const word = this.#exactWord(vaddr);
    if (word !== WORD.NONE) return word !== WORD.THREAD;
    return this.isFixed && !this.isCode(vaddr) && this.pointerAt(vaddr) !== 0;
  }

  /** Whether words that are not aligned may hold pointers: Go has no packed structures, and tables that look like it. */
  get mayHoldUnaligned(): boolean {
    return (this.isFixed && !this.isGo) || this.#unaligned.size > 0;
  }

  isConstantWord(vaddr: number): boolean {
    const word = this.#exactWord(vaddr);
    return word === WORD.SLOT || (word === WORD.POINTER && this.isReadOnly(vaddr));
  }

  u8(vaddr: number): number {
    return this.contains(vaddr) ? (this.bytes[vaddr + this.base] as number) : 0;
  }

  u16(vaddr: number): number {
    return this.u8(vaddr) | (this.u8(vaddr + 1) << 8);
  }

  u32(vaddr: number): number {
    return this.#holds(vaddr, 4) ? this.#data.getUint32(vaddr + this.base, true) : 0;
  }

  i32(vaddr: number): number {
    return this.#holds(vaddr, 4) ? this.#data.getInt32(vaddr + this.base, true) : 0;
  }

  i64(vaddr: number): number | null {
    if (!this.#holds(vaddr, 8)) return null;
    const high = this.#data.getInt32(vaddr + this.base + 4, true);
    const value = high * 0x1_0000_0000 + this.#data.getUint32(vaddr + this.base, true);
    return Number.isSafeInteger(value) ? value : null;
  }

  /** The vaddr that a word holds, 0 if it holds none. */
  pointerAt(vaddr: number): number {
    if (!this.#holds(vaddr, 8)) return 0;
    if (this.#data.getInt32(vaddr + this.base + 4, true) !== 0) return 0;
    const low = this.#data.getUint32(vaddr + this.base, true);
    // Relocated words hold addresses of the image.
    const value = this.wordAt(vaddr) === WORD.NONE ? low : low - this.base;
    return this.contains(value) ? value | 0 : 0;
  }

  /** The zero-terminated text at a vaddr if it is one of printable ASCII of at most `limit` bytes, else null. */
  textAt(vaddr: number, limit: number): string | null {
    let text = '';
    for (let at = vaddr; at < vaddr + limit; at++) {
      const byte = this.u8(at);
      if (byte === 0) return text;
      if (byte < 0x20 || byte > 0x7e) return null;
      text += String.fromCharCode(byte);
    }
    return null;
  }

  /** The object's vaddr of an address of the image. */
  vaddrOf(address: number): number {
    return address - this.base;
  }

  /**
   * Fills in the instruction at a vaddr; its length, 0 where there is none. A direct call or jump to the thunk of a retpoline is the indirect
   * call or jump through a register, or the return, that it stands for.
   */
  decode(vaddr: number, into: Instruction): number {
    const length = this.scan(vaddr, into);
    if (length !== 0) this.describe(into);
    return length;
  }

  /** As `decode`, but fills in only length, flow, target and traits; `describe` does the rest. */
  scan(vaddr: number, into: Instruction): number {
    const at = vaddr + this.base;
    const length = scanInstruction(this.bytes, at, Math.min(at + 16, this.high + this.base), vaddr, into);
    // Thunks have nothing of their own to tell, and what follows the calls in them is never executed.
    if ((into.flow === FLOW.CALL || into.flow === FLOW.JUMP) && this.contains(into.target))
      seeThrough(this.bytes, into.target + this.base, into);
    return length;
  }

  /** Fills in the remaining fields after `scan`. */
  describe(into: Instruction): void {
    if (isSeenThrough(into)) describeThrough(into);
    else describeInstruction(this.bytes, into.address + this.base, into);
  }

  /** As `wordAt`, but of the word at the vaddr alone. */
  #exactWord(vaddr: number): number {
    return (vaddr & 7) === 0 ? this.wordAt(vaddr) : (this.#unaligned.get(vaddr) ?? WORD.NONE);
  }

  #holds(vaddr: number, size: number): boolean {
    return vaddr >= this.low && vaddr + size <= this.high;
  }
}

function wordOf(kind: number): number {
  switch (kind) {
    case RELOCATION_KIND.RELATIVE:
    case RELOCATION_KIND.ABSOLUTE:
    case RELOCATION_KIND.IRELATIVE:
      return WORD.POINTER;
    case RELOCATION_KIND.JUMP_SLOT:
    case RELOCATION_KIND.GLOB_DAT:
      return WORD.SLOT;
    case RELOCATION_KIND.DTPMOD:
    case RELOCATION_KIND.TLSDESC:
      return WORD.THREAD;
    default:
      return WORD.NONE;
  }
}

function inRanges(pairs: readonly number[], vaddr: number): boolean {
  for (let at = 0; at < pairs.length; at += 2) {
    if (vaddr >= (pairs[at] as number) && vaddr < (pairs[at + 1] as number)) return true;
  }
  return false;
}
