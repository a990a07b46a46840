import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { findFunction } from '../elf/function.ts';
import { parseElf } from '../elf/header.ts';
import { runTool, withoutSectionHeaders, Workshop } from '../elf/testing/program.ts';
import { SymbolIndex } from './symbol-index.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const SOURCE = `
  static int __attribute__((noinline, used)) hidden(int a) { return a * 3; }
  int __attribute__((noinline)) __own(int a) { return hidden(a) + 1; }
  int own(int) __attribute__((alias("__own"), weak));
  int data = 1;
  __asm__(".text\\n .globl untyped\\n untyped: nop; nop; nop\\n .globl after\\n"
          ".type after, @function\\n after: ret\\n .size after, 1\\n nop\\n");
`;

describe('SymbolIndex', () => {
  for (const width of ['-m64', '-m32']) {
    const file = workshop.compile(`names${width}`, SOURCE, [width, '-O1', '-shared', '-fPIC', '-nostdlib']);
    const elf = parseElf(readFileSync(file));
    const startOf = (name: string): number => findFunction(elf, name)!.value;
    const index = new SymbolIndex(elf);

    it(`names the function and the place in it (${width})`, () => {
      expect(index.at(startOf('hidden') + 1)).toEqual({ name: 'hidden', offset: 1 });
    });

    it(`prefers the name without underscores (${width})`, () => {
      expect(index.at(startOf('__own'))).toEqual({ name: 'own', offset: 0 });
    });

    it(`lets a function of unknown size reach to the next one (${width})`, () => {
      expect(index.at(startOf('untyped') + 2)).toEqual({ name: 'untyped', offset: 2 });
      expect(index.at(startOf('after'))).toEqual({ name: 'after', offset: 0 });
      expect(index.at(startOf('after') + 1)).toBeNull();
    });

    it(`does not take data for code (${width})`, () => {
      expect(index.at(elf.loads.at(-1)!.vaddr + elf.loads.at(-1)!.memsz - 1)).toBeNull();
    });

    it(`falls back to the dynamic symbols of a stripped file, also without section headers (${width})`, () => {
      const stripped = workshop.path(`stripped${width}`);
      runTool('strip', ['-o', stripped, file]);
      for (const bytes of [readFileSync(stripped), withoutSectionHeaders(readFileSync(stripped))]) {
        const bare = new SymbolIndex(parseElf(bytes));
        expect(bare.at(startOf('__own') + 1)).toEqual({ name: 'own', offset: 1 });
        expect(bare.at(startOf('hidden'))).toBeNull();
      }
    });
  }
});
