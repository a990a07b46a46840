/**
 * An ELF file: its header, its tables of segments and sections, and the bytes themselves.
 *
 * Addresses, offsets and sizes are numbers: each fits in 2^53, larger ones were refused. The contents of segments
 * and sections may still lie outside of the file (debug files do that); they are checked when they are read.
 */
export interface ElfFile {
  /** The whole file, borrowed; it must not change while the ElfFile is in use. */
  readonly bytes: Uint8Array;
  /** Width of an address in bits: ELFCLASS32 or ELFCLASS64. x32 programs are 32 with EM_X86_64. */
  readonly class: 32 | 64;
  /** `e_machine`, see E_MACHINE. */
  readonly machine: number;
  /** `e_type`, see E_TYPE. */
  readonly type: number;
  /** EI_OSABI of `e_ident`. */
  readonly osabi: number;
  /** `e_flags`. */
  readonly flags: number;
  /** vaddr of the first instruction, 0 when there is none. */
  readonly entry: number;
  /** In file order. */
  readonly segments: readonly ElfSegment[];
  /** PT_LOAD segments that take up memory, by ascending vaddr; they do not overlap. */
  readonly loads: readonly ElfSegment[];
  /** In file order with the null section at 0; empty when the file has no section headers. */
  readonly sections: readonly ElfSection[];
}

/** A program header; the fields are those of elf(5) without `p_`. */
export interface ElfSegment {
  /** See P_TYPE. */
  readonly type: number;
  /** See P_FLAGS. */
  readonly flags: number;
  /** In bytes from the start of the file. */
  readonly offset: number;
  readonly vaddr: number;
  /** Bytes in the file. */
  readonly filesz: number;
  /** Bytes in memory; what is past `filesz` is zero. */
  readonly memsz: number;
  readonly align: number;
}

/** A section header; the fields are those of elf(5) without `sh_`. */
export interface ElfSection {
  readonly index: number;
  /** Empty when the file has no section name table. */
  readonly name: string;
  /** See SH_TYPE. */
  readonly type: number;
  /** See SH_FLAGS. */
  readonly flags: number;
  /** vaddr, 0 when the section is not loaded. */
  readonly addr: number;
  /** In bytes from the start of the file. */
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly addralign: number;
  readonly entsize: number;
}

/** A run of bytes in the file. */
export interface FileRange {
  /** In bytes from the start of the file. */
  readonly offset: number;
  /** First byte after the range. */
  readonly end: number;
}
