import { copyFileSync, mkdirSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { UnsupportedError } from '../../base/errors.ts';
import { runTool, Workshop } from '../../elf/testing/program.ts';
import { loadSet } from '../load/load-set.ts';
import { RootFileSystem } from '../load/root.ts';
import { Image } from './image.ts';
import { PERMISSION } from './memory.ts';
import { RELOCATION_KIND } from './relocations.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const SOURCE = `
int number = -2; unsigned long long large = 0x123456789abcdef0; const char *text = "gr\\u00fcn"; const char *const fixed = "fixed";
int zero[100000]; static int hidden(int a) { return a + number; } int (*volatile function)(int) = hidden;
int main(int argc, char **argv) { return function(argc) + zero[argc]; }`;

describe('Image', () => {
  it('reads the variables of a program', () => {
    const image = new Image(loadSet(workshop.compile('reads', SOURCE, ['-O1'])));
    const at = (name: string): number => image.addressOf(0, name)!;
    expect(image.i32(at('number'))).toBe(-2);
    expect(image.u32(at('number'))).toBe(0xffff_fffe);
    expect(image.u8(at('number'))).toBe(0xfe);
    expect(image.u64(at('large'))).toBe(Number(0x1234_5678_9abc_def0n));
    expect(image.pointerAt(at('large'))).toBe(0);
    expect(image.stringAt(image.pointerAt(at('text')))).toBe('grün');
    expect(image.stringAt(image.pointerAt(at('text')), 3)).toBeNull();
    expect(image.pointerAt(at('function'))).toBe(at('hidden'));
    expect(image.u64(at('zero') + 4 * 99_998)).toBe(0);
    expect(image.permissionAt(at('main'))).toBe(PERMISSION.READ | PERMISSION.EXECUTE);
    expect(image.permissionAt(at('number'))).toBe(PERMISSION.READ | PERMISSION.WRITE);
    expect(image.permissionAt(at('fixed'))).toBe(PERMISSION.READ | PERMISSION.RELRO);
    expect(image.symbolAt(at('hidden') + 2)).toMatchObject({ name: 'hidden', offset: 2 });
  });

  it('refuses an object that is linked for addresses of 32 bits or more, and not what is below', () => {
    const options = ['-shared', '-fPIC', '-nostdlib'];
    const linkedAt = (address: string): string =>
      workshop.compile(`at-${address}`, 'int f(void) { return 1; }', [
        ...options,
        `-Wl,-Ttext-segment=${address}`,
      ]);
    expect(() => new Image(loadSet(linkedAt('0x70000000')))).not.toThrow();
    const load = loadSet(linkedAt('0x90000000'));
    expect(() => new Image(load)).toThrow(UnsupportedError);
    expect(() => new Image(load)).toThrow('0x90000000 is linked for addresses up to 24159');
  });

  it('has nothing outside of the objects', () => {
    const image = new Image(loadSet('/usr/bin/ls'));
    for (const address of [
      0,
      8,
      0xfff0,
      image.objects[0]!.end,
      image.end - 1,
      image.end,
      2 ** 31,
      -1,
      -8,
      2 ** 40,
    ]) {
      expect([image.objectAt(address), image.permissionAt(address), image.pointerAt(address)]).toEqual([
        -1, 0, 0,
      ]);
      expect([image.u8(address), image.i32(address), image.u32(address), image.u64(address)]).toEqual([
        0, 0, 0, 0,
      ]);
      expect([image.symbolAt(address), image.stringAt(address), image.relocationAt(address)]).toEqual([
        null,
        null,
        -1,
      ]);
    }
    expect([image.bind(99, 1), image.bind(0, 0), image.bind(0, 1e6), image.definition(-1, 1)]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect([image.exports(99), image.addressOf(99, 'main'), image.addressOf(0, 'none')]).toEqual([
      [],
      null,
      null,
    ]);
  });

  it.each(['libc.so.6', 'libcrypto.so.3', 'libstdc++.so.6'])(
    'has the relocations of %s that readelf prints',
    (name) => {
      const set = loadSet('/usr/bin/ls');
      const { object } = set.open(name, null, 'a test');
      const image = new Image(set);
      const { base, relocations, symbols } = image.objects[object!.index]!;
      const text = runTool('readelf', ['-rW', object!.path]);
      // A packed one is printed as its place alone.
      const packed = [...text.matchAll(/^([0-9a-f]{16})$/gm)].map(([, place]) => parseInt(place!, 16));
      const isPacked = new Set(packed);
      const ours = Array.from({ length: relocations.count }, (_, index) => {
        const place = relocations.place[index]! - base;
        const symbol = relocations.symbol[index]!;
        const what = symbol === 0 ? hex(relocations.addend[index]!) : symbols.name(symbol);
        return `${hex(place)} ${KIND_NAMES[relocations.kind[index]!]} ${isPacked.has(place) ? '' : what}`;
      });
      const row =
        /^([0-9a-f]{16}) {2}[0-9a-f]{16} R_X86_64_(\w+) +(?:[0-9a-f]{16} +([^@\s]+).*|([0-9a-f]+))$/gm;
      const printed = [...text.matchAll(row)].map(
        ([, place, type, symbol, addend]) => `${hex(parseInt(place!, 16))} ${type} ${symbol ?? addend}`,
      );
      printed.push(...packed.map((place) => `${hex(place)} RELATIVE `));
      expect(printed.length).toBeGreaterThan(1000);
      expect(ours.toSorted()).toEqual(printed.toSorted());
      expect([...relocations.place]).toEqual([...relocations.place].toSorted((a, b) => a - b));
    },
  );

  it('finds each symbol of a program by name and by address, as nm prints them', () => {
    const program = workshop.compile('names', SOURCE);
    const image = new Image(loadSet(program));
    const { base } = image.objects[0]!;
    const lines = [
      ...runTool('nm', ['--defined-only', program]).matchAll(/^([0-9a-f]+) [tTdDbBrR] (\S+)$/gm),
    ];
    expect(lines.length).toBeGreaterThan(20);
    for (const [, value, name] of lines) {
      const address = base + parseInt(value!, 16);
      expect(image.addressOf(0, name!), name).toBe(address);
      expect(image.symbolAt(address)?.address ?? address, name).toBe(address);
    }
  });

  it('exports what nm -D prints of a library', () => {
    const set = loadSet('/usr/bin/sqlite3');
    const image = new Image(set);
    const { index, file } = image.objects.find(({ file: { soname } }) => soname === 'libsqlite3.so.0')!;
    const printed = [
      ...runTool('nm', ['-D', '--defined-only', file.path]).matchAll(/^[0-9a-f]+ [^U] ([^@\s]+)/gm),
    ].map(([, name]) => name!);
    const { symbols } = image.objects[index]!;
    expect(
      image
        .exports(index)
        .map(({ symbol }) => symbols.name(symbol))
        .toSorted(),
    ).toEqual(printed.toSorted());
  });

  it('grows for what is opened, and keeps what it had', () => {
    const set = loadSet('/usr/bin/ls');
    const image = new Image(set);
    const before = { bytes: image.bytes, end: image.end, first: image.objects[0] };
    const names = [
      'libcrypto.so.3',
      'libstdc++.so.6',
      'libsqlite3.so.0',
      'libm.so.6',
      'libsystemd.so.0',
      'libssl.so.3',
      'libcurl.so.4',
    ];
    for (const name of names) set.open(name, null, 'a test');
    const added = image.update();
    expect(added.length).toBeGreaterThan(names.length);
    expect(image.bytes.length).toBeGreaterThan(before.bytes.length);
    const unchanged = Buffer.compare(
      image.bytes.subarray(0, before.end),
      before.bytes.subarray(0, before.end),
    );
    expect(unchanged).toBe(0);
    expect(image.objects[0]).toBe(before.first);
    for (const { index, start, end } of image.objects) {
      expect([image.objectAt(start), image.objectAt(end - 1)]).toEqual([index, index]);
      expect(start).toBeGreaterThanOrEqual(index === 0 ? 0 : image.objects[index - 1]!.end);
    }
  });

  it('refuses what it has no room or no words for', () => {
    const huge = workshop.compile(
      'huge',
      'char a[1u << 30], b[1u << 30]; int main(void) { return a[1] + b[1]; }',
      ['-mcmodel=large', '-fPIE', '-pie'],
    );
    expect(() => new Image(loadSet(huge))).toThrow(UnsupportedError);
    const narrow = workshop.compile('narrow', 'int main(void) { return 0; }', ['-m32']);
    const build = (): Image => new Image(loadSet(narrow));
    expect(build).toThrow('image: relocations of machine 3, 32 bits, are not known (62, 183, 64 bits)');
  });
});

describe('names from separate debug files', () => {
  /** A stripped program in a root of its own, and its debug file. */
  function stripped(name: string): {
    root: RootFileSystem;
    folder: string;
    program: string;
    debug: string;
    id: string;
  } {
    const program = workshop.compile(name, SOURCE, ['-static', '-g', '-Wl,--build-id']);
    const folder = workshop.path(`${name}-root`);
    mkdirSync(`${folder}/bin`, { recursive: true });
    const debug = workshop.path(`${name}.debug`);
    runTool('objcopy', ['--only-keep-debug', program, debug]);
    runTool('objcopy', ['--strip-all', `--add-gnu-debuglink=${debug}`, program, `${folder}/bin/program`]);
    const id = /Build ID: ([0-9a-f]+)/.exec(runTool('readelf', ['-n', program]))![1]!;
    return { root: new RootFileSystem(folder), folder, program: '/bin/program', debug, id };
  }

  const nameIn = (root: RootFileSystem, program: string): string | null => {
    const image = new Image(loadSet(program, { root }));
    const hidden = image.addressOf(0, 'hidden');
    return hidden === null ? null : image.symbolAt(hidden + 1)!.name;
  };

  it('are found by build-id', () => {
    const { root, folder, program, debug, id } = stripped('by-id');
    expect(nameIn(root, program)).toBeNull();
    mkdirSync(`${folder}/usr/lib/debug/.build-id/${id.slice(0, 2)}`, { recursive: true });
    copyFileSync(debug, `${folder}/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
    expect(nameIn(root, program)).toBe('hidden');
  });

  it.each(['/bin', '/bin/.debug', '/usr/lib/debug/bin'])('are found by .gnu_debuglink in %s', (where) => {
    const { root, folder, program, debug } = stripped('by-link');
    mkdirSync(folder + where, { recursive: true });
    copyFileSync(debug, `${folder}${where}/by-link.debug`);
    expect(nameIn(root, program)).toBe('hidden');
  });

  it('are not taken from the debug file of another build', () => {
    const other = stripped('other');
    const { root, folder, program } = stripped('mine');
    copyFileSync(other.debug, `${folder}/bin/mine.debug`);
    runTool('objcopy', ['--remove-section=.note.gnu.build-id', `${folder}/bin/mine.debug`]);
    expect(nameIn(root, program)).toBeNull();
  });
});

const hex = (value: number): string => value.toString(16);

/** The names that readelf prints, by RELOCATION_KIND. */
const KIND_NAMES: Readonly<Record<number, string>> = {
  [RELOCATION_KIND.RELATIVE]: 'RELATIVE',
  [RELOCATION_KIND.ABSOLUTE]: '64',
  [RELOCATION_KIND.JUMP_SLOT]: 'JUMP_SLOT',
  [RELOCATION_KIND.GLOB_DAT]: 'GLOB_DAT',
  [RELOCATION_KIND.IRELATIVE]: 'IRELATIVE',
  [RELOCATION_KIND.COPY]: 'COPY',
  [RELOCATION_KIND.TPOFF]: 'TPOFF64',
  [RELOCATION_KIND.DTPMOD]: 'DTPMOD64',
  [RELOCATION_KIND.DTPOFF]: 'DTPOFF64',
  [RELOCATION_KIND.TLSDESC]: 'TLSDESC',
};
