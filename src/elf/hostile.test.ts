import { describe, expect, it } from 'vitest';

import { FormatError } from '../base/errors.ts';
import { D_TAG, P_TYPE, SH_TYPE } from './constants.ts';
import { frameRanges } from './frame.ts';
import { parseElf } from './header.ts';
import { elfNotes } from './note.ts';
import { elfRelocations } from './relocation.ts';
import { elfSymbols } from './symbol.ts';
import { BODY_OFFSET, elfImage, type ImageSection, words } from './testing/image.ts';

/** Generous for a slow machine: what is quadratic in these files takes minutes. */
const TIME_LIMIT = 5000;

const MEGABYTE = 2 ** 20;
const BASE = 0x10000;

/** Tags of a symbol table and its strings in the middle of the body. */
const SYMBOL_TAGS: readonly (readonly [number, number])[] = [
  [D_TAG.DT_SYMTAB, BASE + 4096],
  [D_TAG.DT_STRTAB, BASE + 4096],
  [D_TAG.DT_STRSZ, 4096],
];

const CIE_SIZE = 17;

/** Tags of a relocation table: where no hash table says how many symbols there are, its symbol does. */
const ONE_RELOCATION: readonly (readonly [number, number])[] = [
  [D_TAG.DT_RELA, BASE],
  [D_TAG.DT_RELASZ, 24],
];

