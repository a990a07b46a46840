import { ByteCursor } from '../base/byte-cursor.ts';
import { loadedRun } from '../elf/address.ts';
import { P_TYPE } from '../elf/constants.ts';
import type { ElfFile, FileRange } from '../elf/file.ts';
import { readEncodedPointer } from '../elf/frame-pointer.ts';
import { frameTables } from '../elf/frame-table.ts';
import { type CieCache, type FrameEntry, readFrameRecord } from './frame-record.ts';
import { unlessMalformed } from './malformed.ts';

/**
 * Finds the FDE that covers a vaddr.
 *
 * By bisection of the search table of `.eh_frame_hdr` where there is one, as the unwinder of gcc does, so that no more of
 * the file is read than is needed; else all FDEs are read at the first question.
 * Source: Linux Standard Base Core, "The .eh_frame_hdr section".
 */
export class FrameIndex {
  readonly #elf: ElfFile;
  readonly #cies: CieCache = new Map();
  readonly #search: SearchTable | null;
  #entries: readonly FrameEntry[] | undefined;

  /** Never throws: a header that is malformed is as good as none. */
  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#search = unlessMalformed(() => searchTable(elf));
  }

  /** @throws FormatError when the FDE is malformed. */
  find(vaddr: number): FrameEntry | null {
    const entry =
      this.#search === null
        ? lastBefore((this.#entries ??= this.#readAll()), vaddr)
        : this.#findBySearch(this.#search, vaddr);
    return entry !== null && vaddr >= entry.start && vaddr < entry.end ? entry : null;
  }

  #findBySearch({ vaddr: base, range, count }: SearchTable, vaddr: number): FrameEntry | null {
    const cursor = new ByteCursor(this.#elf.bytes, { context: 'unwind: eh_frame_hdr', ...range });
    const low = bisect(count, (index) => {
      cursor.offset = range.offset + index * SEARCH_ENTRY;
      return base + cursor.i32() <= vaddr;
    });
    if (low === 0) return null;
    cursor.offset = range.offset + (low - 1) * SEARCH_ENTRY + 4;
    const at = base + cursor.i32();
    const run = loadedRun(this.#elf, at, 'fde');
    const table = loadedStart(this.#elf, at, run);
    return readFrameRecord(this.#elf, run.offset, run.end, table, this.#cies).entry;
  }

  /** All FDEs by start; where a table is malformed, those before the fault. */
  #readAll(): readonly FrameEntry[] {
    const entries: FrameEntry[] = [];
    for (const { range, pointers, isBounded } of unlessMalformed(() => frameTables(this.#elf)) ?? []) {
      unlessMalformed(() => {
        for (let offset = range.offset; range.end - offset >= 4;) {
          const record = readFrameRecord(this.#elf, offset, range.end, pointers, this.#cies);
          if (record.entry !== null) entries.push(record.entry);
          // Only the crt files put a terminator before the end of a section; what follows it counts too.
          if (record.next === null && !isBounded) return;
          offset = record.next ?? offset + 4;
        }
      });
    }
    return entries.sort((a, b) => a.start - b.start);
  }
}

interface SearchTable {
  /** vaddr of the header, from which the table's values count. */
  readonly vaddr: number;
  readonly range: FileRange;
  readonly count: number;
}

/** Start and FDE, 4 bytes each. */
const SEARCH_ENTRY = 8;

/** DW_EH_PE_datarel | DW_EH_PE_sdata4: the only form of the table that linkers write, and gcc's unwinder searches. */
const SEARCH_ENCODING = 0x3b;

function searchTable(elf: ElfFile): SearchTable | null {
  const segment = elf.segments.find(({ type }) => type === P_TYPE.PT_GNU_EH_FRAME);
  if (segment === undefined || segment.filesz === 0) return null;
  const header = loadedRun(elf, segment.vaddr, 'eh_frame header');
  const cursor = new ByteCursor(elf.bytes, { context: 'unwind: eh_frame_hdr', ...header });
  const [version, tableEncoding, countEncoding, searchEncoding] = cursor.take(4);
  if (version !== 1 || searchEncoding !== SEARCH_ENCODING) return null;
  const pointers = {
    class: elf.class,
    vaddrOfOffset0: segment.vaddr - header.offset,
    dataBase: segment.vaddr,
  };
  readEncodedPointer(cursor, tableEncoding as number, pointers);
  const count = readEncodedPointer(cursor, countEncoding as number, pointers) ?? 0;
  if (count === 0) return null;
  const offset = cursor.offset;
  cursor.skip(count * SEARCH_ENTRY);
  return { vaddr: segment.vaddr, range: { offset, end: cursor.offset }, count };
}

function loadedStart(elf: ElfFile, vaddr: number, { offset }: FileRange): FrameEntry['pointers'] {
  return { class: elf.class, vaddrOfOffset0: vaddr - offset, dataBase: null };
}

function lastBefore(entries: readonly FrameEntry[], vaddr: number): FrameEntry | null {
  const low = bisect(entries.length, (index) => (entries[index] as FrameEntry).start <= vaddr);
  return entries[low - 1] ?? null;
}

/** The number of leading indexes for which a condition holds, which must not hold again afterwards. */
function bisect(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
