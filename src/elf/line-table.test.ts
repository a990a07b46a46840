import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { FormatError } from '../base/errors.ts';
import { parseElf } from './header.ts';
import { sourceLines } from './line-table.ts';
import { findSection, sectionBytes } from './section.ts';
import { elfSymbols } from './symbol.ts';
import { PROGRAM, runTool, Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const INLINED = `#include <stdlib.h>
#include <stdio.h>
${PROGRAM.replace('#include <stdio.h>', '')}
__attribute__((noinline)) int other(char **text) {
  int sum = 0;
  for (int at = 0; at < 10; at++) sum += atoi(text[at]);
  return sum ? printf("%d", sum) : 0;
}`;

const BUILDS = [
  { name: 'version 5', options: ['-g', '-O2'] },
  { name: 'version 4', options: ['-gdwarf-4', '-O2'] },
  { name: 'version 3', options: ['-gdwarf-3', '-O0'] },
  { name: 'compressed sections', options: ['-g', '-O2', '-gz=zlib'] },
];

/** Addresses in all functions of a program, every third byte. */
function addressesOf(file: string): number[] {
  const elf = parseElf(readFileSync(file));
  return elfSymbols(elf, 'symtab')
    .filter(({ type, size, shndx }) => type === 2 && shndx !== 0 && size > 0)
    .flatMap(({ value, size }) =>
      Array.from({ length: Math.ceil(size / 3) }, (_, index) => value + 3 * index),
    );
}

describe.each(BUILDS)('with line programs of $name', ({ name, options }) => {
  it('gives the lines that addr2line gives', () => {
    const file = workshop.compile(name.replaceAll(' ', '-'), INLINED, options);
    const addresses = addressesOf(file);
    const lines = sourceLines(parseElf(readFileSync(file)), addresses);
    const texts = addresses.map((address) => `0x${address.toString(16)}`);
    const want = runTool('addr2line', ['-e', file, ...texts])
      .trim()
      .split('\n')
      .map((text) => /([^/]*):([0-9]+)/.exec(text))
      .map((match) => (match === null ? null : `${match[1]}:${match[2]}`));
    const got = addresses.map((address) => {
      const line = lines.get(address);
      return line === undefined ? null : `${line.file.slice(line.file.lastIndexOf('/') + 1)}:${line.line}`;
    });
    expect(got).toEqual(want);
    expect(got.filter((line) => line !== null).length).toBeGreaterThan(20);
  });
});

describe('line programs', () => {
  it('of 64 bits say what those of 32 bits say', () => {
    // addr2line of binutils 2.40 does not read them.
    const [narrow, wide] = ['-gdwarf32', '-gdwarf64'].map((option) => {
      const file = workshop.compile('widths', INLINED, ['-g', option, '-O1']);
      return sourceLines(parseElf(readFileSync(file)), addressesOf(file));
    });
    expect(wide).toEqual(narrow);
    expect(wide?.size).toBeGreaterThan(20);
  });

  it('are not there in a program without debug information', () => {
    const file = workshop.compile('plain', PROGRAM, ['-O1']);
    expect(sourceLines(parseElf(readFileSync(file)), addressesOf(file)).size).toBe(0);
  });

  it('that are damaged give nothing but a format error, in bounded time', () => {
    const file = workshop.compile('damaged', PROGRAM, ['-g', '-O1']);
    const good = readFileSync(file);
    const elf = parseElf(good);
    const addresses = addressesOf(file);
    const section = findSection(elf, '.debug_line');
    if (section === null) throw new Error('no .debug_line');
    const { length } = sectionBytes(elf, section);
    const change = fc.tuple(fc.nat(length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(good);
        for (const [at, value] of changes) bytes[section.offset + at] = value;
        try {
          sourceLines(parseElf(bytes), addresses);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 400 },
    );
  });
});
