/**
 * Abstract values: what a register or stack slot may hold, as a small integer that names an interned value.
 *
 * Values are numbers in a pool so that states are plain integer arrays: equal values have equal ids.
 */

/** Kinds of values; what `payload` means stands behind. */
export const VALUE = {
  /** Anything. */
  TOP: 0,
  /** The 64-bit number, signed; exact in a double. */
  CONST: 1,
  /** An address of the object, as vaddr. */
  ADDRESS: 2,
  /** What the register had at the function's entry: its number. */
  ENTRY: 3,
  /** The low half, zero-extended, of what the register had at entry. */
  ENTRY_LOW: 4,
  /** The stack pointer at entry plus an offset: the offset. */
  FRAME: 5,
  /** The 8 bytes that memory had at entry, so far above the stack pointer: the offset, 8 or more. */
  ARGUMENT: 6,
  /** The word at a vaddr of the object that nobody changes once it is relocated. */
  WORD: 7,
  /** Any of a few: index into the list of sets. */
  SET: 8,
  /** 0 up to and including the payload, unsigned. */
  RANGE: 9,
  /** A sign-extended 4-byte entry of the table at a vaddr; `extra` is the number of entries, -1 for unknown. */
  ENTRY4: 10,
  /** An 8-byte entry of the table at a vaddr; `extra` as for ENTRY4. */
  ENTRY8: 11,
  /** A table entry plus the address it is relative to: index into the list of sums. */
  SUM: 12,
  /** Computed from an address in a way that is not understood. */
  DERIVED: 13,
  /** RANGE times 4 or 8, or table address plus it: index into the list of scaled values. */
  ELEMENT: 14,
  /** Low half of ARGUMENT, zero-extended. */
  ARGUMENT_LOW: 15,
  /** What the 8 bytes at a vaddr of the object held when they were read; code may write them. Only in objects of Go. */
  VARIABLE: 16,
} as const;

/** A table entry plus an address. */
export interface TableSum {
  readonly table: number;
  readonly count: number;
  readonly base: number;
  /** Bytes of an entry: 4, or 8 in code of the large model. */
  readonly size: number;
}

/** Most members of a set; past it the value is TOP. */
const SET_LIMIT = 16;

/** Id of TOP in every pool. */
export const TOP = 0;
/** Id of DERIVED in every pool. */
export const DERIVED = 1;

/** Interns values. Ids are never given up, so a pool belongs to one object and one analysis. */
export class ValuePool {
  readonly #kinds: number[] = [VALUE.TOP, VALUE.DERIVED];
  readonly #payloads: number[] = [0, 0];
  readonly #extras: number[] = [0, 0];
  readonly #byKey: Map<number | string, number>[] = Array.from({ length: 17 }, () => new Map());
  readonly #sets: (readonly number[])[] = [];
  /** A list of each value alone, made when asked for. */
  readonly #singles: (readonly number[] | undefined)[] = [];
  readonly #sums: TableSum[] = [];
  readonly #joins = new Map<number, number>();

  kind(id: number): number {
    return this.#kinds[id] ?? VALUE.TOP;
  }

  payload(id: number): number {
    return this.#payloads[id] ?? 0;
  }

  extra(id: number): number {
    return this.#extras[id] ?? 0;
  }

  /** The id of a value of a kind whose payload says all. */
  of(kind: number, payload: number): number {
    const map = this.#byKey[kind] as Map<number | string, number>;
    const known = map.get(payload);
    if (known !== undefined) return known;
    const id = this.#add(kind, payload, 0);
    map.set(payload, id);
    return id;
  }

  /** A number; TOP when a double cannot hold it exactly. */
  constant(value: number): number {
    return Number.isSafeInteger(value) ? this.of(VALUE.CONST, value === 0 ? 0 : value) : TOP;
  }

  address(vaddr: number): number {
    return this.of(VALUE.ADDRESS, vaddr);
  }

  /** ENTRY4 or ENTRY8. */
  tableEntry(kind: number, table: number, count: number): number {
    return this.#keyed(kind, `${table},${count}`, table, count);
  }

