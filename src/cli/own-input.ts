import { fstatSync, statSync, type Stats } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { escapeText } from '../report/escape.ts';

/**
 * Refuses a result that would take the place of a file which the command reads: by device and inode, so that another
 * path to it is found out too. `-` is stdin, or stdout. What is no regular file is not replaced and may be both. The inputs are
 * gone through only if there is something to lose.
 *
 * @throws UsageError
 */
export function refuseOwnInput(output: string, inputs: Iterable<string>, option = '-o'): void {
  const target = output === '-' ? undefined : statusOf(output);
  if (target?.isFile() !== true) return;
  for (const input of inputs) {
    const source = statusOf(input);
    if (source === undefined || source.dev !== target.dev || source.ino !== target.ino) continue;
    throw new UsageError(
      `output: ${escapeText(output)} is an input, and would be lost (choose another file with ${option})`,
    );
  }
}

function statusOf(path: string): Stats | undefined {
  try {
    return path === '-' ? fstatSync(0) : statSync(path, { throwIfNoEntry: false });
  } catch {
    // Whoever reads or writes it says what is wrong with it.
    return undefined;
  }
}
