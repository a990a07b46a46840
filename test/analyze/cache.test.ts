import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeCode, encodeCode } from '../../src/analyze/cache/code-entry.ts';
import { EntryStore } from '../../src/analyze/cache/entry-store.ts';
import { analyzeObject } from '../../src/analyze/code/analyze-object.ts';
import type { ObjectCode } from '../../src/analyze/code/object-code.ts';
import { ObjectView } from '../../src/analyze/code/object-view.ts';
import { Image } from '../../src/analyze/image/image.ts';
import { loadSet } from '../../src/analyze/load/load-set.ts';
import { parseProfile } from '../../src/profile/load.ts';
import { callgate, start, temporaryDirectory } from '../support/callgate.ts';

const CONTENT = Buffer.from('what was found out '.repeat(1000));

function onlyEntry(directory: string): string {
  const names = readdirSync(directory);
  expect(names).toHaveLength(1);
  return join(directory, names[0] as string);
}

describe('a store of entries', () => {
  it('gives back what was written under the same key, and nothing under another', () => {
    using directory = temporaryDirectory();
    const store = new EntryStore(join(directory.path, 'new', 'cache'));
    expect(store.read('key')).toBeNull();
    expect(store.write('key', CONTENT)).toBe(true);
    expect(Buffer.from(store.read('key') ?? [])).toEqual(CONTENT);
    expect(store.read('other key')).toBeNull();
  });

  it('takes a FIFO in the place of an entry for none, and does not wait for it', () => {
    using directory = temporaryDirectory();
    const store = new EntryStore(directory.path);
    store.write('key', CONTENT);
    const path = onlyEntry(directory.path);
    rmSync(path);
    execFileSync('mkfifo', [path]);
    const program = `import { EntryStore } from '${join(process.cwd(), 'dist/analyze/cache/entry-store.js')}';
      console.log(new EntryStore(${JSON.stringify(directory.path)}).read('key'));`;
    const options = { timeout: 20_000, encoding: 'utf8' } as const;
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', program], options)).toBe('null\n');
  }, 30_000);

  it('never believes an entry of which a byte was changed or the end is missing', () => {
    using directory = temporaryDirectory();
    const store = new EntryStore(directory.path);
    store.write('key', CONTENT);
    const path = onlyEntry(directory.path);
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] as number) ^ change;
        writeFileSync(path, flipped);
        expect(store.read('key')).toBeNull();
        writeFileSync(path, whole.subarray(0, at));
        expect(store.read('key')).toBeNull();
      }),
      { numRuns: 100 },
    );
    writeFileSync(path, whole);
    expect(store.read('key')).not.toBeNull();
  });

  it('never believes an entry that was copied to the name of another', () => {
    using directory = temporaryDirectory();
    const store = new EntryStore(directory.path);
    store.write('one', CONTENT);
    const bytes = readFileSync(onlyEntry(directory.path));
    rmSync(onlyEntry(directory.path));
    store.write('two', Buffer.from('other'));
    writeFileSync(onlyEntry(directory.path), bytes);
    expect(store.read('two')).toBeNull();
  });

  it('drops what was used longest ago when it grows past its limit', () => {
    using directory = temporaryDirectory();
    const store = new EntryStore(directory.path, 3 * CONTENT.length);
    for (const [at, key] of ['a', 'b', 'c'].entries()) {
      const before = new Set(readdirSync(directory.path));
      store.write(key, CONTENT);
      for (const name of readdirSync(directory.path)) {
        if (!before.has(name)) utimesSync(join(directory.path, name), at + 1, at + 1);
      }
      if (key === 'b') store.read('a');
    }
    store.write('d', CONTENT);
    expect(['a', 'b', 'c', 'd'].filter((key) => store.read(key) !== null)).not.toContain('b');
    expect(store.read('a')).not.toBeNull();
    expect(store.read('d')).not.toBeNull();
  });

  it('does without where nothing can be written', () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'file'), '');
    const store = new EntryStore(join(directory.path, 'file', 'cache'));
    expect(store.write('key', CONTENT)).toBe(false);
    expect(store.read('key')).toBeNull();
  });

  it('holds the entry as a whole or not at all when its writer is killed', async () => {
    using directory = temporaryDirectory();
    const module = new URL('../../dist/analyze/cache/entry-store.js', import.meta.url).href;
    const code = `const { EntryStore } = await import(${JSON.stringify(module)});
      const store = new EntryStore(${JSON.stringify(directory.path)});
      const content = Buffer.alloc(4_000_000, 7);
      for (let at = 0; ; at++) { store.write('key', content); if (at === 0) process.stdout.write('writing'); }`;
    for (let round = 0; round < 5; round++) {
      const writer = spawn(process.execPath, ['--input-type=module', '-e', code], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(writer.stdout, 'data');
      const ended = once(writer, 'exit');
      writer.kill('SIGKILL');
      await ended;
      const content = new EntryStore(directory.path).read('key');
      expect(content?.length).toBe(4_000_000);
    }
  }, 60_000);
});

