import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { SH_TYPE } from './constants.ts';
import { frameRanges } from './frame.ts';
import { findFunction } from './function.ts';
import { parseElf } from './header.ts';
import { findSection } from './section.ts';
import { BODY_OFFSET, elfImage, words } from './testing/image.ts';
import { runTool, Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

describe('frameRanges', () => {
  it('gives the range of a function, and its landing pads where it has some', () => {
    const source = `struct Guard { ~Guard(); }; int count; Guard::~Guard() { count++; }
      extern "C" void __attribute__((noinline)) fail(int c) { if (c) throw c; }
      extern "C" void __attribute__((noinline)) pass(int c) { Guard g; fail(c); }
      extern "C" int plain(int c) { return c; }`;
    // Without libraries, as g++ has no 32-bit ones by default.
    for (const option of ['-m64', '-m32']) {
      const elf = parseElf(
        readFileSync(
          workshop.compile(`pads${option}`, source, [option, '-O1', '-shared', '-fPIC', '-nostdlib'], 'g++'),
        ),
      );
      const table = findSection(elf, '.gcc_except_table')!;
      const rangeOf = (name: string): ReturnType<typeof frameRanges>[number] | undefined => {
        const symbol = findFunction(elf, name)!;
        const range = frameRanges(elf).find(({ start }) => start === symbol.value);
        expect(range?.end, name).toBe(symbol.value + symbol.size);
        return range;
      };
      expect(rangeOf('plain')?.lsda).toBeNull();
      const lsda = rangeOf('pass')?.lsda ?? 0;
      expect(lsda).toBeGreaterThanOrEqual(table.addr);
      expect(lsda).toBeLessThan(table.addr + table.size);
    }
  });

  it("marks the C library's return from a signal handler, which starts one byte early", () => {
    const elf = parseElf(readFileSync(runTool('gcc', ['-print-file-name=libc.so.6']).trim()));
    const signals = frameRanges(elf).filter(({ isSignalFrame }) => isSignalFrame);
    expect(signals.length).toBeGreaterThan(0);
    const restore = elf.bytes.subarray(signals[0]!.start + 1, signals[0]!.start + 8);
    // mov $SYS_rt_sigreturn, %rax
    expect(Buffer.from(restore).toString('hex')).toBe('48c7c00f000000');
  });

  it.each([
    { name: 'absolute 8 bytes', encoding: 0x00, start: words(0x2000), size: words(0x10), want: 0x2000 },
    { name: 'uleb128', encoding: 0x01, start: [0x80, 0x40], size: [0x10], want: 0x2000 },
    { name: 'unsigned 2 bytes', encoding: 0x02, start: [0, 0x20], size: [0x10, 0], want: 0x2000 },
    {
      name: 'unsigned 4 bytes',
      encoding: 0x03,
      start: [0, 0, 0, 0x80],
      size: [0x10, 0, 0, 0],
      want: 2 ** 31,
    },
    { name: 'unsigned 8 bytes', encoding: 0x04, start: words(2 ** 40), size: words(0x10), want: 2 ** 40 },
    { name: 'sleb128, pc-relative', encoding: 0x19, start: [0x70], size: [0x10], want: 0x10000 + 25 - 16 },
    {
      name: 'signed 2 bytes, pc-relative',
      encoding: 0x1a,
      start: [0xf0, 0xff],
      size: [0x10, 0],
      want: 0x10000 + 25 - 16,
    },
    {
      name: 'signed 8 bytes, pc-relative',
      encoding: 0x1c,
      start: words(2n ** 64n - 16n),
      size: words(0x10),
      want: 0x10000 + 25 - 16,
    },
    { name: 'a discarded function', encoding: 0x1b, start: [0, 0, 0, 0], size: [0x10, 0, 0, 0], want: 0 },
  ])('reads pointers as $name', ({ encoding, start, size, want }) => {
    const cie = [13, 0, 0, 0, 0, 0, 0, 0, 1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, encoding];
    const fde = [21, 0, 0, 0, ...start, ...size, 0];
    const frames = Uint8Array.from([...cie, fde.length, 0, 0, 0, ...fde]);
    const names = Buffer.from('\0.eh_frame\0');
    const elf = parseElf(
      elfImage({
        body: Buffer.concat([frames, names]),
        sections: [
          { type: SH_TYPE.SHT_NULL },
          {
            type: SH_TYPE.SHT_PROGBITS,
            nameIndex: 1,
            addr: 0x10000,
            offset: BODY_OFFSET,
            size: frames.length,
          },
          { type: SH_TYPE.SHT_STRTAB, offset: BODY_OFFSET + frames.length, size: names.length },
        ],
        shstrndx: 2,
      }),
    );
    expect(frameRanges(elf)).toEqual([
      { start: want, end: want + 0x10, isSignalFrame: false, lsda: null, firstInstruction: null },
    ]);
  });
});
