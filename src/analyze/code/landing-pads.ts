import { integer } from '../../base/integer.ts';
import type { ObjectView } from './object-view.ts';

const DW_EH_PE_OMIT = 0xff;

/**
 * The landing pads that a language-specific data area names: where a function goes on when an exception passes through one of its calls.
 *
 * A malformed table gives what was read before the error: then the function's other code still counts.
 * Source: Itanium C++ ABI, "Exception Handling Tables"; gcc's `unwind-c.c`.
 *
 * @param lsda vaddr of the table.
 * @param functionStart The default of `LPStart`.
 */
export function landingPads(view: ObjectView, lsda: number, functionStart: number): number[] {
  const pads: number[] = [];
  const cursor = new TableCursor(view, lsda);
  const startEncoding = cursor.u8();
  const base = startEncoding === DW_EH_PE_OMIT ? functionStart : cursor.encoded(startEncoding);
  const typeEncoding = cursor.u8();
  if (typeEncoding !== DW_EH_PE_OMIT) cursor.uleb();
  const siteEncoding = cursor.u8();
  const length = cursor.uleb();
  const end = cursor.at + length;
  if (length > 0x10_0000) return pads;
  while (cursor.at < end) {
    cursor.encoded(siteEncoding);
    cursor.encoded(siteEncoding);
    const pad = cursor.encoded(siteEncoding);
    cursor.uleb();
    if (pad !== 0) pads.push(integer(base + pad));
  }
  return pads;
}

class TableCursor {
  at: number;
  readonly #view: ObjectView;

  constructor(view: ObjectView, at: number) {
    this.#view = view;
    this.at = at;
  }

  u8(): number {
    return this.#view.u8(this.at++);
  }

  uleb(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  /** A number in one of the encodings that tables of call sites and LPStart have; those relative to the place are made absolute. */
  encoded(encoding: number): number {
    const place = this.at;
    const value = this.#plain(encoding & 0x0f);
    return value !== 0 && (encoding & 0x70) === 0x10 ? place + value : value;
  }

  #plain(format: number): number {
    const at = this.at;
    switch (format) {
      case 0x01:
        return this.uleb();
      case 0x02:
        this.at += 2;
        return this.#view.u16(at);
      case 0x0a:
        this.at += 2;
        return (this.#view.u16(at) << 16) >> 16;
      case 0x03:
        this.at += 4;
        return this.#view.u32(at);
      case 0x0b:
        this.at += 4;
        return this.#view.i32(at);
      default:
        this.at += 8;
        return this.#view.i64(at) ?? 0;
    }
  }
}
