/** A list of 32-bit integers that grows; what is not yet written reads as 0. */
export class IntList {
  /** The integers, with room to spare at the end; replaced when the list grows. */
  items: Int32Array;
  length = 0;

  constructor(capacity = 64) {
    this.items = new Int32Array(capacity);
  }

  /** Appends an integer and gives its index. */
  push(item: number): number {
    const index = this.length;
    if (index === this.items.length) this.#grow(index + 1);
    this.items[index] = item;
    this.length = index + 1;
    return index;
  }

  /** Removes the last integer and gives it; 0 when the list is empty. */
  pop(): number {
    if (this.length === 0) return 0;
    this.length--;
    return this.items[this.length] ?? 0;
  }

  /** 0 past the end. */
  at(index: number): number {
    return index < this.length ? (this.items[index] ?? 0) : 0;
  }

  /** Sets an integer, lengthening the list with `filler` where needed. */
  set(index: number, item: number, filler = 0): void {
    if (index >= this.items.length) this.#grow(index + 1);
    if (index >= this.length) {
      this.items.fill(filler, this.length, index);
      this.length = index + 1;
    }
    this.items[index] = item;
  }

  /** Makes the list as long as `length`, with one integer in all new places. */
  extend(length: number, item: number): void {
    if (length > this.items.length) this.#grow(length);
    const { items } = this;
    for (let at = this.length; at < length; at++) items[at] = item;
    if (length > this.length) this.length = length;
  }

  /** A copy without the room to spare. */
  toArray(): Int32Array {
    return this.items.slice(0, this.length);
  }

  #grow(least: number): void {
    const larger = new Int32Array(Math.max(least, this.items.length * 2, 16));
    larger.set(this.items);
    this.items = larger;
  }
}

/** Index of the last of `count` ascending integers that is at most `key`, -1 when all are larger. */
export function lastAtMost(sorted: Int32Array, count: number, key: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
