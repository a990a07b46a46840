import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { RootFileSystem } from '../analyze/load/root.ts';
import type { AnalysisTask } from '../analyze/pool/task.ts';
import { UnsupportedError, UsageError } from '../base/errors.ts';
import { escapeText } from '../report/escape.ts';

const EM_X86_64 = 62;

/** The absolute path, below a root, of what is named on the command line: on the machine's own root relative to the working directory. */
export function placeBelow(file: string, root: string): string {
  if (root !== '/') return resolve('/', file);
  return file.startsWith('/') ? resolve(file) : resolve(workingDirectory(escapeText(file)), file);
}

/**
 * The absolute path of a program below a root, once it is clear that it can be analysed.
 *
 * On the machine's own root, names are relative to the working directory; below another one, to that root.
 *
 * @throws UsageError if there is no such file, it cannot be read, or is neither ELF file nor script
 * @throws UnsupportedError if it is for another machine than x86-64
 */
export function findTarget(file: string, root: string): string {
  const name = escapeText(file);
  const path = placeBelow(file, root);
  const host = hostPlace(path, root, file);
  let head: Buffer;
  try {
    if (statSync(host).isDirectory())
      throw new UsageError(`analyze: ${name} is a directory (give a program)`);
    if (!statSync(host).isFile())
      throw new UsageError(`analyze: ${name} is no regular file (give a program)`);
    head = readHead(host);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : String(code);
    throw new UsageError(`analyze: cannot read ${name}, ${reason}`, { cause: error });
  }
  if (head.subarray(0, 2).toString('latin1') === '#!') return path;
  if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) {
    throw new UsageError(`analyze: ${name} is neither an ELF file nor a script`);
  }
  const isLittle = head[5] === 1;
  const machine = isLittle ? head.readUInt16LE(18) : head.readUInt16BE(18);
  if (head[4] !== 2 || !isLittle || machine !== EM_X86_64) {
    throw new UnsupportedError(
      `analyze: ${name} is for machine ${machine}, ${head[4] === 2 ? 64 : 32} bits (x86-64 only)`,
      { feature: 'analysis of other machines' },
    );
  }
  return path;
}

/** Where a file below a root is on the machine: links lead elsewhere there than on the machine's own. */
function hostPlace(path: string, root: string, file: string): string {
  if (root === '/') return path;
  const files = new RootFileSystem(root);
  const host = files.hostPath(path);
  if (host !== null) return host;
  const real = placeBelow(file, '/');
  const isBelow = real.startsWith(`${files.directory}/`);
  const hint = isBelow
    ? `paths are those below it: ${escapeText(real.slice(files.directory.length))}`
    : 'paths are those below it';
  throw new UsageError(
    `analyze: cannot read ${escapeText(file)}, no such file in the root ${escapeText(root)} (${hint})`,
  );
}

/** What a script's interpreter depends on besides its file; null for what is no script, or below another root than the machine's own. */
export function scriptPlaces(path: string, root: string): AnalysisTask['script'] {
  if (root !== '/' || readHead(path).subarray(0, 2).toString('latin1') !== '#!') return null;
  return {
    workingDirectory: workingDirectory(escapeText(path)),
    searchPath: (process.env['PATH'] ?? '/bin:/usr/bin').split(':'),
  };
}

function workingDirectory(name: string): string {
  try {
    return process.cwd();
  } catch (error) {
    throw new UsageError(`analyze: cannot read ${name}, the working directory was removed`, { cause: error });
  }
}

function readHead(path: string): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(20);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(descriptor);
  }
}
