import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { ST_BIND, ST_SHNDX, ST_TYPE } from './constants.ts';
import { findFunction } from './function.ts';
import { parseElf } from './header.ts';
import type { ElfSymbol } from './symbol.ts';
import { elfSymbols } from './symbol.ts';
import { elfImage } from './testing/image.ts';
import { PROGRAM, runTool, VERSION_SCRIPT, VERSIONED_LIBRARY, Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const NOTHING = parseElf(elfImage({}));

function symbol(fields: Partial<ElfSymbol>): ElfSymbol {
  return {
    table: 'dynsym',
    index: 1,
    name: 'f',
    value: 0,
    size: 0,
    type: ST_TYPE.STT_FUNC,
    bind: ST_BIND.STB_GLOBAL,
    visibility: 0,
    shndx: 12,
    version: null,
    isDefaultVersion: false,
    ...fields,
  };
}

describe('findFunction', () => {
  it.each<{ name: string; better: Partial<ElfSymbol>; worse: Partial<ElfSymbol> }>([
    { name: 'a function over a label', better: {}, worse: { type: ST_TYPE.STT_NOTYPE, table: 'symtab' } },
    { name: 'a global over a local one', better: {}, worse: { bind: ST_BIND.STB_LOCAL, table: 'symtab' } },
    { name: '.symtab over .dynsym', better: { table: 'symtab' }, worse: {} },
    {
      name: 'a default version over another',
      better: { version: 'V_2', isDefaultVersion: true },
      worse: { version: 'V_1' },
    },
    { name: 'no version over one that is not the default', better: {}, worse: { version: 'V_1' } },
    {
      name: 'a weak over a local one',
      better: { bind: ST_BIND.STB_WEAK },
      worse: { bind: ST_BIND.STB_LOCAL },
    },
    { name: 'a local label over nothing', better: { type: 0, bind: 0 }, worse: { name: 'g' } },
  ])('prefers $name, wherever it stands', ({ better, worse }) => {
    const [first, second] = [symbol(better), symbol(worse)];
    expect(findFunction(NOTHING, 'f', [first, second])).toBe(first);
    expect(findFunction(NOTHING, 'f', [second, first])).toBe(first);
  });

  it.each<{ name: string; fields: Partial<ElfSymbol> }>([
    { name: 'undefined', fields: { shndx: ST_SHNDX.SHN_UNDEF, value: 0x1030 } },
    { name: 'data', fields: { type: ST_TYPE.STT_OBJECT } },
    { name: 'absolute', fields: { type: ST_TYPE.STT_NOTYPE, shndx: ST_SHNDX.SHN_ABS } },
    { name: 'a file name', fields: { type: ST_TYPE.STT_FILE, shndx: ST_SHNDX.SHN_ABS } },
  ])('does not take a symbol that is $name', ({ fields }) => {
    expect(findFunction(NOTHING, 'f', [symbol(fields)])).toBeNull();
  });

  it('finds each version of a function in a stripped library, and the default one without version', () => {
    const script = workshop.write('versions.map', VERSION_SCRIPT);
    const options = ['-shared', '-fPIC', `-Wl,--version-script=${script}`];
    const library = workshop.compile('versions.so', VERSIONED_LIBRARY, options);
    const full = parseElf(readFileSync(library));
    runTool('strip', [library]);
    const stripped = parseElf(readFileSync(library));
    expect(elfSymbols(stripped, 'symtab')).toEqual([]);
    for (const elf of [full, stripped]) {
      const value = (name: string): number | undefined => findFunction(elf, name)?.value;
      expect(value('answer@V_1.0')).toBe(findFunction(full, 'answer_old')?.value);
      expect(value('answer@V_2.0')).toBe(findFunction(full, 'answer_new')?.value);
      expect(value('answer@@V_2.0')).toBe(value('answer@V_2.0'));
      expect(value('answer')).toBe(value('answer@V_2.0'));
      expect(value('answer@V_3.0')).toBeUndefined();
      expect(value('plain')).toBeGreaterThan(0);
    }
  });

  it('finds what a program defines and nothing that it imports', () => {
    const elf = parseElf(readFileSync(workshop.compile('pie', PROGRAM, ['-pie', '-fPIE'])));
    const symbols = elfSymbols(elf);
    const find = (name: string): ElfSymbol | null => findFunction(elf, name, symbols);
    expect(find('main')).toMatchObject({ type: ST_TYPE.STT_FUNC, bind: ST_BIND.STB_GLOBAL });
    expect(find('hidden')).toMatchObject({ bind: ST_BIND.STB_LOCAL });
    expect(find('chosen')).toMatchObject({ type: ST_TYPE.STT_GNU_IFUNC, value: find('resolve')?.value });
    expect(find('printf')).toBeNull();
    expect(find('zero')).toBeNull();
    expect(find('')).toBeNull();
  });
});
