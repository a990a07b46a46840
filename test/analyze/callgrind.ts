import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporaryDirectory } from '../support/callgate.ts';

/**
 * Runs a command under callgrind and gives the vaddrs of all instructions that it executed, by path of the object.
 *
 * Children are not followed. The exit of the command does not matter.
 */
export function executedInstructions(
  command: readonly string[],
  options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Map<string, Set<number>> {
  using directory = temporaryDirectory();
  const log = join(directory.path, 'callgrind.out');
  const flags = ['--tool=callgrind', '--dump-instr=yes', '--compress-strings=no', '--compress-pos=no', '-q'];
  try {
    execFileSync('valgrind', [...flags, `--callgrind-out-file=${log}`, ...command], {
      cwd: directory.path,
      input: options.input ?? '',
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: 120_000,
      env: { ...process.env, ...options.env },
    });
  } catch (error) {
    const { code, status } = error as { code?: string; status?: number | null };
    if (code !== undefined || status == null)
      throw new Error('valgrind (Debian package valgrind)', { cause: error });
  }
  return parse(readFileSync(log, 'latin1'));
}

/** Source: Valgrind's manual, "Callgrind Format Specification". */
function parse(text: string): Map<string, Set<number>> {
  const executed = new Map<string, Set<number>>();
  let current = new Set<number>();
  for (const line of text.split('\n')) {
    if (line.startsWith('ob=')) {
      const path = line.slice(3);
      current = executed.get(path) ?? new Set();
      executed.set(path, current);
    } else if (line.startsWith('0x')) current.add(Number(line.slice(0, line.indexOf(' '))));
  }
  return executed;
}
