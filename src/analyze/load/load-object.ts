import type { ElfDynamic } from '../../elf/dynamic.ts';
import type { ElfFile } from '../../elf/file.ts';

/** What an object is to the loader. */
export type ObjectRole = 'program' | 'interpreter' | 'library' | 'vdso';

/**
 * Why an object is in the load set.
 *
 * - `program`: the program itself; `interpreter`: PT_INTERP; `vdso`: mapped by the kernel.
 * - `preload`: LD_PRELOAD or /etc/ld.so.preload.
 * - `needed`: a DT_NEEDED of the object `by`.
 * - `open`: named by `LoadSet.open`, that is dlopen, NSS, a plug-in or an option; `text` is the reason that the caller gave.
 */
export interface LoadReason {
  readonly kind: 'program' | 'interpreter' | 'vdso' | 'preload' | 'needed' | 'open';
  /** Index of the object that asked for it; null when no object did. */
  readonly by: number | null;
  /** The name as it was asked for: `libc.so.6`, or a path. */
  readonly name: string;
  /** For people; empty when `kind` says it all. */
  readonly text: string;
}

/** One ELF file of the load set. */
export interface LoadObject {
  /** Place in `LoadSet.objects`, the order of the load; 0 is the program. */
  readonly index: number;
  readonly role: ObjectRole;
  readonly reason: LoadReason;
  /** As the loader finds it, below the root: `/lib/x86_64-linux-gnu/libc.so.6`; `realPath` for the program, `linux-vdso.so.1` for the vDSO. */
  readonly path: string;
  /** Without symbolic links, below the root; what /proc/PID/maps shows. */
  readonly realPath: string;
  readonly elf: ElfFile;
  /** Null in a static program without dynamic section. */
  readonly dynamic: ElfDynamic | null;
  /** DT_SONAME. */
  readonly soname: string | null;
  /** Lower-case hex; null when the file has none or its notes are malformed. */
  readonly buildId: string | null;
  /** Indexes of the objects of its DT_NEEDED, in order, without those that are missing. */
  readonly needed: readonly number[];
  /** True when every object searches it for symbols: the program, preloads and what they need; false for what was opened later (RTLD_LOCAL). */
  readonly isGlobal: boolean;
  /** Index of the object that was opened when this one was mapped, itself perhaps; 0 for what is there from the start. */
  readonly openedWith: number;
}

/** A file that the loader would want and that is not there, or cannot be read as one. */
export interface MissingObject {
  /** As asked for: a DT_NEEDED, a path, PT_INTERP. */
  readonly name: string;
  /** Index of the object that asks for it; null when no object did. */
  readonly by: number | null;
  readonly kind: LoadReason['kind'];
  /** Why not, such as `not found`; for people. */
  readonly problem: string;
}

/** Another file that the loader takes instead of an object on CPUs that can run it. */
export interface LibraryVariant {
  /** Index of the object. */
  readonly object: number;
  /** The subdirectory, such as `x86-64-v3`. */
  readonly hwcap: string;
  readonly path: string;
}
