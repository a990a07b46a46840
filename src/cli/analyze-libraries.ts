import { E_MACHINE, E_TYPE } from '../elf/constants.ts';
import { filesBelow } from '../analyze/load/files-below.ts';
import { RootFileSystem } from '../analyze/load/root.ts';
import type { RunTimeLibrary } from '../analyze/load/run-time-library.ts';
import { UsageError } from '../base/errors.ts';
import { escapeText } from '../report/escape.ts';
import { placeBelow } from './analyze-target.ts';

const REASON = '--dlopen';

/**
 * The libraries of `--dlopen`: a name is left to be searched, a path stands where that of a program would, and a directory for all shared
 * objects in it and below.
 *
 * @throws UsageError if there is no such file, or no shared object for x86-64 in a directory, or not all of a directory can be gone through
 */
export function openedLibraries(names: readonly string[], directory: string): readonly RunTimeLibrary[] {
  if (names.length === 0) return [];
  const root = new RootFileSystem(directory);
  return names.flatMap((name) => {
    if (!name.includes('/')) return [{ name, reason: REASON, isRequired: true }];
    const path = placeBelow(name, directory);
    if (root.identity(path) !== null) return [{ name: path, reason: REASON, isRequired: true }];
    const { real, failure } = root.lookUp(path);
    if (real === null) {
      const problem = failure === null ? 'no such file' : `cannot be looked at, ${failure}`;
      throw new UsageError(`analyze: ${REASON} ${escapeText(name)}: ${problem}`);
    }
    const { files, problems } = filesBelow(root, path);
    const [problem] = problems;
    if (problem !== undefined)
      throw new UsageError(`analyze: ${REASON} ${escapeText(name)}: ${escapeText(problem)}`);
    const objects = files.filter((file) => isSharedObject(root, file));
    if (objects.length === 0)
      throw new UsageError(`analyze: ${REASON} ${escapeText(name)}: no shared object for x86-64 in it`);
    return objects.map((file) => ({ name: file, reason: REASON, isRequired: true }));
  });
}

function isSharedObject(root: RootFileSystem, file: string): boolean {
  const head = root.readHead(file, HEAD_SIZE);
  if (head === null || head.length < HEAD_SIZE) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  return (
    view.getUint32(0) === ELF_MAGIC &&
    head[4] === CLASS_64 &&
    view.getUint16(16, true) === E_TYPE.ET_DYN &&
    view.getUint16(18, true) === E_MACHINE.EM_X86_64
  );
}

const HEAD_SIZE = 20;
const ELF_MAGIC = 0x7f45_4c46;
const CLASS_64 = 2;
