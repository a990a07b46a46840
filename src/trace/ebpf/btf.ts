import { ByteCursor } from '../../base/byte-cursor.ts';
import { FormatError } from '../../base/errors.ts';

/** Kinds of type; source: include/uapi/linux/btf.h. */
const KIND = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

const BTF_MAGIC = 0xeb9f;
const HEADER_SIZE = 24;

/** 32-bit words that follow the three of every type: fixed ones, and more for each of its vlen parts. */
const EXTRA_WORDS: readonly (readonly [fixed: number, each: number] | undefined)[] = [
  undefined,
  [1, 0],
  [0, 0],
  [3, 0],
  [0, 3],
  [0, 3],
  [0, 2],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 2],
  [1, 0],
  [0, 3],
  [0, 0],
  [1, 0],
  [0, 0],
  [0, 3],
];

/** Deepest nesting of unnamed structures, typedefs and qualifiers that is followed. */
const DEPTH = 16;

/** What is to be found: structures (or unions), typedefs and functions by name. */
export interface BtfWanted {
  readonly structs: readonly string[];
  readonly typedefs: readonly string[];
  readonly functions: readonly string[];
}

/** Where a member lies. */
export interface BtfMember {
  /** Bytes from the start of the structure. */
  readonly offset: number;
  /** Id of its type. */
  readonly type: number;
}

/**
 * Type information of a kernel, as /sys/kernel/btf/vmlinux has it: only what is asked for at once is looked up, in one pass
 * over the types that keeps nothing else.
 *
 * Source of the format: Documentation/bpf/btf.rst.
 */
export class Btf {
  readonly #words: Uint32Array;
  readonly #strings: Uint8Array;
  /** Word at which each type begins, every STEP types; the types between are walked to. */
  readonly #marks: number[] = [];
  readonly #structs: Map<string, number> = new Map();
  readonly #typedefs: Map<string, number> = new Map();
  readonly #functions: Map<string, number> = new Map();
  #count = 0;

  /** @throws FormatError if the bytes are no BTF, or end in the middle of a type */
  constructor(bytes: Uint8Array, wanted: BtfWanted) {
    const { types, strings } = readSections(bytes);
    // A copy only where the bytes lie askew; the file of a kernel is read into a buffer of its own.
    this.#words =
      types.byteOffset % 4 === 0
        ? new Uint32Array(types.buffer, types.byteOffset, types.length >>> 2)
        : new Uint32Array(types.slice().buffer, 0, types.length >>> 2);
    this.#strings = strings;
    this.#scan(wanted);
  }

  /** Id of a typedef that was wanted, or null. */
  typedef(name: string): number | null {
    return this.#typedefs.get(name) ?? null;
  }

  /** Id of a function that was wanted, or null. */
  function(name: string): number | null {
    return this.#functions.get(name) ?? null;
  }

  /** Whether a structure that was wanted is there. */
  hasStruct(name: string): boolean {
    return this.#structs.has(name);
  }

  /**
   * Where a member of a structure lies, written as in C: `live.counter` descends into members. Members of unnamed structures and
   * unions count as the outer one's own. Null if there is no such member.
   *
   * @throws FormatError if the types contradict themselves
   */
  member(struct: string, path: string): BtfMember | null {
    let at = this.#structs.get(struct);
    if (at === undefined) return null;
    let offset = 0;
    let type = 0;
    for (const [depth, name] of path.split('.').entries()) {
      if (depth > 0) {
        const inner = this.#resolve(type);
        if (inner === null) return null;
        at = inner;
      }
      const found = this.#findMember(at, name, 0);
      if (found === null) return null;
      offset += found.offset;
      type = found.type;
    }
    return { offset, type };
  }

