/** Values of `e_type` (elf(5), gABI 4.1). */
export const E_TYPE = { ET_REL: 1, ET_EXEC: 2, ET_DYN: 3, ET_CORE: 4 } as const;

/** Values of `e_machine` that have a role here (include/uapi/linux/elf-em.h). */
export const E_MACHINE = {
  EM_386: 3,
  EM_PPC64: 21,
  EM_S390: 22,
  EM_ARM: 40,
  EM_X86_64: 62,
  EM_AARCH64: 183,
  EM_RISCV: 243,
  EM_LOONGARCH: 258,
} as const;

/** Values of `p_type` (elf(5); PT_GNU_* from glibc's elf.h). */
export const P_TYPE = {
  PT_LOAD: 1,
  PT_DYNAMIC: 2,
  PT_INTERP: 3,
  PT_NOTE: 4,
  PT_PHDR: 6,
  PT_TLS: 7,
  PT_GNU_EH_FRAME: 0x6474e550,
  PT_GNU_STACK: 0x6474e551,
  PT_GNU_RELRO: 0x6474e552,
  PT_GNU_PROPERTY: 0x6474e553,
} as const;

/** Bits of `p_flags` (elf(5)). */
export const P_FLAGS = { PF_X: 1, PF_W: 2, PF_R: 4 } as const;

/** Values of `sh_type` (elf(5); SHT_RELR from gABI 4.3; SHT_GNU_* from glibc's elf.h). */
export const SH_TYPE = {
  SHT_NULL: 0,
  SHT_PROGBITS: 1,
  SHT_SYMTAB: 2,
  SHT_STRTAB: 3,
  SHT_RELA: 4,
  SHT_HASH: 5,
  SHT_DYNAMIC: 6,
  SHT_NOTE: 7,
  SHT_NOBITS: 8,
  SHT_REL: 9,
  SHT_DYNSYM: 11,
  SHT_INIT_ARRAY: 14,
  SHT_FINI_ARRAY: 15,
  SHT_PREINIT_ARRAY: 16,
  SHT_SYMTAB_SHNDX: 18,
  SHT_RELR: 19,
  SHT_GNU_HASH: 0x6ffffff6,
  SHT_GNU_verdef: 0x6ffffffd,
  SHT_GNU_verneed: 0x6ffffffe,
  SHT_GNU_versym: 0x6fffffff,
} as const;

/** Bits of `sh_flags` (elf(5)). */
export const SH_FLAGS = {
  SHF_WRITE: 1,
  SHF_ALLOC: 2,
  SHF_EXECINSTR: 4,
  SHF_TLS: 0x400,
  SHF_COMPRESSED: 0x800,
} as const;

/** Section indexes with a meaning of their own (elf(5), gABI 4.1). */
export const ST_SHNDX = {
  SHN_UNDEF: 0,
  SHN_LORESERVE: 0xff00,
  SHN_ABS: 0xfff1,
  SHN_COMMON: 0xfff2,
  SHN_XINDEX: 0xffff,
} as const;

/** Symbol types, the low four bits of `st_info` (elf(5); STT_GNU_IFUNC from glibc's elf.h). */
export const ST_TYPE = {
  STT_NOTYPE: 0,
  STT_OBJECT: 1,
  STT_FUNC: 2,
  STT_SECTION: 3,
  STT_FILE: 4,
  STT_COMMON: 5,
  STT_TLS: 6,
  STT_GNU_IFUNC: 10,
} as const;

/** Symbol bindings, the high four bits of `st_info` (elf(5); STB_GNU_UNIQUE from glibc's elf.h). */
export const ST_BIND = { STB_LOCAL: 0, STB_GLOBAL: 1, STB_WEAK: 2, STB_GNU_UNIQUE: 10 } as const;

/** Symbol visibilities, the low two bits of `st_other` (elf(5)). */
export const ST_VISIBILITY = { STV_DEFAULT: 0, STV_INTERNAL: 1, STV_HIDDEN: 2, STV_PROTECTED: 3 } as const;

/** Values of `d_tag` (elf(5); DT_RELR* from gABI 4.3; DT_GNU_HASH and DT_VER* from glibc's elf.h). */
export const D_TAG = {
  DT_NULL: 0,
  DT_NEEDED: 1,
  DT_PLTRELSZ: 2,
  DT_PLTGOT: 3,
  DT_HASH: 4,
  DT_STRTAB: 5,
  DT_SYMTAB: 6,
  DT_RELA: 7,
  DT_RELASZ: 8,
  DT_RELAENT: 9,
  DT_STRSZ: 10,
  DT_SYMENT: 11,
  DT_INIT: 12,
  DT_FINI: 13,
  DT_SONAME: 14,
  DT_RPATH: 15,
  DT_SYMBOLIC: 16,
  DT_REL: 17,
  DT_RELSZ: 18,
  DT_RELENT: 19,
  DT_PLTREL: 20,
  DT_DEBUG: 21,
  DT_TEXTREL: 22,
  DT_JMPREL: 23,
  DT_BIND_NOW: 24,
  DT_INIT_ARRAY: 25,
  DT_FINI_ARRAY: 26,
  DT_INIT_ARRAYSZ: 27,
  DT_FINI_ARRAYSZ: 28,
  DT_RUNPATH: 29,
  DT_FLAGS: 30,
  DT_PREINIT_ARRAY: 32,
  DT_PREINIT_ARRAYSZ: 33,
  DT_RELRSZ: 35,
  DT_RELR: 36,
  DT_RELRENT: 37,
  DT_GNU_HASH: 0x6ffffef5,
  DT_VERSYM: 0x6ffffff0,
  DT_FLAGS_1: 0x6ffffffb,
  DT_VERDEF: 0x6ffffffc,
  DT_VERDEFNUM: 0x6ffffffd,
  DT_VERNEED: 0x6ffffffe,
  DT_VERNEEDNUM: 0x6fffffff,
} as const;

/** Bits of the value of DT_FLAGS (elf(5)). */
export const DT_FLAGS_BITS = {
  DF_ORIGIN: 1,
  DF_SYMBOLIC: 2,
  DF_TEXTREL: 4,
  DF_BIND_NOW: 8,
  DF_STATIC_TLS: 16,
} as const;

/** Bits of the value of DT_FLAGS_1 that have a role here (glibc's elf.h). */
export const DT_FLAGS_1_BITS = {
  DF_1_NOW: 1,
  DF_1_NODELETE: 8,
  DF_1_INITFIRST: 0x20,
  DF_1_NOOPEN: 0x40,
  DF_1_ORIGIN: 0x80,
  DF_1_INTERPOSE: 0x400,
  DF_1_NODEFLIB: 0x800,
  DF_1_PIE: 0x0800_0000,
} as const;

/** Note type of a build-id under the name `GNU` (glibc's elf.h). */
export const NT_GNU_BUILD_ID = 3;
