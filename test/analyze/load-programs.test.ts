import { realpathSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { Image } from '../../src/analyze/image/image.ts';
import { RELOCATION_KIND } from '../../src/analyze/image/relocations.ts';
import { PERMISSION } from '../../src/analyze/image/memory.ts';
import { loadSet } from '../../src/analyze/load/load-set.ts';
import { hex } from '../../src/base/byte-cursor.ts';
import { runTool } from '../../src/elf/testing/program.ts';
import { imageBindings, libraryPaths, runLoader, traceLoader } from './real-loader.ts';
import { WaitingProcess } from './waiting-process.ts';

const PROGRAMS = [
  '/usr/bin/ls',
  '/usr/bin/sqlite3',
  '/usr/bin/redis-server',
  '/usr/sbin/nginx',
  '/usr/bin/memcached',
  '/usr/sbin/lighttpd',
  '/usr/bin/git',
  '/usr/bin/curl',
  '/usr/bin/bash',
  pythonPath(),
];

/** The interpreter itself: `python3` may be a script that chooses one. */
function pythonPath(): string {
  return realpathSync(runTool('python3', ['-c', 'import sys; print(sys.executable)']).trim());
}

describe.each(PROGRAMS)('the load set of %s', (program) => {
  const set = loadSet(program);
  const image = new Image(set);
  const report = traceLoader(program);

  it('has the libraries that the loader maps, in its order', () => {
    expect(set.missing).toEqual([]);
    const ours = libraryPaths(set);
    expect(ours.toSorted()).toEqual(report.libraries.toSorted());
    // ldd names the interpreter last whatever its place is.
    const isLibrary = (path: string): boolean =>
      path !== set.objects.find(({ role }) => role === 'interpreter')?.path;
    expect(ours.filter(isLibrary)).toEqual(report.libraries.filter(isLibrary));
  });

  it('is bound as the loader binds it', () => {
    expect(report.bindings.length).toBeGreaterThan(300);
    expect(imageBindings(image, program)).toEqual(report.bindings);
  });
});

describe('the image of a program that waits', () => {
  it.each([
    { program: '/usr/bin/bash', args: ['-c', 'echo ready; read -r line'], input: '' },
    { program: '/usr/bin/sqlite3', args: [], input: '.system echo ready\n' },
    { program: pythonPath(), args: ['-c', 'print("ready", flush=True); input()'], input: '' },
  ])('has the pages and permissions of the process: $program', async ({ program, args, input }) => {
    const image = new Image(loadSet(program));
    await using process = await WaitingProcess.start(program, args, input);
    const maps = process.mappings;
    expect(image.objects.length).toBeGreaterThan(3);
    for (const { base, start, file } of image.objects) {
      if (file.role === 'vdso') continue;
      const theirs = maps.filter(({ path }) => path === file.realPath);
      expect(theirs.length, file.path).toBeGreaterThan(0);
      const low = Math.min(...theirs.map(({ address }) => address));
      const pages = theirs.flatMap(({ address, size, flags }) =>
        Array.from({ length: size / PAGE }, (_, page) => ({
          at: start + address - low + page * PAGE,
          flags,
        })),
      );
      const want = pages.map(({ at, flags }) => `${file.path} ${hex(at - base)} ${flags}`);
      expect(pages.map(({ at }) => `${file.path} ${hex(at - base)} ${permission(image, at)}`)).toEqual(want);
    }
    expectRelocatedAlike(image, process);
  });
});

describe('the bindings of the loader itself', () => {
  it('are those that it makes when a program runs', () => {
    const report = runLoader('/usr/bin/ls', ['--version']);
    const image = new Image(loadSet('/usr/bin/ls'));
    const { index, file, symbols, relocations } = image.objects.find(
      ({ file: { role } }) => role === 'interpreter',
    )!;
    const ours = new Set<string>();
    for (let at = 0; at < relocations.count; at++) {
      const symbol = relocations.symbol[at]!;
      const to = image.objects[relocations.definingObject[at]!]?.file.path;
      if (symbol !== 0) ours.add(`${file.path} ${to} ${symbols.name(symbol)} ${symbols.version(symbol)}`);
    }
    expect(index).toBeGreaterThan(0);
    expect([...ours].sort()).toEqual(report.bindings.filter((line) => line.startsWith(`${file.path} `)));
  });
});

/** Compares each pointer that the loader wrote and then protected with the one in the process; the vDSO is not relocated. */
function expectRelocatedAlike(image: Image, process: WaitingProcess): void {
  const theirBase = image.objects.map(({ file, start, base }) => {
    const own = process.mappings.filter(({ path }) => path === file.realPath);
    return Math.min(...own.map(({ address }) => address)) - (start - base);
  });
  const theirs = (address: number): number => {
    const object = image.objectAt(address);
    return address - (image.objects[object]?.base ?? 0) + (theirBase[object] ?? 0);
  };
  let compared = 0;
  for (const { relocations, file } of image.objects) {
    if (file.role === 'interpreter' || file.role === 'vdso') continue;
    const { count, place, kind, target, isIfunc } = relocations;
    for (let index = 0; index < count; index++) {
      const at = place[index] as number;
      const isPointer = (kind[index] as number) <= RELOCATION_KIND.GLOB_DAT;
      if (!isPointer || (image.permissionAt(at) & PERMISSION.RELRO) === 0) continue;
      const value = process.pointerAt(theirs(at));
      const own = target[index] as number;
      const where = `${file.path} ${hex(at)}`;
      // A resolver returns a function, which may be anywhere.
      if (isIfunc[index] === 1) expect(process.isCode(value), where).toBe(true);
      else if (image.objectAt(own) >= 0)
        expect(`${where} ${hex(value)}`).toBe(`${where} ${hex(theirs(own))}`);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(1000);
}

const PAGE = 4096;

function permission(image: Pick<Image, 'permissionAt'>, address: number): string {
  const flags = image.permissionAt(address);
  const sign = (bit: number, letter: string): string => ((flags & bit) === 0 ? '-' : letter);
  return sign(PERMISSION.READ, 'r') + sign(PERMISSION.WRITE, 'w') + sign(PERMISSION.EXECUTE, 'x');
}