  #scan(wanted: BtfWanted): void {
    const structs = this.#offsetsOf(wanted.structs);
    const typedefs = this.#offsetsOf(wanted.typedefs);
    const functions = this.#offsetsOf(wanted.functions);
    const words = this.#words;
    const end = words.length;
    let at = 0;
    let id = 1;
    while (at < end) {
      if (at + 3 > end) throw truncated(at);
      const info = words[at + 1] as number;
      const kind = (info >>> 24) & 0x1f;
      if ((id & (STEP - 1)) === 1) this.#marks.push(at);
      if (kind === KIND.STRUCT || kind === KIND.UNION) {
        const name = structs.get(words[at] as number);
        // The first of several of one name: the others are from modules' own headers.
        if (name !== undefined && (info & 0xffff) > 0 && !this.#structs.has(name))
          this.#structs.set(name, at);
      } else if (kind === KIND.TYPEDEF) {
        const name = typedefs.get(words[at] as number);
        if (name !== undefined && !this.#typedefs.has(name)) this.#typedefs.set(name, id);
      } else if (kind === KIND.FUNC) {
        const name = functions.get(words[at] as number);
        if (name !== undefined && !this.#functions.has(name)) this.#functions.set(name, id);
      }
      at = next(words, at);
      id++;
    }
    if (at !== end) throw truncated(end);
    this.#count = id;
  }

  /** Places of names in the string section; a name that is not there is left out. */
  #offsetsOf(names: readonly string[]): Map<number, string> {
    const found = new Map<number, string>();
    const strings = Buffer.from(this.#strings.buffer, this.#strings.byteOffset, this.#strings.byteLength);
    for (const name of names) {
      const at = strings.indexOf(`\0${name}\0`, 0, 'latin1');
      if (at !== -1) found.set(at + 1, name);
    }
    return found;
  }

  #findMember(at: number, name: string, depth: number): BtfMember | null {
    const words = this.#words;
    if (depth > DEPTH) {
      throw new FormatError(`btf: structures are nested ${depth} deep (${DEPTH})`, { offset: at * 4 });
    }
    const info = words[at + 1] as number;
    const kind = (info >>> 24) & 0x1f;
    if (kind !== KIND.STRUCT && kind !== KIND.UNION) return null;
    const hasBitfields = info >>> 31 === 1;
    const count = info & 0xffff;
    for (let index = 0; index < count; index++) {
      const member = at + 3 + index * 3;
      const nameAt = words[member] as number;
      const type = words[member + 1] as number;
      const bits = hasBitfields ? (words[member + 2] as number) & 0xffffff : (words[member + 2] as number);
      if (nameAt === 0) {
        const inner = this.#resolve(type);
        const found = inner === null ? null : this.#findMember(inner, name, depth + 1);
        if (found !== null) return { offset: found.offset + (bits >>> 3), type: found.type };
      } else if (this.#isString(nameAt, name)) {
        return { offset: bits >>> 3, type };
      }
    }
    return null;
  }

  /** Word of a type by its id, typedefs and qualifiers taken off; null for void. */
  #resolve(id: number): number | null {
    let current = id;
    for (let depth = 0; depth <= DEPTH; depth++) {
      if (current === 0) return null;
      const at = this.#find(current);
      const kind = ((this.#words[at + 1] as number) >>> 24) & 0x1f;
      const isWrapper =
        kind === KIND.TYPEDEF ||
        kind === KIND.VOLATILE ||
        kind === KIND.CONST ||
        kind === KIND.RESTRICT ||
        kind === KIND.TYPE_TAG;
      if (!isWrapper) return at;
      current = this.#words[at + 2] as number;
    }
    throw new FormatError(`btf: type ${id} is wrapped more than ${DEPTH} times`, { value: id });
  }

  #find(id: number): number {
    if (id >= this.#count) {
      throw new FormatError(`btf: type ${id} does not exist (${this.#count - 1})`, { value: id });
    }
    const mark = Math.floor((id - 1) / STEP);
    let at = this.#marks[mark] as number;
    for (let current = mark * STEP + 1; current < id; current++) at = next(this.#words, at);
    return at;
  }

  #isString(at: number, text: string): boolean {
    const strings = this.#strings;
    if (at + text.length >= strings.length || strings[at + text.length] !== 0) return false;
    for (let index = 0; index < text.length; index++) {
      if (strings[at + index] !== text.charCodeAt(index)) return false;
    }
    return true;
  }
}

/** Types between two marks; a power of two. */
const STEP = 256;

function readSections(bytes: Uint8Array): { types: Uint8Array; strings: Uint8Array } {
  const cursor = new ByteCursor(bytes, { context: 'btf' });
  const magic = cursor.u16();
  if (magic !== BTF_MAGIC) {
    throw new FormatError(`btf: magic is 0x${magic.toString(16)} (0xeb9f, little-endian)`, {
      offset: 0,
      value: magic,
    });
  }
  const version = cursor.u8();
  if (version !== 1) throw new FormatError(`btf: version ${version} (1)`, { offset: 2, value: version });
  cursor.skip(1);
  const header = cursor.u32();
  if (header < HEADER_SIZE) {
    throw new FormatError(`btf: header of ${header} bytes (${HEADER_SIZE} at least)`, {
      offset: 4,
      value: header,
    });
  }
  const [typesAt, typesSize] = [cursor.u32(), cursor.u32()];
  const [stringsAt, stringsSize] = [cursor.u32(), cursor.u32()];
  if (typesSize % 4 !== 0) {
    throw new FormatError(`btf: type section of ${typesSize} bytes is not of whole words`, {
      offset: 12,
      value: typesSize,
    });
  }
  cursor.offset = header + typesAt;
  const types = cursor.take(typesSize);
  cursor.offset = header + stringsAt;
  return { types, strings: cursor.take(stringsSize) };
}

/** Word after the type that begins at `at`. */
function next(words: Uint32Array, at: number): number {
  const info = words[at + 1] as number;
  const extra = EXTRA_WORDS[(info >>> 24) & 0x1f];
  if (extra === undefined) {
    throw new FormatError(`btf: type at word ${at} is of unknown kind ${(info >>> 24) & 0x1f}`, {
      offset: at * 4,
      value: (info >>> 24) & 0x1f,
    });
  }
  return at + 3 + extra[0] + extra[1] * (info & 0xffff);
}

function truncated(word: number): FormatError {
  return new FormatError(`btf: the type section ends in the middle of a type, at word ${word}`, {
    offset: word * 4,
  });
}
