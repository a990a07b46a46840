import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runTool } from '../../../elf/testing/program.ts';

/** The openat calls that a command and its children make, as strace prints them; the command may fail. */
export function openedFiles(command: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'callgate-opened-'));
  try {
    const output = join(folder, 'trace');
    runTool('strace', ['-f', '-e', 'trace=openat', '-o', output, ...command], { mayFail: true });
    return readFileSync(output, 'latin1');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