describe('the code of an object as an entry', () => {
  let code: ObjectCode;
  beforeAll(() => {
    const image = new Image(loadSet('/usr/bin/true'));
    code = analyzeObject(image, new ObjectView(image, 0));
  });

  it('survives the way there and back', () => {
    expect(decodeCode(encodeCode(code))).toEqual(code);
  });

  it('is refused or consistent, but never throws, whatever bytes are changed', () => {
    const bytes = encodeCode(code);
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(bytes.length),
        (at, change, end) => {
          const damaged = Buffer.from(bytes);
          damaged[at] = (damaged[at] as number) ^ change;
          const decoded = decodeCode(damaged);
          if (decoded !== null) expect(decoded.factOffsets.at(-1)).toBe(decoded.factKinds.length);
          if (end < bytes.length) expect(decodeCode(bytes.subarray(0, end))).toBeNull();
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('the cache of callgate analyze', () => {
  const options = (directory: string): { env: NodeJS.ProcessEnv } => ({
    env: { ...process.env, XDG_CACHE_HOME: directory },
  });

  it('is filled by eight processes at once that all find the same', async () => {
    using directory = temporaryDirectory();
    const outputs = Array.from({ length: 8 }, (_, at) => join(directory.path, `${at}.json`));
    const before = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = directory.path;
    const running = outputs.map((output) => start(['analyze', '-q', '-o', output, '/usr/bin/true']));
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
    for (const { end } of running) expect(await end).toMatchObject({ status: 0, stderr: '' });
    const programs = outputs.map((path) => parseProfile(readFileSync(path, 'utf8')).programs);
    for (const each of programs) expect(each).toEqual(programs[0]);
    expect(
      readdirSync(join(directory.path, 'callgate', 'analyze')).filter((name) => name.endsWith('.tmp')),
    ).toEqual([]);
  }, 120_000);

  it('is computed anew where all entries are damaged', () => {
    using directory = temporaryDirectory();
    const analyze = (): unknown =>
      parseProfile(callgate(['analyze', '-q', '-o', '-', '/usr/bin/true'], options(directory.path)).stdout)
        .programs;
    const first = analyze();
    const cache = join(directory.path, 'callgate', 'analyze');
    expect(readdirSync(cache).length).toBeGreaterThan(2);
    for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'no entry');
    expect(analyze()).toEqual(first);
  }, 60_000);

  it('is no failure where it cannot be written', () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'x'));
    writeFileSync(join(directory.path, 'x', 'callgate'), 'a file in the way');
    const { status, stderr } = callgate(
      ['analyze', '-q', '-o', '-', '/usr/bin/true'],
      options(join(directory.path, 'x')),
    );
    expect([status, stderr]).toEqual([0, '']);
  }, 60_000);
});
