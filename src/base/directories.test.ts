import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDirectories } from './directories.ts';

const top = mkdtempSync(join(tmpdir(), 'callgate-directories-'));
afterAll(() => rmSync(top, { recursive: true }));

describe('a directory', () => {
  it('is made with those above it, all of one mode, and may be there already', () => {
    const path = join(top, 'a', 'b');
    expect(makeDirectories(path, 0o700)).toEqual([join(top, 'a'), path]);
    expect(makeDirectories(path, 0o700)).toEqual([]);
    expect([join(top, 'a'), path].map((each) => statSync(each).mode & 0o777)).toEqual([0o700, 0o700]);
  });

  it('that cannot be made is an error at once, also below /proc', () => {
    expect(() => makeDirectories('/proc/callgate/kernel')).toThrow(/ENOENT|EACCES|EPERM/);
    expect(existsSync('/proc/callgate')).toBe(false);
  });

  it.each([
    { path: 'file', want: 'EEXIST' },
    { path: 'file/below', want: 'ENOTDIR' },
  ])('is not made where something else has the name: $path', ({ path, want }) => {
    writeFileSync(join(top, 'file'), '');
    expect(() => makeDirectories(join(top, path))).toThrow(want);
  });
});
