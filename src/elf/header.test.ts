import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { FormatError, UnsupportedError } from '../base/errors.ts';
import { E_MACHINE, E_TYPE, P_TYPE, SH_TYPE } from './constants.ts';
import { parseElf } from './header.ts';
import { findSection, sectionBytes } from './section.ts';
import { elfSymbols } from './symbol.ts';
import { BODY_OFFSET, elfImage } from './testing/image.ts';
import { PROGRAM, runTool, Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** An image with some bytes of it replaced. */
function changed(bytes: Uint8Array, offset: number, ...values: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(values, offset);
  return copy;
}

const MINIMAL = elfImage({});
const ONE_LOAD = elfImage({ segments: [{ type: P_TYPE.PT_LOAD, offset: 0, vaddr: 0x1000, size: 64 }] });
const TWO_SECTIONS = elfImage({
  body: Uint8Array.of(0, 0x61, 0),
  sections: [
    { type: SH_TYPE.SHT_NULL },
    { type: SH_TYPE.SHT_STRTAB, nameIndex: 1, offset: BODY_OFFSET, size: 3 },
  ],
  shstrndx: 1,
});

describe('parseElf', () => {
  it('reads what identifies a program', () => {
    const elf = parseElf(readFileSync(workshop.compile('pie', PROGRAM, ['-pie', '-fPIE'])));
    expect(elf).toMatchObject({ class: 64, machine: E_MACHINE.EM_X86_64, type: E_TYPE.ET_DYN });
    expect(elf.entry).toBe(elfSymbols(elf, 'symtab').find(({ name }) => name === '_start')?.value);
    const elf32 = parseElf(readFileSync(workshop.compile('fixed32', PROGRAM, ['-m32', '-no-pie'])));
    expect(elf32).toMatchObject({ class: 32, machine: E_MACHINE.EM_386, type: E_TYPE.ET_EXEC });
  });

  it('takes section headers that are not in the file for none where it counts what is mapped', () => {
    const bytes = Uint8Array.from(ONE_LOAD);
    new DataView(bytes.buffer).setBigUint64(40, 0x7fff_ffff_0000n, true);
    new DataView(bytes.buffer).setUint16(58, 64, true);
    new DataView(bytes.buffer).setUint16(60, 7, true);
    expect(() => parseElf(bytes)).toThrow('past end of file');
    expect(parseElf(bytes, true)).toMatchObject({ sections: [], loads: [{ vaddr: 0x1000 }] });
  });

  it('reads a file without any header table', () => {
    expect(parseElf(MINIMAL)).toMatchObject({ class: 64, segments: [], loads: [], sections: [] });
  });

  it('reads counts that do not fit in 16 bits from the null section', { timeout: 60_000 }, () => {
    const lines = Array.from(
      { length: 66_000 },
      (_, index) => `.section .text.${index},"ax"\nf${index}: ret\n`,
    );
    const object = workshop.path('many.o');
    runTool('as', ['-o', object, workshop.write('many.s', lines.join(''))]);
    const elf = parseElf(readFileSync(object));
    const section = findSection(elf, '.text.65999');
    expect(section?.index).toBeGreaterThan(0xffff);
    const symbol = elfSymbols(elf).find(({ name }) => name === 'f65999');
    expect(symbol?.shndx).toBe(section?.index);
  });

  it('sorts the load segments by vaddr and leaves the others as they are', () => {
    const load = { type: P_TYPE.PT_LOAD, offset: 0, size: 16 };
    const segments = [
      { ...load, vaddr: 0x3000 },
      { ...load, vaddr: 0x1000 },
      { ...load, vaddr: 0x2000, size: 0 },
    ];
    const elf = parseElf(elfImage({ segments }));
    expect(elf.loads.map(({ vaddr }) => vaddr)).toEqual([0x1000, 0x3000]);
    expect(elf.segments.map(({ vaddr }) => vaddr)).toEqual([0x3000, 0x1000, 0x2000]);
  });

  it.each([
    {
      name: 'an empty file',
      bytes: new Uint8Array(),
      want: 'file has 0 bytes, less than its identification (16)',
    },
    { name: 'text', bytes: Buffer.from('#!/bin/sh\nexit 0\n'), want: 'magic is 23212f62 (7f454c46)' },
    { name: 'an unknown class', bytes: changed(MINIMAL, 4, 3), want: 'class is 3 (1, 2)' },
    { name: 'an unknown data encoding', bytes: changed(MINIMAL, 5, 0), want: 'data encoding is 0 (1, 2)' },
    {
      name: 'a header that ends early',
      bytes: MINIMAL.subarray(0, 50),
      want: '4 bytes at 0x30 end at 0x34, past end of range (0x32)',
    },
    {
      name: 'an entry above 2^53',
      bytes: changed(MINIMAL, 24, 0, 0, 0, 0, 0, 0, 0x20),
      want: 'value at 0x18 does not fit in 53 bits, 9007199254740992 (9007199254740991)',
    },
    {
      name: 'program headers of another size',
      bytes: changed(ONE_LOAD, 54, 32),
      want: 'program header size is 32 (56)',
    },
    {
      name: 'more program headers than the file holds',
      bytes: changed(ONE_LOAD, 56, 3),
      want: 'program header 1 ends at 0xb0, past end of file (0x78)',
    },
    {
      name: 'program headers that start past the end',
      bytes: changed(ONE_LOAD, 32, 0, 0, 1),
      want: 'program header 0 ends at 0x10038, past end of file (0x78)',
    },
    {
      name: 'more section headers than the file holds',
      bytes: changed(TWO_SECTIONS, 60, 0x40),
      want: 'section header 2 ends at 0x103, past end of file (0xc3)',
    },
    {
      name: 'a number of sections in the null section that is out of reach',
      bytes: changed(changed(TWO_SECTIONS, 60, 0), 67 + 32, 0, 0, 0, 0, 0, 0, 0x10),
      want: 'section header 2 ends at 0x103, past end of file (0xc3)',
    },
    {
      name: 'a section name table that is no section',
      bytes: changed(TWO_SECTIONS, 62, 2),
      want: 'section name table is section 2, past the last (1)',
    },
    {
      name: 'a section name without end',
      bytes: changed(TWO_SECTIONS, BODY_OFFSET + 2, 0x62),
      want: 'string at 0x41 has no end before 0x43',
    },
    {
      name: 'a section name outside of its table',
      bytes: changed(TWO_SECTIONS, 67 + 64, 9),
      want: 'string at 0x49 starts past end of string table (0x43)',
    },
    {
      name: 'a load segment with more bytes in the file than in memory',
      bytes: changed(ONE_LOAD, BODY_OFFSET + 40, 63),
      want: 'segment 0 has 0x40 bytes in the file, more than in memory (0x3f)',
    },
    {
      name: 'load segments that overlap',
      bytes: elfImage({
        segments: [
          { type: P_TYPE.PT_LOAD, offset: 0, vaddr: 0x1000, size: 64 },
          { type: P_TYPE.PT_LOAD, offset: 0, vaddr: 0x103f, size: 64 },
        ],
      }),
      want: 'load segment at 0x103f overlaps the one before (0x1040)',
    },
  ])('refuses $name', ({ bytes, want }) => {
    const parse = (): unknown => parseElf(bytes);
    expect(parse).toThrow(FormatError);
    expect(parse).toThrow(`elf: ${want}`);
  });

  it('says that big-endian files cannot be read', () => {
    const parse = (): unknown => parseElf(changed(MINIMAL, 5, 2));
    expect(parse).toThrow(UnsupportedError);
    expect(parse).toThrow('elf: file is big-endian, only little-endian ones can be read');
  });
});

describe('sectionBytes', () => {
  it('gives the contents of a section', () => {
    const elf = parseElf(TWO_SECTIONS);
    expect([...sectionBytes(elf, elf.sections[1]!)]).toEqual([0, 0x61, 0]);
  });

  it('refuses a section that ends past the file, which parseElf lets pass', () => {
    const elf = parseElf(changed(TWO_SECTIONS, 67 + 32, 0xff));
    expect(sectionBytes(elf, elf.sections[1]!)).toHaveLength(3);
    const broken = { ...elf.sections[1]!, size: 0xff };
    expect(() => sectionBytes(elf, broken)).toThrow('elf: section 1 ends at 0x13f, past end of file (0xc3)');
  });

  it('gives nothing for a section without contents', () => {
    const elf = parseElf(TWO_SECTIONS);
    expect(sectionBytes(elf, { ...elf.sections[1]!, type: SH_TYPE.SHT_NOBITS, size: 2 ** 40 })).toHaveLength(
      0,
    );
  });
});
