import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { P_TYPE, SH_TYPE } from './constants.ts';
import { parseElf } from './header.ts';
import { debugLink, interpreter } from './interpreter.ts';
import { buildId, elfNotes } from './note.ts';
import { BODY_OFFSET, elfImage } from './testing/image.ts';
import { runTool, Workshop } from './testing/program.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const SOURCE = 'int main(void) { return 0; }';
const ID = '00112233445566778899aabbccddeeff01234567';

/** A note as it stands in a file. */
function note(name: string, type: number, desc: readonly number[], padding = 4): number[] {
  const padded = (bytes: readonly number[], before: number): number[] => {
    const size = Math.ceil((before + bytes.length) / padding) * padding - before;
    return [...bytes, ...Array.from({ length: size - bytes.length }, () => 0)];
  };
  const head = [name.length + 1, 0, 0, 0, desc.length, 0, 0, 0, type, 0, 0, 0];
  const start = [...head, ...padded([...Buffer.from(`${name}\0`)], head.length)];
  return [...start, ...padded(desc, start.length)];
}

function noteFile(bytes: readonly number[], align = 4): ReturnType<typeof parseElf> {
  const body = Uint8Array.from(bytes);
  return parseElf(
    elfImage({ body, segments: [{ type: P_TYPE.PT_NOTE, offset: BODY_OFFSET, size: body.length, align }] }),
  );
}

describe('buildId', () => {
  it('gives the build-id that the linker was told', () => {
    const program = workshop.compile('id', SOURCE, [`-Wl,--build-id=0x${ID}`]);
    expect(buildId(parseElf(readFileSync(program)))).toBe(ID);
  });

  it('is null when there is none', () => {
    const program = workshop.compile('no-id', SOURCE, ['-Wl,--build-id=none']);
    expect(buildId(parseElf(readFileSync(program)))).toBeNull();
  });

  it('comes from a section where no segment has it', () => {
    const body = Uint8Array.from(note('GNU', 3, [0xab, 0xcd]));
    const sections = [
      { type: SH_TYPE.SHT_NULL },
      { type: SH_TYPE.SHT_NOTE, offset: BODY_OFFSET, size: body.length },
    ];
    expect(buildId(parseElf(elfImage({ body, sections })))).toBe('abcd');
  });

  it('is not taken from another owner or an empty note', () => {
    expect(
      buildId(noteFile([...note('Go', 3, [1]), ...note('GNU', 1, [2]), ...note('GNU', 3, [])])),
    ).toBeNull();
  });
});

describe('elfNotes', () => {
  it.each([4, 8])('steps over padding to %d bytes', (align) => {
    const bytes = [...note('GNU', 5, [1, 2, 3, 4, 5], align), ...note('stapsdt', 3, [9], align)];
    const notes = elfNotes(noteFile(bytes, align));
    expect(notes.map(({ name, type, desc }) => [name, type, ...desc])).toEqual([
      ['GNU', 5, 1, 2, 3, 4, 5],
      ['stapsdt', 3, 9],
    ]);
  });

  it('takes a last note whose padding is missing', () => {
    const bytes = note('Go', 4, [1, 2, 3]);
    expect(elfNotes(noteFile(bytes.slice(0, -1)))).toHaveLength(1);
  });

  it('refuses a note that is longer than its segment', () => {
    const bytes = note('GNU', 3, [1, 2, 3, 4]);
    bytes[4] = 5;
    expect(() => elfNotes(noteFile(bytes))).toThrow(
      'elf: note segment 0: 5 bytes at 0x50 end at 0x55, past end of range (0x54)',
    );
  });
});

describe('interpreter', () => {
  it('gives the path that the linker was told', () => {
    const program = workshop.compile('interp', SOURCE, ['-Wl,--dynamic-linker=/lib/my-loader']);
    expect(interpreter(parseElf(readFileSync(program)))).toBe('/lib/my-loader');
    const fixed = workshop.compile('static', SOURCE, ['-static']);
    expect(interpreter(parseElf(readFileSync(fixed)))).toBeNull();
  });

  it('refuses a path without end', () => {
    const segments = [{ type: P_TYPE.PT_INTERP, offset: BODY_OFFSET, size: 3 }];
    const elf = parseElf(elfImage({ body: Buffer.from('/ld\0'), segments }));
    expect(() => interpreter(elf)).toThrow('elf: interpreter: string at 0x40 has no end before 0x43');
  });
});

describe('debugLink', () => {
  it('gives the name of the debug file and its checksum', () => {
    const program = workshop.compile('linked', SOURCE, ['-g']);
    const debug = workshop.path('linked.debug');
    runTool('objcopy', ['--only-keep-debug', program, debug]);
    runTool('objcopy', ['--strip-debug', `--add-gnu-debuglink=${debug}`, program]);
    const link = debugLink(parseElf(readFileSync(program)));
    expect(link).toEqual({ name: 'linked.debug', crc32: crc32(readFileSync(debug)) });
    expect(debugLink(parseElf(readFileSync(debug)))).toBeNull();
  });
});

/** CRC-32 with the polynomial of zlib, which node:zlib offers from Node 22 only. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
