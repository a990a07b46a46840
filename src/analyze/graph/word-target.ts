import { RELOCATION_KIND } from '../image/relocations.ts';
import type { GraphObject } from './program-graph.ts';

/** The address that the loader, or the linker of a program at fixed addresses, put into the word at an address; 0 for none. */
export function targetOf(object: GraphObject, word: number): number {
  const { relocations, symbols } = object.image;
  let low = 0;
  let high = relocations.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((relocations.place[middle] as number) <= word) low = middle + 1;
    else high = middle;
  }
  const at = low - 1;
  if (at >= 0) {
    const place = relocations.place[at] as number;
    if (place === word) return relocations.target[at] as number;
    // A copied object stands for the original, whatever is read of it.
    const isCopy = relocations.kind[at] === RELOCATION_KIND.COPY;
    const size = symbols.size[relocations.symbol[at] as number] as number;
    if (isCopy && word < place + size) return relocations.target[at] as number;
  }
  return object.view.isFixed ? object.base + object.view.pointerAt(word - object.base) : 0;
}
