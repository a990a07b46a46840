import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Compiles a C source of this folder into `directory` and gives the program's path.
 *
 * @throws if there is no compiler or a header or library is missing: these tests are never skipped.
 */
export function compileC(source: string, directory: string, flags: readonly string[]): string {
  const output = join(directory, `${source.replace('.c', '')}${flags.join('')}`);
  const { error, status, stderr } = spawnSync(
    'gcc',
    ['-O1', '-Wall', '-o', output, join(import.meta.dirname, source), ...flags],
    { encoding: 'utf8' },
  );
  if (error !== undefined)
    throw new Error('test needs gcc, gcc-multilib and libseccomp-dev', { cause: error });
  if (status !== 0) {
    throw new Error(
      `test needs gcc, gcc-multilib and libseccomp-dev: gcc ${flags.join(' ')} failed\n${stderr}`,
    );
  }
  return output;
}

/** Runs a program to its end with some input; its standard output. */
export function runProgram(path: string, input: string): Buffer {
  const { error, status, signal, stdout, stderr } = spawnSync(path, [], { input, maxBuffer: 1 << 26 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${path} ended with ${status ?? signal}: ${stderr.toString()}`);
  return stdout;
}