describe('files made to take much time or memory', { timeout: 30_000 }, () => {
  it('have section names that overlap refused', () => {
    // 16,000 names, each the tail of the same megabyte.
    const body = new Uint8Array(MEGABYTE).fill(0x61);
    body[MEGABYTE - 1] = 0;
    const table = { type: SH_TYPE.SHT_STRTAB, offset: BODY_OFFSET, size: MEGABYTE };
    const sections = Array.from({ length: 16_000 }, (_, nameIndex): ImageSection => ({
      ...table,
      nameIndex,
    }));
    expectRefusal(
      () => parseElf(elfImage({ body, sections, shstrndx: 1 })),
      'elf: strings of the table at 0x40 overlap too much',
    );
  });

  it.each([
    { name: 'ASCII', letter: 0x61 },
    { name: 'UTF-8', letter: 0xc3 },
  ])('have symbol names in $name that overlap refused', ({ letter }) => {
    const count = 40_000;
    const symbols = new Uint8Array(count * 24);
    const view = new DataView(symbols.buffer);
    for (let index = 0; index < count; index++) view.setUint32(index * 24, index, true);
    const strings = new Uint8Array(MEGABYTE).fill(letter);
    strings[MEGABYTE - 1] = 0;
    const stringsAt = BODY_OFFSET + symbols.length;
    const bytes = elfImage({
      body: Buffer.concat([symbols, strings]),
      sections: [
        { type: SH_TYPE.SHT_STRTAB, offset: stringsAt, size: MEGABYTE },
        { type: SH_TYPE.SHT_SYMTAB, offset: BODY_OFFSET, size: symbols.length, entsize: 24, link: 0 },
      ],
    });
    expectRefusal(() => elfSymbols(parseElf(bytes)), 'overlap too much');
  });

  it('have notes that segment after segment repeats refused', () => {
    const note = { type: P_TYPE.PT_NOTE, offset: BODY_OFFSET, size: MEGABYTE };
    const segments = Array.from({ length: 60_000 }, () => note);
    const bytes = elfImage({ body: new Uint8Array(MEGABYTE).fill(1, 8), segments });
    expectRefusal(() => elfNotes(parseElf(bytes)), 'elf: note segment');
    const zeros = elfImage({ body: new Uint8Array(MEGABYTE), segments });
    expectRefusal(() => elfNotes(parseElf(zeros)), 'repeats what others hold');
  });

  it('have relr bit maps that name more words than there are refused', () => {
    const table = new BigUint64Array(MEGABYTE / 8).fill(2n ** 64n - 1n);
    table[0] = BigInt(BASE);
    const body = new Uint8Array(table.buffer);
    const bytes = dynamicImage(body, [
      [D_TAG.DT_RELR, BASE],
      [D_TAG.DT_RELRSZ, body.length],
    ]);
    // Zeroed memory without end behind the file, so that every place exists.
    new DataView(bytes.buffer).setBigUint64(bytes.length - 112 + 40, 2n ** 40n, true);
    expectRefusal(() => elfRelocations(parseElf(bytes)), 'more than the file has words');
  });

  it('have relocation sections that share one table refused', () => {
    const table = { type: SH_TYPE.SHT_RELA, flags: 2, offset: BODY_OFFSET, size: MEGABYTE, entsize: 24 };
    const sections = Array.from({ length: 16_000 }, (): ImageSection => table);
    const bytes = elfImage({ body: new Uint8Array(MEGABYTE), sections });
    expectRefusal(() => elfRelocations(parseElf(bytes)), 'more than the file has words');
  });

  it('have needed versions that share their lists refused', () => {
    const body = new Uint8Array(MEGABYTE);
    const view = new DataView(body.buffer);
    for (let at = 0; at + 16 <= body.length; at += 16) {
      // vn_cnt 65535, vn_aux 16, vn_next 16; read as a Vernaux, vna_next is 16 too.
      view.setUint16(at + 2, 0xffff, true);
      view.setUint32(at + 8, 16, true);
      view.setUint32(at + 12, 16, true);
    }
    const bytes = dynamicImage(body, [
      ...SYMBOL_TAGS,
      ...ONE_RELOCATION,
      [D_TAG.DT_VERNEED, BASE],
      [D_TAG.DT_VERNEEDNUM, 0xffffffff],
      [D_TAG.DT_VERSYM, BASE],
    ]);
    expectRefusal(() => elfSymbols(parseElf(bytes)), 'elf: needed versions');
  });

  it('have version definitions that follow each other too closely refused', () => {
    const body = new Uint8Array(MEGABYTE);
    const view = new DataView(body.buffer);
    for (let at = 0; at + 20 <= body.length; at += 20) view.setUint32(at + 16, 1, true);
    const bytes = dynamicImage(body, [
      ...SYMBOL_TAGS,
      ...ONE_RELOCATION,
      [D_TAG.DT_VERDEF, BASE],
      [D_TAG.DT_VERDEFNUM, 0xffffffff],
      [D_TAG.DT_VERSYM, BASE],
    ]);
    expectRefusal(() => elfSymbols(parseElf(bytes)), 'followed after 1 bytes, less than its size (20)');
  });

  it.each([
    {
      name: 'a hash table',
      tag: D_TAG.DT_HASH,
      table: words(0xffffffff_00000001n),
      want: 'dynamic symbol table',
    },
    {
      name: 'a gnu hash table with buckets',
      tag: D_TAG.DT_GNU_HASH,
      table: words(0x1_ffffffffn),
      want: 'gnu hash',
    },
    {
      name: 'a gnu hash table with bloom words',
      tag: D_TAG.DT_GNU_HASH,
      table: words(0x1_00000001n, 0xffffffffn),
      want: 'gnu hash table',
    },
    {
      name: 'a gnu hash table with an endless chain',
      tag: D_TAG.DT_GNU_HASH,
      table: words(0x1_00000001n, 0n, 1n),
      want: 'gnu hash table',
    },
    {
      name: 'a gnu hash table with a bucket before its first symbol',
      tag: D_TAG.DT_GNU_HASH,
      table: words(0x5_00000001n, 0n, 1n),
      want: 'gnu hash table names symbol 1, before the first it holds (5)',
    },
  ])('have a count of symbols that is out of reach refused: $name', ({ tag, table, want }) => {
    const body = new Uint8Array(MEGABYTE);
    body.set(table, 0);
    const bytes = dynamicImage(body, [...SYMBOL_TAGS, [tag, BASE]], table.length);
    expectRefusal(() => elfSymbols(parseElf(bytes)), want);
  });

  it('have frames refused that name as their CIE what is none', () => {
    // Every record names the word after the one it starts with.
    const body = new Uint8Array(MEGABYTE);
    const view = new DataView(body.buffer);
    for (let at = 0; at < body.length; at += 12) {
      if (at + 12 > body.length) break;
      view.setUint32(at, 8, true);
      view.setUint32(at + 4, 8, true);
    }
    expectRefusal(() => frameRanges(frameImage(body)), 'elf: eh_frame record at 0x40 has no cie at 0x3c');
  });

  it.each([
    {
      name: 'a record that is too long',
      bytes: [0xff, 0xff, 0, 0],
      want: 'ends at 0x10043, past end of table',
    },
    {
      name: 'a record of a length above 2^53',
      bytes: Array.from({ length: 16 }, () => 0xff),
      want: 'does not fit in 53 bits',
    },
    { name: 'another version', bytes: record(0, 9, 0, 1, 1), want: 'has version 9 (1, 3)' },
    {
      name: 'an unknown augmentation',
      bytes: record(0, 1, 0x7a, 0x51, 0, 1, 1, 1, 0),
      want: 'has augmentation "zQ", which is not known',
    },
    {
      name: 'an augmentation without end',
      bytes: record(0, 1, 0x7a, 0x7a, 0x7a),
      want: 'string at 0x49 has no end before 0x4c',
    },
    {
      name: 'an unknown pointer encoding',
      bytes: [...cie(0x65), ...record(CIE_SIZE + 4, 1, 0, 0, 0)],
      want: 'has encoding 0x65, which is not known',
    },
    {
      name: 'a pointer below 0',
      bytes: [...cie(0x0b), ...record(CIE_SIZE + 4, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0)],
      want: 'is -0x1, outside of 53 bits',
    },
    {
      name: 'a range that ends before its start',
      bytes: [...cie(0x0b), ...record(CIE_SIZE + 4, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0)],
      want: 'ends at 0xffff, before its start (0x10000) or past 53 bits',
    },
  ])('have frames refused with $name', ({ bytes, want }) => {
    expectRefusal(() => frameRanges(frameImage(Uint8Array.from(bytes))), want);
  });

  it('have a dynamic section refused that repeats or contradicts itself out of bounds', () => {
    const bytes = dynamicImage(new Uint8Array(64), [
      [D_TAG.DT_RELA, BASE],
      [D_TAG.DT_RELASZ, 2 ** 50],
    ]);
    expectRefusal(
      () => elfRelocations(parseElf(bytes)),
      'elf: rela table at 0x10000 has 0x4000000000000 bytes, past end of its segment in the file',
    );
  });
});

