import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { FormatError } from '../base/errors.ts';
import { P_TYPE } from '../elf/constants.ts';
import { frameRanges } from '../elf/frame.ts';
import { parseElf } from '../elf/header.ts';
import { runTool, withoutSectionHeaders } from '../elf/testing/program.ts';
import { FrameIndex } from './frame-index.ts';
import { handMadeElf, handMadeImage } from './testing/eh-frame.ts';

describe('FrameIndex', () => {
  it('finds the function that covers a vaddr, in any order of the table', () => {
    const index = new FrameIndex(
      handMadeElf([
        { start: 0x900, size: 0x10 },
        { start: 0x800, size: 0x20 },
      ]),
    );
    const starts = [0x7ff, 0x800, 0x81f, 0x820, 0x8ff, 0x900, 0x90f, 0x910].map(
      (vaddr) => index.find(vaddr)?.start,
    );
    const none = undefined;
    expect(starts).toEqual([none, 0x800, 0x800, none, none, 0x900, 0x900, none]);
  });

  it('finds the same by the search table, without it, and without section headers', () => {
    const bytes = readFileSync(runTool('gcc', ['-print-file-name=libc.so.6']).trim());
    const elf = parseElf(bytes);
    const segments = elf.segments.filter(({ type }) => type !== P_TYPE.PT_GNU_EH_FRAME);
    const indexes = [elf, { ...elf, segments }, parseElf(withoutSectionHeaders(bytes))].map(
      (file) => new FrameIndex(file),
    );
    for (const { start, end } of frameRanges(elf)) {
      for (const index of indexes) expect(index.find(end - 1)?.start).toBe(start);
    }
  });

  it('keeps what comes before a record that is malformed', () => {
    const bytes = handMadeImage([
      { start: 0x800, size: 0x10 },
      { start: 0x900, size: 0x10 },
    ]);
    const view = new DataView(bytes.buffer);
    const lengthOf = (offset: number): number => 4 + view.getUint32(offset, true);
    const secondCie = [0, 1].reduce((offset) => offset + lengthOf(offset), 64);
    view.setUint32(secondCie, 0x7fffffff, true);
    const index = new FrameIndex(parseElf(bytes));
    expect(index.find(0x800)?.start).toBe(0x800);
    expect(index.find(0x900)).toBeNull();
  });

  it('refuses an entry of the search table that leads nowhere', () => {
    const elf = parseElf(readFileSync(runTool('gcc', ['-print-file-name=libc.so.6']).trim()));
    const header = elf.segments.find(({ type }) => type === P_TYPE.PT_GNU_EH_FRAME)!;
    const bytes = Uint8Array.from(elf.bytes);
    const view = new DataView(bytes.buffer);
    // The first entry, after a header of 12 bytes: its start stays, its FDE is before the file.
    view.setInt32(header.offset + 16, -0x7fffffff, true);
    const start = header.vaddr + view.getInt32(header.offset + 12, true);
    expect(() => new FrameIndex(parseElf(bytes)).find(start)).toThrow(FormatError);
  });
});
