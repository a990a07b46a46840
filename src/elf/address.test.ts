import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { fileOffsetToVaddr, readVaddr, stringAt, vaddrToFileOffset } from './address.ts';
import { P_TYPE } from './constants.ts';
import { parseElf } from './header.ts';
import { findSection, sectionBytes } from './section.ts';
import { elfSymbols } from './symbol.ts';
import { BODY_OFFSET, elfImage } from './testing/image.ts';
import { Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const IMAGE = parseElf(
  elfImage({
    body: Buffer.from('abc\0defg'),
    segments: [
      { type: P_TYPE.PT_LOAD, offset: BODY_OFFSET, vaddr: 0x1000, size: 4 },
      { type: P_TYPE.PT_LOAD, offset: BODY_OFFSET + 4, vaddr: 0x2004, size: 4 },
    ],
  }),
);

describe('vaddrToFileOffset and fileOffsetToVaddr', () => {
  it('map the bytes of each segment and nothing beside it', () => {
    const vaddrs = [0xfff, 0x1000, 0x1003, 0x1004, 0x2003, 0x2004, 0x2007, 0x2008, -1, 2 ** 52];
    expect(vaddrs.map((vaddr) => vaddrToFileOffset(IMAGE, vaddr))).toEqual([
      null,
      64,
      67,
      null,
      null,
      68,
      71,
      null,
      null,
      null,
    ]);
    const offsets = [0, 63, 64, 67, 68, 71, 72, -1];
    expect(offsets.map((offset) => fileOffsetToVaddr(IMAGE, offset))).toEqual([
      null,
      null,
      0x1000,
      0x1003,
      0x2004,
      0x2007,
      null,
      null,
    ]);
  });

  it('agree with the section headers of a real program, and know that .bss is not in the file', () => {
    const elf = parseElf(readFileSync('/bin/ls'));
    for (const { name, addr, offset, size } of elf.sections) {
      if (addr === 0 || size === 0) continue;
      expect(vaddrToFileOffset(elf, addr), name).toBe(name === '.bss' ? null : offset);
      if (name !== '.bss') expect(fileOffsetToVaddr(elf, offset), name).toBe(addr);
    }
  });
});

describe('readVaddr and stringAt', () => {
  it('read the initial values of variables', () => {
    const source = `int number = 0x12345678; char text[] = "gr\\u00fcn"; int zero[2]; int main(void) { return 0; }`;
    for (const option of ['-m64', '-m32']) {
      const elf = parseElf(readFileSync(workshop.compile(`data${option}`, source, [option])));
      const vaddrOf = (name: string): number => elfSymbols(elf).find((symbol) => symbol.name === name)!.value;
      expect([...readVaddr(elf, vaddrOf('number'), 4)]).toEqual([0x78, 0x56, 0x34, 0x12]);
      expect(stringAt(elf, vaddrOf('text'))).toBe('grün');
      expect(() => readVaddr(elf, vaddrOf('zero'), 8)).toThrow('is in no segment of the file');
    }
  });

  it('read the string that a section holds', () => {
    const elf = parseElf(readFileSync('/bin/ls'));
    const section = findSection(elf, '.interp')!;
    expect(stringAt(elf, section.addr)).toBe(Buffer.from(sectionBytes(elf, section)).toString().slice(0, -1));
  });

  it('refuse what is not all in one segment', () => {
    expect(Buffer.from(readVaddr(IMAGE, 0x1001, 3)).toString()).toBe('bc\0');
    expect(() => readVaddr(IMAGE, 0x1001, 4)).toThrow(
      'elf: memory at 0x1001 has 0x4 bytes, past end of its segment in the file (0x3)',
    );
    expect(() => readVaddr(IMAGE, 0x1001, -1)).toThrow('past end of its segment');
    expect(() => readVaddr(IMAGE, 0x3000, 1)).toThrow('elf: memory at 0x3000 is in no segment of the file');
  });

  it('refuse a string that does not end in its segment or within the limit', () => {
    expect(stringAt(IMAGE, 0x1000)).toBe('abc');
    expect(() => stringAt(IMAGE, 0x1000, 2)).toThrow('elf: string at 0x40 has no end before 0x43');
    expect(() => stringAt(IMAGE, 0x2004)).toThrow('elf: string at 0x44 has no end before 0x48');
  });
});
