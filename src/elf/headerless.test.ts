import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { frameRanges } from './frame.ts';
import { parseElf } from './header.ts';
import { findSection } from './section.ts';
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

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const SYSV = '-Wl,--hash-style=sysv';

const PROGRAMS: readonly { readonly name: string; readonly path: () => string }[] = [
  { name: 'a PIE', path: () => workshop.compile('pie', PROGRAM, ['-pie', '-fPIE']) },
  {
    name: 'a PIE with an old hash table',
    path: () => workshop.compile('sysv', PROGRAM, ['-pie', '-fPIE', SYSV]),
  },
  { name: 'a program at fixed addresses', path: () => workshop.compile('fixed', PROGRAM, ['-no-pie']) },
  { name: 'a static PIE', path: () => workshop.compile('static-pie', PROGRAM, ['-static-pie']) },
  { name: 'an i386 PIE', path: () => workshop.compile('pie32', PROGRAM, ['-m32', '-pie', '-fPIE']) },
  {
    name: 'a musl PIE',
    path: () => workshop.compile('musl', PLAIN_PROGRAM, ['-pie', '-fPIE', '-Wl,--eh-frame-hdr'], 'musl-gcc'),
  },
  {
    name: 'a library with versions',
    path: () => {
      const script = `-Wl,--version-script=${workshop.write('versions.map', VERSION_SCRIPT)}`;
      return workshop.compile('versions.so', VERSIONED_LIBRARY, ['-shared', '-fPIC', script]);
    },
  },
  { name: '/bin/ls', path: () => '/bin/ls' },
  { name: 'libc.so.6', path: () => runTool('gcc', ['-print-file-name=libc.so.6']).trim() },
];

describe.each(PROGRAMS)('without section headers $name gives', ({ path }) => {
  it.each(['interpreter', 'buildId', 'dynamic', 'dynsym', 'relocations', 'frames'] as const)(
    'the same %s as with them',
    { timeout: 60_000 },
    (what) => {
      const bytes = readFileSync(path());
      const cut = parseElf(withoutSectionHeaders(bytes));
      expect(cut.sections).toEqual([]);
      expect(READERS.symtab(cut)).toEqual([]);
      expect(READERS[what](cut)).toEqual(READERS[what](parseElf(bytes)));
    },
  );
});

describe('without section headers', () => {
  it('frames end at the terminator when the header has no search table', () => {
    const source = 'int main(void) { return 0; }';
    const bytes = readFileSync(workshop.compile('no-table', source));
    const elf = parseElf(bytes);
    const want = frameRanges(elf);
    const cut = withoutSectionHeaders(bytes);
    const header = elf.segments.find(({ type }) => type === 0x6474e550)!.offset;
    // DW_EH_PE_omit for the number of entries and the table.
    cut.set([0xff, 0xff], header + 2);
    expect(want.length).toBeGreaterThan(2);
    expect(frameRanges(parseElf(cut))).toEqual(want);
    // DW_EH_PE_omit for the pointer to the frames.
    cut.set([0xff], header + 1);
    expect(frameRanges(parseElf(cut))).toEqual([]);
  });

  it('frames are complete where the search table leaves some out, and where the terminator is missing', () => {
    const bytes = readFileSync(workshop.compile('count', 'int main(void) { return 0; }'));
    const elf = parseElf(bytes);
    const want = frameRanges(elf);
    const cut = withoutSectionHeaders(bytes);
    const count = elf.segments.find(({ type }) => type === 0x6474e550)!.offset + 8;
    expect(cut[count]).toBe(want.length);
    cut[count] = want.length - 2;
    expect(frameRanges(parseElf(cut))).toEqual(want);

    const { offset, size } = findSection(elf, '.eh_frame')!;
    cut.set([0x12, 0x34, 0x56, 0x78], offset + size - 4);
    expect(frameRanges(parseElf(cut))).toEqual(want);
    cut[count] = want.length + 1;
    expect(() => frameRanges(parseElf(cut))).toThrow('elf: eh_frame record at');
  });
});
