import { readFile, stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { UsageError } from '../base/errors.ts';
import { escapeText } from '../report/escape.ts';
import { OutputFile } from './output-file.ts';
import { describeReadFailure } from '../base/read-failure.ts';
import { printResult } from './standard-output.ts';

/** A file of any format, as it is. */
export interface ForeignFile {
  readonly bytes: Uint8Array;
  /** Its name for messages; `stdin` for `-`. */
  readonly source: string;
  /** When it was last written; now for stdin. */
  readonly written: Date;
}

/**
 * Reads a file; `-` is stdin.
 *
 * @throws UsageError if it cannot be read
 */
export async function readForeignFile(path: string): Promise<ForeignFile> {
  const source = path === '-' ? 'stdin' : escapeText(path);
  try {
    if (path === '-') return { bytes: await buffer(process.stdin), source, written: new Date() };
    return { bytes: await readFile(path), source, written: (await stat(path)).mtime };
  } catch (error) {
    throw new UsageError(`${source}: cannot be read, ${escapeText(describeReadFailure(error))}`, {
      cause: error,
    });
  }
}

/**
 * Writes a result to a file, which it replaces as a whole, or to stdout for `-`.
 *
 * @throws UsageError if it cannot be written, or if bytes would go to a terminal
 */
export async function writeForeignFile(content: string | Uint8Array, path: string): Promise<void> {
  if (path === '-') {
    if (typeof content !== 'string' && process.stdout.isTTY) {
      throw new UsageError('output: the format is not text and stdout is a terminal (choose a file with -o)');
    }
    await printResult(content);
    return;
  }
  OutputFile.prepare(path).commit(content);
}