  /** The table entry `entry` (an ENTRY4 or ENTRY8) plus the address `base`. */
  tableSum(entry: number, base: number): number {
    const table = this.payload(entry);
    const count = this.extra(entry);
    const size = this.kind(entry) === VALUE.ENTRY8 ? 8 : 4;
    const key = `${table},${count},${base},${size}`;
    const known = this.#byKey[VALUE.SUM]?.get(key);
    if (known !== undefined) return known;
    this.#sums.push({ table, count, base, size });
    return this.#keyed(VALUE.SUM, key, this.#sums.length - 1, 0);
  }

  sum(id: number): TableSum {
    return this.#sums[this.payload(id)] as TableSum;
  }

  /** ELEMENT: address `table` plus an index of at most `count` (-1 unknown) times a scale. */
  element(table: number, count: number): number {
    return this.#keyed(VALUE.ELEMENT, `${table},${count}`, table, count);
  }

  /** The members of a SET, or the value itself. */
  members(id: number): readonly number[] {
    if (this.#kinds[id] === VALUE.SET) return this.#sets[this.#payloads[id] as number] as readonly number[];
    return (this.#singles[id] ??= [id]);
  }

  /** A value that is any of these; TOP when they are too many, or one is no atom. */
  union(ids: readonly number[]): number {
    const distinct = [...new Set(ids.flatMap((id) => this.members(id)))].sort((a, b) => a - b);
    if (distinct.length === 1) return distinct[0] ?? TOP;
    if (distinct.length === 0 || distinct.length > SET_LIMIT) return TOP;
    if (!distinct.every((id) => isAtom(this.kind(id)))) return this.#unionOfRanges(distinct);
    const key = distinct.join(',');
    const known = this.#byKey[VALUE.SET]?.get(key);
    if (known !== undefined) return known;
    this.#sets.push(distinct);
    return this.#keyed(VALUE.SET, key, this.#sets.length - 1, 0);
  }

  /** The least value that holds both. */
  join(a: number, b: number): number {
    if (a === b) return a;
    if (a === TOP || b === TOP) return TOP;
    const key = a < b ? a * 0x200_0000 + b : b * 0x200_0000 + a;
    const known = this.#joins.get(key);
    if (known !== undefined) return known;
    const id = this.union([a, b]);
    this.#joins.set(key, id);
    return id;
  }

  /** True when the value is a number, or one of a few. */
  isConstant(id: number): boolean {
    const kind = this.#kinds[id];
    if (kind !== VALUE.SET) return kind === VALUE.CONST;
    return this.members(id).every((member) => this.kind(member) === VALUE.CONST);
  }

  #unionOfRanges(ids: readonly number[]): number {
    let limit = 0;
    for (const id of ids) {
      const kind = this.kind(id);
      const payload = this.payload(id);
      if (kind === VALUE.RANGE || (kind === VALUE.CONST && payload >= 0)) limit = Math.max(limit, payload);
      else if (kind === VALUE.VARIABLE) return TOP;
      else if (kind === VALUE.DERIVED || kind >= VALUE.ENTRY4) return DERIVED;
      else return TOP;
    }
    return limit < 0x1_0000 ? this.of(VALUE.RANGE, limit) : TOP;
  }

  #keyed(kind: number, key: string, payload: number, extra: number): number {
    const map = this.#byKey[kind] as Map<number | string, number>;
    const known = map.get(key);
    if (known !== undefined) return known;
    const id = this.#add(kind, payload, extra);
    map.set(key, id);
    return id;
  }

  #add(kind: number, payload: number, extra: number): number {
    this.#kinds.push(kind);
    this.#payloads.push(payload);
    this.#extras.push(extra);
    return this.#kinds.length - 1;
  }
}

function isAtom(kind: number): boolean {
  return (
    kind === VALUE.CONST ||
    kind === VALUE.ADDRESS ||
    kind === VALUE.ENTRY ||
    kind === VALUE.ENTRY_LOW ||
    kind === VALUE.ARGUMENT ||
    kind === VALUE.ARGUMENT_LOW ||
    kind === VALUE.WORD ||
    kind === VALUE.SUM ||
    kind === VALUE.ENTRY8 ||
    kind === VALUE.VARIABLE
  );
}