function expectRefusal(action: () => unknown, message: string): void {
  const start = performance.now();
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(FormatError);
  expect((error as FormatError).message).toContain(message);
  expect(performance.now() - start).toBeLessThan(TIME_LIMIT);
}

/** A file whose body is loaded at BASE, followed by its dynamic section; `loaded` limits how much of the body is. */
function dynamicImage(
  body: Uint8Array,
  tags: readonly (readonly [number, number])[],
  loaded?: number,
): Uint8Array {
  const dynamic = words(...tags.flat(), 0, 0);
  const dynamicAt = BODY_OFFSET + body.length;
  const size = body.length + dynamic.length;
  const segments = [{ type: P_TYPE.PT_LOAD, offset: BODY_OFFSET, vaddr: BASE, size }];
  const dynamicSegment = {
    type: P_TYPE.PT_DYNAMIC,
    offset: dynamicAt,
    vaddr: BASE + body.length,
    size: dynamic.length,
  };
  if (loaded !== undefined) {
    const rest = loaded;
    segments.splice(
      0,
      1,
      { type: P_TYPE.PT_LOAD, offset: BODY_OFFSET, vaddr: BASE, size: rest },
      { type: P_TYPE.PT_LOAD, offset: BODY_OFFSET + rest, vaddr: BASE + rest, size: size - rest },
    );
  }
  return elfImage({ body: Buffer.concat([body, dynamic]), segments: [...segments, dynamicSegment] });
}

/** A record of `.eh_frame`: its length, its id or distance to the CIE, and its contents. */
function record(id: number, ...contents: readonly number[]): number[] {
  return [contents.length + 4, 0, 0, 0, id, 0, 0, 0, ...contents];
}

/** A CIE of CIE_SIZE bytes with augmentation "zR". */
function cie(encoding: number): number[] {
  return record(0, 1, 0x7a, 0x52, 0, 1, 1, 1, 1, encoding);
}

/** A file with nothing but an `.eh_frame` section. */
function frameImage(frames: Uint8Array): ReturnType<typeof parseElf> {
  const names = Buffer.from('\0.eh_frame\0');
  return parseElf(
    elfImage({
      body: Buffer.concat([frames, names]),
      sections: [
        { type: SH_TYPE.SHT_NULL },
        { type: SH_TYPE.SHT_PROGBITS, nameIndex: 1, offset: BODY_OFFSET, size: frames.length, addr: BASE },
        { type: SH_TYPE.SHT_STRTAB, offset: BODY_OFFSET + frames.length, size: names.length },
      ],
      shstrndx: 2,
    }),
  );
}
