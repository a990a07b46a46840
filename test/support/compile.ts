import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Compiles a C program and returns its path, in a directory that the system cleans up.
 *
 * @throws Error with the compiler's words: a missing compiler is a failure and no reason to skip
 */
export function compile(source: string, flags: readonly string[] = []): string {
  const directory = mkdtempSync(join(tmpdir(), 'callgate-c-'));
  const file = join(directory, 'program.c');
  const program = join(directory, 'program');
  writeFileSync(file, source);
  const { status, stderr, error } = spawnSync('gcc', ['-O1', '-w', '-o', program, file, ...flags], {
    encoding: 'utf8',
  });
  if (error !== undefined || status !== 0) {
    throw new Error(
      `gcc ${flags.join(' ')} failed (Debian packages gcc, gcc-multilib): ${error?.message ?? stderr}`,
    );
  }
  return program;
}
