import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadKernelFields, readKernelBuildId, storeKernelFields } from './kernel-fields-cache.ts';
import { FIELD_NAMES, TRACEPOINTS, type KernelFields } from './kernel-fields.ts';

const KERNEL = 'abf9ec0ec5946600c90641cf5db998472fac410b';

const numbered = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
  Object.fromEntries(names.map((name, index) => [name, index + 7])) as Record<Name, number>;
const FIELDS: KernelFields = {
  tracepoints: numbered(TRACEPOINTS),
  taskIterator: 4711,
  offset: numbered(FIELD_NAMES),
  mtime: { seconds: 3, nanoseconds: 9 },
};

let directory = '';
const place = (kernel = KERNEL): { directory: string; kernel: string } => ({ directory, kernel });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'callgate-fields-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('what is known of a kernel', () => {
  it('is there again as it was, for that kernel alone, and nothing else is left behind', () => {
    storeKernelFields(place(), FIELDS);
    expect(loadKernelFields(place())).toEqual(FIELDS);
    expect(loadKernelFields(place('00'.repeat(20)))).toBeNull();
    expect(readdirSync(directory)).toEqual([KERNEL]);
  });

  it('is not there where nothing can be written', () => {
    const missing = { directory: '/proc/callgate', kernel: KERNEL };
    storeKernelFields(missing, FIELDS);
    expect(loadKernelFields(missing)).toBeNull();
  });

  it.each([
    { name: 'cut off', damage: (bytes: string) => bytes.slice(0, -20) },
    { name: 'with another digit', damage: (bytes: string) => bytes.replace(':7', ':8') },
    { name: 'empty', damage: () => '' },
    { name: 'of another kernel', damage: (bytes: string) => bytes.replace('abf9', 'abf8') },
  ])('does not count when it is damaged: $name', ({ damage }) => {
    storeKernelFields(place(), FIELDS);
    const file = join(directory, KERNEL);
    writeFileSync(file, damage(readFileSync(file, 'latin1')));
    expect(loadKernelFields(place())).toBeNull();
  });

  it('does not count when others may write it, or it is a link', () => {
    storeKernelFields(place(), FIELDS);
    chmodSync(join(directory, KERNEL), 0o620);
    expect(loadKernelFields(place())).toBeNull();
    const other = '11'.repeat(20);
    symlinkSync(join(directory, KERNEL), join(directory, other));
    expect(loadKernelFields(place(other))).toBeNull();
  });
});

describe('the build-id of a kernel', () => {
  const note = (type: number, name: string, content: string): Buffer => {
    const [nameBytes, bytes] = [Buffer.from(`${name}\0`), Buffer.from(content, 'hex')];
    const head = Buffer.alloc(12);
    head.writeUInt32LE(nameBytes.length, 0);
    head.writeUInt32LE(bytes.length, 4);
    head.writeUInt32LE(type, 8);
    const padded = (part: Buffer): Buffer => Buffer.concat([part, Buffer.alloc(-part.length & 3)]);
    return Buffer.concat([head, padded(nameBytes), padded(bytes)]);
  };

  it.each([
    { name: 'alone', notes: [note(3, 'GNU', KERNEL)], want: KERNEL },
    { name: 'after others', notes: [note(6, 'Linux', '010000'), note(3, 'GNU', KERNEL)], want: KERNEL },
    { name: 'missing', notes: [note(6, 'Linux', '01000000')], want: null },
    { name: 'cut off', notes: [note(3, 'GNU', KERNEL).subarray(0, 24)], want: null },
    { name: 'in no notes at all', notes: [], want: null },
  ])('is found: $name', ({ notes, want }) => {
    const file = join(directory, 'notes');
    writeFileSync(file, Buffer.concat(notes));
    expect(readKernelBuildId(file)).toBe(want);
  });

  it('is null where there are no notes', () => {
    expect(readKernelBuildId(join(directory, 'none'))).toBeNull();
  });
});
