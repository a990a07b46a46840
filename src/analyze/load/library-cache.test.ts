import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { FormatError } from '../../base/errors.ts';
import { runTool, Workshop } from '../../elf/testing/program.ts';
import { parseLibraryCache } from './library-cache.ts';
import { Tree } from './testing/tree.ts';

const workshop = new Workshop();
const tree = new Tree();
afterAll(() => {
  workshop[Symbol.dispose]();
  tree[Symbol.dispose]();
});

/** A root with a library for every CPU and one for newer ones, and the cache that ldconfig writes for it. */
function cacheOf(format: string): Uint8Array {
  const library = readFileSync(
    workshop.compile('libx.so.1', 'int x;', ['-shared', '-fPIC', '-Wl,-soname,libx.so.1']),
  );
  for (const folder of ['', '/glibc-hwcaps/x86-64-v2', '/glibc-hwcaps/x86-64-v3']) {
    tree.write(`/usr/lib${folder}/libx.so.1`, library);
  }
  tree.write('/etc/ld.so.conf', '/usr/lib\n');
  runTool('ldconfig', ['-r', tree.folder, '-c', format]);
  return readFileSync(tree.path('/etc/ld.so.cache'));
}

describe('parseLibraryCache', () => {
  it('reads what ldconfig -p prints of the cache of this machine', () => {
    const printed = runTool('ldconfig', ['-p'])
      .split('\n')
      .flatMap((line) => {
        const match = /^\t(\S+) \(.*\) => (\S+)$/.exec(line);
        return match === null ? [] : [`${match[1]} ${match[2]}`];
      });
    const entries = parseLibraryCache(readFileSync('/etc/ld.so.cache'));
    expect(printed.length).toBeGreaterThan(50);
    expect(entries.map(({ name, path }) => `${name} ${path}`)).toEqual(printed);
  });

  it.each(['new', 'compat'])('reads the subdirectories for newer CPUs in the format %s', (format) => {
    const entries = parseLibraryCache(cacheOf(format)).filter(({ name }) => name === 'libx.so.1');
    const byHwcap = new Map(entries.map(({ hwcap, path }) => [hwcap, path]));
    expect(byHwcap).toEqual(
      new Map(
        [
          [null, '/lib/libx.so.1'],
          ['x86-64-v2', '/usr/lib/glibc-hwcaps/x86-64-v2/libx.so.1'],
          ['x86-64-v3', '/usr/lib/glibc-hwcaps/x86-64-v3/libx.so.1'],
        ].map(([hwcap, path]) => [hwcap, hwcap === null ? byHwcap.get(null) : path]) as [
          string | null,
          string,
        ][],
      ),
    );
    expect(byHwcap.get(null)).toMatch(/^\/(?:usr\/)?lib\/libx\.so\.1$/);
  });

  it.each([
    { name: 'an empty file', bytes: new Uint8Array(), want: 'does not begin with glibc-ld.so.cache1.1' },
    {
      name: 'text',
      bytes: Buffer.from('not a cache, but long enough to be one, one might think'),
      want: 'does not begin with',
    },
    {
      name: 'the old format alone',
      bytes: Buffer.concat([Buffer.from('ld.so-1.7.0\0'), Buffer.alloc(100)]),
      want: 'does not begin with',
    },
  ])('refuses $name', ({ bytes, want }) => {
    expect(() => parseLibraryCache(bytes)).toThrow(FormatError);
    expect(() => parseLibraryCache(bytes)).toThrow(want);
  });

  it('refuses more entries than there are, in no time', () => {
    const bytes = Buffer.from(cacheOf('new'));
    bytes.writeUInt32LE(0xffff_ffff, 20);
    expect(() => parseLibraryCache(bytes)).toThrow(/library cache: entry \d+ ends past end of file/);
  });

  it('refuses strings that overlap without end', () => {
    const bytes = Buffer.alloc(48 + 24 * 2000 + 4000, 0x61);
    bytes.fill(0, 0, 48 + 24 * 2000);
    bytes.write('glibc-ld.so.cache1.1', 0);
    bytes.writeUInt32LE(2000, 20);
    bytes[bytes.length - 1] = 0;
    for (let entry = 0; entry < 2000; entry++) {
      bytes.writeUInt32LE(48 + 24 * 2000, 48 + entry * 24 + 4);
      bytes.writeUInt32LE(48 + 24 * 2000, 48 + entry * 24 + 8);
    }
    expect(() => parseLibraryCache(bytes)).toThrow('library cache: strings overlap too much');
  });

  it('gives entries or a FormatError for a cache with changed bytes', () => {
    const original = cacheOf('new');
    const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(original.length),
        (changes, cut) => {
          const bytes = Uint8Array.from(original).subarray(0, cut % 7 === 0 ? cut : original.length);
          for (const [at, value] of changes) bytes[at % Math.max(1, bytes.length)] = value;
          try {
            parseLibraryCache(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
            refused++;
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
