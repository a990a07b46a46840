import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SystemCallError } from '../base/errors.ts';
import { openLibc, type Libc } from './libc.ts';
import { storeImage } from './spawn.ts';

const IMAGE: Uint8Array = Buffer.from('an image');
const EACCES = 13;
const ENFILE = 23;

const TMPDIR: string | undefined = process.env['TMPDIR'];
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'callgate-test-'));
  process.env['TMPDIR'] = directory;
});

afterEach(() => {
  if (TMPDIR === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = TMPDIR;
  rmSync(directory, { recursive: true });
});

/** A libc whose memfd_create fails. */
function refusing(errno: number): Libc {
  return { ...openLibc(), memfdCreate: () => -1, errno: () => errno };
}

function numberOf(path: string): number {
  return Number(/^\/proc\/self\/fd\/([0-9]+)$/.exec(path)?.[1]);
}

/** Permissions for everybody else. */
function others(path: string): number {
  return statSync(path).mode & 0o007;
}

describe('storeImage', () => {
  it('keeps clear of all numbers below the one that is given', () => {
    using file = storeImage(openLibc(), IMAGE, 300);
    expect(numberOf(file.path)).toBeGreaterThanOrEqual(300);
    expect(readFileSync(file.path)).toEqual(IMAGE);
  });

  it('leaves no descriptor behind', () => {
    const before = readdirSync('/proc/self/fd');
    storeImage(openLibc(), IMAGE, 300)[Symbol.dispose]();
    expect(readdirSync('/proc/self/fd')).toEqual(before);
  });

  it('takes a file where there can be no such number', () => {
    const before = readdirSync('/proc/self/fd');
    using file = storeImage(openLibc(), IMAGE, 2 ** 30);
    expect(file.path.startsWith(directory)).toBe(true);
    expect(readFileSync(file.path)).toEqual(IMAGE);
    expect(readdirSync('/proc/self/fd')).toEqual(before);
  });

  it('takes a file where memfds are forbidden, which whoever the child runs as can execute', () => {
    const umask = process.umask(0o077);
    try {
      const file = storeImage(refusing(EACCES), IMAGE, 0);
      expect([others(file.path), others(dirname(file.path))]).toEqual([0o5, 0o1]);
      file[Symbol.dispose]();
      expect(existsSync(dirname(file.path))).toBe(false);
    } finally {
      process.umask(umask);
    }
  });

  it('says what is missing where there are no descriptors, and leaves nothing behind', () => {
    const message = 'memfd_create: no place for the launcher in memory, ENFILE';
    expect(() => storeImage(refusing(ENFILE), IMAGE, 0)).toThrow(
      new SystemCallError(message, { request: 'memfd_create', errno: ENFILE }),
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  it('says where there is no place for a file', () => {
    process.env['TMPDIR'] = join(directory, 'nowhere');
    expect(() => storeImage(refusing(EACCES), IMAGE, 0)).toThrow(
      /^mkdtemp: no place for the launcher in .*nowhere, ENOENT$/,
    );
  });
});
