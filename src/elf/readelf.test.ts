import { existsSync, readFileSync, realpathSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import {
  D_TAG,
  DT_FLAGS_1_BITS,
  DT_FLAGS_BITS,
  P_FLAGS,
  ST_BIND,
  ST_SHNDX,
  ST_TYPE,
  ST_VISIBILITY,
} from './constants.ts';
import type { ElfFile } from './file.ts';
import { frameRanges } from './frame.ts';
import { parseElf } from './header.ts';
import { interpreter } from './interpreter.ts';
import { buildId, elfNotes } from './note.ts';
import { elfRelocations } from './relocation.ts';
import { elfSymbols, type ElfSymbol } from './symbol.ts';
import { elfDynamic } from './dynamic.ts';
import { READERS } from './testing/everything.ts';
import {
  PLAIN_PROGRAM,
  PROGRAM,
  runTool,
  VERSION_SCRIPT,
  VERSIONED_LIBRARY,
  Workshop,
} from './testing/program.ts';
import {
  readBuildId,
  readDynamicRows,
  readFrameRows,
  readNoteRows,
  readRelocationRows,
  readSectionRows,
  readSegmentRows,
  readSymbolRows,
} from './testing/readelf.ts';

const TIMEOUT = 60_000;

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** Programs are built on first use, so that a missing compiler fails only what needs it. */
const PROGRAMS: readonly { readonly name: string; readonly path: () => string }[] = [
  { name: 'a PIE', path: () => workshop.compile('pie', PROGRAM, ['-pie', '-fPIE']) },
  { name: 'a program at fixed addresses', path: () => workshop.compile('fixed', PROGRAM, ['-no-pie']) },
  { name: 'a static program', path: () => workshop.compile('static', PROGRAM, ['-static']) },
  { name: 'a static PIE', path: () => workshop.compile('static-pie', PROGRAM, ['-static-pie']) },
  { name: 'an i386 PIE', path: () => workshop.compile('pie32', PROGRAM, ['-m32', '-pie', '-fPIE']) },
  { name: 'a static i386 program', path: () => workshop.compile('static32', PROGRAM, ['-m32', '-static']) },
  {
    name: 'an x32 program',
    path: () => workshop.compile('x32', 'void _start(void) {}', ['-mx32', '-nostdlib', '-static']),
  },
  {
    name: 'a library with versions',
    path: () => {
      const script = `-Wl,--version-script=${workshop.write('versions.map', VERSION_SCRIPT)}`;
      return workshop.compile('versions.so', VERSIONED_LIBRARY, [
        '-shared',
        '-fPIC',
        script,
        '-Wl,-soname,v.so.1',
      ]);
    },
  },
  {
    name: 'a program with relr relocations',
    path: () => workshop.compile('relr', PROGRAM, ['-pie', '-fPIE', '-Wl,-z,pack-relative-relocs']),
  },
  {
    name: 'an i386 program with relr relocations',
    path: () => workshop.compile('relr32', PROGRAM, ['-m32', '-pie', '-fPIE', '-Wl,-z,pack-relative-relocs']),
  },
  {
    name: 'a program with eager binding, run-time paths and an old hash table',
    path: () => {
      const linking = '-Wl,-z,now,--hash-style=sysv,--disable-new-dtags,-rpath,$ORIGIN/lib,--emit-relocs';
      return workshop.compile('now', PROGRAM, ['-pie', '-fPIE', linking]);
    },
  },
  { name: 'a stripped program', path: () => workshop.compile('stripped', PROGRAM, ['-s']) },
  {
    name: 'a static musl program',
    path: () => workshop.compile('musl', PLAIN_PROGRAM, ['-static'], 'musl-gcc'),
  },
  {
    name: 'a musl PIE',
    path: () => workshop.compile('musl-pie', PLAIN_PROGRAM, ['-pie', '-fPIE'], 'musl-gcc'),
  },
  {
    name: 'a C++ program with landing pads',
    path: () => {
      const source = `#include <stdexcept>
        struct Guard { ~Guard(); }; int count; Guard::~Guard() { count++; }
        void fail(int); int main(int c, char **) { try { Guard g; fail(c); } catch (std::exception &) { return 1; } return 0; }
        void fail(int c) { Guard g; if (c) throw std::runtime_error("x"); }`;
      return workshop.compile('landing', source, [], 'g++');
    },
  },
  {
    name: 'a debug file',
    path: () => {
      const program = workshop.compile('debugged', PROGRAM, ['-g']);
      runTool('objcopy', ['--only-keep-debug', program, workshop.path('debug')]);
      return workshop.path('debug');
    },
  },
  { name: '/bin/ls', path: () => '/bin/ls' },
  { name: "the C compiler's libc.so.6", path: () => runTool('gcc', ['-print-file-name=libc.so.6']).trim() },
  { name: 'the program interpreter', path: () => realpathSync(interpreter(load('/bin/ls')) ?? '') },
  // Larger programs where they happen to be installed.
  ...[
    '/usr/bin/redis-server',
    '/usr/sbin/nginx',
    '/lib/ld-musl-x86_64.so.1',
    '/usr/lib32/libc.so.6',
    '/bin/bash',
  ]
    .filter((path) => existsSync(path))
    .map((path) => ({ name: path, path: () => path })),
];

describe.each(PROGRAMS)('$name reads as readelf reads it', ({ path }) => {
  let built: { program: string; elf: ElfFile } | undefined;
  const get = (): { program: string; elf: ElfFile } => {
    const program = built?.program ?? path();
    return (built ??= { program, elf: load(program) });
  };

  it('in its segments', { timeout: TIMEOUT }, () => {
    const { program, elf } = get();
    const rows = elf.segments.map(({ offset, vaddr, filesz, memsz, flags, align }) => {
      const letters = `${flags & P_FLAGS.PF_R ? 'R' : ''}${flags & P_FLAGS.PF_W ? 'W' : ''}${flags & P_FLAGS.PF_X ? 'E' : ''}`;
      return { offset, vaddr, filesz, memsz, flags: letters, align };
    });
    expect(rows).toEqual(readSegmentRows(program));
  });

  it('in its sections', { timeout: TIMEOUT }, () => {
    const { program, elf } = get();
    const rows = elf.sections.slice(1).map((section) => {
      const { name, addr, offset, size, entsize, link, info, addralign } = section;
      return [name, addr, offset, size, entsize, link, info, addralign].join(' ');
    });
    // The null section has no name and may hold counts.
    expect(rows).toEqual(readSectionRows(program).filter((row) => !row.startsWith(' ')));
  });

  it('in the columns of .symtab, which say what its objects say', { timeout: TIMEOUT }, () => {
    const { elf } = get();
    const want = elfSymbols(elf, 'symtab').map(({ name, value, size, type, bind, shndx }) =>
      // Absolute symbols are no addresses, and may be negative.
      shndx === ST_SHNDX.SHN_ABS ? { name } : { name, value, size, type, bind, shndx },
    );
    expect(READERS.columns(elf)).toMatchObject(want);
  });

  it.each(['symtab', 'dynsym'] as const)('in the symbols of .%s', { timeout: TIMEOUT }, (table) => {
    const { program, elf } = get();
    expect(elfSymbols(elf, table).map((symbol) => symbolRow(elf, symbol))).toEqual(
      readSymbolRows(program, table),
    );
  });

  it('in its relocations', { timeout: TIMEOUT }, () => {
    const { program, elf } = get();
    const rows = elfRelocations(elf).map(({ table, offset, type, symbol, addend }) => {
      const hasAddend = table === 'rela' || (table === 'jmprel' && elf.class === 64);
      return `${offset} ${type} ${symbol} ${hasAddend ? addend : ''}`;
    });
    expect(rows.sort()).toEqual(readRelocationRows(program, elf.class === 64));
  });

  it('in its dynamic section', { timeout: TIMEOUT }, () => {
    const { program, elf } = get();
    expect(dynamicRows(elf)).toEqual(
      readDynamicRows(program).filter((row) => SHOWN_TAGS.has(row.slice(0, row.indexOf(' ')))),
    );
  });

  it('in its build-id and its other notes', { timeout: TIMEOUT }, () => {
    const { program, elf } = get();
    expect(buildId(elf)).toBe(readBuildId(program));
    const rows = elfNotes(elf).map(({ name, desc }) => `${name} ${desc.length}`);
    expect(rows.sort()).toEqual(readNoteRows(program).sort());
  });

  it('in the ranges, signal frames and LSDA pointers of its frames', { timeout: TIMEOUT }, () => {
    const { program, elf } = get();
    const want = readFrameRows(program);
    const frames = frameRanges(elf);
    expect(frames.map(({ start, end, isSignalFrame }) => ({ start, end, isSignalFrame }))).toEqual(
      want.map(({ start, end, isSignalFrame }) => ({ start, end, isSignalFrame })),
    );
    // readelf shows the bytes of the pointer only: zeros say that there is none, others must lead into the table.
    expect(frames.map(({ lsda }) => lsda !== null)).toEqual(
      want.map(({ augmentation }) => /[1-9a-f]/.test(augmentation)),
    );
    const tables = elf.sections.filter(({ name }) => name.startsWith('.gcc_except_table'));
    const strays = frames.filter(({ lsda }) => {
      return lsda !== null && !tables.some(({ addr, size }) => lsda >= addr && lsda < addr + size);
    });
    expect(strays).toEqual([]);
  });
});

function load(program: string): ElfFile {
  return parseElf(readFileSync(program));
}

const SHOWN_TAGS = new Set([
  'NEEDED',
  'SONAME',
  'RPATH',
  'RUNPATH',
  'FLAGS',
  'FLAGS_1',
  'INIT',
  'FINI',
  'INIT_ARRAY',
  'INIT_ARRAYSZ',
  'FINI_ARRAY',
  'FINI_ARRAYSZ',
  'PREINIT_ARRAY',
  'PREINIT_ARRAYSZ',
]);

/** The dynamic section as readelf shows it, as far as ElfDynamic has fields for it. */
function dynamicRows(elf: ElfFile): string[] {
  const dynamic = elfDynamic(elf);
  if (dynamic === null) return [];
  const needed = [...dynamic.needed];
  const { DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_FLAGS, DT_FLAGS_1, DT_INIT, DT_FINI } = D_TAG;
  const { initArray, finiArray, preinitArray } = dynamic;
  const rows: Record<number, () => string> = {
    [DT_NEEDED]: () => `NEEDED ${needed.shift()}`,
    [DT_SONAME]: () => `SONAME ${dynamic.soname}`,
    [DT_RPATH]: () => `RPATH ${dynamic.rpath}`,
    [DT_RUNPATH]: () => `RUNPATH ${dynamic.runpath}`,
    [DT_FLAGS]: () => `FLAGS ${flagNames(dynamic.flags, DT_FLAGS_BITS, 'DF_')}`,
    [DT_FLAGS_1]: () => `FLAGS_1 ${flagNames(dynamic.flags1, DT_FLAGS_1_BITS, 'DF_1_')}`,
    [DT_INIT]: () => `INIT 0x${dynamic.init?.toString(16)}`,
    [DT_FINI]: () => `FINI 0x${dynamic.fini?.toString(16)}`,
    [D_TAG.DT_INIT_ARRAY]: () => `INIT_ARRAY 0x${initArray?.vaddr.toString(16)}`,
    [D_TAG.DT_INIT_ARRAYSZ]: () => `INIT_ARRAYSZ ${initArray?.size}`,
    [D_TAG.DT_FINI_ARRAY]: () => `FINI_ARRAY 0x${finiArray?.vaddr.toString(16)}`,
    [D_TAG.DT_FINI_ARRAYSZ]: () => `FINI_ARRAYSZ ${finiArray?.size}`,
    [D_TAG.DT_PREINIT_ARRAY]: () => `PREINIT_ARRAY 0x${preinitArray?.vaddr.toString(16)}`,
    [D_TAG.DT_PREINIT_ARRAYSZ]: () => `PREINIT_ARRAYSZ ${preinitArray?.size}`,
  };
  return dynamic.entries.flatMap(({ tag }) => rows[tag]?.() ?? []);
}

function flagNames(value: number, bits: Readonly<Record<string, number>>, prefix: string): string {
  const names = Object.entries(bits).filter(([, bit]) => value & bit);
  return names.map(([name]) => name.slice(prefix.length)).join(' ');
}

function symbolRow(elf: ElfFile, symbol: ElfSymbol): string {
  const sign = symbol.isDefaultVersion ? '@@' : '@';
  // readelf names a section symbol after its section.
  const isSection = symbol.type === ST_TYPE.STT_SECTION && symbol.name === '';
  // It does not show the version of the symbol that stands for a version.
  const isVersion = symbol.shndx === ST_SHNDX.SHN_ABS && symbol.version === symbol.name;
  const bareName = isSection ? (elf.sections[symbol.shndx]?.name ?? '') : symbol.name;
  return [
    symbol.value,
    symbol.size,
    nameOf(ST_TYPE, symbol.type).replace(/^GNU_/, ''),
    nameOf(ST_BIND, symbol.bind).replace(/^GNU_/, ''),
    nameOf(ST_VISIBILITY, symbol.visibility),
    sectionOf(symbol.shndx),
    symbol.version === null || isVersion ? bareName : bareName + sign + symbol.version,
  ].join(' ');
}

function sectionOf(shndx: number): string {
  if (shndx === ST_SHNDX.SHN_UNDEF) return 'UND';
  return shndx === ST_SHNDX.SHN_ABS ? 'ABS' : String(shndx);
}

function nameOf(constants: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(constants).find((key) => constants[key] === value);
  return name?.slice(4) ?? String(value);
}
