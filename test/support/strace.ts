import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './callgate.ts';

/**
 * What `strace -f` sees a command do: `arch:name` of every call, the reference for our own set.
 *
 * strace announces a change of arch by a line of its own; without one the calls are x86-64.
 */
export function straceNames(
  command: readonly string[],
  options: { input?: string; cwd?: string } = {},
): Set<string> {
  using directory = temporaryDirectory();
  const log = join(directory.path, 'log');
  const { error, status, stderr } = spawnSync('strace', ['-f', '-qq', '-o', log, ...command], {
    encoding: 'utf8',
    timeout: 60_000,
    input: '',
    ...options,
  });
  if (error !== undefined) throw new Error(`strace (Debian package strace): ${error.message}`);
  if (status === null) throw new Error(`strace was killed: ${stderr}`);
  return parseStrace(readFileSync(log, 'utf8'));
}

/** Names in a log of `strace -f -o`; unknown numbers are `arch:NR`. */
export function parseStrace(log: string): Set<string> {
  const names = new Set<string>();
  for (const line of log.split('\n')) {
    const match = /^[0-9]+ +(?:<\.\.\. )?(?:syscall_)?([a-z0-9_]+)(?:\(| resumed)/.exec(line);
    if (match?.[1] === undefined) continue;
    const number = /^0x[0-9a-f]+$/.exec(match[1]) === null ? null : Number(match[1]);
    names.add(`x86_64:${number ?? match[1]}`);
  }
  return names;
}
