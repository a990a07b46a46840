import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseElf } from '../elf/header.ts';
import { buildId } from '../elf/note.ts';
import { readBuildId } from './build-id.ts';

function idOf(path: string): string | null {
  const fd = openSync(path, 'r');
  try {
    return readBuildId(fd);
  } finally {
    closeSync(fd);
  }
}

it.each([process.execPath, '/bin/sh', '/lib/x86_64-linux-gnu/libc.so.6'])(
  'finds in %s what the whole file says',
  (path) => {
    expect(idOf(path)).toBe(buildId(parseElf(readFileSync(path))));
  },
);

it('finds it where only a section names the note', () => {
  const directory = mkdtempSync(join(tmpdir(), 'callgate-build-id-'));
  try {
    const bytes = Buffer.from(readFileSync('/bin/sh'));
    const want = buildId(parseElf(bytes));
    const [at, size, count] = [
      Number(bytes.readBigUInt64LE(32)),
      bytes.readUInt16LE(54),
      bytes.readUInt16LE(56),
    ];
    // PT_NOTE becomes PT_NULL.
    for (let index = 0; index < count; index++) {
      if (bytes.readUInt32LE(at + index * size) === 4) bytes.writeUInt32LE(0, at + index * size);
    }
    const path = join(directory, 'sh');
    writeFileSync(path, bytes);
    expect(idOf(path)).toBe(want);
    expect(want).not.toBeNull();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('refuses what is no ELF file', () => {
  expect(() => idOf('/etc/passwd')).toThrow(/^elf: /);
});
