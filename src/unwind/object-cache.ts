import { type CodeMapping, VDSO } from './code-mapping.ts';
import { type CodeObject, codeObject } from './code-object.ts';
import type { ReadMemory } from './memory-view.ts';

/** Gives the bytes of the file that a mapping's path names, as the tracee sees it; null when it cannot be read. */
export type OpenObject = (path: string) => Uint8Array | null;

/**
 * Parsed objects by path.
 *
 * A path is taken for the same file as long as the cache lives. When there are OBJECTS of them, the oldest makes room.
 */
export class ObjectCache {
  readonly #open: OpenObject;
  readonly #objects = new Map<string, CodeObject | null>();
  readonly #vdsos: { readonly bytes: Uint8Array; readonly object: CodeObject | null }[] = [];

  constructor(open: OpenObject) {
    this.#open = open;
  }

  /** The object of a mapping; null when it has none that can be read. */
  get(mapping: CodeMapping, read: ReadMemory): CodeObject | null {
    if (mapping.path === VDSO) return this.#vdso(mapping, read);
    if (!mapping.path.startsWith('/')) return null;
    const known = this.#objects.get(mapping.path);
    if (known !== undefined) return known;
    const bytes = this.#open(mapping.path);
    const object = bytes === null ? null : codeObject(bytes);
    if (this.#objects.size >= OBJECTS) {
      for (const oldest of this.#objects.keys()) {
        this.#objects.delete(oldest);
        break;
      }
    }
    this.#objects.set(mapping.path, object);
    return object;
  }

  /** The vDSO is mapped whole, as its file would be; all processes of one mode have the same, at different addresses. */
  #vdso({ start, end }: CodeMapping, read: ReadMemory): CodeObject | null {
    const size = end - start;
    if (!(size > 0 && size <= LARGEST_VDSO)) return null;
    const bytes = read(BigInt(start), size);
    if (bytes === null || bytes.length !== size) return null;
    const known = this.#vdsos.find((vdso) => Buffer.compare(vdso.bytes, bytes) === 0);
    if (known !== undefined) return known.object;
    const object = codeObject(bytes);
    if (this.#vdsos.length < VDSOS) this.#vdsos.push({ bytes, object });
    return object;
  }
}

/** Processes load some hundred objects at most; each is kept in memory. */
const OBJECTS = 512;

/** It has two pages. */
const LARGEST_VDSO = 0x1_0000;

/** One per mode; a process may have changed its own. */
const VDSOS = 4;
