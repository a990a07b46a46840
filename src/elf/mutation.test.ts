import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FormatError, UnsupportedError } from '../base/errors.ts';
import { fileOffsetToVaddr, readVaddr, stringAt, vaddrToFileOffset } from './address.ts';
import { SH_FLAGS, SH_TYPE } from './constants.ts';
import type { ElfFile } from './file.ts';
import { findFunction } from './function.ts';
import { parseElf } from './header.ts';
import { sectionBytes } from './section.ts';
import { READERS } from './testing/everything.ts';
import {
  PLAIN_PROGRAM,
  PROGRAM,
  runTool,
  VERSION_SCRIPT,
  VERSIONED_LIBRARY,
  withoutSectionHeaders,
  Workshop,
} from './testing/program.ts';

/** For one file of some kilobytes; what is quadratic shows long before. */
const TIME_LIMIT = 2000;

/** Bytes that are apt to break a reader. */
const VALUES = [0, 1, 2, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x40];

interface Specimen {
  readonly bytes: Uint8Array;
  /** Where the tables are: changes there do more than in code. */
  readonly places: readonly { readonly offset: number; readonly size: number }[];
}

const workshop = new Workshop();
const small: Specimen[] = [];
const large: Specimen[] = [];

beforeAll(() => {
  const script = `-Wl,--version-script=${workshop.write('versions.map', VERSION_SCRIPT)}`;
  const throwing = 'void f(int c) { try { if (c) throw 1; } catch (int) {} }';
  const relr = ['-pie', '-fPIE', '-Wl,-z,pack-relative-relocs'];
  const programs = [
    workshop.compile('pie', PROGRAM, ['-pie', '-fPIE']),
    workshop.compile('pie32', PROGRAM, ['-m32', '-pie', '-fPIE']),
    workshop.compile('relr', PROGRAM, relr),
    workshop.compile('relr32', PROGRAM, ['-m32', ...relr]),
    workshop.compile('sysv', PROGRAM, ['-no-pie', '-Wl,--hash-style=sysv']),
    workshop.compile('versions.so', VERSIONED_LIBRARY, ['-shared', '-fPIC', script]),
    workshop.compile('throwing.so', throwing, ['-shared', '-fPIC'], 'g++'),
    workshop.compile('musl', PLAIN_PROGRAM, ['-static'], 'musl-gcc'),
  ];
  for (const program of programs) {
    const bytes = readFileSync(program);
    small.push(specimenOf(bytes), { ...specimenOf(bytes), bytes: withoutSectionHeaders(bytes) });
  }
  const libc = readFileSync(runTool('gcc', ['-print-file-name=libc.so.6']).trim());
  large.push(specimenOf(readFileSync('/bin/ls')), specimenOf(libc));
}, 60_000);
afterAll(() => workshop[Symbol.dispose]());

const mutation = fc.record({
  place: fc.nat(),
  at: fc.nat(),
  bytes: fc.array(fc.oneof(fc.constantFrom(...VALUES), fc.nat(255)), { minLength: 1, maxLength: 8 }),
});

const mutations = fc.record({
  specimen: fc.nat(),
  changes: fc.array(mutation, { minLength: 1, maxLength: 6 }),
  length: fc.option(fc.nat(), { freq: 5 }),
});

describe('bytes that are no longer what a linker wrote', () => {
  it('give a result or a FormatError, in time', { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(mutations, (input) => readEverything(mutate(small, input))),
      { numRuns: 3000 },
    );
  });

  it('give a result or a FormatError, in time, in large files', { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(mutations, (input) => readEverything(mutate(large, input))),
      { numRuns: 60 },
    );
  });

  it(
    'give a result or a FormatError when they end early, wherever in the headers that is',
    { timeout: 300_000 },
    () => {
      for (const { bytes } of small.slice(0, 4)) {
        for (let length = 0; length < 1200; length += length < 64 ? 1 : 13)
          readEverything(bytes.subarray(0, length));
      }
    },
  );

  it('give a result or a FormatError when they are not ELF at all', { timeout: 300_000 }, () => {
    const header = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom(0, 4, 7), (bytes, kept) => {
        readEverything(Buffer.concat([header.subarray(0, kept), bytes]));
      }),
      { numRuns: 500 },
    );
  });
});

/** Calls all that the folder exports; throws when something else than a result or a FormatError comes, or it comes late. */
function readEverything(bytes: Uint8Array): void {
  const start = performance.now();
  const elf = orFormatError(() => parseElf(bytes), bytes);
  if (elf !== null) {
    for (const read of Object.values(READERS)) orFormatError(() => read(elf), bytes);
    orFormatError(() => findFunction(elf, 'main'), bytes);
    for (const section of elf.sections) orFormatError(() => sectionBytes(elf, section), bytes);
    for (const vaddr of vaddrsOf(elf)) {
      const offset = vaddrToFileOffset(elf, vaddr);
      if (offset !== null) {
        expect(offset).toBeLessThan(bytes.length);
        expect(fileOffsetToVaddr(elf, offset)).not.toBeNull();
      }
      orFormatError(() => stringAt(elf, vaddr), bytes);
      orFormatError(() => readVaddr(elf, vaddr, 16), bytes);
    }
  }
  const time = performance.now() - start;
  if (time > TIME_LIMIT) throw new Error(`reading took ${Math.round(time)} ms (${TIME_LIMIT})`);
}

function vaddrsOf(elf: ElfFile): number[] {
  return [
    elf.entry,
    0,
    ...elf.segments.slice(0, 20).flatMap(({ vaddr, memsz }) => [vaddr, vaddr + memsz - 1]),
  ];
}

function orFormatError<Result>(action: () => Result, bytes: Uint8Array): Result | null {
  try {
    return action();
  } catch (error) {
    if (error instanceof FormatError) return null;
    if (error instanceof UnsupportedError && bytes[5] === 2) return null;
    throw error;
  }
}

function mutate(
  specimens: readonly Specimen[],
  input: typeof mutations extends fc.Arbitrary<infer T> ? T : never,
): Uint8Array {
  const { bytes, places } = specimens[input.specimen % specimens.length]!;
  const copy = Uint8Array.from(bytes);
  for (const change of input.changes) {
    const place = places[change.place % places.length]!;
    const offset = place.offset + (change.at % place.size);
    for (const [index, byte] of change.bytes.entries()) {
      if (offset + index < copy.length) copy[offset + index] = byte;
    }
  }
  return input.length === null ? copy : copy.subarray(0, input.length % copy.length);
}

function specimenOf(bytes: Uint8Array): Specimen {
  const elf = parseElf(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const is64 = elf.class === 64;
  const shoff = is64 ? Number(view.getBigUint64(40, true)) : view.getUint32(32, true);
  const headers = [
    { offset: 0, size: is64 ? 64 : 52 },
    { offset: is64 ? 64 : 52, size: elf.segments.length * (is64 ? 56 : 32) },
    { offset: shoff, size: elf.sections.length * (is64 ? 64 : 40) },
  ];
  const tables = elf.sections.filter(({ type, flags, size }) => {
    return type !== SH_TYPE.SHT_NOBITS && size > 0 && (flags & SH_FLAGS.SHF_EXECINSTR) === 0;
  });
  // The headers count several times, as they are few; so do the starts of tables, where their own headers are.
  const starts = tables.map(({ offset, size }) => ({ offset, size: Math.min(size, 64) }));
  return { bytes, places: [...headers, ...headers, ...headers, ...tables, ...starts] };
}
