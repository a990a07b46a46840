import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { FormatError, UnsupportedError, UsageError } from '../../base/errors.ts';
import { Workshop } from '../../elf/testing/program.ts';
import { loadSet } from '../load/load-set.ts';
import { RootFileSystem } from '../load/root.ts';
import { Image } from './image.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const LIBRARY =
  'int shared = 1; int *pointer = &shared; int work(void) { return *pointer; } int (*table[4])(void) = { work, work };';
const PROGRAM = 'extern int shared; int work(void); int main(void) { return work() + shared; }';

/** A root with a program and its library, each small and without libc. */
function smallRoot(): {
  root: RootFileSystem;
  program: Uint8Array;
  library: Uint8Array;
  write: (name: string, bytes: Uint8Array) => void;
} {
  const folder = workshop.path('root');
  mkdirSync(`${folder}/lib`, { recursive: true });
  const plain = ['-nostdlib', '-O1'];
  const library = workshop.compile('libwork.so', LIBRARY, [
    ...plain,
    '-shared',
    '-fPIC',
    '-Wl,-soname,libwork.so',
  ]);
  const program = workshop.compile('program', PROGRAM, [...plain, library, '-Wl,-e,main', '-Wl,-rpath,/lib']);
  return {
    root: new RootFileSystem(folder),
    program: readFileSync(program),
    library: readFileSync(library),
    write: (name, bytes) => writeFileSync(`${folder}/${name}`, bytes),
  };
}

/** Everything that reads a table. */
function readAll(root: RootFileSystem): number {
  const image = new Image(loadSet('/program', { root }));
  for (const { index, symbols, relocations, start } of image.objects) {
    for (let symbol = 0; symbol < symbols.count; symbol++) image.definition(index, symbol);
    const names = new Set(image.exports(index).map(({ symbol }) => symbols.name(symbol)));
    for (const name of names) image.lookup(name);
    for (let at = 0; at < relocations.count; at++) image.symbolAt(relocations.target[at]!);
    image.addressOf(index, 'work');
    image.symbolAt(start);
  }
  return image.objects.length;
}

describe('files made to hurt', () => {
  it('are whole before they are changed', () => {
    const { root, program, library, write } = smallRoot();
    write('program', program);
    write('lib/libwork.so', library);
    expect(readAll(root)).toBeGreaterThanOrEqual(2);
  });

  it('give a result, a missing object or a refusal, in time', { timeout: 120_000 }, () => {
    const { root, program, library, write } = smallRoot();
    // Headers and tables are in the first pages; code is no concern here.
    const change = fc.record({
      at: fc.nat(0x3fff),
      value: fc.constantFrom(0, 1, 2, 8, 0x10, 0x7f, 0x80, 0xff),
      inProgram: fc.boolean(),
    });
    const outcomes = { ok: 0, refused: 0 };
    let slowest = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
        const copies = { program: Uint8Array.from(program), library: Uint8Array.from(library) };
        for (const { at, value, inProgram } of changes) {
          const bytes = inProgram ? copies.program : copies.library;
          bytes[at % bytes.length] = value;
        }
        write('program', copies.program);
        write('lib/libwork.so', copies.library);
        const start = process.cpuUsage();
        try {
          readAll(root);
          outcomes.ok++;
        } catch (error) {
          const isRefused =
            error instanceof FormatError || error instanceof UnsupportedError || error instanceof UsageError;
          if (!isRefused) throw error;
          outcomes.refused++;
        }
        slowest = Math.max(slowest, process.cpuUsage(start).user / 1e6);
      }),
      { numRuns: 700 },
    );
    expect(outcomes.ok).toBeGreaterThan(25);
    expect(outcomes.refused).toBeGreaterThan(10);
    expect(slowest).toBeLessThan(10);
  });

  it('cannot make a lookup take quadratic time', { timeout: 120_000 }, () => {
    // Thousands of references to a name, and thousands of definitions of it with another version each.
    const { root, program, write } = smallRoot();
    const count = 3000;
    const definitions = Array.from(
      { length: count },
      (_, index) => `.globl f${index}\nf${index}: .symver f${index}, same@V${index}\n`,
    ).join('');
    const versions = Array.from({ length: count }, (_, index) => `V${index} { };`).join('\n');
    const library = workshop.path('many.so');
    workshop.write('many.s', `.text\n${definitions}ret\n`);
    const options = [
      '-nostdlib',
      '-shared',
      '-Wl,-soname,libwork.so',
      `-Wl,--version-script,${workshop.write('many.map', versions)}`,
    ];
    workshop.compile('many.so', '', [workshop.path('many.s'), ...options]);
    write('program', program);
    write('lib/libwork.so', readFileSync(library));
    const start = process.cpuUsage();
    expect(readAll(root)).toBeGreaterThanOrEqual(2);
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(20);
  });
});
