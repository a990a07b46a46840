import { fileOffsetToVaddr } from '../elf/address.ts';
import type { ElfFile } from '../elf/file.ts';
import { parseElf } from '../elf/header.ts';
import type { Cpu } from './cpu.ts';
import { FrameIndex } from './frame-index.ts';
import { frameRow } from './frame-row.ts';
import { unlessMalformed } from './malformed.ts';
import type { UnwindPlan } from './step.ts';
import { SymbolIndex, type SymbolPlace } from './symbol-index.ts';

/** What unwinding needs of one ELF object; answers are kept, as programs ask for the same places again and again. */
export class CodeObject {
  readonly #elf: ElfFile;
  readonly #frames: FrameIndex;
  readonly #symbols: SymbolIndex;
  readonly #plans = new Map<number, UnwindPlan | null>();
  readonly #places = new Map<number, SymbolPlace | null>();

  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#frames = new FrameIndex(elf);
    this.#symbols = new SymbolIndex(elf);
  }

  /** The vaddr of the byte at a file offset; null when no segment loads it. */
  vaddrOf(fileOffset: number): number | null {
    return fileOffsetToVaddr(this.#elf, fileOffset);
  }

  /** How the code at a vaddr is unwound; null when no FDE covers it, it is malformed, or the object is for another mode. */
  planAt(cpu: Cpu, vaddr: number): UnwindPlan | null {
    if (this.#elf.machine !== cpu.machine) return null;
    return remembered(this.#plans, vaddr, () => unlessMalformed(() => this.#plan(vaddr)));
  }

  /** The function that a vaddr is in; null when no symbol covers it. */
  symbolAt(vaddr: number): SymbolPlace | null {
    return remembered(this.#places, vaddr, () => this.#symbols.at(vaddr));
  }

  #plan(vaddr: number): UnwindPlan | null {
    const entry = this.#frames.find(vaddr);
    if (entry === null) return null;
    const { returnAddress, isSignalFrame } = entry.cie;
    return { row: frameRow(this.#elf, entry, vaddr), returnAddress, isSignalFrame };
  }
}

/** Reads an object; null when the bytes are no ELF file that can be read. */
export function codeObject(bytes: Uint8Array): CodeObject | null {
  return unlessMalformed(() => new CodeObject(parseElf(bytes)));
}

/** Answers kept per object, at most. */
const REMEMBERED = 4096;

function remembered<V>(answers: Map<number, V>, key: number, compute: () => V): V {
  const known = answers.get(key);
  if (known !== undefined) return known;
  const answer = compute();
  if (answers.size >= REMEMBERED) answers.clear();
  answers.set(key, answer);
  return answer;
}
