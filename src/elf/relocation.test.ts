import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { D_TAG, P_TYPE } from './constants.ts';
import { findFunction } from './function.ts';
import { parseElf } from './header.ts';
import { type ElfRelocation, elfRelocations } from './relocation.ts';
import { elfSymbols } from './symbol.ts';
import { BODY_OFFSET, elfImage, words } from './testing/image.ts';
import { Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const SOURCE =
  'static int f(void) { return 1; } int (*table[100])(void) = { f, f, [40] = f, [99] = f }; int main(void) { return 0; }';
const RELR = '-Wl,-z,pack-relative-relocs';

describe('elfRelocations', () => {
  it.each([
    { name: 'rela', options: ['-m64'] },
    { name: 'rel', options: ['-m32'] },
    { name: 'relr', options: ['-m64', RELR] },
    { name: 'relr', options: ['-m32', RELR] },
  ])(
    'gives the pointers of a table as relative $name relocations, built with $options',
    ({ name, options }) => {
      const program = workshop.compile('table', SOURCE, ['-pie', '-fPIE', ...options]);
      const elf = parseElf(readFileSync(program));
      const table = elfSymbols(elf, 'symtab').find((symbol) => symbol.name === 'table')!;
      const word = elf.class / 8;
      const relocations = elfRelocations(elf).filter(({ offset }) => {
        return offset >= table.value && offset < table.value + table.size;
      });
      const addend = findFunction(elf, 'f')!.value;
      const want = [0, 1, 40, 99].map((index): ElfRelocation => {
        return {
          table: name as ElfRelocation['table'],
          offset: table.value + index * word,
          type: 8,
          symbol: 0,
          addend,
        };
      });
      expect(relocations).toEqual(want);
    },
  );

  it('names the symbol that a relocation is bound to', () => {
    const source = '#include <stdio.h>\nint main(void) { return puts("x"); }';
    for (const option of ['-m64', '-m32']) {
      const elf = parseElf(readFileSync(workshop.compile('puts', source, [option])));
      const dynsym = elfSymbols(elf, 'dynsym');
      const names = elfRelocations(elf)
        .filter(({ table, symbol }) => table === 'jmprel' && symbol > 0)
        .map(({ symbol }) => dynsym[symbol - 1]?.name);
      expect(names).toContain('puts');
    }
  });

  it('gives the IRELATIVE relocations of a static program', () => {
    const source =
      'int one(void) { return 1; } int (*pick(void))(void) { return one; } int f(void) __attribute__((ifunc("pick"))); int main(void) { return f(); }';
    const elf = parseElf(readFileSync(workshop.compile('irelative', source, ['-static', '-no-pie'])));
    const addends = elfRelocations(elf)
      .filter(({ type }) => type === 37)
      .map(({ addend }) => addend);
    expect(addends).toContain(findFunction(elf, 'pick')?.value);
  });

  it('counts relocations once when DT_RELASZ covers DT_JMPREL too', () => {
    const relocation = (offset: number): Uint8Array => words(offset, 8, 1);
    const body = Buffer.concat([relocation(0x10), relocation(0x20), relocation(0x30)]);
    const base = 0x1000;
    const { DT_RELA, DT_RELASZ, DT_JMPREL, DT_PLTRELSZ, DT_PLTREL } = D_TAG;
    const rela = [DT_RELA, base, DT_RELASZ, 72];
    const jmprel = [DT_JMPREL, base + 24, DT_PLTRELSZ, 48, DT_PLTREL, DT_RELA];
    const tags = words(...rela, ...jmprel, 0, 0);
    const elf = parseElf(
      elfImage({
        body: Buffer.concat([body, tags]),
        segments: [
          { type: P_TYPE.PT_LOAD, offset: BODY_OFFSET, vaddr: base, size: 72 + tags.length },
          { type: P_TYPE.PT_DYNAMIC, offset: BODY_OFFSET + 72, vaddr: base + 72, size: tags.length },
        ],
      }),
    );
    expect(elfRelocations(elf).map(({ table, offset }) => `${table} ${offset}`)).toEqual([
      'rela 16',
      'jmprel 32',
      'jmprel 48',
    ]);
  });
});
