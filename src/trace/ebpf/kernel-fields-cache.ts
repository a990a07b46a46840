import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../../base/directories.ts';
import { FIELD_NAMES, TRACEPOINTS, type KernelFields } from './kernel-fields.ts';

/** Notes of the running kernel's image, among them its build-id. */
const NOTES = '/sys/kernel/notes';

/** Where to keep what was found, and of which kernel it is. */
export interface CachePlace {
  readonly directory: string;
  /** Identity of the kernel: a build-id as hexadecimal digits. */
  readonly kernel: string;
}

/** Build-id of the running kernel; null where it does not tell. */
export function readKernelBuildId(path: string = NOTES): string | null {
  try {
    return findBuildId(readFileSync(path));
  } catch {
    return null;
  }
}

/** NT_GNU_BUILD_ID among notes. Source: elf(5), "Notes (Nhdr)". */
function findBuildId(notes: Uint8Array): string | null {
  const view = new DataView(notes.buffer, notes.byteOffset, notes.byteLength);
  for (let at = 0; at + 12 <= notes.length;) {
    const [nameSize, size, type] = [0, 4, 8].map((offset) => view.getUint32(at + offset, true));
    const nameAt = at + 12;
    const contentAt = nameAt + align(nameSize as number);
    const content = Buffer.from(notes.subarray(contentAt, contentAt + (size as number)));
    const name = Buffer.from(notes.subarray(nameAt, nameAt + (nameSize as number))).toString('latin1');
    if (type === 3 && name === 'GNU\0' && content.length === size && size >= 8)
      return content.toString('hex');
    at = contentAt + align(size as number);
  }
  return null;
}

function align(size: number): number {
  return (size + 3) & ~3;
}

/**
 * What was found in this kernel's BTF before, null if that is not known. What others than the user of this process could have written
 * counts as not there, and so does what is damaged.
 */
export function loadKernelFields(place: CachePlace): KernelFields | null {
  let fd: number;
  try {
    fd = openSync(pathOf(place), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const { uid, mode } = fstatSync(fd);
    if (uid !== process.geteuid?.() || (mode & 0o22) !== 0 || (mode & constants.S_IFMT) !== constants.S_IFREG)
      return null;
    return decode(readFileSync(fd, 'latin1'), place.kernel);
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

/** Keeps what was found; where that cannot be done it is looked up again the next time. */
export function storeKernelFields(place: CachePlace, fields: KernelFields): void {
  const path = pathOf(place);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeDirectories(place.directory, 0o700);
    writeFileSync(temporary, encode(fields, place.kernel), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, path);
  } catch {
    discard(temporary);
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Of a directory that may not even be looked into.
  }
}

function pathOf({ directory, kernel }: CachePlace): string {
  return join(directory, kernel);
}

/** Every number by name, in one order: a version of callgate that wants others does not take it for its own. */
function flatten({ tracepoints, taskIterator, offset, mtime }: KernelFields): Record<string, number> {
  return {
    ...tracepoints,
    taskIterator,
    ...offset,
    mtimeSeconds: mtime.seconds,
    mtimeNanoseconds: mtime.nanoseconds,
  };
}

function encode(fields: KernelFields, kernel: string): string {
  const text = JSON.stringify(flatten(fields));
  return `${kernel} ${checksum(text)}\n${text}`;
}

function decode(bytes: string, kernel: string): KernelFields | null {
  const end = bytes.indexOf('\n');
  const text = bytes.slice(end + 1);
  if (end === -1 || bytes.slice(0, end) !== `${kernel} ${checksum(text)}`) return null;
  const numbers = JSON.parse(text) as Record<string, number>;
  const take = (name: string): number => {
    const value = numbers[name];
    if (value === undefined) throw new RangeError(`${name} is not there`);
    return value;
  };
  const all = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
    Object.fromEntries(names.map((name) => [name, take(name)])) as Record<Name, number>;
  return {
    tracepoints: all(TRACEPOINTS),
    taskIterator: take('taskIterator'),
    offset: all(FIELD_NAMES),
    mtime: { seconds: take('mtimeSeconds'), nanoseconds: take('mtimeNanoseconds') },
  };
}

/** FNV-1a, 32 bits: enough to notice damage. */
function checksum(text: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return sum;
}
