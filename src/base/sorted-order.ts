/**
 * The permutation that sorts integers; equal ones keep their order.
 *
 * Key and index are the halves of a 64-bit integer, the index the lower one, which both our arches store first: those sort without a
 * comparison function, and in half the time of doubles.
 *
 * @param keys 32 bits with sign.
 * @param count How many of them.
 */
export function sortedOrder(keys: Int32Array, count: number): Int32Array {
  const order = new Int32Array(count);
  const halves = new Int32Array(count * 2);
  for (let index = 0; index < count; index++) {
    const key = keys[index] as number;
    halves[index * 2] = index;
    halves[index * 2 + 1] = key;
  }
  new BigInt64Array(halves.buffer).sort();
  for (let at = 0; at < count; at++) order[at] = halves[at * 2] as number;
  return order;
}

export function isAscending(keys: Int32Array): boolean {
  for (let at = 1; at < keys.length; at++) {
    if ((keys[at] as number) < (keys[at - 1] as number)) return false;
  }
  return true;
}
